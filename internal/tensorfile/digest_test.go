package tensorfile

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"korr/internal/regular"
)

// TestEveryFlippedBitIsRefused: also one in the digest, in its names, in the header's length and in the metadata.
func TestEveryFlippedBitIsRefused(t *testing.T) {
	for _, f := range []*File{sample(), {}, {Meta: map[string]string{"a": "1"}, Tensors: []Tensor{{
		Name:  "w",
		Shape: []int{1}, F32: []float32{0},
	}}}} {
		whole, err := f.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Decode(whole); err != nil || len(got.Digest) != 64 || len(got.Meta) != len(f.Meta) {
			t.Fatalf("the whole file: %+v, %v", got, err)
		}
		for i := range whole {
			for bit := range 8 {
				whole[i] ^= 1 << bit
				if got, err := Decode(whole); !errors.Is(err, ErrMalformed) {
					t.Errorf("bit %d of byte %d (%q): accepted as %+v, %v", bit, i, whole[i], got, err)
				}
				whole[i] ^= 1 << bit
			}
		}
	}
}

// TestDamageIsRefused: zeroed, swapped and overwritten stretches.
func TestDamageIsRefused(t *testing.T) {
	f := &File{Meta: map[string]string{"task": "one_leg"}}
	rng := rand.New(rand.NewPCG(1, 2))
	data := make([]float32, 5000)
	for i := range data {
		data[i] = rng.Float32()
	}
	f.Add("w", data)
	whole, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for range 300 {
		b := bytes.Clone(whole)
		at, n := rng.IntN(len(b)-600), 1+rng.IntN(512)
		switch rng.IntN(3) {
		case 0:
			clear(b[at : at+n])
		case 1:
			copy(b[at:at+n], whole[rng.IntN(len(b)-600):])
		case 2:
			b = append(b[:at], b[at+n:]...)
		}
		if bytes.Equal(b, whole) {
			continue
		}
		if _, err := Decode(b); !errors.Is(err, ErrMalformed) {
			t.Fatalf("damage of %d bytes at %d: %v", n, at, err)
		}
	}
}

// TestFilesWithoutDigest: those of other writers are read, whatever they call their metadata; a copy of what was read
// has a digest.
func TestFilesWithoutDigest(t *testing.T) {
	for _, meta := range []string{
		``, `"__metadata__":{},`, `"__metadata__":{"sha256":"of something else"},`,
		`"__metadata__":{"task":"x"},`,
	} {
		f, err := Decode(raw(`{`+meta+`"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 7))
		if err != nil || f.Digest != "" {
			t.Errorf("%s: %v", meta, err)
			continue
		}
		again, err := f.Encode()
		if err != nil {
			t.Error(err)
			continue
		}
		g, err := Decode(again)
		if err != nil || g.Digest == "" {
			t.Errorf("%s: the copy: %v", meta, err)
		}
	}
	for _, meta := range []string{
		`{"digest":"sha256 of the file with zeros in its place"}`,
		`{"digest":"something else","sha256":"` + zeros + `"}`,
		`{"digest":"sha256 of the file with zeros in its place","sha256":"12"}`,
	} {
		if _, err := Decode(raw(`{"__metadata__":` + meta + `}`)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", meta, err)
		}
	}
}

func TestDigestIsOfTheContent(t *testing.T) {
	a, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	b, err := sample().Encode()
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("equal content gives other bytes, %v", err)
	}
	f, err := Decode(a)
	if err != nil {
		t.Fatal(err)
	}
	if want := sample().Meta; !reflect.DeepEqual(f.Meta, want) {
		t.Errorf("metadata %v, want %v", f.Meta, want)
	}
	if c, err := f.Encode(); err != nil || !bytes.Equal(a, c) {
		t.Errorf("a copy has other bytes, %v", err)
	}
	f.Meta["sha256"] = "mine" // reserved: the digest takes its place
	if c, err := f.Encode(); err != nil || !bytes.Equal(a, c) {
		t.Errorf("a reserved key changed the file, %v", err)
	}
	f.Meta["trick"] = `","sha256":"` + zeros + `","x":"`
	if c, err := f.Encode(); err != nil || strings.Count(string(c), zeros) != 1 {
		t.Errorf("%v", err)
	}
}

// TestSpecialFilesAreRefused: at once, without reading.
func TestSpecialFilesAreRefused(t *testing.T) {
	pipe, large := filepath.Join(t.TempDir(), "pipe"), filepath.Join(t.TempDir(), "large")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, MaxFileBytes+1); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{pipe: regular.ErrKind, "/dev/zero": regular.ErrKind, large: ErrMalformed} {
		if _, err := Read(path); !errors.Is(err, want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
