package queue

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAddresses(t *testing.T) {
	for _, c := range []struct{ address, want string }{
		{"nats://127.0.0.1:4222", ""},
		{"nats://localhost:4222", ""},
		{"tls://secret@lab:4222", ""},
		{"tls://user:secret@lab:4222", ""},
		{"", "missing"},
		{"nats://lab:4222", "tls://"},
		{"nats://secret@10.0.0.1:4222", "tls://"},
		{"tls://lab:4222", "token is missing"},
		{"http://lab:4222", "want nats://"},
		{"nowhere", "no queue serves there"},
	} {
		_, err := ParseAddress(c.address)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", c.address, err)
		}
	}
	for address, dir := range map[string]string{"embedded": DefaultDir, "embedded:/x": "/x"} {
		if got, ok := EmbeddedDir(address); !ok || got != dir {
			t.Errorf("%s: %q, %t", address, got, ok)
		}
	}
	if _, ok := EmbeddedDir("nats://x"); ok {
		t.Error("a URL is no embedded server")
	}
}

// TestBeyondLoopback: a server that others reach asks for its token, encrypts, and is believed by its own certificate
// alone; its secrets are its owner's.
func TestBeyondLoopback(t *testing.T) {
	dir := t.TempDir()
	s, err := Serve(t.Context(), Settings{Dir: dir, Listen: "0.0.0.0:0", Host: "127.0.0.1", Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !strings.HasPrefix(s.Join.URL, "tls://127.0.0.1:") || s.Join.Token == "" || s.Join.CA == "" {
		t.Fatalf("%+v", s.Join)
	}
	for _, name := range []string{JoinName, keyName} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	st, err := Connect(t.Context(), dir, quiet(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if !st.nc.TLSRequired() {
		t.Error("the connection is in the clear")
	}
	st.Close()
	for want, change := range map[string]func(*Join){
		"refused":     func(j *Join) { j.Token = "guess" },
		"certificate": func(j *Join) { j.CA = otherCA(t) },
	} {
		j := s.Join
		change(&j)
		if _, err := Dial(t.Context(), j, quiet(), 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if strings.Contains(s.Join.String(), s.Join.Token) {
		t.Error("the token is printed")
	}
}

// otherCA is the certificate of somebody else.
func otherCA(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cert := filepath.Join(dir, "c")
	if err := ownCertificate(cert, filepath.Join(dir, "k"), "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestLoopbackNeedsATokenToo: other users of this machine are not let in.
func TestLoopbackNeedsATokenToo(t *testing.T) {
	s := serve(t, t.TempDir())
	j := s.Join
	j.Token = ""
	if _, err := Dial(t.Context(), j, quiet(), 0); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("without a token: %v", err)
	}
}
