package zarr

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// ErrMalformed marks a store that is damaged or inconsistent.
var ErrMalformed = errors.New("zarr: malformed")

// ErrUnsupported marks a store that is whole but of a kind that is not read.
var ErrUnsupported = errors.New("zarr: not supported")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrUnsupported}, args...)...)
}

// compressor is a chunk's codec, as .zarray describes it.
type compressor struct {
	ID string `json:"id"`
}

// decode decompresses a chunk of n bytes.
func (c *compressor) decode(src []byte, n int) ([]byte, error) {
	if c == nil {
		if len(src) != n {
			return nil, malformed("%d bytes, want %d", len(src), n)
		}
		return src, nil
	}
	switch c.ID {
	case "blosc":
		return unblosc(src, n)
	case "lz4": // numcodecs: the size before the block
		if len(src) < 4 || int64(binary.LittleEndian.Uint32(src)) != int64(n) {
			return nil, malformed("an lz4 chunk of another size than %d bytes", n)
		}
		dst := make([]byte, n)
		return dst, inflate("lz4", dst, src[4:])
	case "zlib", "zstd", "gzip":
		dst := make([]byte, n)
		return dst, inflate(c.ID, dst, src)
	}
	return nil, unsupported("compressor %.50q, want none, blosc, zlib, gzip, zstd or lz4", c.ID)
}

// inflate fills dst with what src decompresses to, which must have that size.
func inflate(name string, dst, src []byte) error {
	var r io.Reader
	var err error
	switch name {
	case "lz4":
		n, err := lz4.UncompressBlock(src, dst)
		if err == nil && n != len(dst) {
			err = fmt.Errorf("%d bytes, want %d", n, len(dst))
		}
		if err != nil {
			return malformed("lz4: %v", err)
		}
		return nil
	case "zlib":
		r, err = zlib.NewReader(bytes.NewReader(src))
	case "gzip":
		r, err = gzip.NewReader(bytes.NewReader(src))
	default:
		var d *zstd.Decoder
		if d, err = zstd.NewReader(bytes.NewReader(src), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(64<<20)); err == nil {
			defer d.Close()
			r = d
		}
	}
	if err == nil {
		_, err = io.ReadFull(r, dst)
	}
	if err == nil { // the end, where checksums are compared
		var more [1]byte
		if n, end := io.ReadFull(r, more[:]); n > 0 {
			err = fmt.Errorf("more than %d bytes", len(dst))
		} else if !errors.Is(end, io.EOF) {
			err = end
		}
	}
	if err != nil {
		return malformed("%s: %v", name, err)
	}
	return nil
}

// Flags and bounds of the blosc container.
const (
	bloscHeader     = 16
	bloscShuffle    = 0x01
	bloscCopied     = 0x02
	bloscBitShuffle = 0x04
	bloscUnsplit    = 0x10
	bloscMaxSplits  = 16
	bloscMinStream  = 128 // elements of a block below which it is not split
)

// bloscFormats are the compressors, by the three highest bits of the flags.
var bloscFormats = []string{"blosclz", "lz4", "snappy", "zlib", "zstd"}

