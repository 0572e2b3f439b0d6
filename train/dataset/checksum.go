package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"korr/internal/regular"
)

const (
	checksumsPath    = "meta/checksums.json"
	checksumsVersion = 1
	checksumBlock    = 64 << 10 // bytes of a file that one checksum covers
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksums is meta/checksums.json, ours: what every other file of the dataset held when it was complete.
type checksums struct {
	Version int                 `json:"korr_checksums"`
	Block   int64               `json:"block"` // bytes
	Files   map[string]fileSums `json:"files"`
}

// fileSums are the checksums of one file.
type fileSums struct {
	Size   int64    `json:"size"`
	CRC32C []string `json:"crc32c"` // of every block
}

func (c *checksums) encode() ([]byte, error) {
	b, err := json.MarshalIndent(c, "", "    ")
	return append(b, '\n'), err
}

// sumFile computes the checksums of a file.
func sumFile(path string) (s fileSums, err error) {
	f, _, err := regular.Open(path)
	if err != nil {
		return s, err
	}
	defer f.Close()
	block := make([]byte, checksumBlock)
	for {
		n, err := io.ReadFull(f, block)
		if n > 0 {
			s.Size += int64(n)
			s.CRC32C = append(s.CRC32C, fmt.Sprintf("%08x", crc32.Checksum(block[:n], castagnoli)))
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return s, nil
		case err != nil:
			return s, err
		}
	}
}

// writeChecksums describes the files of a complete dataset.
func writeChecksums(dir string) error {
	c := checksums{Version: checksumsVersion, Block: checksumBlock, Files: map[string]fileSums{}}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		c.Files[filepath.ToSlash(rel)], err = sumFile(path)
		return err
	})
	if err != nil {
		return err
	}
	return writeJSON(filepath.Join(dir, checksumsPath), &c)
}

// parseChecksums reads what writeChecksums wrote, to the byte: nothing else protects this file.
func parseChecksums(b []byte) (*checksums, error) {
	c := &checksums{}
	if err := json.Unmarshal(b, c); err != nil {
		return nil, fmt.Errorf("truncated or not JSON: %w", err)
	}
	again, err := c.encode()
	if c.Version != checksumsVersion || c.Block != checksumBlock || err != nil || !bytes.Equal(b, again) {
		return nil, errors.New("damaged, or of another version of korr: if nothing else is wrong with the dataset, remove " +
			"this file")
	}
	for name := range c.Files {
		if !filepath.IsLocal(name) {
			return nil, fmt.Errorf("names a file outside the dataset, %q", name)
		}
	}
	return c, nil
}

// verifyChecksums compares the files with what they held when the dataset was complete and returns where one differs. A
// dataset of other software has no checksums and passes.
func verifyChecksums(dir string) error {
	path := filepath.Join(dir, checksumsPath)
	b, err := regular.Read(path, maxJSON)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &FormatError{path, err}
	}
	c, err := parseChecksums(b)
	if err != nil {
		return &FormatError{path, err}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Files)) {
		file := filepath.Join(dir, name)
		got, err := sumFile(file)
		if err == nil {
			err = c.Files[name].compare(got)
		}
		if err != nil {
			return &FormatError{file, err}
		}
	}
	return nil
}

// compare says where a file differs from what it was.
func (s fileSums) compare(got fileSums) error {
	for i := range min(len(s.CRC32C), len(got.CRC32C)) {
		if s.CRC32C[i] != got.CRC32C[i] && (int64(i+1)*checksumBlock <= min(s.Size, got.Size) || s.Size == got.Size) {
			return fmt.Errorf("bytes %d to %d are not what was written there (%s); if the dataset was changed on purpose, "+
				"remove that file",
				i*checksumBlock, min(int64(i+1)*checksumBlock, got.Size)-1, checksumsPath)
		}
	}
	switch {
	case got.Size < s.Size:
		return fmt.Errorf("truncated: it ends at byte %d of %d", got.Size, s.Size)
	case got.Size > s.Size:
		return fmt.Errorf("bytes were added from byte %d on; if on purpose, remove %s", s.Size, checksumsPath)
	case len(s.CRC32C) != len(got.CRC32C):
		return fmt.Errorf("%s has %d checksums for its %d blocks: one of the two is damaged", checksumsPath, len(s.CRC32C),
			len(got.CRC32C))
	}
	return nil
}

// located adds to an error about a file which of its bytes are not what was written.
func located(dir string, err error) error {
	var about, damage *FormatError
	found := verifyChecksums(dir)
	switch {
	case err == nil:
		return found
	case errors.As(err, &about) && errors.As(found, &damage) && about.Path == damage.Path:
		return &FormatError{about.Path, fmt.Errorf("%w; %w", about.Err, damage.Err)}
	}
	return err
}
