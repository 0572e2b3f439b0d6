package serve

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// splitAddress reads "unix:/path" or "tcp:host:port"; an empty host is the loopback interface.
func splitAddress(address string) (network, at string, err error) {
	network, at, _ = strings.Cut(address, ":")
	switch {
	case network == "unix" && at != "":
		return network, at, nil
	case network == "tcp":
		host, port, err := net.SplitHostPort(at)
		if err == nil && port != "" {
			if host == "" {
				host = "127.0.0.1"
			}
			return network, net.JoinHostPort(host, port), nil
		}
	}
	return "", "", fmt.Errorf("address %q: use unix:/path/of/socket or tcp:host:port", address)
}

// Listen opens "unix:/path", readable and writable by the user alone, or "tcp:host:port"; without a host TCP is bound
// to
// 127.0.0.1. A socket that a dead server left behind is replaced, a live one's is not.
func Listen(address string) (net.Listener, error) {
	network, at, err := splitAddress(address)
	if err != nil {
		return nil, err
	}
	if network == "unix" {
		if err := removeDead(at); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen(network, at)
	if err != nil {
		return nil, err
	}
	if network == "unix" {
		if err := os.Chmod(at, 0o600); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return l, nil
}

// removeDead removes a socket that nobody listens on.
func removeDead(path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return nil // nothing there, or net.Listen says what is wrong with it
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = c.Close()
		return fmt.Errorf("%s: a server is already listening there", path)
	}
	return os.Remove(path)
}

// Loopback reports whether only this machine reaches the listener.
func Loopback(l net.Listener) bool {
	a, ok := l.Addr().(*net.TCPAddr)
	return !ok || a.IP.IsLoopback()
}

// Address is the listener's address as Dial and the clients take it.
func Address(l net.Listener) string { return l.Addr().Network() + ":" + l.Addr().String() }
