package bag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

func u32At(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }

// located is a message and where it is.
type located struct {
	Message
	offset uint32
	chunk  int64 // where its chunk begins; set for those that wait
}

// chunk is one chunk as read.
type chunk struct {
	rec
	messages []located
	index    map[uint32][]entry
}

// readChunk reads, decompresses and parses the chunk at a position. When recovering, the messages before a damage are
// in it.
func (r *Reader) readChunk(at int64) (chunk, error) {
	c := chunk{index: map[uint32][]entry{}}
	var cut error
	c.rec, cut = r.record(at, r.end)
	if cut != nil && (!r.opts.Recover || !errors.Is(cut, ErrTruncated) || c.data == 0) {
		return c, cut
	}
	h := c.header
	if op := h.op(); op != opChunk {
		if r.opts.Recover && (op == opConnection || op == opChunkInfo) { // the index section
			return c, nil
		}
		return c, r.bad(at, "a record of kind %#02x where a chunk belongs", op)
	}
	size, err := h.u32("size")
	if err == nil {
		err = h.known("compression", "size", fieldChecksum)
	}
	switch {
	case err != nil:
		return c, r.bad(at, "chunk: %w", err)
	case int64(size) > r.opts.MaxChunk:
		return c, r.bad(at, "a chunk of %d bytes uncompressed, at most %d", size, r.opts.MaxChunk)
	}
	stored, err := r.read(&c.rec)
	if err != nil {
		return c, err
	}
	if want, err := h.u32(fieldChecksum); err == nil && cut == nil && checksum(stored) != want {
		return c, r.bad(c.data, "the %d bytes of this chunk do not match their checksum: they were changed", c.size)
	} else if err != nil && h[fieldChecksum] != nil {
		return c, r.bad(at, "chunk: %w", err)
	}
	kind := string(h["compression"])
	raw, err := decompress(kind, stored, int(size))
	if cut != nil {
		err = cut
	}
	if err != nil && cut == nil {
		return c, r.bad(c.data, "%w", err)
	}
	r.stats.Chunks++
	r.stats.Compressions[kind]++
	r.stats.Stored += c.size
	r.stats.Raw += int64(len(raw))
	where, bad := r.parseChunk(&c, raw)
	if cut != nil {
		return c, cut
	}
	if bad != nil {
		if kind == None {
			return c, r.bad(c.data+int64(where), "%w", bad)
		}
		return c, r.bad(at, "in the chunk's uncompressed data, at byte %d: %w", where, bad)
	}
	return c, nil
}

// parseChunk splits a chunk into messages and learns its connections; where is the place of an error.
func (r *Reader) parseChunk(c *chunk, raw []byte) (where int, err error) {
	for at := 0; at < len(raw); {
		h, data, n, err := parseRecord(raw[at:])
		if err != nil {
			return at, err
		}
		switch h.op() {
		case opConnection:
			err = r.meet(h, data)
		case opMessage:
			err = c.message(r.conns, h, data, uint32(at))
		default:
			err = fmt.Errorf("a record of kind %#02x in a chunk", h.op())
		}
		if err != nil {
			return at, err
		}
		at += n
	}
	return 0, nil
}

// parseRecord splits the record at the front of b, n bytes long.
func parseRecord(b []byte) (h header, data []byte, n int, err error) {
	part := func() []byte {
		if len(b)-n < lengthSize {
			err = fmt.Errorf("%w: a record ends early", ErrTruncated)
			return nil
		}
		size := int64(u32At(b[n:]))
		if size > int64(len(b)-n-lengthSize) {
			err = fmt.Errorf("%w: a part of a record of %d bytes and %d are left", ErrTruncated, size, len(b)-n-lengthSize)
			return nil
		}
		p := b[n+lengthSize : n+lengthSize+int(size)]
		n += lengthSize + int(size)
		return p
	}
	head := part()
	if err != nil {
		return nil, nil, 0, err
	}
	if data = part(); err != nil {
		return nil, nil, 0, err
	}
	h, err = parseHeader(head)
	return h, data, n, err
}

// meet takes a connection of a chunk: it must be the index section's.
func (r *Reader) meet(h header, data []byte) error {
	c, err := parseConnection(h, data)
	if err != nil {
		return err
	}
	known, ok := r.conns[c.ID]
	switch {
	case !ok && r.opts.Recover:
		r.conns[c.ID] = c
	case !ok:
		return fmt.Errorf("connection %d (%s) is not in the index", c.ID, c.Topic)
	case *known != *c:
		return fmt.Errorf("connection %d is %s of %s here and %s of %s in the index, or differs in its definition", c.ID,
			c.Topic, c.Type, known.Topic, known.Type)
	}
	return nil
}

