package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"korr/cmd/internal/cli"
	"korr/internal/regular"
	"korr/internal/report"
	"korr/residual/loop"
	"korr/ros/bag"
	"korr/ros/record"
	"korr/train/dataset"
)

// recordingKind is what inspect finds at a path that is no checkpoint.
type recordingKind int

const (
	noRecording recordingKind = iota
	bagFile
	flightFile
	datasetFolder
)

// kindOf looks at the first bytes of a file, or for a folder at what is in it.
func kindOf(path string) recordingKind {
	st, err := os.Stat(path)
	if err != nil {
		return noRecording
	}
	if st.IsDir() {
		if _, err := os.Stat(filepath.Join(path, "meta")); err != nil {
			return noRecording // shipped weights may bear the name of a folder here
		}
		return datasetFolder
	}
	f, _, err := regular.Open(path)
	if err != nil {
		return noRecording
	}
	defer f.Close()
	var head [14]byte
	n, _ := f.Read(head[:])
	switch start := string(head[:n]); {
	case strings.HasPrefix(start, "#ROS"), strings.HasSuffix(path, bagSuffix), strings.HasSuffix(path, bagSuffix+".active"):
		return bagFile
	case strings.HasPrefix(start, `{"korr_flight"`), strings.HasSuffix(path, ".jsonl"):
		return flightFile
	}
	return noRecording
}

// inspectRecording prints what is in a bag, a flight record or a dataset; all of it is read and checked.
func (o *inspectOptions) inspectRecording(kind recordingKind) error {
	if o.bag != "" && kind != flightFile {
		return cli.UsageErrorf("--bag writes a flight record as a bag: %s is none", o.name)
	}
	switch kind {
	case bagFile:
		return o.inspectBag()
	case flightFile:
		return o.inspectFlight()
	}
	if o.recover {
		return cli.UsageErrorf("--recover reads bags and flight records: %s is a folder", o.name)
	}
	return o.inspectDataset()
}

type bagResult struct {
	Schema       string         `json:"schema"` // korr.inspect.bag/1
	Name         string         `json:"name"`
	Bytes        int64          `json:"bytes"`
	Start        float64        `json:"start"` // s since 1970
	Duration     float64        `json:"duration_s"`
	Messages     int            `json:"messages"`
	Chunks       int            `json:"chunks"`
	Compressions map[string]int `json:"compressions"`
	Damage       string         `json:"damage,omitempty"`
	Topics       []bagTopic     `json:"topics"`
}

type bagTopic struct {
	Topic    string  `json:"topic"`
	Type     string  `json:"type"`
	MD5      string  `json:"md5"`
	Latched  bool    `json:"latched"`
	Messages int     `json:"messages"`
	Rate     float64 `json:"rate_hz"` // over the time from its first message to its last
}

func (o *inspectOptions) inspectBag() (err error) {
	b, err := bag.Open(o.name, bag.Options{Recover: o.recover})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	type span struct {
		first, last time.Time
		n           int
	}
	spans := map[uint32]*span{}
	var all span
	for m, err := range b.Messages() {
		if err != nil {
			return err
		}
		s := spans[m.Conn.ID]
		if s == nil {
			s = &span{first: m.Time, last: m.Time}
			spans[m.Conn.ID] = s
		}
		if all.n == 0 {
			all = span{first: m.Time, last: m.Time}
		}
		for _, x := range []*span{s, &all} {
			x.n++
			if m.Time.Before(x.first) {
				x.first = m.Time
			}
			if m.Time.After(x.last) {
				x.last = m.Time
			}
		}
	}
	st := b.Stats()
	r := bagResult{Schema: "korr.inspect.bag/1", Name: o.name, Bytes: st.Size, Duration: all.last.Sub(all.first).Seconds(), Messages: all.n, Chunks: st.Chunks, Compressions: st.Compressions}
	if all.n > 0 {
		r.Start = float64(all.first.UnixNano()) / 1e9
	}
	if d := b.Damage(); d != nil {
		r.Damage = d.Error()
	}
	for _, c := range b.Connections() {
		t := bagTopic{Topic: c.Topic, Type: c.Type, MD5: c.MD5, Latched: c.Latching}
		if s := spans[c.ID]; s != nil {
			t.Messages = s.n
			if d := s.last.Sub(s.first).Seconds(); d > 0 {
				t.Rate = float64(s.n-1) / d
			}
		}
		r.Topics = append(r.Topics, t)
	}
	if o.JSON {
		return o.PrintJSON(r)
	}
	return o.printBag(r)
}

