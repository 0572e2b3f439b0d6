package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"korr/internal/bench"
	"korr/ros/ros2/dds"
)

// The links between the control node and the arm that the matrix runs over: ROS 1 with either master, a rosbridge
// server, or ROS 2.
const (
	Embedded  = "embedded"
	Rosmaster = "rosmaster"
	Rosbridge = "rosbridge"
	ROS2      = "ros2"
)

// AllLinks are the links.
var AllLinks = []string{Embedded, Rosmaster, Rosbridge, ROS2}

const rosmaster = "/usr/bin/rosmaster"

// MaxPeriods is the bound: control periods from a fault to HOLD or FAULT.
const MaxPeriods = 3.0

// early is how many periods before a fault the node may seem to answer it, because the process that is broken logs the
// time after it happened. What comes earlier answers something else.
const early = 0.5

// Config says how to run the matrix. Every process is given ROS_MASTER_URI and ROS_IP, or ROS_DOMAIN_ID.
type Config struct {
	Korr     []string // runs korr itself; arguments of korr are appended
	Arm      []string // serves the toy arm (ServeArm), logging JSON to its standard error; in ROS 2 with --ros2
	Relay    []string // serves the relay (ServeRelay), likewise
	Bridge   []string // serves rosbridge (ServeBridge) at --listen ADDR
	Rate     float64  // control steps per second
	Trials   int      // of each case
	Only     string   // part of the names of the cases to run; "" = all
	Links    []string // nil: all that are installed or built in
	Parallel int      // cases at once
	Progress func(done, of int, row *Row)
}

// Row is what came of one case over one link.
type Row struct {
	Fault    string    `json:"fault"`
	Link     string    `json:"link"`
	Periods  []float64 `json:"periods"` // from the fault to HOLD or FAULT, one per trial
	Median   float64   `json:"median"`
	Max      float64   `json:"max"`
	State    string    `json:"state"`
	Message  string    `json:"message"` // that the operator reads
	Recovery string    `json:"recovery"`
	Poses    int       `json:"poses"`    // published and judged
	Unseen   int       `json:"unseen"`   // of those, answers to states that only the node received: judged as finite alone
	Broken   []string  `json:"broken"`   // of those, what was wrong
	Repeated int       `json:"repeated"` // trials that the machine disturbed
	Error    string    `json:"error,omitempty"`
	Passed   bool      `json:"passed"`
}

// Report is the matrix.
type Report struct {
	Schema  string   `json:"schema"` // korr.faults/2
	Rate    float64  `json:"rate_hz"`
	Bound   float64  `json:"bound_periods"`
	Missing []string `json:"missing"` // links that are not installed
	Rows    []Row    `json:"rows"`
	Passed  bool     `json:"passed"`
}

// Run runs the matrix.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if len(cfg.Korr) == 0 || len(cfg.Arm) == 0 || len(cfg.Relay) == 0 || len(cfg.Bridge) == 0 || cfg.Trials < 1 ||
		!(cfg.Rate > 0) {
		return nil, errors.New("faults: Config needs Korr, Arm, Relay, Bridge, Trials and Rate")
	}
	r := &Report{Schema: "korr.faults/2", Rate: cfg.Rate, Bound: MaxPeriods, Passed: true}
	links := cfg.Links
	if links == nil {
		links = AllLinks
	}
	missing := func(link string) {
		if slices.Contains(links, link) {
			r.Missing = append(r.Missing, link)
			links = slices.DeleteFunc(slices.Clone(links), func(m string) bool { return m == link })
		}
	}
	if _, err := os.Stat(rosmaster); err != nil {
		missing(Rosmaster)
	}
	if !dds.Available {
		missing(ROS2)
	}
	type work struct {
		c    Case
		link string
	}
	var todo []work
	for _, c := range Cases() {
		for _, link := range links {
			if strings.Contains(c.Name, cfg.Only) && c.Over(link) {
				todo = append(todo, work{c, link})
			}
		}
	}
	if len(todo) == 0 {
		return nil, fmt.Errorf("faults: no fault over %s has a name that contains %q", strings.Join(links, ", "), cfg.Only)
	}
	s := watchStalls()
	defer s.close()
	r.Rows = make([]Row, len(todo))
	next := make(chan int)
	var mu sync.Mutex
	var group sync.WaitGroup
	done := 0
	for range max(cfg.Parallel, 1) {
		group.Go(func() {
			for i := range next {
				row := &r.Rows[i]
				*row = runCase(ctx, &cfg, &todo[i].c, todo[i].link, s)
				mu.Lock()
				if done++; cfg.Progress != nil {
					cfg.Progress(done, len(r.Rows), row)
				}
				mu.Unlock()
			}
		})
	}
	for i := range r.Rows {
		next <- i
	}
	close(next)
	if group.Wait(); ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for i := range r.Rows {
		r.Passed = r.Passed && r.Rows[i].Passed
	}
	return r, nil
}

