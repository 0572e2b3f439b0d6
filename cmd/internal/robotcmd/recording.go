package robotcmd

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
)

// recordingKind is what inspect finds at a path that is no checkpoint.
type recordingKind int

const (
	noRecording recordingKind = iota
	bagFile
	mcapFile
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
	case strings.HasPrefix(start, "\x89MCAP"), strings.HasSuffix(path, ".mcap"), strings.HasSuffix(path, ".mcap.active"):
		return mcapFile
	case strings.HasPrefix(start, "#ROS"), strings.HasSuffix(path, ".bag"), strings.HasSuffix(path, ".bag.active"):
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
		return o.inspectBag(record.OpenBag, "ROS bag 2.0")
	case mcapFile:
		if o.Recordings == nil {
			return cli.UsageErrorf("%s is an MCAP file, which %s does not read: use korr inspect, on the machine that trains",
				o.name, o.Name)
		}
		return o.inspectBag(o.Recordings, "MCAP, ROS 2")
	case flightFile:
		return o.inspectFlight()
	}
	if o.recover {
		return cli.UsageErrorf("--recover reads bags and flight records: %s is a folder", o.name)
	}
	if o.Dataset == nil {
		return cli.UsageErrorf("%s is a dataset, which %s does not read: use korr inspect, on the machine that trains",
			o.name, o.Name)
	}
	return o.Dataset(o.name)
}

// BagResult is what the verb prints of a bag.
type BagResult struct {
	Schema       string         `json:"schema"` // korr.inspect.bag/1
	Format       string         `json:"format"`
	Name         string         `json:"name"`
	Bytes        int64          `json:"bytes"`
	Start        float64        `json:"start"` // s since 1970
	Duration     float64        `json:"duration_s"`
	Messages     int            `json:"messages"`
	Chunks       int            `json:"chunks"`
	Compressions map[string]int `json:"compressions"`
	Damage       string         `json:"damage,omitempty"`
	Topics       []BagTopic     `json:"topics"`
}

// BagTopic sums up a topic of a bag.
type BagTopic struct {
	Topic    string  `json:"topic"`
	Type     string  `json:"type"`
	MD5      string  `json:"md5"`
	Latched  bool    `json:"latched"`
	Messages int     `json:"messages"`
	Rate     float64 `json:"rate_hz"` // over the time from its first message to its last
}

func (o *inspectOptions) inspectBag(open record.Opener, format string) (err error) {
	b, err := open(o.name, o.recover)
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
	r := BagResult{
		Schema: "korr.inspect.bag/1", Format: format, Name: o.name, Duration: all.last.Sub(all.first).Seconds(),
		Messages: all.n,
	}
	if info, err := os.Stat(o.name); err == nil {
		r.Bytes = info.Size()
	}
	if plain, ok := b.(*bag.Reader); ok {
		st := plain.Stats()
		r.Chunks, r.Compressions = st.Chunks, st.Compressions
	}
	if all.n > 0 {
		r.Start = float64(all.first.UnixNano()) / 1e9
	}
	if d := b.Damage(); d != nil {
		r.Damage = d.Error()
	}
	for _, c := range b.Connections() {
		t := BagTopic{Topic: c.Topic, Type: c.Type, MD5: c.MD5, Latched: c.Latching}
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

func (o *inspectOptions) printBag(r BagResult) error {
	chunks := ""
	if r.Compressions != nil {
		chunks = fmt.Sprintf(" in %d chunks %v", r.Chunks, r.Compressions)
	}
	if err := o.Printf("%s: %s, %.1f MB, %d messages%s, %.3f s from %.3f\n\n", r.Name, r.Format, float64(r.Bytes)/1e6,
		r.Messages, chunks, r.Duration, r.Start); err != nil {
		return err
	}
	t := &report.Table{Columns: []report.Column{
		{Name: "topic"},
		{Name: "type"},
		{Name: "messages", Right: true},
		{Name: "Hz", Right: true},
		{Name: ""},
	}}
	for _, x := range r.Topics {
		t.Add(x.Topic, x.Type, fmt.Sprint(x.Messages), fmt.Sprintf("%.1f", x.Rate),
			map[bool]string{true: "latched"}[x.Latched])
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

// FlightResult is what the verb prints of flight records.
type FlightResult struct {
	Schema  string        `json:"schema"` // korr.inspect.flight/1
	Name    string        `json:"name"`
	Damage  string        `json:"damage,omitempty"`
	Flights []FlightFault `json:"flights"`
}

// FlightFault sums up a flight record.
type FlightFault struct {
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
	r := FlightResult{Schema: "korr.inspect.flight/1", Name: o.name, Flights: []FlightFault{}}
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
		if err := o.writeFlights(flights); err != nil {
			return err
		}
		o.Log.Info("flight record written as a recording", "file", o.bag)
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

// writeFlights writes flight records as a bag, or as an MCAP file by its name.
func (o *inspectOptions) writeFlights(flights []loop.Flight) error {
	if !strings.HasSuffix(o.bag, ".mcap") {
		return record.Flights(o.bag, flights)
	}
	if o.NewRecording == nil {
		return cli.UsageErrorf("%s writes bags alone: name a file that ends in .bag, or use korr inspect for MCAP", o.Name)
	}
	w, err := o.NewRecording(o.bag)
	if err != nil {
		return err
	}
	return record.FlightsIn(w, flights)
}

func summariseFlight(f *loop.Flight) FlightFault {
	s := FlightFault{
		Fault: f.Error, State: f.State.String(), Tick: f.Tick, Ticks: len(f.Records),
		Span: f.Span().Seconds(), records: f.Records,
	}
	for i := range f.Records {
		r := &f.Records[i]
		if r.Sent {
			s.Sent++
		}
		if r.Limited() {
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

func (o *inspectOptions) printFlight(s *FlightFault) error {
	if err := o.Printf("fault in %s at tick %d: %s\n%d ticks over %.1f s: %d commands, %d limited by the shield, %d "+
		"without the residual; oldest observation %.0f ms, slowest tick %.2f ms\n\n",
		s.State, s.Tick, s.Fault, s.Ticks, s.Span, s.Sent, s.Limited, s.Fallbacks, 1e3*s.MaxAge,
		1e3*s.MaxLatency); err != nil {
		return err
	}
	t := &report.Table{}
	for _, c := range []string{
		"tick", "s", "state", "age ms", "latency ms", "missed", "position", "command", "|residual|",
		"innovation", "changed",
	} {
		t.Columns = append(t.Columns, report.Column{Name: c, Right: c != "state" && c != "changed"})
	}
	last := s.records[max(0, len(s.records)-lastTicks):]
	for i := range last {
		r := &last[i]
		command := ""
		if r.Sent {
			command = position(r.Command)
		}
		t.Add(fmt.Sprint(r.Tick), fmt.Sprintf("%.2f", r.Start.Sub(last[len(last)-1].Start).Seconds()), r.State.String(),
			fmt.Sprintf("%.0f", 1e3*r.Age.Seconds()),
			fmt.Sprintf("%.2f", 1e3*r.Latency.Seconds()), fmt.Sprint(r.Missed), position(r.Observation), command,
			fmt.Sprintf("%.3f", norm(r.Residual)), fmt.Sprintf("%.3f", r.Innovation), r.Clamps.String())
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