// unblosc decompresses a blosc container of n bytes.
func unblosc(src []byte, n int) ([]byte, error) {
	if len(src) < bloscHeader {
		return nil, malformed("blosc: %d bytes, shorter than a header", len(src))
	}
	flags, size := src[2], int(src[3])
	field := func(at int) int64 { return int64(binary.LittleEndian.Uint32(src[at:])) }
	total, block := field(4), field(8)
	switch {
	case src[0] != 2:
		return nil, unsupported("blosc: format version %d, want 2", src[0])
	case field(12) != int64(len(src)):
		return nil, malformed("blosc: %d bytes, the header says %d (truncated?)", len(src), field(12))
	case total != int64(n):
		return nil, malformed("blosc: it holds %d bytes, want %d", total, n)
	case n == 0:
		return nil, nil
	case flags&bloscCopied != 0:
		if len(src)-bloscHeader != n {
			return nil, malformed("blosc: %d bytes uncompressed, want %d", len(src)-bloscHeader, n)
		}
		return src[bloscHeader:], nil
	case block < 1 || block > total || size < 1:
		return nil, malformed("blosc: blocks of %d bytes, elements of %d", block, size)
	}
	format := int(flags >> 5)
	if format >= len(bloscFormats) || bloscFormats[format] == "blosclz" || bloscFormats[format] == "snappy" {
		return nil, unsupported("blosc: compressor %d (%s); write the array again with lz4, zlib or zstd", format,
			bloscFormats[min(format, len(bloscFormats)-1)])
	}
	b := &blosc{
		src: src, flags: flags, size: size, block: int(block), format: bloscFormats[format],
		scratch: make([]byte, block),
	}
	blocks := (n + b.block - 1) / b.block
	if blocks > (len(src)-bloscHeader)/4 {
		return nil, malformed("blosc: %d blocks in %d bytes", blocks, len(src))
	}
	dst := make([]byte, n)
	for i := range blocks {
		part := dst[i*b.block : min((i+1)*b.block, n)]
		if err := b.decode(part, field(bloscHeader+4*i)); err != nil {
			return nil, fmt.Errorf("blosc: block %d: %w", i, err)
		}
	}
	return dst, nil
}

// blosc is a container being read.
type blosc struct {
	src         []byte
	flags       byte
	size, block int
	format      string
	scratch     []byte // one block
}

// decode decompresses the block that starts at byte from.
func (b *blosc) decode(dst []byte, from int64) error {
	streams := 1
	if b.flags&bloscUnsplit == 0 && len(dst) == b.block && b.size <= bloscMaxSplits && b.block/b.size >= bloscMinStream {
		streams = b.size
	}
	if len(dst)%streams != 0 || from > int64(len(b.src)) {
		return malformed("%d bytes in %d streams from byte %d of %d", len(dst), streams, from, len(b.src))
	}
	out, src, each := b.scratch[:len(dst)], b.src[from:], len(dst)/streams
	for i := range streams {
		if len(src) < 4 {
			return malformed("stream %d is cut off", i)
		}
		k := int64(binary.LittleEndian.Uint32(src))
		if src = src[4:]; k > int64(len(src)) {
			return malformed("stream %d has %d bytes, %d are left", i, k, len(src))
		}
		to := out[i*each : (i+1)*each]
		if int(k) == each {
			copy(to, src)
		} else if err := inflate(b.format, to, src[:k]); err != nil {
			return err
		}
		src = src[k:]
	}
	switch {
	case b.flags&bloscShuffle != 0 && b.size > 1:
		unshuffle(dst, out, b.size)
	case b.flags&bloscBitShuffle != 0:
		bitUnshuffle(dst, out, b.size)
	default:
		copy(dst, out)
	}
	return nil
}

// unshuffle puts the elements' bytes together again, which src holds place by place.
func unshuffle(dst, src []byte, size int) {
	n := len(src) / size
	for j := range size {
		row := src[j*n : (j+1)*n]
		for i, v := range row {
			dst[i*size+j] = v
		}
	}
	copy(dst[n*size:], src[n*size:])
}

// bitUnshuffle does that with bits: row 8j+k of src holds bit k of byte j of every element. Only whole eights of
// elements were shuffled.
func bitUnshuffle(dst, src []byte, size int) {
	n := len(src) / size
	if n%8 != 0 {
		copy(dst, src)
		return
	}
	clear(dst[:n*size])
	for j := range size {
		for k := range 8 {
			row := src[(8*j+k)*n/8 : (8*j+k+1)*n/8]
			for i := range n {
				dst[i*size+j] |= row[i/8] >> (i % 8) & 1 << k
			}
		}
	}
	copy(dst[n*size:], src[n*size:])
}
