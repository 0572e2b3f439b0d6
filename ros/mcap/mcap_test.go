package mcap_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	foxglove "github.com/foxglove/mcap/go/mcap"

	"korr/internal/geom"
	"korr/internal/recording"
	"korr/residual/loop"
	"korr/ros/bag"
	"korr/ros/mcap"
	"korr/ros/msgs"
	"korr/ros/record"
	"korr/ros/simarm"
	"korr/ros/toyarm"
	"korr/sim"
)

const steps = 60

// recorded plays an episode of the toy arm into a store.
func recorded(t testing.TB, store record.Store) {
	t.Helper()
	env := toyarm.New(steps)
	spec := env.Spec()
	s, err := record.NewSimIn(store, spec, recording.Note{Task: spec.Task, Policy: "test"})
	if err != nil {
		t.Fatal(err)
	}
	obs, arm := make([]float32, spec.ObsDim), make([]float64, simarm.Dim(len(spec.PartNames)))
	if err := env.Reset(obs, 7); err != nil {
		t.Fatal(err)
	}
	env.ArmStateTo(arm)
	if err := s.Reset(7, arm); err != nil {
		t.Fatal(err)
	}
	for k := range steps {
		act := []float32{
			0.5 + 0.05*float32(math.Sin(float64(k))), 0.1, 0.2, 1, 0, 0.01 * float32(k%7), 0, -1, 0.02,
			float32(1 - 2*(k/20%2)),
		}
		res, err := env.Step(obs, act)
		if err != nil {
			t.Fatal(err)
		}
		env.ArmStateTo(arm)
		if err := s.Step(act, arm, res); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func create(t testing.TB) (*mcap.Writer, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "e.mcap")
	w, err := mcap.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	return w, path
}

func read(t *testing.T, path string) *recording.Recording {
	t.Helper()
	r, err := record.Read([]string{path}, record.Config{
		Topics: record.DefaultTopics(),
		Parts:  toyarm.New(1).Spec().PartNames, Open: mcap.OpenAny,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestEpisodeComesBackAsFromABag: what a policy learns from is the same from an MCAP file and from a bag, as the
// float32 numbers of a dataset.
func TestEpisodeComesBackAsFromABag(t *testing.T) {
	w, path := create(t)
	recorded(t, w)
	plain := filepath.Join(t.TempDir(), "e.bag")
	b, err := bag.Create(plain, bag.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	recorded(t, b)
	got, want := read(t, path), read(t, plain)
	for name, pair := range map[string][2]*recording.Track{
		"state": {&got.State, &want.State}, "width": {&got.Width, &want.Width}, "poses": {&got.Poses, &want.Poses},
		"commands": {&got.Commands, &want.Commands}, "gripper": {&got.Gripper, &want.Gripper},
	} {
		a, b := pair[0], pair[1]
		if a.Len() == 0 || !reflect.DeepEqual(a.Stamps, b.Stamps) || !reflect.DeepEqual(singles(a.Values),
			singles(b.Values)) {
			t.Errorf("%s differ: %d and %d samples", name, a.Len(), b.Len())
		}
	}
	if !reflect.DeepEqual(got.Marks, want.Marks) || !reflect.DeepEqual(got.Note, want.Note) || len(got.Marks) != 1 {
		t.Errorf("marks %+v and %+v", got.Marks, want.Marks)
	}
}

func singles(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

// TestLibraryReadsIt: the library's own reader finds the standard types with their definitions, and every message.
func TestLibraryReadsIt(t *testing.T) {
	w, path := create(t)
	recorded(t, w)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := foxglove.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	info, err := r.Info()
	if err != nil {
		t.Fatal(err)
	}
	if r.Header().Profile != "ros2" || info.Statistics.MessageCount < 7*steps {
		t.Errorf("profile %q, %d messages", r.Header().Profile, info.Statistics.MessageCount)
	}
	types := map[string]string{}
	for _, c := range info.Channels {
		s := info.Schemas[c.SchemaID]
		types[c.Topic] = s.Name
		if s.Encoding != "ros2msg" || c.MessageEncoding != "cdr" {
			t.Errorf("%s: %s, %s", c.Topic, s.Encoding, c.MessageEncoding)
		}
	}
	for topic, want := range map[string]string{
		"/tf": "tf2_msgs/msg/TFMessage", "/joint_states": "sensor_msgs/msg/JointState",
		msgs.PartsTopic:   "geometry_msgs/msg/PoseArray",
		msgs.CommandTopic: "geometry_msgs/msg/PoseStamped", msgs.RobotStateTopic: "franka_msgs/msg/FrankaRobotState",
	} {
		if types[topic] != want {
			t.Errorf("%s has type %q, want %s", topic, types[topic], want)
		}
	}
}

// TestAnotherReaderReadsIt: the independent reader of Foxglove, which compares every CRC, parses every message with its
// definition; where NODE_MODULES names a folder with its packages (testdata/core.mjs).
func TestAnotherReaderReadsIt(t *testing.T) {
	if os.Getenv("NODE_MODULES") == "" {
		t.Skip("NODE_MODULES names no folder: testdata/core.mjs says what to install")
	}
	w, path := create(t)
	recorded(t, w)
	printed, err := exec.Command("node", "testdata/core.mjs", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Profile string
		Counts  map[string]int
		Types   map[string]string
		Ordered bool
		Last    map[string]float64
	}
	if err := json.Unmarshal(printed, &got); err != nil {
		t.Fatal(err)
	}
	if got.Profile != "ros2" || !got.Ordered || got.Counts["/tf"] != steps+1 || got.Counts[msgs.CommandTopic] != steps ||
		got.Types[msgs.RobotStateTopic] != "franka_msgs/msg/FrankaRobotState" {
		t.Errorf("%+v", got)
	}
	commands := read(t, path).Commands
	last := commands.Values[len(commands.Values)/commands.Len()*(commands.Len()-1):]
	if last[0] != got.Last["x"] || last[1] != got.Last["y"] || last[2] != got.Last["z"] {
		t.Errorf("the last pose is %v there, %v here", got.Last, last[:3])
	}
}

// TestEveryFlippedBitIsNoticed: 1,500 files with one bit changed.
func TestEveryFlippedBitIsNoticed(t *testing.T) {
	w, path := create(t)
	recorded(t, w)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	spoiled := filepath.Join(t.TempDir(), "spoiled.mcap")
	flip := func(bit int) {
		b := bytes.Clone(whole)
		b[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(spoiled, b, 0o666); err != nil {
			t.Fatal(err)
		}
		r, err := mcap.Open(spoiled, mcap.Options{})
		if err != nil {
			return
		}
		defer r.Close()
		for _, err := range r.Messages() {
			if err != nil {
				return
			}
		}
		t.Errorf("bit %d of byte %d of %d: nothing was noticed", bit%8, bit/8, len(whole))
	}
	for range 1500 {
		flip(rng.IntN(8 * len(whole)))
	}
	for byteFromEnd := range 60 { // the footer and what surrounds it
		flip(8*(len(whole)-1-byteFromEnd) + rng.IntN(8))
	}
}

// TestWhatIsCutIsRecovered: a file that ends anywhere is refused, and with Recover read up to there.
func TestWhatIsCutIsRecovered(t *testing.T) {
	w, path := create(t)
	recorded(t, w)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.mcap")
	most := 0
	for _, n := range []int{0, 9, 100, len(whole) / 2, len(whole) - 40, len(whole) - 1} {
		if err := os.WriteFile(cut, whole[:n], 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := mcap.Open(cut, mcap.Options{}); err == nil || !strings.Contains(err.Error(), "--recover") {
			t.Errorf("%d bytes: %v", n, err)
		}
		r, err := mcap.Open(cut, mcap.Options{Recover: true})
		if err != nil {
			t.Errorf("%d bytes: %v", n, err)
			continue
		}
		got := 0
		for _, err := range r.Messages() {
			if err != nil {
				t.Errorf("%d bytes: %v", n, err)
			}
			got++
		}
		if got < most || r.Damage() == nil {
			t.Errorf("%d bytes: %d messages after %d, damage %v", n, got, most, r.Damage())
		}
		most = max(most, got)
		_ = r.Close()
	}
	if most < 7*steps {
		t.Errorf("%d messages of the whole file", most)
	}
}

// TestUnclosedIsActive: a file that nobody closed keeps its name, and what it holds is read with Recover.
func TestUnclosedIsActive(t *testing.T) {
	w, path := create(t)
	p, err := record.NewTopic[msgs.String](w, "/x", true)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Write(time.Unix(3, 4), &msgs.String{Data: "hello"}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("the file has its name already")
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".active"); !errors.Is(err, os.ErrNotExist) {
		t.Error("an aborted file is still there")
	}
	if err := p.Write(time.Unix(3, 4), &msgs.String{}); !errors.Is(err, bag.ErrClosed) {
		t.Error(err)
	}
}

// TestFlightRecord: a flight record as MCAP holds each tick.
func TestFlightRecord(t *testing.T) {
	w, path := create(t)
	spec := toyarm.New(1).Spec()
	obs := make([]float32, spec.ObsDim)
	obs[3], obs[7] = 1, 1
	for i := sim.StateDim; i < len(obs); i += sim.PoseDim {
		obs[i+6] = 1
	}
	cmd := []float32{0.5, 0, 0.2, 1, 0, 0, 0, 1, 0, -1}
	at := time.Unix(100, 0)
	err := record.FlightsIn(w, []loop.Flight{{Error: "test", Records: []loop.Record{{
		Seq: 1, Tick: 1, Start: at, Stamp: at,
		Sent: true, Observation: obs, Command: cmd,
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := mcap.OpenAny(path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	seen := map[string]int{}
	for m, err := range r.Messages() {
		if err != nil {
			t.Fatal(err)
		}
		seen[m.Conn.Topic]++
	}
	for _, topic := range []string{
		record.FaultTopic, record.ActionTopic, msgs.StateTopic, msgs.FingerTopic,
		msgs.PartsTopic, msgs.CommandTopic,
	} {
		if seen[topic] != 1 {
			t.Errorf("%d messages on %s", seen[topic], topic)
		}
	}
}

// TestBagsAreOpenedToo: OpenAny looks at the file.
func TestBagsAreOpenedToo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.bag")
	b, err := bag.Create(path, bag.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := record.NewTopic[msgs.PoseStamped](b, "/x", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Write(time.Unix(1, 0), &msgs.PoseStamped{Pose: msgs.PoseOf(geom.Pose{Q: geom.IdentityQuat})}),
		b.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := mcap.OpenAny(path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if c := r.Connections(); len(c) != 1 || c[0].Type != "geometry_msgs/PoseStamped" {
		t.Errorf("%+v", c)
	}
}
