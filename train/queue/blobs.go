package queue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"korr/internal/atomicfile"
	"korr/train/unit"
)

// errContent says that what came is not what its digest promises.
var errContent = errors.New("the content is not what its digest says")

// objects are a bucket of files and folders.
type objects struct {
	jetstream.ObjectStore
	stream jetstream.Stream // that they are kept in
	bucket string
}

// errIncomplete says that an object is not all there: storing it was broken off at its very end.
var errIncomplete = errors.New("it is not all there")

// size is how many bytes an object has. The error is errIncomplete when parts are missing, which its server does not
// notice.
func (o *objects) size(ctx context.Context, name string) (int64, error) {
	info, err := o.GetInfo(ctx, name)
	if err != nil {
		return 0, err
	}
	parts := "$O." + o.bucket + ".C." + info.NUID
	in, err := o.stream.Info(ctx, jetstream.WithSubjectFilter(parts))
	if err == nil && in.State.Subjects[parts] != uint64(info.Chunks) {
		err = errIncomplete
	}
	return int64(info.Size), err
}

// stored reports whether a blob is there, and whole.
func (s *Store) stored(ctx context.Context, digest string) (there bool, err error) {
	err = s.retry(ctx, "look for "+digest, func(ctx context.Context) error {
		_, err := s.blobs.size(ctx, digest)
		if there = err == nil; errors.Is(err, jetstream.ErrObjectNotFound) || errors.Is(err, errIncomplete) {
			return nil
		}
		return err
	})
	return there, err
}

// putPath stores a file or a folder under the digest of its content, unless it is there.
func (s *Store) putPath(ctx context.Context, digest, path string) error {
	return s.putUnless(ctx, digest, func(w io.Writer) error { return unit.WriteContent(w, path) })
}

// putData stores bytes.
func (s *Store) putData(ctx context.Context, data []byte) (digest string, err error) {
	sum := sha256.Sum256(data)
	digest = hex.EncodeToString(sum[:])
	return digest, s.putUnless(ctx, digest, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

func (s *Store) putUnless(ctx context.Context, digest string, content func(io.Writer) error) error {
	there, err := s.stored(ctx, digest)
	if err != nil || there {
		return err
	}
	sum, err := s.put(ctx, s.blobs, digest, content)
	if err == nil && sum != digest {
		err = errors.Join(fmt.Errorf("queue: an input changed while it was read (%.12s): try again", digest),
			s.blobs.Delete(ctx, digest))
	}
	return err
}

// put stores what content writes as an object and returns its digest.
func (s *Store) put(ctx context.Context, to *objects, name string, content func(io.Writer) error) (digest string,
	err error,
) {
	err = s.retryWithin(ctx, 0, "store "+name, func(ctx context.Context) error {
		r, w := io.Pipe()
		h := sha256.New()
		go func() { w.CloseWithError(content(io.MultiWriter(w, h))) }()
		_, err := to.Put(ctx, jetstream.ObjectMeta{Name: name}, r)
		r.CloseWithError(io.ErrClosedPipe) // ends the writer, whatever came of it
		if err == nil {
			digest = hex.EncodeToString(h.Sum(nil))
		}
		return err
	})
	return digest, err
}

// data is a blob's content.
func (s *Store) data(ctx context.Context, digest string) (b []byte, err error) {
	err = s.read(ctx, s.blobs, digest, func(r io.Reader) error {
		b, err = io.ReadAll(r)
		return err
	})
	return b, err
}

// Bounds of fetching an object.
const (
	fetchLeast = 20 * time.Second
	fetchRate  = 1 << 20 // bytes a second at least; half as many after a try that took longer
)

// read hands an object's content to use, again from its beginning when it broke off. A try has a deadline, since a
// reader of the library waits until then, and not for its context's end, for parts that were lost on the way.
func (s *Store) read(ctx context.Context, from *objects, name string, use func(io.Reader) error) error {
	slow := time.Duration(1)
	return s.retryWithin(ctx, 0, "fetch "+name, func(ctx context.Context) error {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		size, err := from.size(call, name)
		cancel()
		if err != nil {
			return err
		}
		ctx, cancel = context.WithTimeout(ctx, slow*(fetchLeast+time.Duration(size/fetchRate)*time.Second))
		defer cancel()
		slow *= 2
		o, err := from.Get(ctx, name)
		if err != nil {
			return err
		}
		return errors.Join(use(o), o.Close())
	})
}

// fetch writes a blob to path: a file, or the files of a folder. It is there whole or not at all, and what was there
// goes.
func (s *Store) fetch(ctx context.Context, digest string, folder bool, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return s.read(ctx, s.blobs, digest, func(r io.Reader) error { return fetched(r, digest, folder, path) })
}

func fetched(o io.Reader, digest string, folder bool, path string) error {
	tmp, held, err := atomicfile.TempDir(path)
	if err != nil {
		return err
	}
	defer func() {
		_ = held.Close()
		_ = os.RemoveAll(tmp)
	}()
	if err := writeBlob(o, digest, folder, filepath.Join(tmp, "content")); err != nil {
		return err
	}
	if folder {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return os.Rename(filepath.Join(tmp, "content"), path)
}

// writeBlob writes a blob's file or folder and compares its digest.
func writeBlob(o io.Reader, digest string, folder bool, path string) (err error) {
	h := sha256.New()
	in := io.TeeReader(o, h)
	if folder {
		if err = os.Mkdir(path, 0o755); err == nil {
			err = unit.Unpack(in, path)
		}
		if err == nil {
			_, err = io.Copy(io.Discard, in) // the archive's end
		}
	} else {
		var f *os.File
		if f, err = os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644); err == nil {
			_, err = io.Copy(f, in)
			err = errors.Join(err, f.Sync(), f.Close())
		}
	}
	if err != nil {
		return err
	}
	return same(h, digest)
}

func same(h hash.Hash, digest string) error {
	if got := hex.EncodeToString(h.Sum(nil)); got != digest {
		return fmt.Errorf("queue: %.12s came as %.12s: %w", digest, got, errContent)
	}
	return nil
}

// cache keeps blobs in a folder, DIGEST/NAME, for all workers of a machine.
type cache struct {
	store *Store
	dir   string

	mu   sync.Mutex
	busy map[string]*sync.Mutex // of a blob being fetched
}

// path is a blob on this machine.
func (c *cache) path(ctx context.Context, digest string, folder bool, as string) (string, error) {
	c.mu.Lock()
	if c.busy == nil {
		c.busy = map[string]*sync.Mutex{}
	}
	one := c.busy[digest]
	if one == nil {
		one = &sync.Mutex{}
		c.busy[digest] = one
	}
	c.mu.Unlock()
	one.Lock()
	defer one.Unlock()
	path := filepath.Join(c.dir, digest, as)
	switch _, err := os.Lstat(path); {
	case err == nil:
		return path, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	return path, c.store.fetch(ctx, digest, folder, path)
}
