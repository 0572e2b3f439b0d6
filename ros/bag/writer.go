package bag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"korr/internal/atomicfile"
)

// activeSuffix marks a bag that is being written, as rosbag does.
const activeSuffix = ".active"

// defaultChunk is the size at which a chunk is closed, rosbag's own.
const defaultChunk = 768 << 10

// WriterOptions set how a bag is written.
type WriterOptions struct {
	Compression string // None or LZ4; "" is LZ4
	ChunkBytes  int    // uncompressed size at which a chunk is closed; 0 is 768 KiB
}

// file is what a Writer writes to; *os.File is one.
type file interface {
	io.Writer
	io.WriterAt
	Sync() error
	Close() error
}

// Writer writes one bag. It belongs to one goroutine. After an error it only repeats it; what was written until then
// stays in FILE.active and can be read with Options.Recover.
type Writer struct {
	path, active string
	f            file
	opts         WriterOptions
	pack         *compressor
	pos          int64 // bytes written
	err          error // sticky

	plain  bool // tests: no checksum, as rosbag writes
	conns  []*Connection
	chunk  []byte          // uncompressed, open
	seen   map[uint32]bool // connections whose record is in a chunk
	index  map[uint32][]entry
	info   chunkInfo
	chunks []chunkInfo
}

// Create starts a bag at path, which must not exist.
func Create(path string, opts WriterOptions) (*Writer, error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("bag %s: %w: choose another name or remove it", path, fs.ErrExist)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("bag %s: %w", path, err)
	}
	f, err := os.Create(path + activeSuffix)
	if err != nil {
		return nil, fmt.Errorf("bag %s: %w", path, err)
	}
	w, err := newWriter(f, path, opts)
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path+activeSuffix))
	}
	return w, nil
}

func newWriter(f file, path string, opts WriterOptions) (*Writer, error) {
	if opts.Compression == "" {
		opts.Compression = LZ4
	}
	if opts.ChunkBytes <= 0 {
		opts.ChunkBytes = defaultChunk
	}
	pack, err := newCompressor(opts.Compression)
	if err != nil {
		return nil, err
	}
	w := &Writer{path: path, active: path + activeSuffix, f: f, opts: opts, pack: pack, seen: map[uint32]bool{}}
	w.startChunk()
	if err := w.write(append([]byte(magic), w.bagHeader(0)...)); err != nil {
		return nil, err
	}
	return w, nil
}

// bagHeader is the bag header record, of a fixed size.
func (w *Writer) bagHeader(index int64) []byte {
	fields := []field{
		u8(fieldOp, opBag), u64("index_pos", uint64(index)), u32("conn_count", uint32(len(w.seen))),
		u32("chunk_count", uint32(len(w.chunks))),
	}
	pad := bagHeaderSize - len(appendRecord(nil, nil, fields...))
	return appendRecord(nil, slices.Repeat([]byte{' '}, pad), fields...)
}

// write appends to the file.
func (w *Writer) write(b []byte) error {
	n, err := w.f.Write(b)
	if err != nil {
		w.err = fmt.Errorf("bag %s: write at byte %d: %w: what came before is in %s (korr inspect --recover)", w.path, w.pos,
			err, w.active)
	}
	w.pos += int64(n)
	return w.err
}

// Connect adds a connection and gives it its ID. Several connections may share a topic.
func (w *Writer) Connect(c Connection) (*Connection, error) {
	if w.err != nil {
		return nil, w.err
	}
	if c.Topic == "" || c.Type == "" || c.MD5 == "" {
		return nil, fmt.Errorf("bag %s: a connection needs topic, type and MD5 sum, got %q, %q, %q", w.path, c.Topic,
			c.Type, c.MD5)
	}
	c.ID = uint32(len(w.conns))
	w.conns = append(w.conns, &c)
	return &c, nil
}

