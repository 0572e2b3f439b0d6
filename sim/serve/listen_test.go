package serve

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestListen(t *testing.T) {
	for _, bad := range []string{"", "unix:", "tcp:", "tcp:9000", "http://x", "/tmp/x", "tcp:localhost:"} {
		if l, err := Listen(bad); err == nil {
			t.Errorf("%q: listens on %v", bad, l.Addr())
		}
	}
	l, err := Listen("tcp::0")
	if err != nil {
		t.Fatal(err)
	}
	if !l.Addr().(*net.TCPAddr).IP.IsLoopback() || !Loopback(l) {
		t.Errorf("without a host: bound to %v", l.Addr())
	}
	_ = l.Close()
	path := filepath.Join(t.TempDir(), "s.sock")
	if l, err = Listen("unix:" + path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket has mode %v (%v), want 0600", info.Mode(), err)
	}
	if again, err := Listen("unix:" + path); err == nil {
		_ = again.Close()
		t.Error("took the socket of a server that listens")
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
	if l, err = Listen("unix:" + path); err != nil {
		t.Fatalf("a dead server's socket: %v", err)
	}
	_ = l.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := Listen("unix:" + file); err == nil {
		_ = l.Close()
		t.Error("listens on a file")
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "data" {
		t.Errorf("the file is %q (%v)", b, err)
	}
}
