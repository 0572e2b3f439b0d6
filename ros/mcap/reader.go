package mcap

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/foxglove/mcap/go/mcap"

	"korr/internal/regular"
	"korr/ros/bag"
)

// Bounds of what a file may make the reader allocate.
const (
	maxChunk  = 256 << 20
	maxRecord = 256 << 20
)

// Options say how a file is read.
type Options struct {
	Recover bool // read up to the damage of a damaged file, or to the end of an unclosed one
}

// Stats sum up a file.
type Stats struct {
	Size    int64
	Unknown map[string]int // messages of types that are passed over, by type
}

// Reader reads an MCAP file.
type Reader struct {
	path   string
	f      *os.File
	size   int64
	opts   Options
	damage error
	begin  time.Time
	end    time.Time
	conns  []*bag.Connection
	stats  Stats
}

// IsMCAP reports whether a file begins as an MCAP file.
func IsMCAP(head []byte) bool { return strings.HasPrefix(string(head), string(magic[:6])) }

// Open checks a file and learns its topics. The error says what is damaged.
func Open(path string, opts Options) (*Reader, error) {
	f, size, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	r := &Reader{path: path, f: f, size: size, opts: opts, stats: Stats{Size: size, Unknown: map[string]int{}}}
	if err := verify(f, r.size); err != nil {
		if !opts.Recover {
			_ = f.Close()
			return nil, fmt.Errorf("recording %s: %w; --recover reads what can be read", path, err)
		}
		r.damage = fmt.Errorf("recording %s: %w", path, err)
	}
	for m, err := range r.scan(true) { // for topics and the span
		if err != nil {
			_ = f.Close()
			return nil, err
		}
		if r.begin.IsZero() || m.Time.Before(r.begin) {
			r.begin = m.Time
		}
		if m.Time.After(r.end) {
			r.end = m.Time
		}
	}
	return r, nil
}

// Path is the file's.
func (r *Reader) Path() string { return r.path }

// Connections are the topics of types that are known, in the order in which they came up, as a bag has them.
func (r *Reader) Connections() []*bag.Connection { return slices.Clone(r.conns) }

// Span is the time of the first and of the last message.
func (r *Reader) Span() (begin, end time.Time) { return r.begin, r.end }

// Stats sum the file up.
func (r *Reader) Stats() Stats { return r.stats }

// Damage is where reading ended early, nil if it did not.
func (r *Reader) Damage() error { return r.damage }

// Close closes the file.
func (r *Reader) Close() error { return r.f.Close() }

// Messages gives the messages of the topics, or of all, as a bag has them. Data is valid until the next one.
func (r *Reader) Messages(topics ...string) iter.Seq2[bag.Message, error] {
	return func(yield func(bag.Message, error) bool) {
		for m, err := range r.scan(false) {
			if err == nil && len(topics) > 0 && !slices.Contains(topics, m.Conn.Topic) {
				continue
			}
			if !yield(m, err) {
				return
			}
		}
	}
}

// scan reads the data section from its beginning; first notes what is in it and translates nothing.
func (r *Reader) scan(first bool) iter.Seq2[bag.Message, error] {
	return func(yield func(bag.Message, error) bool) {
		err := r.records(first, func(m bag.Message) bool { return yield(m, nil) })
		if err == nil || errors.Is(err, errStopped) {
			return
		}
		err = fmt.Errorf("recording %s: %w", r.path, err)
		if r.opts.Recover {
			if r.damage == nil {
				r.damage = err
			}
			return
		}
		yield(bag.Message{}, err)
	}
}

var errStopped = errors.New("nobody reads on")

// opened is a channel that was read.
type opened struct {
	conn *bag.Connection
	kind *kind
	name string // of the type
}

// records takes the records of the file until its data end.
func (r *Reader) records(first bool, take func(bag.Message) bool) error {
	l, err := mcap.NewLexer(io.NewSectionReader(r.f, 0, r.size), &mcap.LexerOptions{
		ValidateChunkCRCs: true, MaxDecompressedChunkSize: maxChunk, MaxRecordSize: maxRecord,
		AttachmentCallback: func(*mcap.AttachmentReader) error { return nil },
	})
	if err != nil {
		return err
	}
	defer l.Close()
	schemas, channels := map[uint16]*mcap.Schema{}, map[uint16]*opened{}
	var buf []byte
	for {
		token, record, err := l.Next(buf)
		if errors.Is(err, io.EOF) {
			return ErrUnclosed
		}
		if err != nil {
			return err
		}
		if len(record) > len(buf) {
			buf = record
		}
		switch token {
		case mcap.TokenSchema:
			s, err := mcap.ParseSchema(record)
			if err != nil {
				return err
			}
			s.Data = nil // names are enough; record belongs to the lexer
			schemas[s.ID] = s
		case mcap.TokenChannel:
			if err := r.channel(record, schemas, channels, first); err != nil {
				return err
			}
		case mcap.TokenMessage:
			m, err := mcap.ParseMessage(record)
			if err != nil {
				return err
			}
			if err := r.message(m, channels[m.ChannelID], first, take); err != nil {
				return err
			}
		case mcap.TokenDataEnd, mcap.TokenFooter:
			return nil
		}
	}
}

// channel notes a channel. It may be repeated.
func (r *Reader) channel(record []byte, schemas map[uint16]*mcap.Schema,
	channels map[uint16]*opened, first bool,
) error {
	c, err := mcap.ParseChannel(record)
	if err != nil {
		return err
	}
	if channels[c.ID] != nil {
		return nil
	}
	o := &opened{}
	if s := schemas[c.SchemaID]; s != nil {
		o.name = s.Name
		if c.MessageEncoding == cdr {
			o.kind = known[s.Name]
		}
	}
	if o.kind != nil {
		o.conn = &bag.Connection{
			ID: uint32(c.ID), Topic: topic1(c.Topic), Type: o.kind.ros1, MD5: o.kind.md5, Definition: o.kind.definition,
			Caller:   c.Metadata["korr_publisher"],
			Latching: strings.Contains(c.Metadata["offered_qos_profiles"], "transient_local"),
		}
		if first {
			r.conns = append(r.conns, o.conn)
		}
	}
	channels[c.ID] = o
	return nil
}

func (r *Reader) message(m *mcap.Message, o *opened, first bool, take func(bag.Message) bool) error {
	if o == nil {
		return fmt.Errorf("a message on channel %d, which is not declared", m.ChannelID)
	}
	if o.kind == nil {
		if first {
			r.stats.Unknown[o.name]++
		}
		return nil
	}
	if m.LogTime > math.MaxInt64 {
		return fmt.Errorf("a message on %s at %d ns", o.conn.Topic, m.LogTime)
	}
	out := bag.Message{Conn: o.conn, Time: time.Unix(0, int64(m.LogTime)).UTC()}
	if !first {
		var err error
		if out.Data, err = o.kind.toROS1(m.Data); err != nil {
			return fmt.Errorf("message on %s at %d.%09d: %w", o.conn.Topic, out.Time.Unix(), out.Time.Nanosecond(), err)
		}
	}
	if !take(out) {
		return errStopped
	}
	return nil
}
