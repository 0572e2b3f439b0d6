package run

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"math"
	"os"
	"reflect"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// TestMaskedChecksum holds the framing against a file that TensorFlow wrote: the length 24 and its checksum, from the
// first bytes of every event file (the version record "brain.Event:2" without a step).
func TestMaskedChecksum(t *testing.T) {
	length := binary.LittleEndian.AppendUint64(nil, 24)
	if got := binary.LittleEndian.AppendUint32(nil, masked(length)); !bytes.Equal(got, []byte{0xa3, 0x7f, 0x4b, 0x22}) {
		t.Errorf("% x", got)
	}
}

// TestEventsSayWhatTheMetricsSay: also after a resumption, in one file.
func TestEventsSayWhatTheMetricsSay(t *testing.T) {
	f := create(t)
	f.TensorBoard = true
	record(t, f, 0, 5, 10, 15)
	record(t, f, 10, 12) // resumed from step 10
	names, err := fs.Glob(os.DirFS(f.Dir()), EventsPrefix+"*")
	if err != nil || len(names) != 1 {
		t.Fatalf("%v, %v", names, err)
	}
	b, err := os.ReadFile(f.Path(names[0]))
	if err != nil {
		t.Fatal(err)
	}
	got := readEvents(t, b)
	want := map[int]map[string]float32{
		5: {"loss": 5. / 8, "lr": 1e-3}, 10: {"loss": 10. / 8, "lr": 1e-3},
		12: {"loss": 12. / 8, "lr": 1e-3},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// readEvents decodes an event file, checksums and all, without the writer's code.
func readEvents(t *testing.T, b []byte) map[int]map[string]float32 {
	t.Helper()
	out := map[int]map[string]float32{}
	for first := true; len(b) > 0; first = false {
		n := int(binary.LittleEndian.Uint64(b))
		if binary.LittleEndian.Uint32(b[8:]) != masked(b[:8]) || binary.LittleEndian.Uint32(b[12+n:]) != masked(b[12:12+n]) {
			t.Fatal("a checksum is wrong")
		}
		step, version, scalars := readEvent(t, b[12:12+n])
		if first != (version == "brain.Event:2") {
			t.Fatalf("version %q", version)
		}
		if !first {
			out[step] = scalars
		}
		b = b[16+n:]
	}
	return out
}

func readEvent(t *testing.T, b []byte) (step int, version string, scalars map[string]float32) {
	t.Helper()
	fields(t, b, func(num protowire.Number, v []byte, x uint64) {
		switch num {
		case 1:
			if at := math.Float64frombits(x); at < 1.5e9 || at > 1e10 {
				t.Errorf("wall time %g", at)
			}
		case 2:
			step = int(x)
		case 3:
			version = string(v)
		case 5:
			scalars = map[string]float32{}
			fields(t, v, func(_ protowire.Number, value []byte, _ uint64) {
				tag := ""
				fields(t, value, func(num protowire.Number, v []byte, x uint64) {
					if num == 1 {
						tag = string(v)
					} else {
						scalars[tag] = math.Float32frombits(uint32(x))
					}
				})
			})
		}
	})
	return step, version, scalars
}

// fields walks over the fields of a message.
func fields(t *testing.T, b []byte, visit func(num protowire.Number, v []byte, x uint64)) {
	t.Helper()
	for len(b) > 0 {
		num, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		b = b[n:]
		var v []byte
		var x uint64
		switch kind {
		case protowire.BytesType:
			v, n = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			x, n = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			x, n = protowire.ConsumeFixed64(b)
		case protowire.Fixed32Type:
			var y uint32
			y, n = protowire.ConsumeFixed32(b)
			x = uint64(y)
		}
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		visit(num, v, x)
		b = b[n:]
	}
}