func (c *chunk) message(conns map[uint32]*Connection, h header, data []byte, at uint32) error {
	id, err := h.u32("conn")
	if err != nil {
		return err
	}
	t, err := h.time("time")
	if err != nil {
		return err
	}
	if err := h.known("conn", "time"); err != nil {
		return err
	}
	conn, ok := conns[id]
	if !ok {
		return fmt.Errorf("a message of connection %d, which the bag does not describe", id)
	}
	c.messages = append(c.messages, located{Message: Message{conn, t, data}, offset: at})
	return nil
}

// readIndexes reads the index records behind a chunk and returns where the next chunk begins; 0 when recovering and the
// chunk was the index section.
func (r *Reader) readIndexes(c *chunk) (int64, error) {
	if c.header.op() != opChunk {
		return 0, nil
	}
	at := c.next()
	for at < r.end {
		i, err := r.record(at, r.end)
		if err != nil {
			return 0, err
		}
		if i.header.op() != opIndex {
			break
		}
		data, err := r.read(&i)
		if err != nil {
			return 0, err
		}
		id, entries, err := parseIndex(i.header, data)
		if err != nil {
			return 0, r.bad(at, "%w", err)
		}
		if _, twice := c.index[id]; twice {
			return 0, r.bad(at, "connection %d has two indexes for one chunk", id)
		}
		c.index[id] = entries
		at = i.next()
	}
	return at, nil
}

func parseIndex(h header, data []byte) (id uint32, entries []entry, err error) {
	ver, err1 := h.u32("ver")
	id, err2 := h.u32("conn")
	count, err3 := h.u32("count")
	err = errors.Join(err1, err2, err3, h.known("ver", "conn", "count"))
	switch {
	case err != nil:
		return 0, nil, err
	case ver != indexVersion:
		return 0, nil, fmt.Errorf("an index of version %d, want %d", ver, indexVersion)
	case int64(count)*entrySize != int64(len(data)):
		return 0, nil, fmt.Errorf("an index of %d messages in %d bytes", count, len(data))
	}
	for ; len(data) > 0; data = data[entrySize:] {
		entries = append(entries, entry{timeAt(data), u32At(data[8:])})
	}
	return id, entries, nil
}

// verify compares chunk k with its index and with the index section.
func (r *Reader) verify(c *chunk, k int) error {
	if k >= len(r.infos) {
		return r.bad(c.at, "a chunk that the index section does not know")
	}
	want, got := r.infos[k], chunkInfo{pos: c.at, counts: map[uint32]uint32{}}
	at := map[uint32]*located{}
	for i := range c.messages {
		m := &c.messages[i]
		got.add(m.Conn.ID, m.Time)
		at[m.offset] = m
	}
	total := 0
	for id, entries := range c.index {
		for _, e := range entries {
			m := at[e.offset]
			if m == nil || m.Conn.ID != id || !m.Time.Equal(e.time) {
				return r.bad(c.next(), "the index behind the chunk at byte %d points at no message of connection %d and %v at "+
					"offset %d", c.at, id, e.time, e.offset)
			}
			delete(at, e.offset)
		}
		total += len(entries)
	}
	switch {
	case total != len(c.messages):
		return r.bad(c.next(), "the index behind the chunk at byte %d tells of %d messages, it has %d", c.at, total,
			len(c.messages))
	case want.pos != got.pos:
		return r.bad(c.at, "chunk %d is here, and at byte %d in the index section", k, want.pos)
	case len(c.messages) > 0 && (!want.start.Equal(got.start) || !want.end.Equal(got.end)):
		return r.bad(c.at, "chunk %d lasts from %v to %v, in the index section from %v to %v", k, clock(got.start),
			clock(got.end), clock(want.start), clock(want.end))
	case !sameCounts(want.counts, got.counts):
		return r.bad(c.at, "chunk %d and the index section count its messages differently", k)
	}
	return nil
}

func sameCounts(a, b map[uint32]uint32) bool {
	for id, n := range a {
		if b[id] != n {
			return false
		}
	}
	for id, n := range b {
		if a[id] != n {
			return false
		}
	}
	return true
}

func clock(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }
