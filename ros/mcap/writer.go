package mcap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/foxglove/mcap/go/mcap"

	"korr/internal/atomicfile"
	"korr/ros/bag"
)

const (
	// activeSuffix is that of a file that is being written, as bags have it.
	activeSuffix = ".active"
	chunkBytes   = 1 << 20

	profile        = "ros2"
	schemaEncoding = "ros2msg"
	cdr            = "cdr"
)

// Writer writes an MCAP file. It belongs to one goroutine. An error stays: every later call returns it.
type Writer struct {
	path, active string
	f            *os.File
	w            *mcap.Writer
	conns        map[*bag.Connection]*channel
	schemas      map[string]uint16
	err          error
}

// channel is a connection in the file.
type channel struct {
	id   uint16
	seq  uint32
	kind *kind
}

// Create starts a file at path, which must not exist; until Close it is called path.active.
func Create(path string) (*Writer, error) {
	if _, err := os.Stat(path); err == nil {
		return nil, fmt.Errorf("recording %s: %w: choose another name or remove it", path, fs.ErrExist)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("recording %s: %w", path, err)
	}
	f, err := os.Create(path + activeSuffix)
	if err != nil {
		return nil, fmt.Errorf("recording %s: %w", path, err)
	}
	w := &Writer{
		path: path, active: path + activeSuffix, f: f, conns: map[*bag.Connection]*channel{},
		schemas: map[string]uint16{},
	}
	if w.w, err = mcap.NewWriter(f, &mcap.WriterOptions{
		Chunked: true, ChunkSize: chunkBytes, Compression: mcap.CompressionZSTD, IncludeCRC: true, OverrideLibrary: true,
	}); err == nil {
		err = w.w.WriteHeader(&mcap.Header{Profile: profile, Library: "korr"})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("recording %s: %w", path, err), w.Abort())
	}
	return w, nil
}

// keep keeps the first error.
func (w *Writer) keep(err error) error {
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("recording %s: %w: what came before is in %s (korr inspect --recover)", w.path, err, w.active)
	}
	return w.err
}

// Connect adds a topic, given as a bag has it.
func (w *Writer) Connect(c bag.Connection) (*bag.Connection, error) {
	if w.err != nil {
		return nil, w.err
	}
	k := known[c.Type]
	if k == nil || k.md5 != c.MD5 {
		return nil, fmt.Errorf("recording %s: topic %s has type %s (MD5 sum %s), which has no ROS 2 form here", w.path,
			c.Topic, c.Type, c.MD5)
	}
	schema, there := w.schemas[k.ros2.Name]
	if !there {
		schema = uint16(len(w.schemas) + 1)
		w.schemas[k.ros2.Name] = schema
		if err := w.w.WriteSchema(&mcap.Schema{
			ID: schema, Name: k.ros2.Name, Encoding: schemaEncoding,
			Data: []byte(k.ros2.Schema()),
		}); err != nil {
			return nil, w.keep(err)
		}
	}
	ch := &channel{id: uint16(len(w.conns) + 1), kind: k}
	meta := map[string]string{"topic_type_hash": k.ros2.Hash(), "offered_qos_profiles": ""}
	if c.Latching {
		meta["offered_qos_profiles"] = "- history: keep_last\n  depth: 1\n  reliability: reliable\n  durability: " +
			"transient_local\n"
	}
	if c.Caller != "" {
		meta["korr_publisher"] = c.Caller
	}
	if err := w.w.WriteChannel(&mcap.Channel{
		ID: ch.id, SchemaID: schema, Topic: topic2(c.Topic), MessageEncoding: cdr,
		Metadata: meta,
	}); err != nil {
		return nil, w.keep(err)
	}
	c.ID = uint32(ch.id)
	w.conns[&c] = ch
	return &c, nil
}

// Write adds a message, given as it crosses ROS 1's wire.
func (w *Writer) Write(c *bag.Connection, t time.Time, data []byte) error {
	if w.err != nil {
		return w.err
	}
	ch := w.conns[c]
	if ch == nil {
		return fmt.Errorf("recording %s: a message on %s, which was never connected", w.path, c.Topic)
	}
	if t.UnixNano() < 0 {
		return fmt.Errorf("recording %s: a message on %s at %v: before 1970", w.path, c.Topic, t)
	}
	body, err := ch.kind.toCDR(data)
	if err != nil {
		return fmt.Errorf("recording %s: %s: %w", w.path, c.Topic, err)
	}
	ch.seq++
	at := uint64(t.UnixNano())
	return w.keep(w.w.WriteMessage(&mcap.Message{
		ChannelID: ch.id, Sequence: ch.seq, LogTime: at, PublishTime: at,
		Data: body,
	}))
}

// Close completes the file and gives it its name.
func (w *Writer) Close() error {
	if w.f == nil {
		return w.err
	}
	f := w.f
	w.f = nil
	err := w.err
	if err == nil {
		if err = w.w.Close(); err == nil {
			err = f.Sync()
		}
	}
	if err = errors.Join(err, f.Close()); err == nil {
		if err = os.Rename(w.active, w.path); err == nil {
			err = atomicfile.SyncDir(filepath.Dir(w.path))
		}
	}
	w.err = fmt.Errorf("recording %s: %w", w.path, bag.ErrClosed)
	return err
}

// Abort removes what was written so far. After Close it does nothing.
func (w *Writer) Abort() error {
	if w.f == nil {
		return nil
	}
	f := w.f
	w.f = nil
	if w.err == nil {
		w.err = fmt.Errorf("recording %s: %w", w.path, bag.ErrClosed)
	}
	return errors.Join(f.Close(), os.Remove(w.active))
}
