package queue

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"korr/internal/atomicfile"
	"korr/internal/regular"
	"korr/internal/usage"
)

// JoinName is the file, in a server's folder, by which others join it.
const JoinName = "join.json"

// Embedded names the server that a command runs for itself; DefaultDir is its folder.
const (
	Embedded   = "embedded"
	DefaultDir = "runs/queue"
)

// Join is how a server is reached: the content of join.json, which only its owner may read.
type Join struct {
	URL   string `json:"url"`             // nats://HOST:PORT or tls://HOST:PORT
	Token string `json:"token,omitempty"` // that the server asks for
	CA    string `json:"ca,omitempty"`    // PEM of the certificate that signs the server's; empty: the system's
}

// EmbeddedDir is the folder of an address that asks for an embedded server, "embedded" or "embedded:DIR".
func EmbeddedDir(address string) (dir string, embedded bool) {
	if address == Embedded {
		return DefaultDir, true
	}
	return strings.CutPrefix(address, Embedded+":")
}

// ParseAddress reads where a server is: a URL, which may hold a token or a user and a password, the path of a
// join.json, or the folder that holds one.
func ParseAddress(address string) (Join, error) {
	if address == "" {
		return Join{}, usage.Errorf("a queue's address is missing: a URL (nats://HOST:PORT, tls://HOST:PORT), or the file "+
			"%s that korr queue serve wrote", JoinName)
	}
	j := Join{URL: address}
	if !strings.Contains(address, "://") {
		var err error
		if j, err = readJoin(address); err != nil {
			return Join{}, err
		}
	}
	return j, j.check()
}

func readJoin(path string) (j Join, err error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, JoinName)
	}
	text, err := regular.Read(path, regular.Text)
	if errors.Is(err, fs.ErrNotExist) {
		return j, usage.Errorf("%s: no such file: no queue serves there (korr queue serve --dir %s begins one)", path,
			filepath.Dir(path))
	}
	if err == nil {
		err = json.Unmarshal(text, &j)
	}
	if err != nil {
		return j, usage.Errorf("%s: %v: want the file that korr queue serve wrote", path, err)
	}
	return j, nil
}

// write keeps the join file where its owner alone reads it.
func (j *Join) write(dir string) error {
	text, err := json.MarshalIndent(j, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.WritePrivate(filepath.Join(dir, JoinName), append(text, '\n'))
}

// check refuses to send tokens and results in the clear beyond this machine.
func (j *Join) check() error {
	u, err := url.Parse(j.URL)
	if err != nil || u.Host == "" {
		return usage.Errorf("queue %q: want nats://HOST:PORT or tls://HOST:PORT", j.URL)
	}
	switch u.Scheme {
	case "tls":
	case "nats":
		if !Loopback(u.Host) {
			return usage.Errorf("queue %s: beyond this machine a queue is reached by tls://, not nats://: its token and its "+
				"results would be readable on the way", u.Host)
		}
	default:
		return usage.Errorf("queue %q: want nats://HOST:PORT or tls://HOST:PORT", j.URL)
	}
	if u.User == nil && j.Token == "" && !Loopback(u.Host) {
		return usage.Errorf("queue %s: the token is missing: tls://TOKEN@HOST:PORT, or the file %s of the server's folder",
			u.Host, JoinName)
	}
	return nil
}

// Host is where the server is, without secrets.
func (j *Join) Host() string {
	u, err := url.Parse(j.URL)
	if err != nil {
		return "?"
	}
	return u.Host
}

// Loopback reports whether HOST or HOST:PORT is this machine, by a loopback address or as localhost.
func Loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}

// String hides the secrets from whoever prints a Join.
func (j Join) String() string { return fmt.Sprintf("queue at %s", j.Host()) }
