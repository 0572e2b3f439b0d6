package run

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// EventsPrefix begins the name of the file that TensorBoard reads.
const EventsPrefix = "events.out.tfevents."

// events writes scalars as TensorBoard reads them: records of TFRecord (length, masked CRC-32C of the length, data,
// masked CRC-32C of the data; tensorflow/core/lib/io/record_writer.h) that hold Event messages
// (tensorflow/core/util/event.proto).
type events struct{ file *os.File }

// Fields of the messages Event, Summary and Summary.Value.
const (
	eventWallTime    = 1 // double, seconds since 1970
	eventStep        = 2 // int64
	eventFileVersion = 3 // string
	eventSummary     = 5 // Summary
	summaryValue     = 1 // repeated Value
	valueTag         = 1 // string
	valueSimple      = 2 // float
)

// newEvents makes the file of a run anew, in the place of those that this program wrote there before. begun is when the
// training began, after the wall times of its records.
func newEvents(dir string, begun time.Time) (*events, error) {
	old, err := fs.Glob(os.DirFS(dir), EventsPrefix+"*.korr")
	if err != nil {
		return nil, err
	}
	for _, name := range old {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%s%010d.%d.korr", EventsPrefix, time.Now().Unix(), os.Getpid())))
	if err != nil {
		return nil, err
	}
	e := &events{f}
	first := protowire.AppendTag(eventHead(begun, 0), eventFileVersion, protowire.BytesType)
	return e, e.record(protowire.AppendString(first, "brain.Event:2"))
}

// scalars appends the values of a step; those that are not finite too, as TensorBoard shows them.
func (e *events) scalars(at time.Time, step int, values map[string]float64) error {
	var summary []byte
	for _, name := range slices.Sorted(maps.Keys(values)) {
		v := protowire.AppendTag(nil, valueTag, protowire.BytesType)
		v = protowire.AppendString(v, name)
		v = protowire.AppendTag(v, valueSimple, protowire.Fixed32Type)
		v = protowire.AppendFixed32(v, math.Float32bits(float32(values[name])))
		summary = protowire.AppendTag(summary, summaryValue, protowire.BytesType)
		summary = protowire.AppendBytes(summary, v)
	}
	event := protowire.AppendTag(eventHead(at, step), eventSummary, protowire.BytesType)
	return e.record(protowire.AppendBytes(event, summary))
}

func eventHead(at time.Time, step int) []byte {
	b := protowire.AppendTag(nil, eventWallTime, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, math.Float64bits(float64(at.UnixNano())/1e9))
	b = protowire.AppendTag(b, eventStep, protowire.VarintType)
	return protowire.AppendVarint(b, uint64(step))
}

// record appends one record.
func (e *events) record(data []byte) error {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	b = binary.LittleEndian.AppendUint32(b, masked(b))
	b = append(b, data...)
	b = binary.LittleEndian.AppendUint32(b, masked(data))
	_, err := e.file.Write(b)
	return err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is TFRecord's checksum: CRC-32C, rotated by 15 bits, plus a constant.
func masked(data []byte) uint32 {
	c := crc32.Checksum(data, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

func (e *events) close() error { return e.file.Close() }
