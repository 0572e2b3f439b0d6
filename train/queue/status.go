package queue

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"korr/internal/report"
	"korr/train/unit"
)

// StatusSchema names the JSON form of a Status.
const StatusSchema = "korr.queue/1"

// Status is what a queue is at.
type Status struct {
	Schema  string         `json:"schema"` // StatusSchema
	Server  string         `json:"server"`
	At      time.Time      `json:"at"`
	Jobs    []JobStatus    `json:"jobs"`    // the newest first
	Workers []WorkerStatus `json:"workers"` // by name
	Bytes   uint64         `json:"bytes"`   // that the server keeps on its disk
}

// JobStatus is what became of the units of a job.
type JobStatus struct {
	Name      string    `json:"name"`
	Submitted time.Time `json:"submitted"`
	Lane      string    `json:"lane"`
	Units     int       `json:"units"`
	Done      int       `json:"done"`
	Running   int       `json:"running"`
	Waiting   int       `json:"waiting"` // for a worker
	Blocked   int       `json:"blocked"` // for other units
	// Failing are units that failed and will be tried again.
	Failing int          `json:"failing"`
	Parked  []ParkedUnit `json:"parked"`
	// Left is an estimate of the seconds until all is done, from what the job's finished units took and the slots that
	// there are now; nil while nobody can tell.
	Left *float64 `json:"left_s"`
	// Wants says what workers the job waits for when there are some, but none that may take its units.
	Wants string `json:"wants,omitempty"`
}

// WorkerStatus is a worker that is there.
type WorkerStatus struct {
	Name    string    `json:"name"`
	Lane    string    `json:"lane"`
	Slots   int       `json:"slots"`
	Since   time.Time `json:"since"`
	Done    int       `json:"done"`
	Failed  int       `json:"failed"`
	Late    int       `json:"late"`
	PerHour float64   `json:"per_hour"` // units finished
	Busy    []busy    `json:"busy"`
}

// Status reads what the queue is at.
func (s *Store) Status(ctx context.Context) (*Status, error) {
	out := &Status{
		Schema: StatusSchema, Server: s.Join.Host(), At: time.Now(), Jobs: []JobStatus{},
		Workers: []WorkerStatus{},
	}
	here := map[string]presence{}
	if err := s.all(ctx, s.here, ">", func(key string, value []byte) error {
		var p presence
		err := json.Unmarshal(value, &p)
		here[key] = p
		return err
	}); err != nil {
		return nil, err
	}
	for name, p := range here {
		hours := out.At.Sub(p.Since).Hours()
		out.Workers = append(out.Workers, WorkerStatus{
			name, p.Lane, p.Slots, p.Since, p.Done, p.Failed, p.Late, float64(p.Done) / max(hours, 1.0/3600),
			append([]busy{}, p.Busy...),
		})
	}
	slices.SortFunc(out.Workers, func(a, b WorkerStatus) int { return strings.Compare(a.Name, b.Name) })
	states, err := s.Units(ctx)
	if err != nil {
		return nil, err
	}
	jobs := map[string]job{}
	if err := s.all(ctx, s.jobs, ">", func(key string, value []byte) error {
		var j job
		err := json.Unmarshal(value, &j)
		jobs[key] = j
		return err
	}); err != nil {
		return nil, err
	}
	for _, j := range jobs {
		text, err := s.data(ctx, j.List)
		if err != nil {
			return nil, err
		}
		var members []member
		if err := json.Unmarshal(text, &members); err != nil {
			return nil, fmt.Errorf("queue: units of %s: %w", j.Name, err)
		}
		out.Jobs = append(out.Jobs, jobStatus(&j, members, states, here))
	}
	slices.SortFunc(out.Jobs, func(a, b JobStatus) int {
		return cmp.Or(b.Submitted.Compare(a.Submitted), strings.Compare(a.Name, b.Name))
	})
	return out, s.size(ctx, out)
}

// size adds up what the server keeps.
func (s *Store) size(ctx context.Context, out *Status) error {
	return s.retry(ctx, "look at the server", func(ctx context.Context) error {
		a, err := s.js.AccountInfo(ctx)
		if err == nil {
			out.Bytes = a.Store
		}
		return err
	})
}

func jobStatus(j *job, members []member, states map[unit.ID]*State, here map[string]presence) JobStatus {
	out := JobStatus{Name: j.Name, Submitted: j.Submitted, Lane: j.Lane, Units: len(members), Parked: []ParkedUnit{}}
	seconds := 0.0
	for _, m := range members {
		st := states[m.ID]
		switch {
		case st == nil:
			if slices.ContainsFunc(m.After, func(id unit.ID) bool { return states[id] == nil || states[id].Phase != Done }) {
				out.Blocked++
			} else {
				out.Waiting++
			}
			continue
		case st.Phase == Done:
			out.Done++
			seconds += st.Result.Seconds
		case st.Phase == Running:
			out.Running++
		case st.Phase == Failed:
			out.Failing++
		case st.Phase == Parked:
			out.Parked = append(out.Parked, ParkedUnit{m.Name, st.Error})
		default:
			out.Waiting++
		}
	}
	slots, others := 0, ""
	for _, p := range here {
		if p.Lane == j.Lane {
			slots += p.Slots
		} else {
			others = j.Platform.Differs(p.Platform)
		}
	}
	open := out.Units - out.Done - len(out.Parked)
	if slots == 0 && open > 0 && others != "" {
		out.Wants = "the workers that are there are another platform's: " + others
	}
	if open == 0 {
		out.Left = new(float64)
	} else if out.Done > 0 && slots > 0 {
		left := seconds / float64(out.Done) * float64(open) / float64(min(slots, open))
		out.Left = &left
	}
	return out
}

