package rosidl_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"testing"
	"time"

	"korr/ros/msgs"
	"korr/ros/rosidl"
)

var update = flag.Bool("update", false, "write testdata/foxglove.json anew with node and the packages under "+
	"$NODE_MODULES")

// spoken are the messages that cross DDS or lie in recordings, each as a new pointer.
var spoken = []func() any{
	made[msgs.Header], made[msgs.Bool], made[msgs.String], made[msgs.Clock], made[msgs.JointState], made[msgs.PoseStamped],
	made[msgs.PoseArray], made[msgs.TFMessage], made[msgs.DiagnosticArray], made[msgs.JointTrajectory],
	made[msgs.FrankaRobotState],
	made[msgs.Status], made[msgs.Action], made[msgs.SimState], made[msgs.ResetReq], made[msgs.ResetRes],
	made[msgs.StepReq],
	made[msgs.PerturbReq], made[msgs.SetBoolReq], made[msgs.SetBoolRes], made[msgs.TriggerRes], made[msgs.GraspGoal],
	made[msgs.GraspResult], made[msgs.MoveGoal], made[msgs.GoalStatusArray2], made[msgs.CancelGoalReq],
	made[msgs.CancelGoalRes],
	made[msgs.RosoutLog], made[msgs.ParticipantEntities16], made[msgs.ParticipantEntities24],
}

func made[M any]() any { return new(M) }

// filled is a message with values that its type's name gives.
func filled(t testing.TB, fresh func() any) (any, *rosidl.Type) {
	t.Helper()
	m := fresh()
	idl, err := rosidl.Of(reflect.TypeOf(m).Elem())
	if err != nil {
		t.Fatal(err)
	}
	h := fnv.New64a()
	h.Write([]byte(fmt.Sprintf("%T", m)))
	fill(reflect.ValueOf(m).Elem(), rand.New(rand.NewPCG(h.Sum64(), 2)))
	return m, idl
}

func fill(v reflect.Value, rng *rand.Rand) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(rng.Int64N(1<<31), rng.Int64N(1e9)).UTC()))
		return
	case time.Duration:
		v.SetInt(rng.Int64N(2e12) - 1e12)
		return
	}
	switch {
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); !f.Anonymous && f.Tag.Get("ros2") != "-" {
				fill(v.Field(i), rng)
			}
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+rng.IntN(4), 4))
		fallthrough
	case v.Kind() == reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), rng)
		}
	case v.Kind() == reflect.String:
		v.SetString("some text"[:rng.IntN(10)]) // ASCII: the other side counts UTF-16 units, and cuts what is longer in UTF-8
	case v.Kind() == reflect.Bool:
		v.SetBool(rng.IntN(2) == 1)
	case v.CanFloat():
		v.SetFloat(float64(float32(rng.NormFloat64())))
	case v.CanInt():
		v.SetInt(int64(rng.Uint64()) >> (64 - v.Type().Bits()))
	case v.CanUint():
		v.SetUint(rng.Uint64() >> (64 - v.Type().Bits()))
	default:
		panic(v.Type().String())
	}
}

// plain is a value as JavaScript has it.
func plain(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case time.Time:
		return map[string]any{"sec": x.Unix(), "nsec": x.Nanosecond()}
	case time.Duration:
		sec := int64(math.Floor(x.Seconds()))
		return map[string]any{"sec": sec, "nsec": int64(x) - sec*1e9}
	case int64, uint64:
		return fmt.Sprintf("%dn", x)
	}
	switch v.Kind() {
	case reflect.Struct:
		out := map[string]any{}
		for i := range v.NumField() {
			if f := v.Type().Field(i); !f.Anonymous && f.Tag.Get("ros2") != "-" {
				out[rosidl.FieldName(f)] = plain(v.Field(i))
			}
		}
		return out
	case reflect.Slice, reflect.Array:
		out := []any{}
		for i := range v.Len() {
			out = append(out, plain(v.Index(i)))
		}
		return out
	}
	return v.Interface()
}

const goldenFile = "testdata/foxglove.json"

