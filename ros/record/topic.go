package record

import (
	"fmt"
	"iter"
	"time"

	"korr/ros/bag"
	"korr/ros/node"
)

// Store is a recording that is written: a bag, or an MCAP file (package mcap), which takes the same.
type Store interface {
	Connect(c bag.Connection) (*bag.Connection, error)
	Write(c *bag.Connection, t time.Time, data []byte) error
	Close() error
	Abort() error // removes what was written so far; after Close it does nothing
}

// Source is a recording that is read.
type Source interface {
	Path() string
	Connections() []*bag.Connection
	Messages(topics ...string) iter.Seq2[bag.Message, error]
	Span() (begin, end time.Time)
	Damage() error
	Close() error
}

// Opener opens a recording; with recover it may be damaged.
type Opener func(path string, recover bool) (Source, error)

// OpenBag opens a bag.
func OpenBag(path string, recover bool) (Source, error) {
	b, err := bag.Open(path, bag.Options{Recover: recover})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Topic writes messages of one type to a bag.
type Topic[M any] struct {
	bag  Store
	conn *bag.Connection
}

// NewTopic adds a topic to a bag.
func NewTopic[M any](w Store, topic string, latched bool) (*Topic[M], error) {
	var m M
	kind, md5, err := node.Signature(m)
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", topic, err)
	}
	def, err := node.Definition(m)
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", topic, err)
	}
	c, err := w.Connect(bag.Connection{
		Topic: topic, Type: kind, MD5: md5, Definition: def, Caller: "/korr",
		Latching: latched,
	})
	return &Topic[M]{w, c}, err
}

// Write adds a message.
func (t *Topic[M]) Write(at time.Time, m *M) error {
	b, err := node.Encode(m)
	if err != nil {
		return fmt.Errorf("record %s: %w", t.conn.Topic, err)
	}
	return t.bag.Write(t.conn, at, b)
}
