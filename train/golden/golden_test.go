package golden

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"hash"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/cpu"

	"korr/internal/tensorfile"
	"korr/residual"
)

var (
	update = flag.Bool("update", false, "write testdata/*.json anew")
	long   = flag.Bool("long", false, "play 40 episodes of every shipped policy, too")
)

// sum hashes the bits of float32 numbers.
type sum struct{ h hash.Hash }

func newSum() sum { return sum{sha256.New()} }

func (s sum) add(values ...[]float32) {
	var word [4]byte
	for _, vs := range values {
		binary.LittleEndian.PutUint32(word[:], uint32(len(vs)))
		s.h.Write(word[:])
		for _, v := range vs {
			binary.LittleEndian.PutUint32(word[:], math.Float32bits(v))
			s.h.Write(word[:])
		}
	}
}

func (s sum) text() string { return hex.EncodeToString(s.h.Sum(nil)[:12]) }

// tensors hashes a file's tensors by name. Its metadata may change its form.
func tensors(f *tensorfile.File) string {
	s := newSum()
	byName := slices.Clone(f.Tensors)
	slices.SortFunc(byName, func(a, b tensorfile.Tensor) int { return strings.Compare(a.Name, b.Name) })
	for _, t := range byName {
		s.h.Write([]byte(t.Name))
		s.add(t.F32)
	}
	return s.text()
}

var writing sync.Mutex

// check compares got with what testdata/file.json has under key, or writes it there.
func check(t *testing.T, file, key, got string) {
	t.Helper()
	writing.Lock()
	defer writing.Unlock()
	path := filepath.Join("testdata", file+".json")
	want := map[string]string{}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &want)
	}
	if err != nil && !(*update && errors.Is(err, fs.ErrNotExist)) {
		t.Fatal(err)
	}
	if !*update {
		if want[key] != got {
			t.Errorf("%s: %s, pinned is %s: if that is meant, write the files anew (-update) and say why", key, got, want[key])
		}
		return
	}
	want[key] = got
	if text, err = json.MarshalIndent(want, "", "  "); err == nil {
		err = os.WriteFile(path, append(text, '\n'), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// reproducible skips a test where rounding differs from where the hashes were made.
func reproducible(t *testing.T) {
	t.Helper()
	if runtime.GOARCH != "amd64" || !cpu.X86.HasAVX2 || !cpu.X86.HasFMA {
		t.Skip("the hashes are those of a processor with AVX2 and FMA")
	}
}

// policies are those of testdata/policies by name, without the ones that are there to be refused.
func policies(t *testing.T) map[string]*residual.Policy {
	t.Helper()
	out := map[string]*residual.Policy{}
	paths, err := filepath.Glob("testdata/policies/*.safetensors")
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d policies: %v", len(paths), err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".safetensors")
		if strings.HasPrefix(name, "old_") {
			continue
		}
		if out[name], err = residual.Load(path, nil); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// sorted are the names of policies.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
