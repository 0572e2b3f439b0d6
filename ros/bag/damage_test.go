package bag

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestEveryFlippedByteIsFound: in any byte of a bag, whatever it says.
func TestEveryFlippedByteIsFound(t *testing.T) {
	for _, kind := range []string{None, LZ4} {
		path, _ := sample(t, WriterOptions{Compression: kind, ChunkBytes: 300}, 14)
		b := readFile(t, path)
		for i := range b {
			if i > 100 && i < bagHeaderSize-16 && i%97 != 0 { // mostly padding
				continue
			}
			mask := byte(1 << (i % 8))
			b[i] ^= mask
			_, _, err := all(b, Options{})
			b[i] ^= mask
			var fe *FormatError
			if !errors.As(err, &fe) {
				t.Fatalf("%s: byte %d of %d changed by %#02x and not noticed (%v)", kind, i, len(b), mask, err)
			}
			if fe.Offset < 0 || fe.Offset > int64(len(b)) {
				t.Fatalf("%s: byte %d changed and found at %d", kind, i, fe.Offset)
			}
		}
	}
}

// TestEveryTruncation: refused at any length, and recovered up to the last whole message.
func TestEveryTruncation(t *testing.T) {
	for _, kind := range []string{None, LZ4} {
		path, want := sample(t, WriterOptions{Compression: kind, ChunkBytes: 300}, 14)
		b := readFile(t, path)
		most := 0
		for n := range b {
			if n > 100 && n < bagHeaderSize && n%97 != 0 {
				continue
			}
			_, _, err := all(b[:n], Options{})
			var fe *FormatError
			if !errors.As(err, &fe) || fe.Offset > int64(n) {
				t.Fatalf("%s: %d of %d bytes: %v", kind, n, len(b), err)
			}
			got, r, err := all(b[:n], Options{Recover: true})
			if err != nil {
				if n >= bagHeaderSize+len(magic) {
					t.Fatalf("%s: %d of %d bytes not recovered: %v", kind, n, len(b), err)
				}
				continue
			}
			if len(got) < most || len(got) > len(want) || !slices.Equal(got, want[:len(got)]) {
				t.Fatalf("%s: %d of %d bytes: recovered %d messages after %d, or others", kind, n, len(b), len(got), most)
			}
			if most = len(got); r.Damage() == nil && most < len(want) && n != len(magic)+bagHeaderSize && !atBoundary(b, n) {
				t.Fatalf("%s: %d of %d bytes: %d of %d messages and no damage told", kind, n, len(b), most, len(want))
			}
		}
		if most != len(want) {
			t.Errorf("%s: without its last byte %d of %d messages", kind, most, len(want))
		}
	}
}

// atBoundary reports whether a bag cut at n ends with a whole record, where no damage can be seen.
func atBoundary(b []byte, n int) bool {
	at := len(magic)
	for at < n {
		_, _, size, err := parseRecord(b[at:])
		if err != nil {
			return false
		}
		at += size
	}
	return at == n
}

func TestRecoverStopsAtTheDamage(t *testing.T) {
	path, want := sample(t, WriterOptions{ChunkBytes: 300}, 14)
	b := readFile(t, path)
	second := bytes.LastIndex(b, []byte("compression=lz4"))
	b[second+80] ^= 4
	got, r, err := all(b, Options{Recover: true})
	var fe *FormatError
	if err != nil || !errors.As(r.Damage(), &fe) || len(got) == 0 || len(got) == len(want) ||
		!slices.Equal(got, want[:len(got)]) {
		t.Errorf("%d of %d messages, damage %v, %v", len(got), len(want), r.Damage(), err)
	}
}

func TestUnclosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.bag")
	w, err := Create(path, WriterOptions{ChunkBytes: 500})
	if err != nil {
		t.Fatal(err)
	}
	want := fill(t, w, 50)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the final name is there before Close: %v", err)
	}
	_, err = Open(path+activeSuffix, Options{})
	if !errors.Is(err, ErrUnclosed) || !strings.Contains(err.Error(), "reindex") || !strings.Contains(err.Error(),
		"--recover") {
		t.Errorf("an unclosed bag: %v", err)
	}
	got, r, err := all(readFile(t, path+activeSuffix), Options{Recover: true})
	if err != nil || r.Damage() != nil || !slices.Equal(got, want) {
		t.Errorf("recovered %d of %d messages, damage %v, %v", len(got), len(want), r.Damage(), err)
	}
	if err := w.Abort(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 0 {
		t.Errorf("Abort left %v", left)
	}
	if err := w.Close(); err == nil {
		t.Error("Close after Abort")
	}
}