// TestBytesAreThoseOfFoxglove compares with what an independent implementation writes for the same values and our
// definitions, and reads that back.
func TestBytesAreThoseOfFoxglove(t *testing.T) {
	type entry struct {
		Name   string `json:"name"`
		Schema string `json:"schema"`
		Value  any    `json:"value"`
	}
	var entries []entry
	for _, fresh := range spoken {
		m, idl := filled(t, fresh)
		entries = append(entries, entry{idl.Name + fmt.Sprintf(" %T", m), idl.Schema(), plain(reflect.ValueOf(m).Elem())})
	}
	if *update {
		in, err := json.Marshal(entries)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("node", "testdata/foxglove.mjs")
		cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(goldenFile, out, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	golden := map[string]string{}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	for i, fresh := range spoken {
		m, _ := filled(t, fresh)
		got, err := rosidl.Marshal(m)
		want, ok := golden[entries[i].Name]
		if err != nil || !ok || hex.EncodeToString(got) != want {
			t.Errorf("%s: %v\ngot  %x\nwant %s", entries[i].Name, err, got, want)
			continue
		}
		back := fresh()
		if err := rosidl.Unmarshal(got, back); err != nil || !reflect.DeepEqual(m, back) {
			t.Errorf("%s comes back as %+v, %v; want %+v", entries[i].Name, back, err, m)
		}
	}
}

// TestBigEndianIsRead: the other byte order means the same.
func TestBigEndianIsRead(t *testing.T) {
	data := []byte{0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 7, 0, 0, 0, 3, 'a', 'b', 0}
	var h msgs.Header
	if err := rosidl.Unmarshal(data, &h); err != nil || h.FrameId != "ab" || !h.Stamp.Equal(time.Unix(5, 7)) {
		t.Errorf("%+v, %v", h, err)
	}
}

// TestTextIsUTF8: its length counts bytes.
func TestTextIsUTF8(t *testing.T) {
	got, err := rosidl.Marshal(&msgs.String{Data: "aä"})
	if want := []byte{0, 1, 0, 0, 4, 0, 0, 0, 'a', 0xc3, 0xa4, 0}; err != nil || !bytes.Equal(got, want) {
		t.Errorf("%x, %v; want %x", got, err, want)
	}
	var m msgs.String
	if err := rosidl.Unmarshal(got, &m); err != nil || m.Data != "aä" {
		t.Errorf("%q, %v", m.Data, err)
	}
}

// TestWhatIsNoMessageIsRefused: too short, too long, and what no value can be.
func TestWhatIsNoMessageIsRefused(t *testing.T) {
	good, err := rosidl.Marshal(&msgs.SetBoolRes{Success: true, Message: "abc"})
	if err != nil {
		t.Fatal(err)
	}
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	for name, data := range map[string][]byte{
		"empty": {}, "header alone": good[:4], "cut": good[:len(good)-1], "trailing": append(bytes.Clone(good), 0, 0, 0, 0),
		"bool of 2": change(4, 2), "text without end": change(len(good)-1, 'x'), "NUL inside": change(len(good)-2, 0),
		"XCDR2": change(1, 7), "length": change(10, 0xff),
	} {
		var m msgs.SetBoolRes
		if err := rosidl.Unmarshal(data, &m); !errors.Is(err, rosidl.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := rosidl.Marshal(&msgs.String{Data: "a\x00b"}); err == nil {
		t.Error("a text with a NUL was written")
	}
	if _, err := rosidl.Marshal(&msgs.Clock{Clock: time.Unix(1<<40, 0)}); err == nil {
		t.Error("a time beyond 32 bits was written")
	}
}

// FuzzUnmarshal: no bytes crash a reader, and what it takes it writes back as something that means the same.
func FuzzUnmarshal(f *testing.F) {
	for i, fresh := range spoken {
		m, _ := filled(f, fresh)
		data, err := rosidl.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), data)
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		fresh := spoken[int(which)%len(spoken)]
		m := fresh()
		if rosidl.Unmarshal(data, m) != nil {
			return
		}
		again, err := rosidl.Marshal(m)
		if err != nil {
			t.Fatalf("%T was read and cannot be written: %v", m, err)
		}
		back := fresh()
		if err := rosidl.Unmarshal(again, back); err != nil {
			t.Fatal(err)
		}
		if third, err := rosidl.Marshal(back); err != nil || !bytes.Equal(again, third) {
			t.Fatalf("%T: %x and %x, %v", m, again, third, err)
		}
	})
}

func BenchmarkFrankaRobotState(b *testing.B) {
	m, _ := filled(b, made[msgs.FrankaRobotState])
	data, err := rosidl.Marshal(m)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			if data, err = rosidl.Append(data[:0], m); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read", func(b *testing.B) {
		var m msgs.FrankaRobotState
		for b.Loop() {
			if err := rosidl.Unmarshal(data, &m); err != nil {
				b.Fatal(err)
			}
		}
	})
}