func (o *inspectOptions) printBag(r bagResult) error {
	if err := o.Printf("%s: ROS bag 2.0, %.1f MB, %d messages in %d chunks %v, %.3f s from %.3f\n\n", r.Name, float64(r.Bytes)/1e6, r.Messages, r.Chunks, r.Compressions, r.Duration, r.Start); err != nil {
		return err
	}
	t := &report.Table{Columns: []report.Column{{Name: "topic"}, {Name: "type"}, {Name: "messages", Right: true}, {Name: "Hz", Right: true}, {Name: ""}}}
	for _, x := range r.Topics {
		t.Add(x.Topic, x.Type, fmt.Sprint(x.Messages), fmt.Sprintf("%.1f", x.Rate), map[bool]string{true: "latched"}[x.Latched])
	}
	if err := t.WriteText(o.Out); err != nil {
		return err
	}
	return o.printDamage(r.Damage)
}

// printDamage says where reading ended early.
func (o *inspectOptions) printDamage(damage string) error {
	if damage == "" {
		return nil
	}
	return o.Printf("\ndamaged; this is what came before: %s\n", damage)
}

type flightResult struct {
	Schema  string        `json:"schema"` // korr.inspect.flight/1
	Name    string        `json:"name"`
	Damage  string        `json:"damage,omitempty"`
	Flights []flightFault `json:"flights"`
}

type flightFault struct {
	Fault      string  `json:"fault"`
	State      string  `json:"state"`
	Tick       uint64  `json:"tick"`
	Ticks      int     `json:"ticks"` // recorded
	Span       float64 `json:"span_s"`
	Sent       int     `json:"sent"`
	Limited    int     `json:"limited"` // commands that the shield changed
	Fallbacks  int     `json:"fallbacks"`
	MaxAge     float64 `json:"max_age_s"`
	MaxLatency float64 `json:"max_latency_s"`
	records    []loop.Record
}

func (o *inspectOptions) inspectFlight() error {
	f, _, err := regular.Open(o.name)
	if err != nil {
		return err
	}
	defer f.Close()
	flights, err := loop.ReadFlights(f)
	r := flightResult{Schema: "korr.inspect.flight/1", Name: o.name, Flights: []flightFault{}}
	if err != nil {
		err = fmt.Errorf("%s: %w", o.name, err)
		if !o.recover {
			return err
		}
		r.Damage = err.Error()
	}
	for i := range flights {
		r.Flights = append(r.Flights, summariseFlight(&flights[i]))
	}
	if o.bag != "" {
		if err := record.Flights(o.bag, flights); err != nil {
			return err
		}
		o.Log.Info("flight record written as a bag", "bag", o.bag)
	}
	if o.JSON {
		return o.PrintJSON(r)
	}
	for i := range r.Flights {
		if err := o.printFlight(&r.Flights[i]); err != nil {
			return err
		}
	}
	return o.printDamage(r.Damage)
}

func summariseFlight(f *loop.Flight) flightFault {
	s := flightFault{Fault: f.Error, State: f.State.String(), Tick: f.Tick, Ticks: len(f.Records), Span: f.Span().Seconds(), records: f.Records}
	for i := range f.Records {
		r := &f.Records[i]
		if r.Sent {
			s.Sent++
		}
		if r.Clamps&^cosmetic != 0 {
			s.Limited++
		}
		if r.FellBack {
			s.Fallbacks++
		}
		s.MaxAge, s.MaxLatency = max(s.MaxAge, r.Age.Seconds()), max(s.MaxLatency, r.Latency.Seconds())
	}
	return s
}

