package robot

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"korr/koopman/filter"
	"korr/residual/loop"
	"korr/ros/msgs"
	"korr/ros/transport"
)

const (
	statusPeriod = 100 * time.Millisecond // of ~status
	healthEvery  = 10                     // statuses per diagnostics
	queuedTicks  = 64                     // ticks that may wait for ~action
)

// reporter publishes ~status, ~action and /diagnostics from a goroutine of its own.
type reporter struct {
	robot  *Robot
	status publisher[msgs.Status]
	action publisher[msgs.Action]
	health publisher[msgs.DiagnosticArray]
	ticks  tickQueue
	stop   chan struct{}
	ended  chan struct{}

	period atomic.Int64 // ns, of the loop; 0 in lock step
	step   atomic.Int64 // ns, of a control step by the stamps
	late   atomic.Pointer[func() uint64]
}

func newReporter(r *Robot) (*reporter, error) {
	p := &reporter{robot: r, stop: make(chan struct{}), ended: make(chan struct{})}
	p.ticks.init()
	var errs [3]error
	p.status, errs[0] = transport.Advertise[msgs.Status](r.link, "~status", transport.Report)
	p.action, errs[1] = transport.Advertise[msgs.Action](r.link, "~action", transport.Report)
	p.health, errs[2] = transport.Advertise[msgs.DiagnosticArray](r.link, msgs.DiagnosticsTopic, transport.Report)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	go p.run()
	return p, nil
}

func (p *reporter) close() {
	close(p.stop)
	<-p.ended
}

func (p *reporter) run() {
	defer close(p.ended)
	tick := time.NewTicker(statusPeriod)
	defer tick.Stop()
	for n := 0; ; {
		select {
		case <-p.stop:
			p.drain()
			p.report(true)
			return
		case <-p.ticks.wake:
			p.drain()
		case <-tick.C:
			p.report(n%healthEvery == 0)
			n++
		}
	}
}

// report publishes the status, and the diagnostics if asked for.
func (p *reporter) report(health bool) {
	m := p.newStatus()
	if health {
		p.health.Write(p.diagnostics(m))
	}
	p.status.Write(m)
}

func (p *reporter) drain() {
	for m := p.ticks.pop(); m != nil; m = p.ticks.pop() {
		m.Sent = m.Sent && !p.robot.cfg.Passive
		p.action.Write(m)
	}
}

// newStatus is the state of everything.
func (p *reporter) newStatus() *msgs.Status {
	r := p.robot
	m := &msgs.Status{
		Header: msgs.Header{Stamp: r.link.Now()}, Live: !r.cfg.Passive, MasterUp: r.link.MasterUp(), Policy: r.cfg.Policy,
		Period: time.Duration(p.period.Load()).Seconds(),
	}
	m.ArmAge, m.GripperAge, m.PartsAge = r.ages()
	m.DeadmanAge = r.guard.deadmanAge().Seconds()
	r.guard.mu.Lock()
	s := r.guard.loop
	r.guard.mu.Unlock()
	if s == nil {
		return m
	}
	st := s.Status()
	m.State, m.Enabled = uint8(st.State), st.Enabled
	if st.Cause != nil {
		m.Cause = st.Cause.Error()
	}
	m.Ticks, m.Sent, m.Misses, m.Holds, m.Fallbacks, m.Clamped = st.Ticks, st.Sent, st.Misses, st.Holds, st.Fallbacks,
		st.Clamped
	m.LateChunks = st.Late
	if r.cfg.Passive {
		m.Sent = 0
	}
	if late := p.late.Load(); late != nil {
		m.LateChunks += (*late)()
	}
	m.Age = st.Age.Seconds()
	p.partsTo(m)
	m.JitterP50, m.JitterP99, m.JitterMax = seconds(st.Jitter)
	m.LatencyP50, m.LatencyP99, m.LatencyMax = seconds(st.Latency)
	return m
}

// partsTo tells of what the policy's filter knew of each part at its last tick.
func (p *reporter) partsTo(m *msgs.Status) {
	step := time.Duration(p.step.Load()).Seconds()
	p.ticks.mu.Lock()
	defer p.ticks.mu.Unlock()
	for i, x := range p.ticks.parts {
		m.Parts = append(m.Parts, p.robot.cfg.Parts[i])
		m.PartAges = append(m.PartAges, step*x.Age)
		m.PartPositions, m.PartRotations = append(m.PartPositions, x.Position), append(m.PartRotations, x.Rotation)
		m.PartGated = append(m.PartGated, uint32(x.Gated))
	}
}

func seconds(s loop.Spread) (p50, p99, most float64) {
	return s.P50.Seconds(), s.P99.Seconds(), s.Max.Seconds()
}

