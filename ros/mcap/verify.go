package mcap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/foxglove/mcap/go/mcap"
)

var magic = []byte("\x89MCAP0\r\n")

const (
	recordHead  = 1 + 8 // opcode and length
	footerSize  = recordHead + 8 + 8 + 4
	dataEndSize = recordHead + 4
)

// ErrUnclosed marks a file without its end: its recording is still going on, or was interrupted.
var ErrUnclosed = errors.New("the file was never closed and has no summary")

// verify compares both checksums of a file and every byte that they do not cover. A checksum of 0 means that the writer
// gave none.
func verify(f io.ReaderAt, size int64) error {
	if size < int64(2*len(magic)+footerSize+dataEndSize) {
		return ErrUnclosed
	}
	footAt := size - int64(len(magic)) - footerSize
	foot := make([]byte, footerSize+len(magic))
	if _, err := f.ReadAt(foot, footAt); err != nil {
		return err
	}
	if !bytes.Equal(foot[footerSize:], magic) {
		return ErrUnclosed
	}
	if foot[0] != byte(mcap.OpFooter) || binary.LittleEndian.Uint64(foot[1:]) != footerSize-recordHead {
		return errors.New("the footer is damaged")
	}
	summary := binary.LittleEndian.Uint64(foot[recordHead:])
	want := binary.LittleEndian.Uint32(foot[recordHead+16:])
	end := footAt // of the data section
	if summary != 0 {
		if summary > uint64(footAt) || summary < uint64(len(magic)+dataEndSize) {
			return fmt.Errorf("the summary is said to begin at byte %d of %d", summary, size)
		}
		end = int64(summary)
	}
	if want != 0 {
		if err := compare(f, end, footAt+recordHead+16-end, want, "summary"); err != nil {
			return err
		}
	}
	last := make([]byte, dataEndSize)
	if _, err := f.ReadAt(last, end-dataEndSize); err != nil {
		return err
	}
	if last[0] != byte(mcap.OpDataEnd) || binary.LittleEndian.Uint64(last[1:]) != dataEndSize-recordHead {
		return errors.New("the end of the data section is damaged")
	}
	if want := binary.LittleEndian.Uint32(last[recordHead:]); want != 0 {
		return compare(f, 0, end-dataEndSize, want, "data section")
	}
	return nil
}

func compare(f io.ReaderAt, at, n int64, want uint32, what string) error {
	h := crc32.NewIEEE()
	if _, err := io.Copy(h, io.NewSectionReader(f, at, n)); err != nil {
		return err
	}
	if got := h.Sum32(); got != want {
		return fmt.Errorf("the %s (bytes %d to %d) has checksum %08x, want %08x", what, at, at+n, got, want)
	}
	return nil
}
