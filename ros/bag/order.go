package bag

import (
	"cmp"
	"iter"
	"slices"
	"sort"
)

// maxPending bounds the bytes of messages that wait for their turn because chunks overlap in time.
const maxPending = 1 << 30

// Messages yields the messages of the topics named, or all, in the order of their record times, however they lie in the
// file; equal times come in the file's order. Damage ends it with a *FormatError. With Recover there may be no index to
// sort by: messages come in the order of the file, and damage ends them without an error; Damage tells.
func (r *Reader) Messages(topics ...string) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		r.stats = Stats{Size: r.stats.Size, Compressions: map[string]int{}}
		wanted := func(m *located) bool { return len(topics) == 0 || slices.Contains(topics, m.Conn.Topic) }
		if r.opts.Recover {
			r.inFile(wanted, yield)
			return
		}
		if err := r.inTime(wanted, yield); err != nil {
			yield(Message{}, err)
		}
	}
}

// inFile yields what can be read, from the beginning.
func (r *Reader) inFile(wanted func(*located) bool, yield func(Message, error) bool) {
	for at := r.first; at < r.end; {
		c, err := r.readChunk(at)
		if err == nil {
			at, err = r.readIndexes(&c)
		}
		for i := range c.messages {
			if m := &c.messages[i]; wanted(m) && !yield(m.Message, nil) {
				return
			}
		}
		if err != nil || at == 0 { // the damage, or the index section
			r.damage = err
			return
		}
	}
}

// waiting are messages of chunks that were read, sorted by time and then by their place in the file.
type waiting struct {
	messages []located
	size     int // bytes
}

// inTime yields the messages by time: chunks are read in the order of their first messages, and a message comes when no
// chunk that is still to be read can hold an earlier one. An error of nil also stands for a caller who had enough.
func (r *Reader) inTime(wanted func(*located) bool, yield func(Message, error) bool) error {
	order := make([]int, len(r.infos))
	for k := range order {
		order[k] = k
	}
	slices.SortStableFunc(order, func(a, b int) int { return r.infos[a].start.Compare(r.infos[b].start) })
	ends := make([]int64, len(r.infos)) // of the chunks with their indexes
	var w waiting
	for i, k := range order {
		c, err := r.chunkAt(k, ends)
		if err != nil {
			return err
		}
		w.add(&c, wanted)
		if w.size > maxPending {
			return r.bad(c.at, "more than %d bytes of messages overlap in time with this chunk: sort the bag (rosbag filter "+
				"IN OUT True)", maxPending)
		}
		var next *chunkInfo
		if i+1 < len(order) {
			next = &r.infos[order[i+1]]
		}
		if !w.yieldUntil(next, yield) {
			return nil
		}
	}
	at := r.first
	for k := range r.infos { // nothing lies between the chunks, and nothing behind them that the index does not know
		if r.infos[k].pos != at {
			return r.bad(at, "chunk %d is here, and at byte %d in the index section", k, r.infos[k].pos)
		}
		at = ends[k]
	}
	if at < r.end {
		return r.bad(at, "a chunk that the index section does not know")
	}
	return nil
}

// chunkAt reads chunk k with the indexes behind it and compares it with the index section.
func (r *Reader) chunkAt(k int, ends []int64) (chunk, error) {
	pos := r.infos[k].pos
	if pos < r.first || pos >= r.end {
		return chunk{}, r.bad(r.end, "chunk %d is at byte %d in the index section, chunks lie from byte %d to %d", k, pos,
			r.first, r.end)
	}
	c, err := r.readChunk(pos)
	if err == nil {
		ends[k], err = r.readIndexes(&c)
	}
	if err == nil {
		err = r.verify(&c, k)
	}
	return c, err
}

// add takes the messages of a chunk.
func (w *waiting) add(c *chunk, wanted func(*located) bool) {
	before := len(w.messages)
	for i := range c.messages {
		if m := &c.messages[i]; wanted(m) {
			m.chunk = c.at
			w.messages = append(w.messages, *m)
			w.size += len(m.Data)
		}
	}
	compare := func(a, b located) int { return a.compare(&b) }
	if !slices.IsSortedFunc(w.messages[max(before-1, 0):], compare) {
		slices.SortFunc(w.messages, compare)
	}
}

// compare orders messages by time, then by chunk and place in it.
func (m *located) compare(o *located) int {
	return cmp.Or(m.Time.Compare(o.Time), cmp.Compare(m.chunk, o.chunk), cmp.Compare(m.offset, o.offset))
}

// yieldUntil yields the messages that come before all of the next chunk, or all when there is none; false when the
// caller had enough.
func (w *waiting) yieldUntil(next *chunkInfo, yield func(Message, error) bool) bool {
	n := len(w.messages)
	if next != nil {
		n = sort.Search(len(w.messages), func(i int) bool {
			m := &w.messages[i]
			c := m.Time.Compare(next.start)
			return c > 0 || c == 0 && m.chunk > next.pos
		})
	}
	for i := range w.messages[:n] {
		w.size -= len(w.messages[i].Data)
		if !yield(w.messages[i].Message, nil) {
			return false
		}
	}
	w.messages = slices.Delete(w.messages, 0, n)
	return true
}
