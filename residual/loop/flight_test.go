package loop

import (
	"bytes"
	"errors"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"korr/residual/shield"
)

// flown is a recorder with ticks in it, one of them with values that are not finite.
func flown(ticks int) (*recorder, []Record) {
	r := newRecorder(ticks, 12, 10)
	var want []Record
	for i := range ticks + 2 { // the first two are overwritten
		rec := r.slot()
		rec.clear()
		rec.Tick, rec.State, rec.Start, rec.Stamp = uint64(i), StateRun, time.Unix(5, int64(i)*1e8).UTC(),
			time.Unix(5, int64(i)).UTC()
		rec.Seq, rec.Age, rec.Latency, rec.Missed, rec.Innovation, rec.Sent, rec.FellBack = uint64(i), 3, 4, i%2, 0.25, true,
			i == 3
		rec.Clamps = shield.Clamp(i) & shield.Any
		for k := range rec.Observation {
			rec.Observation[k] = float32(i) / 3
		}
		rec.Command[9], rec.Base[2] = -1, 1e-30
		r.commit()
		if i >= 2 {
			want = append(want, rec.Clone())
		}
	}
	return &r, want
}

func dumped(t testing.TB, ticks int) ([]byte, []Record) {
	t.Helper()
	r, want := flown(ticks)
	var b bytes.Buffer
	if err := r.dump(&b, dumpHeader{Error: "it broke\nbadly", State: StateRun, Tick: 7}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), want
}

func TestFlightsComeBack(t *testing.T) {
	b, want := dumped(t, 20)
	got, err := ReadFlights(bytes.NewReader(append(slices.Clone(b), b...)))
	if err != nil || len(got) != 2 {
		t.Fatalf("%d flights, %v", len(got), err)
	}
	f := got[1]
	if f.Error != "it broke\nbadly" || f.State != StateRun || f.Tick != 7 || f.Span() != 1900*time.Millisecond ||
		!reflect.DeepEqual(f.Records, want) {
		t.Errorf("got %+v\nwant %+v", f, want)
	}
	r, _ := flown(3)
	r.ring[0].Observation[1], r.ring[1].Command[0] = float32(math.NaN()), float32(math.Inf(1))
	var nan bytes.Buffer
	if err := r.dump(&nan, dumpHeader{}); err != nil {
		t.Fatal(err)
	}
	if got, err = ReadFlights(&nan); err != nil {
		t.Fatal(err)
	}
	bad := 0
	for _, rec := range got[0].Records {
		for _, v := range append(rec.Observation, rec.Command...) {
			if v != v {
				bad++
			}
		}
	}
	if bad != 2 {
		t.Errorf("%d values are not finite, want 2", bad)
	}
}

// TestFlightDamage: any byte changed, and any truncation, is noticed at its line; what came before is returned.
func TestFlightDamage(t *testing.T) {
	b, want := dumped(t, 4)
	check := func(what string, i int, damaged []byte) {
		t.Helper()
		got, err := ReadFlights(bytes.NewReader(damaged))
		var fe *FlightError
		if !errors.As(err, &fe) {
			t.Fatalf("%s %d: %v", what, i, err)
		}
		lines := bytes.Count(b[:min(i, len(b)-1)], []byte("\n")) // whole lines before the damage
		if fe.Line != lines+1 && what == "flipped" || fe.Offset > int64(i) {
			t.Fatalf("%s %d: line %d, byte %d; want line %d", what, i, fe.Line, fe.Offset, lines+1)
		}
		if lines > 0 && (len(got) != 1 || len(got[0].Records) != min(lines-1, len(want)) ||
			!reflect.DeepEqual(got[0].Records, want[:len(got[0].Records)]) && lines > 1) {
			t.Fatalf("%s %d: %d flights before the damage", what, i, len(got))
		}
	}
	for i := range b {
		c := slices.Clone(b)
		c[i] ^= 1 << (i % 8)
		check("flipped", i, c)
		check("cut", i, b[:i])
	}
}

func FuzzReadFlights(f *testing.F) {
	b, _ := dumped(f, 3)
	f.Add(b)
	f.Add(b[:len(b)/2])
	f.Fuzz(func(t *testing.T, b []byte) {
		var fe *FlightError
		if _, err := ReadFlights(bytes.NewReader(b)); err != nil && !errors.As(err, &fe) {
			t.Fatalf("an error without a position: %v", err)
		}
	})
}

// TestRecordsReach: the recorder keeps half a minute.
func TestRecordsReach(t *testing.T) {
	for period, want := range map[time.Duration]int{
		100 * time.Millisecond: 300, 10 * time.Millisecond: 3000,
		time.Second: DefaultRecords, 0: DefaultRecords,
	} {
		if got := recordsFor(period); got != want {
			t.Errorf("%d ticks of %v, want %d", got, period, want)
		}
	}
}

// TestDiskFullOnFault: a disk that is full when the recorder is written neither hides the fault nor keeps the robot
// from being held, and the loop runs again after a reset.
func TestDiskFullOnFault(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full")
	}
	defer full.Close()
	g := newRig(t, func(cfg *Config) { cfg.Dump = full })
	broken := errors.New("policy")
	fail := true
	g.stepper.step = func(n int, _ []float32) error {
		if fail && n > 3 {
			return broken
		}
		return nil
	}
	err = g.Run(g.ctx)
	if !as[*PolicyError](err) || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "flight recorder") {
		t.Errorf("err = %v", err)
	}
	if g.State() != StateFault || g.robot.holdsRun != 1 {
		t.Errorf("state %v, %d holds", g.State(), g.robot.holdsRun)
	}
	fail = false
	if err := g.Reset(g.Stops()); err != nil {
		t.Fatal(err)
	}
	writes := len(g.robot.writes)
	g.stopAfter(3, nil)
	g.Enable(true)
	if err := g.Run(g.ctx); err == nil || as[*PolicyError](err) || len(g.robot.writes) <= writes {
		t.Errorf("after the reset: %v, %d commands", err, len(g.robot.writes)-writes)
	}
}
