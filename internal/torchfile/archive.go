package torchfile

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"path"
	"strings"

	"korr/internal/regular"
)

// MaxFileBytes bounds the size of a file (4 GiB).
const MaxFileBytes = 4 << 30

// maxEntries bounds the entries of an archive.
const maxEntries = 1 << 20

// viewed is how often the tensors may view the bytes of the file.
const viewed = 8

// Read reads the object that torch.save wrote to path. The error wraps ErrMalformed or ErrGlobal for bad content.
func Read(path string) (any, error) {
	b, err := regular.Read(path, MaxFileBytes)
	switch {
	case errors.Is(err, regular.ErrSize), errors.Is(err, regular.ErrKind):
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	case err != nil:
		return nil, fmt.Errorf("torchfile: read: %w", err)
	}
	v, err := Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

// Decode reads the object in the bytes of a file. The result shares them.
func Decode(b []byte) (any, error) {
	entries, err := unzip(b)
	if err != nil {
		return nil, err
	}
	if order, ok := entries["byteorder"]; ok && string(order) != "little" {
		return nil, malformed("byte order %.20q, want little", order)
	}
	pickle, ok := entries["data.pkl"]
	if !ok {
		return nil, malformed("the archive has no data.pkl: it is not of torch.save (TorchScript archives are not read)")
	}
	if len(pickle) > MaxPickleBytes {
		return nil, malformed("data.pkl has %d bytes, at most %d", len(pickle), MaxPickleBytes)
	}
	storages := map[string]*storage{}
	m := &machine{b: pickle, elements: int64(len(b)) * viewed, persistent: func(id any) (any, error) {
		return load(entries, storages, id)
	}}
	return m.run()
}

// load resolves ("storage", class, key, location, elements).
func load(entries map[string][]byte, known map[string]*storage, id any) (any, error) {
	t, ok := id.(Tuple)
	if !ok || len(t) < 5 || t[0] != any("storage") {
		return nil, malformed("a persistent identifier is a %T", id)
	}
	class, okClass := t[1].(Class)
	key, okKey := t[2].(string)
	count, okCount := t[4].(int64)
	dtype, okType := storageTypes[strings.TrimPrefix(string(class), "torch.")]
	if !okClass || !okKey || !okCount || !okType || count < 0 {
		return nil, malformed("a storage of %T %v, key %T, %T elements", t[1], class, t[2], t[4])
	}
	data, ok := entries["data/"+key]
	if !ok {
		return nil, malformed("storage %.50q is not in the archive (truncated?)", key)
	}
	if size := int64(dtypes[dtype].size); count > int64(len(data)) || count*size != int64(len(data)) {
		return nil, malformed("storage %.50q has %d bytes, declared are %d elements of %s", key, len(data), count, dtype)
	}
	if s, ok := known[key]; ok {
		if s.dtype != dtype {
			return nil, malformed("storage %.50q is %s and %s", key, s.dtype, dtype)
		}
		return s, nil
	}
	s := &storage{dtype, data}
	known[key] = s
	return s, nil
}

// otherArchive names what else a zip archive may be.
func otherArchive(files []*zip.File) error {
	for _, f := range files {
		_, name, _ := strings.Cut(f.Name, "/")
		switch {
		case strings.HasPrefix(name, "code/") || name == "constants.pkl":
			return malformed("this is a TorchScript archive, which holds a program: load it in PyTorch and save its weights, " +
				"torch.save(model.state_dict(), FILE)")
		case f.Name == ".zgroup" || name == ".zgroup":
			return malformed("this is a zarr store in a zip archive: unpack it (unzip FILE -d NAME.zarr) and import the folder")
		}
	}
	return nil
}

// unzip returns the entries of the one folder in the archive, by their names in it, in place.
func unzip(b []byte) (map[string][]byte, error) {
	if bytes.HasPrefix(b, []byte("\x80\x02\x8a\nl\xfc\x9cF\xf9")) {
		return nil, malformed("this is the format of PyTorch before 1.6: load and save it again with a newer one")
	}
	r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		if errors.Is(err, zip.ErrInsecurePath) {
			return nil, malformed("an entry's name leads out of the archive")
		}
		return nil, malformed("%d bytes are no zip archive, or a truncated one: %v", len(b), err)
	}
	if len(r.File) > maxEntries {
		return nil, malformed("%d entries, at most %d", len(r.File), maxEntries)
	}
	if err := otherArchive(r.File); err != nil {
		return nil, err
	}
	entries, folder, total := map[string][]byte{}, "", uint64(0)
	for _, f := range r.File {
		root, name, ok := strings.Cut(f.Name, "/")
		if !ok || root == "" || folder != "" && root != folder || path.Clean(f.Name) != f.Name ||
			strings.ContainsAny(f.Name, "\\\x00") || root == ".." {
			return nil, malformed("entry %.100q does not lie in the archive's one folder", f.Name)
		}
		folder = root
		if _, twice := entries[name]; twice {
			return nil, malformed("entry %.100q appears twice", f.Name)
		}
		total += f.UncompressedSize64
		if f.Method != zip.Store || f.Flags&1 != 0 || f.UncompressedSize64 != f.CompressedSize64 ||
			f.UncompressedSize64 > uint64(len(b)) || total > uint64(len(b)) {
			return nil, malformed("entry %.100q is compressed, encrypted or larger than the file: torch.save does none of that",
				f.Name)
		}
		at, err := f.DataOffset()
		if err != nil || at < 0 || uint64(at) > uint64(len(b))-f.UncompressedSize64 {
			return nil, malformed("entry %.100q lies outside the file: %v", f.Name, err)
		}
		data := b[at : at+int64(f.UncompressedSize64) : at+int64(f.UncompressedSize64)]
		if f.CRC32 != 0 && crc32.ChecksumIEEE(data) != f.CRC32 { // PyTorch may leave it out
			return nil, malformed("entry %.100q does not have its checksum: the file is damaged", f.Name)
		}
		entries[name] = data
	}
	return entries, nil
}
