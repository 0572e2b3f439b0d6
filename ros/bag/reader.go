package bag

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"korr/internal/regular"
)

const (
	// MaxMessage bounds one message, bytes.
	MaxMessage = 256 << 20
	// maxHeader bounds a record's header, which names a topic or a few numbers.
	maxHeader = 1 << 20
	// defaultMaxChunk bounds what a chunk decompresses to.
	defaultMaxChunk = 512 << 20
)

// Options set how a bag is read.
type Options struct {
	Recover  bool  // read up to the damage instead of refusing a bag that is unclosed or damaged; see Reader.Damage
	MaxChunk int64 // bytes that a chunk may decompress to; 0 is 512 MiB
}

// Stats are what a Reader has come across so far.
type Stats struct {
	Size         int64          // of the file, bytes
	Chunks       int            // read
	Stored       int64          // bytes of them in the file
	Raw          int64          // bytes of them uncompressed
	Compressions map[string]int // chunks by compression
}

// Reader reads one bag, from front to back.
type Reader struct {
	path   string
	f      io.ReaderAt
	closer io.Closer
	opts   Options
	first  int64 // where the first record after the bag header begins
	end    int64 // where the chunks end
	conns  map[uint32]*Connection
	infos  []chunkInfo // of the index section; nil when recovering
	stats  Stats
	damage error
}

// Open opens a bag and reads its index. A bag that is no bag, not closed, truncated or inconsistent is a *FormatError,
// an unclosed one wraps ErrUnclosed; with Recover only a bag whose very beginning cannot be read is refused.
func Open(path string, opts Options) (*Reader, error) {
	f, size, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("bag: %w", err)
	}
	r, err := newReader(f, size, path, opts)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r.closer = f
	return r, nil
}

func newReader(f io.ReaderAt, size int64, path string, opts Options) (*Reader, error) {
	if opts.MaxChunk <= 0 {
		opts.MaxChunk = defaultMaxChunk
	}
	r := &Reader{path: path, f: f, opts: opts, conns: map[uint32]*Connection{}, stats: Stats{
		Size:         size,
		Compressions: map[string]int{},
	}}
	index, err := r.begin()
	if err != nil {
		return nil, err
	}
	r.end = size
	if opts.Recover {
		return r, nil
	}
	err = r.readIndexSection(index)
	var fe *FormatError
	if errors.Is(err, ErrTruncated) && errors.As(err, &fe) {
		fe.Err = fmt.Errorf("%w: %s", fe.Err, advice)
	}
	return r, err
}

// bad is a FormatError.
func (r *Reader) bad(at int64, format string, a ...any) error {
	return &FormatError{r.path, at, fmt.Errorf(format, a...)}
}

// rec is a record: its header, and where its data is.
type rec struct {
	header header
	at     int64 // of the record
	data   int64 // of its data
	size   int64 // of its data
}

func (c *rec) next() int64 { return c.data + c.size }

// record reads a record's header. A record whose data ends behind limit is returned with an error that wraps
// ErrTruncated.
func (r *Reader) record(at, limit int64) (rec, error) {
	c := rec{at: at}
	n, err := r.length(at, limit)
	if err != nil {
		return c, err
	}
	if n > maxHeader {
		return c, r.bad(at, "a record's header of %d bytes, at most %d", n, maxHeader)
	}
	if at+lengthSize+n > limit {
		return c, r.bad(at, "%w: a header of %d bytes and %d are left", ErrTruncated, n, limit-at-lengthSize)
	}
	b := make([]byte, n)
	if _, err := r.f.ReadAt(b, at+lengthSize); err != nil {
		return c, r.bad(at, "%w", err)
	}
	if c.header, err = parseHeader(b); err != nil {
		return c, r.bad(at, "%w", err)
	}
	if c.size, err = r.length(at+lengthSize+n, limit); err != nil {
		return c, err
	}
	c.data = at + 2*lengthSize + n
	if c.next() > limit {
		return c, r.bad(at, "%w: a record of %d bytes and %d are left", ErrTruncated, c.size, limit-c.data)
	}
	return c, nil
}

