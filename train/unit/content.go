package unit

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Sealed is the job with every unit's inputs named by content, and the units' identities on a platform: the form in
// which units leave this machine. Files are read once each.
func (j *Job) Sealed(p Platform) ([]Unit, []ID, error) {
	if err := j.check(nil); err != nil {
		return nil, nil, err
	}
	digests := map[string]string{} // by path
	byName := map[string]ID{}
	units, ids := make([]Unit, len(j.Units)), make([]ID, len(j.Units))
	for i, u := range j.Units {
		inputs := make(Inputs, len(u.Inputs))
		for name, in := range u.Inputs {
			if err := in.seal(name, digests, byName); err != nil {
				return nil, nil, fmt.Errorf("unit %s: input %s: %w", u.Name, name, err)
			}
			inputs[name] = in
		}
		u.Inputs = inputs
		units[i], ids[i] = u, u.ID(p)
		byName[u.Name] = ids[i]
	}
	return units, ids, nil
}

func (in *Input) seal(name string, digests map[string]string, byName map[string]ID) error {
	if in.As == "" {
		in.As = strings.ReplaceAll(name, "/", "_")
		switch {
		case in.Path != "":
			in.As = filepath.Base(in.Path)
		case in.From != "":
			in.As = filepath.Base(filepath.FromSlash(in.Output))
		}
	}
	switch {
	case in.From != "":
		in.Unit = byName[in.From]
		return nil
	case in.Data != nil:
		sum := sha256.Sum256(in.Data)
		in.Digest = hex.EncodeToString(sum[:])
		return nil
	}
	info, err := os.Stat(in.Path)
	if err != nil {
		return err
	}
	in.Folder = info.IsDir()
	if d, ok := digests[in.Path]; ok {
		in.Digest = d
		return nil
	}
	in.Digest, err = Digest(in.Path)
	digests[in.Path] = in.Digest
	return err
}

// Digest is the SHA-256 of a file's content, or of a folder's as Pack writes it, in hexadecimal digits.
func Digest(path string) (string, error) {
	h := sha256.New()
	if err := WriteContent(h, path); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// WriteContent writes what Digest hashes: a file's bytes, or a folder as Pack writes it.
func WriteContent(w io.Writer, path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return Pack(w, path, nil)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is neither a file nor a folder", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// Pack writes the regular files below a folder as a tar archive that depends on their names and contents alone: those
// of first in that order, then the others by name. Half-written files, whose names begin with a dot, are left out. A
// file that vanishes meanwhile is left out too: checkpoints are replaced while a unit is under way.
func Pack(w io.Writer, dir string, first []string) error {
	names := slices.Clone(first)
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && path != dir:
			return nil
		case err != nil:
			return err
		case strings.HasPrefix(e.Name(), ".") && path != dir:
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		case !e.Type().IsRegular():
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		if rel = filepath.ToSlash(rel); err == nil && !slices.Contains(first, rel) {
			names = append(names, rel)
		}
		return err
	})
	if err != nil {
		return err
	}
	t := tar.NewWriter(w)
	for _, name := range names {
		if err := packFile(t, dir, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("pack %s: %w", name, err)
		}
	}
	return t.Close()
}

// packFile adds one file as it is when it is opened: what is appended meanwhile is not taken.
func packFile(t *tar.Writer, dir, name string) error {
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: info.Size(),
		Format: tar.FormatPAX,
	}); err != nil {
		return err
	}
	_, err = io.CopyN(t, f, info.Size())
	return err
}

// Unpack writes the files of an archive of Pack below a folder. Names that lead out of it, and anything but files, are
// errors.
func Unpack(r io.Reader, dir string) error {
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("unpack: %w", err)
		}
		if h.Typeflag != tar.TypeReg || !local(h.Name) {
			return fmt.Errorf("unpack: %q is no file below the folder", h.Name)
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := writeFrom(path, t); err != nil {
			return err
		}
	}
}

func writeFrom(path string, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
