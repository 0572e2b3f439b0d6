package bag

import (
	"fmt"
	"slices"
	"time"
)

// Compressions of chunks.
const (
	None = "none"
	LZ4  = "lz4"
	BZ2  = "bz2" // read only
)

// Connection is a topic as one publisher offers it.
type Connection struct {
	ID         uint32 // in the bag; given by the Writer
	Topic      string
	Type       string // "geometry_msgs/PoseStamped"
	MD5        string // of the type
	Definition string // full text of the type and those in it
	Caller     string // the node that published, or ""
	Latching   bool

	sum uint32 // of the record's data as read, to tell two of them apart
}

// fields are those of the data of a connection record.
func (c *Connection) fields() []field {
	f := []field{
		text("topic", c.Topic), text("type", c.Type), text("md5sum", c.MD5), text("message_definition", c.Definition),
	}
	if c.Caller != "" {
		f = append(f, text("callerid", c.Caller))
	}
	if c.Latching {
		f = append(f, text("latching", "1"))
	}
	return f
}

// appendTo appends the connection's record.
func (c *Connection) appendTo(b []byte) []byte {
	return appendRecord(b, appendFields(nil, c.fields()...), u8(fieldOp, opConnection), u32("conn", c.ID),
		text("topic", c.Topic))
}

// parseConnection reads a connection record.
func parseConnection(h header, data []byte) (*Connection, error) {
	id, err := h.u32("conn")
	if err != nil {
		return nil, err
	}
	if err := h.known("conn", "topic"); err != nil {
		return nil, err
	}
	topic, ok := h["topic"]
	if !ok {
		return nil, fmt.Errorf("a connection without a topic")
	}
	d, err := parseHeader(appendFields(slices.Clone(data), u8(fieldOp, opConnection)))
	if err != nil {
		return nil, fmt.Errorf("connection %d: %w", id, err)
	}
	c := &Connection{
		ID: id, Topic: string(topic), Type: string(d["type"]), MD5: string(d["md5sum"]),
		Definition: string(d["message_definition"]), Caller: string(d["callerid"]), Latching: string(d["latching"]) == "1",
		sum: checksum(data),
	}
	if c.Type == "" || c.MD5 == "" {
		return nil, fmt.Errorf("connection %d (%s) names no type or no md5sum", id, c.Topic)
	}
	return c, nil
}

// Message is one recorded message.
type Message struct {
	Conn *Connection
	Time time.Time // when it was recorded (or, of a simulation, simulated)
	Data []byte    // as it crossed the wire; valid until the next message is read
}

// entry is one line of an index record.
type entry struct {
	time   time.Time
	offset uint32 // in the uncompressed chunk
}

// chunkInfo is a chunk as the index section describes it.
type chunkInfo struct {
	pos        int64
	start, end time.Time
	counts     map[uint32]uint32 // messages per connection
}

func (c *chunkInfo) add(conn uint32, t time.Time) {
	if len(c.counts) == 0 {
		c.start, c.end = t, t
	}
	if t.Before(c.start) {
		c.start = t
	}
	if t.After(c.end) {
		c.end = t
	}
	c.counts[conn]++
}