// runCase runs the trials of one case in one world.
func runCase(ctx context.Context, cfg *Config, c *Case, link string, s *stalls) Row {
	row := Row{Fault: c.Name, Link: link, State: c.State, Recovery: c.Recovery, Periods: []float64{}, Broken: []string{}}
	w, err := newWorld(ctx, cfg, c, link)
	defer func() { w.close() }() // of the newest world
	if err == nil {
		err = w.commanded(ctx, 5, startLimit)
	}
	for err == nil && len(row.Periods) < cfg.Trials {
		var took float64
		var begun time.Time
		took, begun, err = w.once(ctx, &row)
		disturbed := s.since(begun.Add(-w.period())) > w.period()/10
		if (err != nil || took > MaxPeriods) && disturbed && row.Repeated < 5*cfg.Trials && ctx.Err() == nil {
			row.Repeated++
			if err != nil { // the world may be in disorder
				w.close()
				if w, err = newWorld(ctx, cfg, c, link); err == nil {
					err = w.commanded(ctx, 5, startLimit)
				}
			}
			continue
		}
		if err == nil {
			row.Periods = append(row.Periods, took)
		}
		w.trial++
	}
	if err != nil {
		row.Error = err.Error()
	}
	if len(row.Periods) > 0 {
		row.Median, row.Max = bench.Median(row.Periods), slices.Max(row.Periods)
	}
	row.Passed = err == nil && len(row.Broken) == 0 && row.Max <= MaxPeriods
	return row
}

// once is one trial: the periods from the fault to the stop.
func (w *world) once(ctx context.Context, row *Row) (periods float64, begun time.Time, err error) {
	begun = time.Now()
	korr, from, n := w.korr, w.korr.count(), w.judge.commands()
	at, err := w.c.strike(ctx, w)
	if err != nil {
		return 0, begun, err
	}
	l, err := korr.after(from, 10*time.Second, func(l *line) bool { return l.To == hold || l.To == fault })
	if err != nil {
		return 0, begun, err
	}
	periods = float64(l.Time.Sub(at)) / float64(w.period())
	if periods < -early {
		return periods, begun, fmt.Errorf("%s because of %q %.2f periods before the fault", l.To, l.Cause, -periods)
	}
	if l.To == hold && w.c.State == fault && w.c.first != "" && strings.Contains(l.Cause, w.c.first) {
		if l, err = korr.after(from, 10*time.Second, func(l *line) bool { return l.To == fault }); err != nil {
			return periods, begun, err
		}
	}
	if l.To != w.c.State || !slices.ContainsFunc(w.c.says, func(s string) bool { return strings.Contains(l.Cause, s) }) {
		return periods, begun, fmt.Errorf("%s because of %q, want %s for %q", l.To, l.Cause, w.c.State, w.c.says)
	}
	row.Message = l.Cause
	time.Sleep(w.period()) // what was on its way has come
	quiet := time.Now()
	time.Sleep(5 * w.period())
	if told, untold := w.sentIn(l.Tick, korr, from, n, quiet); told+untold > 0 {
		row.Broken = append(row.Broken, fmt.Sprintf("%d commands in %s, %d of them untold", told+untold, l.To, untold))
	}
	if err = w.c.heal(ctx, w); err != nil {
		err = fmt.Errorf("%w; korr said last:\n%s", err, w.korr.tail())
	} else {
		err = w.commanded(ctx, 5, healLimit)
	}
	poses, unseen, broken := w.judge.verdict()
	row.Poses += poses
	row.Unseen += unseen
	row.Broken = append(row.Broken, broken...)
	if err != nil {
		err = fmt.Errorf("recovery: %w", err)
	}
	return max(periods, 0), begun, err
}

// sentIn is judge.sentIn after the stop at a tick, which followed line from of the node's log and command n. A pose may
// come before the node's word of it.
func (w *world) sentIn(tick uint64, korr *process, from, n int, quiet time.Time) (told, untold int) {
	for end := time.Now().Add(time.Second); ; time.Sleep(20 * time.Millisecond) {
		told, untold = w.judge.sentIn(tick, korr.moves(from), n, quiet)
		if untold == 0 || time.Now().After(end) {
			return told, untold
		}
	}
}

// stalls notes when this process did not run on time.
type stalls struct {
	stop chan struct{}
	done chan struct{}
	mu   sync.Mutex
	late []stall
}

type stall struct {
	at time.Time
	by time.Duration
}

func watchStalls() *stalls {
	s := &stalls{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		const nap = 2 * time.Millisecond
		for before := time.Now(); ; {
			select {
			case <-s.stop:
				return
			case <-time.After(nap):
			}
			now := time.Now()
			if by := now.Sub(before) - nap; by > nap {
				s.mu.Lock()
				s.late = append(s.late, stall{now, by})
				s.late = s.late[max(len(s.late)-10000, 0):]
				s.mu.Unlock()
			}
			before = now
		}
	}()
	return s
}

func (s *stalls) close() {
	close(s.stop)
	<-s.done
}

// since is the longest stall since t.
func (s *stalls) since(t time.Time) (longest time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.late {
		if l.at.After(t) {
			longest = max(longest, l.by)
		}
	}
	return longest
}