// WriteText prints the status as two tables.
func (s *Status) WriteText(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%s, %s: %d workers, %.1f MB on disk\n\n", s.Server, s.At.Format(time.DateTime),
		len(s.Workers), float64(s.Bytes)/1e6); err != nil {
		return err
	}
	if err := s.jobTable().WriteText(w); err != nil {
		return err
	}
	for _, j := range s.Jobs {
		for _, line := range j.remarks() {
			if _, err := fmt.Fprintf(w, "\n%s: %s\n", j.Name, line); err != nil {
				return err
			}
		}
	}
	if len(s.Workers) == 0 {
		_, err := fmt.Fprintf(w, "\nNo worker is there: korr worker --join ADDRESS begins one.\n")
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return s.workerTable().WriteText(w)
}

// remarks are what a table has no room for.
func (j *JobStatus) remarks() (out []string) {
	if j.Wants != "" {
		out = append(out, j.Wants)
	}
	for _, u := range j.Parked {
		first, _, _ := strings.Cut(u.Error, "\n")
		out = append(out, "parked: "+u.Name+": "+first)
	}
	return out
}

func (s *Status) jobTable() *report.Table {
	t := &report.Table{Columns: []report.Column{
		{Name: "job"},
		{Name: "submitted"},
		{Name: "done", Right: true},
		{Name: "running", Right: true},
		{Name: "waiting", Right: true},
		{Name: "blocked", Right: true},
		{Name: "failing", Right: true},
		{Name: "parked", Right: true},
		{Name: "left", Right: true},
	}}
	for _, j := range s.Jobs {
		left := "?"
		if j.Left != nil {
			left = time.Duration(*j.Left * float64(time.Second)).Round(time.Second).String()
		}
		t.Add(j.Name, j.Submitted.Local().Format(time.DateTime), fmt.Sprintf("%d/%d", j.Done, j.Units),
			strconv.Itoa(j.Running), strconv.Itoa(j.Waiting),
			strconv.Itoa(j.Blocked), strconv.Itoa(j.Failing), strconv.Itoa(len(j.Parked)), left)
	}
	return t
}

func (s *Status) workerTable() *report.Table {
	t := &report.Table{Columns: []report.Column{
		{Name: "worker"},
		{Name: "done", Right: true},
		{Name: "failed", Right: true},
		{Name: "late", Right: true},
		{Name: "units/h", Right: true},
		{Name: "at"},
	}}
	for _, w := range s.Workers {
		var at []string
		for _, b := range w.Busy {
			text := fmt.Sprintf("%s (%s", b.Name, s.At.Sub(b.Since).Round(time.Second))
			if b.Total > 0 {
				text += fmt.Sprintf(", %d/%d", b.Done, b.Total)
			}
			at = append(at, text+")")
		}
		t.Add(w.Name, strconv.Itoa(w.Done), strconv.Itoa(w.Failed), strconv.Itoa(w.Late), fmt.Sprintf("%.1f", w.PerHour),
			strings.Join(at, "; "))
	}
	return t
}

// Page is the status as a page of its own.
func (s *Status) Page() *report.Page {
	left := report.Section{Title: "Jobs", Tables: []report.CaptionedTable{{Table: *s.jobTable()}}}
	done, open := 0, 0
	for _, j := range s.Jobs {
		done, open = done+j.Done, open+j.Units-j.Done
		for _, line := range j.remarks() {
			left.Text = append(left.Text, j.Name+": "+line)
		}
	}
	return &report.Page{
		Title: "Queue", Lead: s.Server + ", " + s.At.Format(time.DateTime),
		Facts: []report.Fact{
			{Value: strconv.Itoa(done), Label: "units done"},
			{Value: strconv.Itoa(open), Label: "units to do"},
			{Value: strconv.Itoa(len(s.Workers)), Label: "workers"},
		},
		Sections: []report.Section{left, {Title: "Workers", Tables: []report.CaptionedTable{{Table: *s.workerTable()}}}},
		Footer:   "korr queue status",
	}
}

// Units are the states of all units that were begun.
func (s *Store) Units(ctx context.Context) (map[unit.ID]*State, error) {
	out := map[unit.ID]*State{}
	err := s.all(ctx, s.state, ">", func(key string, value []byte) error {
		st := &State{}
		out[unit.ID(key)] = st
		return json.Unmarshal(value, st)
	})
	return out, err
}

// Unit is the state of one unit; its zero value when it was not begun.
func (s *Store) Unit(ctx context.Context, id unit.ID) (*State, error) {
	st := &State{}
	_, err := s.get(ctx, s.state, string(id), st)
	return st, err
}