// diagnostics says of the control loop, the observations and the link how they are.
func (p *reporter) diagnostics(m *msgs.Status) *msgs.DiagnosticArray {
	name := p.robot.cfg.Names.Node[1:]
	state := loop.State(m.State)
	control := msgs.DiagnosticStatus{
		Level: msgs.DiagnosticOK, Name: name + ": control loop", Message: state.String(),
		HardwareId: p.robot.kind(),
	}
	switch state {
	case loop.StateInit, loop.StateHold:
		control.Level = msgs.DiagnosticWarn
	case loop.StateFault:
		control.Level = msgs.DiagnosticError
	}
	if m.Cause != "" {
		control.Message += ": " + m.Cause
	}
	control.Values = []msgs.KeyValue{
		{Key: "policy", Value: m.Policy},
		{Key: "enabled", Value: strconv.FormatBool(m.Enabled)},
		{Key: "live", Value: strconv.FormatBool(m.Live)},
		{Key: "commands", Value: strconv.FormatUint(m.Sent, 10)},
		{Key: "commands withdrawn", Value: strconv.FormatUint(p.robot.Status().Withdrawn, 10)},
		{Key: "missed deadlines", Value: strconv.FormatUint(m.Misses, 10)},
		{Key: "late chunks", Value: strconv.FormatUint(m.LateChunks, 10)},
		{Key: "residual fell back", Value: strconv.FormatUint(m.Fallbacks, 10)},
		{Key: "clamped", Value: strconv.FormatUint(m.Clamped, 10)},
		{Key: "jitter p99 (ms)", Value: fmt.Sprintf("%.3f", 1e3*m.JitterP99)},
		{Key: "latency p99 (ms)", Value: fmt.Sprintf("%.3f", 1e3*m.LatencyP99)},
	}
	return &msgs.DiagnosticArray{Header: m.Header, Status: []msgs.DiagnosticStatus{
		control, p.inputs(m, name),
		p.link(m, name),
	}}
}

// inputs is about the observations.
func (p *reporter) inputs(m *msgs.Status, name string) msgs.DiagnosticStatus {
	d := msgs.DiagnosticStatus{
		Level: msgs.DiagnosticOK, Name: name + ": observations", Message: "fresh",
		HardwareId: p.robot.kind(),
	}
	limit := 3 * m.Period
	for _, v := range []struct {
		name string
		age  float64
	}{{"arm", m.ArmAge}, {"gripper", m.GripperAge}, {"parts", m.PartsAge}} {
		d.Values = append(d.Values, msgs.KeyValue{Key: v.name + " age (s)", Value: fmt.Sprintf("%.3f", v.age)})
		switch {
		case v.age < 0:
			d.Level, d.Message = msgs.DiagnosticStale, v.name+" was never heard"
		case limit > 0 && v.age > limit && d.Level == msgs.DiagnosticOK:
			d.Level, d.Message = msgs.DiagnosticError, v.name+" is silent"
		}
	}
	for i, name := range m.Parts {
		d.Values = append(d.Values, msgs.KeyValue{Key: name + " (s, mm, gated)", Value: fmt.Sprintf(
			"%.3f, %.2f, %d", m.PartAges[i], 1e3*m.PartPositions[i], m.PartGated[i],
		)})
	}
	d.Values = append(d.Values, msgs.KeyValue{Key: "reordered", Value: strconv.FormatUint(p.robot.reordered.Load(), 10)})
	return d
}

// link is about the master, or the rosbridge server.
func (p *reporter) link(m *msgs.Status, name string) msgs.DiagnosticStatus {
	d := msgs.DiagnosticStatus{Level: msgs.DiagnosticOK, Name: name + ": link", Message: "up", HardwareId: p.robot.kind()}
	if !m.MasterUp {
		d.Level, d.Message = msgs.DiagnosticError, "the ROS master (or rosbridge server) is lost"
	}
	dropped := strconv.FormatUint(p.ticks.dropped.Load(), 10)
	d.Values = []msgs.KeyValue{{Key: "ticks not published on ~action", Value: dropped}}
	return d
}

// tickQueue takes ticks from the loop's goroutine and gives them to the reporter's, in slots made beforehand: push
// never allocates or waits. A full queue drops the newest.
type tickQueue struct {
	wake    chan struct{}
	dropped atomic.Uint64

	mu    sync.Mutex // held for a copy of 0.3 kB
	slots [queuedTicks]loop.Record
	head  uint64 // next to pop
	tail  uint64 // next to push

	parts []filter.Estimate // of the newest tick
}

func (q *tickQueue) init() {
	q.wake = make(chan struct{}, 1)
	for i := range q.slots {
		flat := make([]float32, 4*commandDim)
		q.slots[i] = loop.Record{Base: flat[:10:10], Residual: flat[10:20:20], Action: flat[20:30:30], Command: flat[30:]}
	}
}

// push copies what ~action tells of a tick.
func (q *tickQueue) push(r *loop.Record) {
	q.mu.Lock()
	q.parts = append(q.parts[:0], r.Parts...)
	if q.tail-q.head == queuedTicks {
		q.dropped.Add(1)
	} else {
		s := &q.slots[q.tail%queuedTicks]
		base, residual, action, command := s.Base, s.Residual, s.Action, s.Command
		*s = *r
		s.Observation, s.Parts, s.Base, s.Residual, s.Action, s.Command = nil, nil, base, residual, action, command
		copy(base, r.Base)
		copy(residual, r.Residual)
		copy(action, r.Action)
		copy(command, r.Command)
		q.tail++
	}
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// pop returns the oldest tick as a message of its own, nil when there is none.
func (q *tickQueue) pop() *msgs.Action {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == q.tail {
		return nil
	}
	r := &q.slots[q.head%queuedTicks]
	q.head++
	flat := make([]float32, 0, 4*commandDim)
	cut := func(v []float32) []float32 {
		flat = append(flat, v...)
		return flat[len(flat)-len(v) : len(flat) : len(flat)]
	}
	return &msgs.Action{
		Header: msgs.Header{Seq: uint32(r.Tick), Stamp: r.Stamp}, Tick: r.Tick - 1, Sequence: r.Seq, State: uint8(r.State),
		Sent: r.Sent, FellBack: r.FellBack, Age: r.Age.Seconds(), Latency: r.Latency.Seconds(),
		Base: cut(r.Base), Residual: cut(r.Residual), Sum: cut(r.Action), Command: cut(r.Command),
		Clamps: uint32(r.Clamps), Innovation: r.Innovation,
	}
}
