package zarr

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// row-major index in the array.
func (a *Array) each(visit func(chunk []byte, at, i int)) error {
	if a.Len() == 0 {
		return nil
	}
	dims := len(a.Shape)
	bytes := a.size
	for _, c := range a.chunks {
		bytes *= c
	}
	place := make([]int, dims) // of the chunk in the grid
	for {
		chunk, err := a.chunk(place, bytes)
		if err != nil {
			return err
		}
		a.visitChunk(chunk, place, visit)
		d := dims - 1
		for ; d >= 0; d-- {
			if place[d]++; place[d]*a.chunks[d] < a.Shape[d] {
				break
			}
			place[d] = 0
		}
		if d < 0 {
			return nil
		}
	}
}

// visitChunk visits the elements of one chunk that are in the array.
func (a *Array) visitChunk(chunk []byte, place []int, visit func(chunk []byte, at, i int)) {
	dims := len(a.Shape)
	in := make([]int, dims) // index within the chunk
	for {
		at, i := 0, 0
		for d := range dims {
			at = at*a.chunks[d] + in[d]
			i = i*a.Shape[d] + place[d]*a.chunks[d] + in[d]
		}
		last := dims - 1
		for k := range min(a.chunks[last], a.Shape[last]-place[last]*a.chunks[last]) {
			visit(chunk, at+k, i+k)
		}
		d := last - 1
		for ; d >= 0; d-- {
			if in[d]++; in[d] < a.chunks[d] && place[d]*a.chunks[d]+in[d] < a.Shape[d] {
				break
			}
			in[d] = 0
		}
		if d < 0 {
			return
		}
	}
}

// missing notes a chunk that is not there. A writer may leave out chunks that hold nothing but the fill value; beside a
// file that has the chunk's name and more, a copy was interrupted.
func (a *Array) missing(name string) error {
	entries, err := os.ReadDir(a.Path)
	if err != nil {
		return fmt.Errorf("zarr: %w", err)
	}
	for _, e := range entries {
		if rest, ok := strings.CutPrefix(strings.TrimPrefix(e.Name(), "."), name); ok && rest != "" && !e.IsDir() &&
			strings.Trim(rest, "0123456789"+a.separator) != "" {
			return malformed("%s: chunk %s is missing, and there is %s: the copy was interrupted", a.Path, name, e.Name())
		}
	}
	if !slices.Contains(a.Missing, name) {
		a.Missing = append(a.Missing, name)
	}
	return nil
}

// chunk reads and decompresses a chunk; nil where there is none.
func (a *Array) chunk(place []int, bytes int) ([]byte, error) {
	names := make([]string, len(place))
	for i, p := range place {
		names[i] = strconv.Itoa(p)
	}
	name := strings.Join(names, a.separator)
	file := filepath.Join(a.Path, filepath.FromSlash(name))
	b, err := readFile(file, int64(bytes)+int64(bytes)/8+4096)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, a.missing(name)
	}
	if err != nil {
		return nil, err
	}
	if b, err = a.compressor.decode(b, bytes); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return b, nil
}