// lastTicks is how many ticks before a fault are printed.
const lastTicks = 12

func (o *inspectOptions) printFlight(s *flightFault) error {
	if err := o.Printf("fault in %s at tick %d: %s\n%d ticks over %.1f s: %d commands, %d limited by the shield, %d without the residual; oldest observation %.0f ms, slowest tick %.2f ms\n\n",
		s.State, s.Tick, s.Fault, s.Ticks, s.Span, s.Sent, s.Limited, s.Fallbacks, 1e3*s.MaxAge, 1e3*s.MaxLatency); err != nil {
		return err
	}
	t := &report.Table{}
	for _, c := range []string{"tick", "s", "state", "age ms", "latency ms", "missed", "position", "command", "|residual|", "innovation", "changed"} {
		t.Columns = append(t.Columns, report.Column{Name: c, Right: c != "state" && c != "changed"})
	}
	last := s.records[max(0, len(s.records)-lastTicks):]
	for i := range last {
		r := &last[i]
		command := ""
		if r.Sent {
			command = position(r.Command)
		}
		t.Add(fmt.Sprint(r.Tick), fmt.Sprintf("%.2f", r.Start.Sub(last[len(last)-1].Start).Seconds()), r.State.String(), fmt.Sprintf("%.0f", 1e3*r.Age.Seconds()),
			fmt.Sprintf("%.2f", 1e3*r.Latency.Seconds()), fmt.Sprint(r.Missed), position(r.Observation), command, fmt.Sprintf("%.3f", norm(r.Residual)), fmt.Sprintf("%.3f", r.Innovation), r.Clamps.String())
	}
	return t.WriteText(o.Out)
}

func position(v []float32) string {
	if len(v) < 3 {
		return ""
	}
	return fmt.Sprintf("%.3f %.3f %.3f", v[0], v[1], v[2])
}

func norm(v []float32) float64 {
	var s float64
	for _, x := range v {
		s += float64(x) * float64(x)
	}
	return math.Sqrt(s)
}

type datasetResult struct {
	Schema    string   `json:"schema"` // korr.inspect.dataset/1
	Name      string   `json:"name"`
	Task      string   `json:"task"`
	Robot     string   `json:"robot"`
	FPS       float64  `json:"fps"`
	Parts     []string `json:"parts"`
	Episodes  int      `json:"episodes"`
	Successes int      `json:"successes"`
	Frames    int      `json:"frames"`
	Shortest  int      `json:"shortest"`
	Longest   int      `json:"longest"`
}

func (o *inspectOptions) inspectDataset() error {
	d, err := dataset.Read(filepath.Clean(o.name))
	if err != nil {
		return err
	}
	r := datasetResult{
		Schema: "korr.inspect.dataset/1", Name: o.name, Task: d.Info.Task, Robot: d.Info.Robot, FPS: d.Info.FPS, Parts: d.Info.PartNames,
		Episodes: len(d.Episodes), Frames: d.Frames(), Shortest: math.MaxInt,
	}
	for i := range d.Episodes {
		n := d.Episodes[i].Len()
		r.Shortest, r.Longest = min(r.Shortest, n), max(r.Longest, n)
		if d.Episodes[i].Success {
			r.Successes++
		}
	}
	if o.JSON {
		return o.PrintJSON(r)
	}
	return o.Printf("%s: LeRobot v3.0 dataset of %s on %s at %g Hz: %d episodes of %d to %d frames, %d in all; %d succeeded\nparts: %s\n",
		r.Name, r.Task, r.Robot, r.FPS, r.Episodes, r.Shortest, r.Longest, r.Frames, r.Successes, strings.Join(r.Parts, ", "))
}