func (r *Reader) length(at, limit int64) (int64, error) {
	var b [lengthSize]byte
	if at+lengthSize > limit {
		return 0, r.bad(at, "%w: a record begins and %d bytes are left", ErrTruncated, limit-at)
	}
	if _, err := r.f.ReadAt(b[:], at); err != nil {
		return 0, r.bad(at, "%w", err)
	}
	return int64(u32At(b[:])), nil
}

// read returns the data of a record, or what there is of it.
func (r *Reader) read(c *rec) ([]byte, error) {
	b := make([]byte, min(c.size, max(0, r.stats.Size-c.data)))
	if _, err := r.f.ReadAt(b, c.data); err != nil {
		return nil, r.bad(c.data, "%w", err)
	}
	return b, nil
}

// Span is when the bag's first and last messages were recorded, by its index; both are zero without one.
func (r *Reader) Span() (begin, end time.Time) {
	for _, c := range r.infos {
		if len(c.counts) == 0 {
			continue
		}
		if begin.IsZero() || c.start.Before(begin) {
			begin = c.start
		}
		if c.end.After(end) {
			end = c.end
		}
	}
	return begin, end
}

// begin reads the first line and the bag header and returns where the index section begins.
func (r *Reader) begin() (index uint64, err error) {
	line := make([]byte, min(int64(len(magic)), r.stats.Size))
	if _, err := r.f.ReadAt(line, 0); err != nil && !errors.Is(err, io.EOF) {
		return 0, r.bad(0, "%w", err)
	}
	if string(line) != magic {
		if strings.HasPrefix(string(line), "#ROSBAG V1") || strings.HasPrefix(string(line), "#ROSRECORD") {
			return 0, r.bad(0, "a bag of an older format, %q: convert it with rosbag fix", strings.TrimSpace(string(line)))
		}
		return 0, r.bad(0, "not a ROS bag: it does not begin with %q", strings.TrimSpace(magic))
	}
	c, err := r.record(int64(len(magic)), r.stats.Size)
	if err != nil {
		return 0, err
	}
	h := c.header
	if h.op() != opBag {
		return 0, r.bad(c.at, "a record of kind %#02x where the bag header belongs", h.op())
	}
	if e := h["encryptor"]; len(e) > 0 {
		return 0, r.bad(c.at, "the bag is encrypted (%s): decrypt it with rosbag decrypt", e)
	}
	if index, err = h.u64("index_pos"); err == nil {
		err = h.known("index_pos", "conn_count", "chunk_count", "encryptor")
	}
	if err != nil {
		return 0, r.bad(c.at, "bag header: %w", err)
	}
	pad, err := r.read(&c)
	if err != nil {
		return 0, err
	}
	if !r.opts.Recover && len(pad) > 0 && (pad[0] != ' ' && pad[0] != 0 || bytes.Count(pad, pad[:1]) != len(pad)) {
		return 0, r.bad(c.data, "the padding of the bag header is not blank")
	}
	r.first = c.next()
	return index, nil
}

// advice tells what to do about a bag without an index.
const advice = "reindex it (rosbag reindex), or read it up to its end with --recover"

