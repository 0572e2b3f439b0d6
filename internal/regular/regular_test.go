package regular

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestOnlyRegularFiles(t *testing.T) {
	dir := t.TempDir()
	pipe, socket := filepath.Join(dir, "pipe"), filepath.Join(dir, "socket")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(pipe, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, pipe, link, "/dev/zero", "/dev/null"} {
		if _, err := Read(path, 100); !errors.Is(err, ErrKind) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := Read(socket, 100); err == nil { // the system refuses
		t.Error("a socket was read")
	}
	if _, err := Read(filepath.Join(dir, "none"), 100); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestReadsUpToTheLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, n := range []int{0, 1, 99, 100} {
		want := bytes.Repeat([]byte{7}, n)
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Read(path, 100); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %d, %v", n, len(got), err)
		}
	}
	if err := os.Truncate(path, 1<<40); err != nil { // holds no disk space
		t.Fatal(err)
	}
	if _, err := Read(path, 100); !errors.Is(err, ErrSize) {
		t.Errorf("a file of a terabyte: %v", err)
	}
	if b, err := Read("/proc/self/status", 1<<20); err == nil && len(b) == 0 { // tells a size of 0
		t.Error("nothing was read of a file that does not tell its size")
	}
}
