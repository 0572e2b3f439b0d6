package record

import (
	"fmt"
	"time"

	"korr/ros/bag"
	"korr/ros/node"
)

// Topic writes messages of one type to a bag.
type Topic[M any] struct {
	bag  *bag.Writer
	conn *bag.Connection
}

// NewTopic adds a topic to a bag.
func NewTopic[M any](w *bag.Writer, topic string, latched bool) (*Topic[M], error) {
	var m M
	kind, md5, err := node.Signature(m)
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", topic, err)
	}
	def, err := node.Definition(m)
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", topic, err)
	}
	c, err := w.Connect(bag.Connection{Topic: topic, Type: kind, MD5: md5, Definition: def, Caller: "/korr", Latching: latched})
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