// Write adds a message. Times may step back.
func (w *Writer) Write(c *Connection, t time.Time, data []byte) error {
	switch {
	case w.err != nil:
		return w.err
	case c == nil || int(c.ID) >= len(w.conns) || w.conns[c.ID] != c:
		return fmt.Errorf("bag %s: a message of a connection that Connect did not make", w.path)
	case !representable(t):
		return fmt.Errorf("bag %s: %s: a bag holds times from 1970 to 2106, got %v", w.path, c.Topic, t)
	case len(data) > MaxMessage:
		return fmt.Errorf("bag %s: %s: a message of %d bytes, at most %d", w.path, c.Topic, len(data), MaxMessage)
	}
	if !w.seen[c.ID] {
		w.seen[c.ID] = true
		w.chunk = c.appendTo(w.chunk)
	}
	w.index[c.ID] = append(w.index[c.ID], entry{t, uint32(len(w.chunk))})
	w.info.add(c.ID, t)
	w.chunk = appendRecord(w.chunk, data, u8(fieldOp, opMessage), u32("conn", c.ID), stamp("time", t))
	if len(w.chunk) >= w.opts.ChunkBytes {
		return w.flush()
	}
	return nil
}

// Flush writes the open chunk, so that nothing of what came so far is lost if the process dies.
func (w *Writer) Flush() error {
	if w.err != nil {
		return w.err
	}
	return w.flush()
}

func (w *Writer) startChunk() {
	w.chunk, w.index = w.chunk[:0], map[uint32][]entry{}
	w.info = chunkInfo{counts: map[uint32]uint32{}}
}

// flush writes the open chunk and its index.
func (w *Writer) flush() error {
	if len(w.chunk) == 0 {
		return nil
	}
	stored, err := w.pack.compress(w.chunk)
	if err != nil {
		w.err = fmt.Errorf("bag %s: compress: %w", w.path, err)
		return w.err
	}
	w.info.pos = w.pos
	head := []field{u8(fieldOp, opChunk), text("compression", w.opts.Compression), u32("size", uint32(len(w.chunk)))}
	if !w.plain {
		head = append(head, u32(fieldChecksum, checksum(stored)))
	}
	out := appendRecord(nil, stored, head...)
	for _, id := range slices.Sorted(maps.Keys(w.index)) {
		entries := w.index[id]
		slices.SortStableFunc(entries, func(a, b entry) int { return a.time.Compare(b.time) })
		var data []byte
		for _, e := range entries {
			data = binary.LittleEndian.AppendUint32(appendTime(data, e.time), e.offset)
		}
		out = appendRecord(out, data, u8(fieldOp, opIndex), u32("ver", indexVersion), u32("conn", id),
			u32("count", uint32(len(entries))))
	}
	w.chunks = append(w.chunks, w.info)
	w.startChunk()
	return w.write(out)
}

// Close completes the bag and renames it to its destination.
func (w *Writer) Close() error {
	if w.err != nil {
		if w.f == nil {
			return w.err
		}
		f := w.f
		w.f = nil
		return errors.Join(w.err, f.Close())
	}
	err := w.finish()
	f := w.f
	w.f = nil
	if err = errors.Join(err, f.Close()); err == nil {
		if err = os.Rename(w.active, w.path); err == nil {
			err = atomicfile.SyncDir(filepath.Dir(w.path))
		}
	}
	w.err = fmt.Errorf("bag %s: %w", w.path, ErrClosed)
	if err != nil {
		return fmt.Errorf("bag %s: %w", w.path, err)
	}
	return nil
}

// finish writes the index section and, last, where it is.
func (w *Writer) finish() error {
	if err := w.flush(); err != nil {
		return err
	}
	at := w.pos
	var out []byte
	for _, c := range w.conns {
		if w.seen[c.ID] { // as rosbag: a topic without messages is not in the bag
			out = c.appendTo(out)
		}
	}
	for _, c := range w.chunks {
		var data []byte
		for _, id := range slices.Sorted(maps.Keys(c.counts)) {
			data = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(data, id), c.counts[id])
		}
		out = appendRecord(out, data, u8(fieldOp, opChunkInfo), u32("ver", infoVersion), u64("chunk_pos", uint64(c.pos)),
			stamp("start_time", c.start), stamp("end_time", c.end), u32("count", uint32(len(c.counts))))
	}
	if err := w.write(out); err != nil {
		return err
	}
	if err := w.f.Sync(); err != nil {
		return err
	}
	if _, err := w.f.WriteAt(w.bagHeader(at), int64(len(magic))); err != nil {
		return err
	}
	return w.f.Sync()
}

// Abort removes what was written so far. After Close it does nothing.
func (w *Writer) Abort() error {
	if w.f == nil {
		return nil
	}
	f := w.f
	w.f = nil
	if w.err == nil {
		w.err = fmt.Errorf("bag %s: %w", w.path, ErrClosed)
	}
	return errors.Join(f.Close(), os.Remove(w.active))
}