// readIndexSection reads the connections and chunk infos behind the chunks.
func (r *Reader) readIndexSection(index uint64) error {
	c, _ := r.record(int64(len(magic)), r.stats.Size)
	conns, err := c.header.u32("conn_count")
	if err != nil {
		return r.bad(c.at, "bag header: %w", err)
	}
	chunks, err := c.header.u32("chunk_count")
	if err != nil {
		return r.bad(c.at, "bag header: %w", err)
	}
	switch {
	case index == 0:
		return r.bad(c.at, "%w: %s", ErrUnclosed, advice)
	case index > uint64(r.stats.Size):
		return r.bad(r.stats.Size, "%w: the file ends here and its index is at byte %d", ErrTruncated, index)
	case int64(index) < r.first:
		return r.bad(c.at, "the index is said to be at byte %d, inside the bag header", index)
	}
	r.end = int64(index)
	at := r.end
	for range conns {
		if at, err = r.readConnection(at); err != nil {
			return err
		}
	}
	for range chunks {
		if at, err = r.readChunkInfo(at); err != nil {
			return err
		}
	}
	if at != r.stats.Size {
		return r.bad(at, "%d bytes behind the index of %d connections and %d chunks", r.stats.Size-at, conns, chunks)
	}
	return nil
}

func (r *Reader) readConnection(at int64) (int64, error) {
	c, err := r.record(at, r.stats.Size)
	if err != nil {
		return 0, err
	}
	if c.header.op() != opConnection {
		return 0, r.bad(at, "a record of kind %#02x where a connection belongs", c.header.op())
	}
	data, err := r.read(&c)
	if err != nil {
		return 0, err
	}
	conn, err := parseConnection(c.header, data)
	if err != nil {
		return 0, r.bad(at, "%w", err)
	}
	if _, twice := r.conns[conn.ID]; twice {
		return 0, r.bad(at, "connection %d stands twice in the index", conn.ID)
	}
	r.conns[conn.ID] = conn
	return c.next(), nil
}

func (r *Reader) readChunkInfo(at int64) (int64, error) {
	c, err := r.record(at, r.stats.Size)
	if err != nil {
		return 0, err
	}
	data, err := r.read(&c)
	if err != nil {
		return 0, err
	}
	info, err := parseChunkInfo(c.header, data)
	if err != nil {
		return 0, r.bad(at, "%w", err)
	}
	r.infos = append(r.infos, info)
	return c.next(), nil
}

// parseChunkInfo reads a chunk info record.
func parseChunkInfo(h header, data []byte) (info chunkInfo, err error) {
	if h.op() != opChunkInfo {
		return info, fmt.Errorf("a record of kind %#02x where a chunk info belongs", h.op())
	}
	ver, err1 := h.u32("ver")
	pos, err2 := h.u64("chunk_pos")
	start, err3 := h.time("start_time")
	end, err4 := h.time("end_time")
	count, err5 := h.u32("count")
	err = errors.Join(err1, err2, err3, err4, err5, h.known("ver", "chunk_pos", "start_time", "end_time", "count"))
	switch {
	case err != nil:
		return info, err
	case ver != infoVersion:
		return info, fmt.Errorf("a chunk info of version %d, want %d", ver, infoVersion)
	case int64(count)*countSize != int64(len(data)):
		return info, fmt.Errorf("a chunk info of %d connections in %d bytes", count, len(data))
	}
	info = chunkInfo{pos: int64(pos), start: start, end: end, counts: map[uint32]uint32{}}
	for ; len(data) > 0; data = data[countSize:] {
		info.counts[u32At(data)] = u32At(data[4:])
	}
	if len(info.counts) != int(count) {
		return info, errors.New("a chunk info counts a connection twice")
	}
	return info, nil
}

// Connections are those known by now, by ID: all of a bag with an index; with Recover those of the messages read so
// far.
func (r *Reader) Connections() []*Connection {
	var out []*Connection
	for _, c := range r.conns {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b *Connection) int { return int(int64(a.ID) - int64(b.ID)) })
	return out
}

// Stats are what was read so far.
func (r *Reader) Stats() Stats { return r.stats }

// Damage is where and why reading ended early with Recover, a *FormatError; nil when it did not.
func (r *Reader) Damage() error { return r.damage }

// Path is the file's name as it was given.
func (r *Reader) Path() string { return r.path }

// Close closes the file.
func (r *Reader) Close() error {
	if r.closer == nil {
		return nil
	}
	return r.closer.Close()
}
