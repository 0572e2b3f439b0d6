package bag

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/pierrec/lz4/v4"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the CRC-32C of b.
func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// compressor writes chunks of one compression.
type compressor struct {
	kind string
	lz4  *lz4.Writer
	out  bytes.Buffer
}

func newCompressor(kind string) (*compressor, error) {
	switch kind {
	case None:
		return &compressor{kind: kind}, nil
	case LZ4:
		w := lz4.NewWriter(nil)
		// roslz4 reads independent blocks without checksums of their own, and no frame that tells its size
		if err := w.Apply(lz4.BlockSizeOption(lz4.Block256Kb), lz4.ChecksumOption(true), lz4.BlockChecksumOption(false),
			lz4.ConcurrencyOption(1)); err != nil {
			return nil, err
		}
		return &compressor{kind: kind, lz4: w}, nil
	}
	return nil, fmt.Errorf("bag: cannot write compression %q: use %s or %s", kind, LZ4, None)
}

// compress returns the chunk as it is stored; it is valid until the next call.
func (c *compressor) compress(b []byte) ([]byte, error) {
	if c.lz4 == nil {
		return b, nil
	}
	c.out.Reset()
	c.lz4.Reset(&c.out)
	if _, err := c.lz4.Write(b); err != nil {
		return nil, err
	}
	if err := c.lz4.Close(); err != nil {
		return nil, err
	}
	return c.out.Bytes(), nil
}

// decompress returns the size bytes of a chunk stored as b. On an error what could be read is returned as well.
func decompress(kind string, b []byte, size int) ([]byte, error) {
	var r io.Reader
	in := bytes.NewReader(b)
	switch kind {
	case None:
		if len(b) != size {
			return b, fmt.Errorf("an uncompressed chunk of %d bytes claims %d", len(b), size)
		}
		return b, nil
	case LZ4:
		r = lz4.NewReader(in)
	case BZ2:
		r = bzip2.NewReader(in)
	default:
		return nil, fmt.Errorf("compression %q: known are %s, %s and %s", kind, None, LZ4, BZ2)
	}
	var out bytes.Buffer // grows with what comes, not with what is promised
	_, err := io.Copy(&out, io.LimitReader(r, int64(size)+1))
	switch {
	case err != nil:
		return out.Bytes(), fmt.Errorf("%s: %w", kind, err)
	case out.Len() != size:
		return out.Bytes(), fmt.Errorf("a chunk claims %d bytes and decompresses to %d%s", size, min(out.Len(), size+1),
			map[bool]string{true: " or more"}[out.Len() > size])
	case in.Len() > 0:
		return out.Bytes(), errors.New("bytes follow the compressed data of a chunk")
	}
	return out.Bytes(), nil
}
