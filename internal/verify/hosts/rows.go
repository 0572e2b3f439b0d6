package hosts

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/ros2"
	"korr/ros/ros2/dds"
)

// A control period at 10 Hz, and the bound of everything that has to stop an arm.
const (
	period = 100 * time.Millisecond
	bound  = 3 * period
)

// first is the first host: where the rows run.
type first struct {
	*network
	ctx    context.Context
	self   []string // this program
	domain int      // of the newest row: every row has one of its own
}

// row is something to try. try returns what it measured.
type row struct {
	name, peer, what, unit string
	bound                  float64
	atLeast                bool // the bound is the least, not the most
	loss                   int  // % of the packets
	try                    func(*first) (float64, error)
}

// Rows runs the rows in the namespace that Run made. dir is the folder of the peers; self is this program.
func Rows(ctx context.Context, dir, only string, self []string) (*Report, error) {
	n, err := connect(dir)
	if err != nil {
		return nil, err
	}
	f := &first{network: n, ctx: ctx, self: self}
	r := &Report{Schema: "korr.ros2/1", Rows: []Row{}, Missing: []Missing{}, Passed: true}
	for _, x := range allRows() {
		if !strings.Contains(x.name+", "+x.peer, only) || x.peer != "korr" && !f.has(x.peer) || x.loss > 0 && !f.has(nft) {
			continue
		}
		f.domain++
		r.Rows = append(r.Rows, f.tried(&x))
		r.Passed = r.Passed && r.Rows[len(r.Rows)-1].Passed
		if ctx.Err() != nil {
			return nil, errors.Join(ctx.Err(), n.close())
		}
	}
	r.Passed = r.Passed && len(r.Rows) > 0
	return r, n.close()
}

func (f *first) tried(x *row) Row {
	out := Row{Name: x.name, Peer: x.peer, What: x.what, Unit: x.unit, Bound: x.bound}
	lost := func() (int, error) { return 1, nil }
	var err error
	if x.loss > 0 {
		lost, err = f.lose(x.loss)
	}
	if err == nil {
		out.Value, err = x.try(f)
		n, e := lost()
		if err = errors.Join(err, e); err == nil && n == 0 {
			err = errors.New("no packet was lost")
		}
	}
	if err == nil && x.bound != 0 && (x.atLeast && !(out.Value >= x.bound) || !x.atLeast && !(out.Value <= x.bound)) {
		err = errors.New("out of bounds")
	}
	if err != nil {
		out.Error = err.Error()
	}
	if math.IsNaN(out.Value) || math.IsInf(out.Value, 0) {
		out.Value = -1
	}
	out.Passed = err == nil
	return out
}

func allRows() (rows []row) {
	for _, peer := range []string{Cyclone, FastDDS} {
		rows = append(rows,
			row{
				name: "topic both ways, reliable", peer: peer, what: "to the first answer", unit: "ms", bound: 5000,
				try: echo(peer, "reliable", 1, 30),
			},
			row{
				name: "topic both ways, best effort", peer: peer, what: "to the first answer", unit: "ms", bound: 5000,
				try: echo(peer, "best_effort", 1, 30),
			},
			row{
				name: "messages of 0.1, 1.1 and 4.2 MB", peer: peer, what: "to the last answer", unit: "ms", bound: 30000,
				try: echo(peer, "reliable", 2000, 20_000, 75_000),
			},
			row{
				name: "late joiners of a latched topic, both ways", peer: peer, what: "to the answer", unit: "ms", bound: 5000,
				try: late(peer),
			},
			row{
				name: "every message, reliable, at 50 Hz", peer: peer, what: "come back", unit: "of 250", bound: 250,
				atLeast: true, loss: 5, try: stream(peer, "reliable", 50, 250),
			},
			row{
				name: "state, best effort, at 100 Hz", peer: peer, what: "longest gap", unit: "ms",
				bound: float64(bound.Milliseconds()), loss: 5, try: stream(peer, "best_effort", 100, 500),
			},
			row{
				name: "message of 0.1 MB", peer: peer, what: "to the answer", unit: "ms", bound: 5000, loss: 5,
				try: echo(peer, "reliable", 2000),
			},
			row{
				name: "incompatible QoS: durability", peer: peer, what: "to its name", unit: "ms", bound: 2000,
				try: incompatible(peer, "durability"),
			},
			row{
				name: "incompatible QoS: deadline", peer: peer, what: "to its name", unit: "ms", bound: 2000,
				try: incompatible(peer, "deadline"),
			},
			row{
				name: "a second commander", peer: peer, what: "noticed after", unit: "ms", bound: float64(bound.Milliseconds()),
				try: rival(peer),
			},
			row{
				name: "vanishes (kill -9) while it is commanded", peer: peer, what: "noticed after", unit: "ms",
				bound: float64(bound.Milliseconds()), try: vanish(peer),
			},
		)
	}
	rows = append(rows,
		row{
			name: "service and action, called by the peer", peer: Cyclone, what: "for all calls", unit: "ms", bound: 10_000,
			try: called,
		},
		row{
			name: "service and action, served by the peer", peer: Cyclone, what: "slowest call", unit: "ms", bound: 1000,
			try: calls(20),
		},
		row{
			name: "service and action, served by the peer", peer: Cyclone, what: "slowest call", unit: "ms", bound: 3000,
			loss: 5, try: calls(20),
		},
		row{
			name: "publishes at 100 Hz, reliable, keyless", peer: ddsperf, what: "in sequence", unit: "samples", bound: 300,
			atLeast: true, try: perfPublishes,
		},
		row{
			name: "subscribes at 100 Hz, reliable, keyless", peer: ddsperf, what: "received", unit: "samples", bound: 300,
			atLeast: true, try: perfSubscribes,
		},
		row{
			name: "an arm is controlled from the other host for 20 s", peer: "korr", what: "commands", unit: "% of those due",
			bound: 98, atLeast: true, try: control,
		},
		row{
			name: "an arm is controlled from the other host for 20 s", peer: "korr", what: "commands", unit: "% of those due",
			bound: 98, atLeast: true, loss: 5, try: control,
		},
	)
	for i := range rows {
		if rows[i].loss > 0 {
			rows[i].name += fmt.Sprintf(", %d %% of the packets lost", rows[i].loss)
		}
	}
	return rows
}

// open makes a node in the row's domain.
func (f *first) open(cfg ros2.Config) (n *ros2.Node, err error) {
	if cfg.Names, err = names.NewROS2("korr", names.ROS2{Domain: f.domain}); err != nil {
		return nil, err
	}
	return ros2.Open(f.ctx, cfg)
}

func profileOf(mode string) ros2.Profile {
	switch mode {
	case "best_effort":
		return ros2.Clock
	case "latched":
		return ros2.Latched
	}
	return ros2.Button
}

// pair is a node that says /ping, and a peer that says it again on /pong.
type pair struct {
	node *ros2.Node
	ping *ros2.Publisher[msgs.PoseArray]
	pong chan *msgs.PoseArray
	peer *program
}

func (f *first) pair(peer, mode string) (*pair, error) {
	p := &pair{pong: make(chan *msgs.PoseArray, 10_000)}
	var err error
	if p.peer, err = f.start(peer, f.domain, mode); err != nil {
		return nil, err
	}
	if p.node, err = f.open(ros2.Config{}); err != nil {
		p.peer.kill()
		return nil, err
	}
	err = ros2.Subscribe(p.node, "/pong", profileOf(mode), func(m *msgs.PoseArray) {
		select {
		case p.pong <- m:
		default: // nobody reads on
		}
	})
	if err == nil {
		p.ping, err = ros2.Advertise[msgs.PoseArray](p.node, "/ping", profileOf(mode))
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *pair) close() error {
	p.peer.stop()
	return p.node.Close()
}

// array is a message with some poses of 56 bytes; number tells it from others.
func array(number, poses int) *msgs.PoseArray {
	m := &msgs.PoseArray{
		Header: msgs.Header{Stamp: time.Unix(int64(number+1), 5).UTC(), FrameId: "tag"},
		Poses:  make([]msgs.Pose, 0, poses),
	}
	for k := range poses {
		m.Poses = append(m.Poses, msgs.Pose{
			Position:    msgs.Point{X: math.Sqrt(float64(k)), Y: -1e-300},
			Orientation: msgs.Quaternion{W: 1},
		})
	}
	return m
}

// echo sends messages until each has come back, and looks whether it is the same. It returns the time that all took,
// ms.
func echo(peer, mode string, sizes ...int) func(*first) (float64, error) {
	return func(f *first) (float64, error) {
		p, err := f.pair(peer, mode)
		if err != nil {
			return 0, err
		}
		defer p.close()
		begun := time.Now()
		for i, poses := range sizes {
			if err := p.back(array(i, poses), 100*time.Millisecond+time.Duration(poses)*20*time.Microsecond); err != nil {
				return 0, err
			}
		}
		return milliseconds(time.Since(begun)), nil
	}
}

// back sends a message, again and again until it has come back.
func (p *pair) back(m *msgs.PoseArray, again time.Duration) error {
	deadline := time.After(time.Minute)
	for {
		p.ping.Write(m)
		wait := time.After(again)
		for waiting := true; waiting; {
			select {
			case back := <-p.pong:
				if !back.Header.Stamp.Equal(m.Header.Stamp) {
					continue // an older one
				}
				if !reflect.DeepEqual(back, m) {
					return fmt.Errorf("%d poses came back as %d others", len(m.Poses), len(back.Poses))
				}
				return nil
			case <-wait:
				waiting = false
			case <-deadline:
				return fmt.Errorf("a message of %d poses did not come back", len(m.Poses))
			}
		}
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// late: what was said once is heard by a peer that comes later, and its answer by a subscriber that comes later still.
func late(peer string) func(*first) (float64, error) {
	return func(f *first) (float64, error) {
		n, err := f.open(ros2.Config{})
		if err != nil {
			return 0, err
		}
		defer n.Close()
		ping, err := ros2.Advertise[msgs.PoseArray](n, "/ping", ros2.Latched)
		if err != nil {
			return 0, err
		}
		m := array(1, 30)
		ping.Write(array(0, 1)) // only the last one is kept
		ping.Write(m)
		begun := time.Now()
		p, err := f.start(peer, f.domain, "latched")
		if err != nil {
			return 0, err
		}
		defer p.stop()
		time.Sleep(time.Second) // the peer has heard it, and answered, before anybody listens
		pong := make(chan *msgs.PoseArray, 100)
		if err := ros2.Subscribe(n, "/pong", ros2.Latched, func(m *msgs.PoseArray) { pong <- m }); err != nil {
			return 0, err
		}
		select {
		case back := <-pong:
			if !reflect.DeepEqual(back, m) {
				return 0, errors.New("the late joiner heard something else")
			}
			return milliseconds(time.Since(begun)), nil
		case <-time.After(10 * time.Second):
			return 0, errors.New("the late joiner heard nothing")
		}
	}
}

// stream sends n messages at a rate. Reliably it returns how many came back in order, else the longest time without
// one, ms.
func stream(peer, mode string, hz, n int) func(*first) (float64, error) {
	return func(f *first) (float64, error) {
		p, err := f.pair(peer, mode)
		if err != nil {
			return 0, err
		}
		defer p.close()
		if err := p.back(array(0, 1), 100*time.Millisecond); err != nil { // they know each other
			return 0, err
		}
		tick := time.NewTicker(time.Second / time.Duration(hz))
		defer tick.Stop()
		count, newest := 0, 1
		var gap time.Duration
		before := time.Now()
		hear := func(m *msgs.PoseArray) error {
			gap = max(gap, time.Since(before))
			before = time.Now()
			number := int(m.Header.Stamp.Unix()) - 1
			if number == 0 || mode == "reliable" && number < newest { // sent again meanwhile; or by the lenient reader too
				return nil
			}
			if mode == "reliable" && number != newest {
				return fmt.Errorf("message %d came after %d", number, newest-1)
			}
			newest = number + 1
			count++
			return nil
		}
		for i := 0; i < n; {
			select {
			case <-tick.C:
				i++
				p.ping.Write(array(i, 6))
			case m := <-p.pong:
				if err := hear(m); err != nil {
					return 0, err
				}
			}
		}
		for end := time.After(10 * time.Second); count < n && mode == "reliable"; {
			select {
			case m := <-p.pong:
				if err := hear(m); err != nil {
					return 0, err
				}
			case <-end:
				return float64(count), nil
			}
		}
		if mode == "reliable" {
			return float64(count), nil
		}
		if least := n * 4 / 5; count < least { // of two crossings 90 % arrive
			return milliseconds(gap), fmt.Errorf("%d of %d came back, want at least %d", count, n, least)
		}
		return milliseconds(gap), nil
	}
}

// incompatible: the peer wants of the commands what they do not offer; the node is told which policy that is.
func incompatible(peer, policy string) func(*first) (float64, error) {
	return func(f *first) (float64, error) {
		told := make(chan string, 100)
		n, err := f.open(ros2.Config{OnPolicy: func(topic, p string) {
			if topic == "/command" && p != "" {
				told <- p
			}
		}})
		if err != nil {
			return 0, err
		}
		defer n.Close()
		if _, err := ros2.Advertise[msgs.PoseStamped](n, "/command", ros2.Command); err != nil {
			return 0, err
		}
		p, err := f.start(peer, f.domain, policy)
		if err != nil {
			return 0, err
		}
		defer p.stop()
		begun := time.Now()
		select {
		case got := <-told:
			if got != policy {
				return 0, fmt.Errorf("told of the policy %q", got)
			}
			return milliseconds(time.Since(begun)), nil
		case <-time.After(10 * time.Second):
			return 0, errors.New("nothing was told")
		}
	}
}

// commander is a node that commands a peer, at 10 Hz once it is told to.
type commander struct {
	node      *ros2.Node
	out       *ros2.Publisher[msgs.PoseStamped]
	listeners atomic.Int64
	changed   chan int
}

func (f *first) commander() (*commander, error) {
	c := &commander{changed: make(chan int, 100)}
	var err error
	c.node, err = f.open(ros2.Config{OnListeners: func(topic string, n int) {
		if topic == "/command" {
			c.listeners.Store(int64(n))
			c.changed <- n
		}
	}})
	if err == nil {
		c.out, err = ros2.Advertise[msgs.PoseStamped](c.node, "/command", ros2.Command)
	}
	return c, err
}

// heard waits until somebody listens.
func (c *commander) heard() error {
	for end := time.Now().Add(20 * time.Second); c.listeners.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return errors.New("nobody listens")
		}
	}
	return nil
}

// rival: a second writer on the commands is noticed.
func rival(peer string) func(*first) (float64, error) {
	return func(f *first) (float64, error) {
		c, err := f.commander()
		if err != nil {
			return 0, err
		}
		defer c.node.Close()
		others := make(chan []string, 100)
		if err := ros2.WatchPublishers(c.node, "/command", func(nodes []string) { others <- nodes }); err != nil {
			return 0, err
		}
		p, err := f.start(peer, f.domain, "rival")
		if err != nil {
			return 0, err
		}
		defer p.stop()
		if err := c.heard(); err != nil {
			return 0, err
		}
		begun := time.Now()
		if _, err := p.in.Write([]byte{'g'}); err != nil {
			return 0, err
		}
		for {
			select {
			case nodes := <-others:
				if len(nodes) == 2 && slices.Contains(nodes, "/korr") {
					return milliseconds(time.Since(begun)), nil
				}
			case <-time.After(10 * time.Second):
				return 0, errors.New("it was not noticed")
			}
		}
	}
}

// vanish: a peer that is commanded at 10 Hz and tells a state is killed. The time is that until its silence is known;
// no command may wait for it longer than a period, and another peer is heard afterwards.
func vanish(peer string) func(*first) (float64, error) {
	return func(f *first) (float64, error) {
		c, err := f.commander()
		if err != nil {
			return 0, err
		}
		defer c.node.Close()
		var states atomic.Int64
		if err := ros2.Subscribe(c.node, "/state", ros2.State, func(*msgs.PoseArray) { states.Add(1) }); err != nil {
			return 0, err
		}
		begin := func() (*program, error) {
			from := states.Load()
			p, err := f.start(peer, f.domain, "speak")
			if err != nil {
				return nil, err
			}
			for end := time.Now().Add(20 * time.Second); states.Load() < from+10; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					p.kill()
					return nil, errors.New("the peer is not heard")
				}
			}
			return p, nil
		}
		p, err := begin()
		if err != nil {
			return 0, err
		}
		if err := c.heard(); err != nil {
			p.kill()
			return 0, err
		}
		var slowest time.Duration
		write := func() {
			at := time.Now()
			c.out.Write(&msgs.PoseStamped{Header: msgs.Header{Stamp: at}})
			slowest = max(slowest, time.Since(at))
		}
		tick := time.NewTicker(period)
		defer tick.Stop()
		for range 10 {
			<-tick.C
			write()
		}
		for len(c.changed) > 0 {
			<-c.changed
		}
		killed := time.Now()
		p.kill()
		after := time.Duration(0)
		for after == 0 {
			select {
			case <-tick.C:
				write()
			case n := <-c.changed:
				if n == 0 {
					after = time.Since(killed)
				}
			}
			if time.Since(killed) > 10*time.Second {
				return 0, errors.New("it was not noticed within 10 s")
			}
		}
		for range 10 {
			<-tick.C
			write()
		}
		if slowest > period {
			return 0, fmt.Errorf("a command waited %v", slowest)
		}
		if p, err = begin(); err != nil {
			return 0, fmt.Errorf("after it was started again: %w", err)
		}
		p.stop()
		return milliseconds(after), nil
	}
}

// called: the peer calls a service and an action of this node.
func called(f *first) (float64, error) {
	n, err := f.open(ros2.Config{})
	if err != nil {
		return 0, err
	}
	defer n.Close()
	err = ros2.Serve[msgs.SetBool](n, "/korr/enable", func(q *msgs.SetBoolReq) (*msgs.SetBoolRes, bool) {
		return &msgs.SetBoolRes{Success: q.Data, Message: "heard"}, true
	})
	if err != nil {
		return 0, err
	}
	goals := make(chan string, 10)
	s, err := ros2.NewActionServer[msgs.MoveGoal, msgs.MoveResult, msgs.MoveFeedback](n, "/korr/move", moveKind,
		func(id string, g *msgs.MoveGoal) error {
			if g.Width < 0 {
				return errors.New("no such width")
			}
			goals <- id
			return nil
		}, nil)
	if err != nil {
		return 0, err
	}
	go func() {
		select {
		case id := <-goals:
			time.Sleep(50 * time.Millisecond) // somebody waits for the result
			s.Finish(id, msgs.GoalSucceeded, func(r *msgs.MoveResult) { r.Success = true })
		case <-n.Done():
		}
	}()
	p, err := f.start(Cyclone, f.domain, "call")
	if err != nil {
		return 0, err
	}
	defer p.stop()
	begun := time.Now()
	if said, err := p.line(time.Minute); err != nil || said != "done" {
		return 0, fmt.Errorf("the peer said %q: %w", said, err)
	}
	return milliseconds(time.Since(begun)), nil
}

const moveKind = "franka_msgs/action/Move"

// calls: this node calls a service and an action of the peer, times over. It returns the longest time of a call, ms.
func calls(times int) func(*first) (float64, error) {
	return func(f *first) (float64, error) {
		n, err := f.open(ros2.Config{Timeout: 10 * time.Second})
		if err != nil {
			return 0, err
		}
		defer n.Close()
		p, err := f.start(Cyclone, f.domain, "serve")
		if err != nil {
			return 0, err
		}
		defer p.stop()
		c, err := ros2.NewClient[msgs.SetBool, msgs.SetBoolReq, msgs.SetBoolRes](n, "/peer/enable")
		if err != nil {
			return 0, err
		}
		a, err := ros2.NewActionClient[msgs.MoveGoal, msgs.MoveResult](n, "/peer/move", moveKind)
		if err != nil {
			return 0, err
		}
		do := func(width float64) error {
			ctx, cancel := context.WithTimeout(f.ctx, 10*time.Second)
			defer cancel()
			return a.Do(ctx, func(g *msgs.MoveGoal) { g.Width = width })
		}
		if err := do(0.04); err != nil { // they know each other
			return 0, err
		}
		var longest time.Duration
		for i := range times {
			begun := time.Now()
			res, err := c.Call(f.ctx, &msgs.SetBoolReq{Data: i%2 == 0})
			if err != nil {
				return 0, err
			}
			if res.Success != (i%2 == 0) || res.Message != "heard in C" {
				return 0, fmt.Errorf("call %d was answered with %+v", i, res)
			}
			if err := do(0.04); err != nil {
				return 0, err
			}
			if i > 0 { // the first one waits for the other side to be known
				longest = max(longest, time.Since(begun)/2)
			}
		}
		if err := do(-1); !errors.Is(err, ros2.ErrRejected) {
			return 0, fmt.Errorf("a goal that the peer rejects: %w", err)
		}
		return milliseconds(longest), nil
	}
}

// ddsperf's keyless type is one number that counts.
const (
	perfTopic = "DDSPerfRDataOU"
	perfType  = "OneULong"
	perfRate  = 100
)

// perfPublishes returns how many samples of ddsperf came in sequence.
func perfPublishes(f *first) (float64, error) {
	p, err := f.launch("ddsperf", "-i", fmt.Sprint(f.domain), "-T", "OU", "-D", "6", "pub", fmt.Sprint(perfRate))
	if err != nil {
		return 0, err
	}
	defer p.kill()
	d, err := dds.Open(dds.Config{Domain: f.domain})
	if err != nil {
		return 0, err
	}
	defer d.Close()
	var got atomic.Int64
	next, broken := uint32(0), ""
	_, err = d.NewReader(perfTopic, perfType, dds.QoS{Reliable: true, KeepAll: true}, "", func(s *dds.Sample) {
		if len(s.Data) < 8 {
			broken = fmt.Sprintf("a sample of %d bytes", len(s.Data))
			return
		}
		number := uint32(s.Data[4]) | uint32(s.Data[5])<<8 | uint32(s.Data[6])<<16 | uint32(s.Data[7])<<24
		if got.Add(1) > 1 && number != next {
			broken = fmt.Sprintf("sample %d came instead of %d", number, next)
		}
		next = number + 1
	}, nil)
	if err != nil {
		return 0, err
	}
	time.Sleep(5 * time.Second)
	if err := d.Close(); err != nil {
		return 0, err
	}
	if broken != "" { // nothing is read any more
		return 0, errors.New(broken)
	}
	return float64(got.Load()), nil
}

// perfSubscribes returns how many samples ddsperf says that it got.
func perfSubscribes(f *first) (float64, error) {
	d, err := dds.Open(dds.Config{Domain: f.domain})
	if err != nil {
		return 0, err
	}
	defer d.Close()
	w, err := d.NewWriter(perfTopic, perfType, dds.QoS{Reliable: true, KeepAll: true}, "", nil)
	if err != nil {
		return 0, err
	}
	p, err := f.launch("ddsperf", "-i", fmt.Sprint(f.domain), "-T", "OU", "-1", "sub")
	if err != nil {
		return 0, err
	}
	defer p.kill()
	tick := time.NewTicker(time.Second / perfRate)
	defer tick.Stop()
	total, lost, newest := 0, 0, "nothing"
	for number := 0; number < 6*perfRate; {
		select {
		case <-tick.C:
			if err := w.Write([]byte{0, 1, 0, 0, byte(number), byte(number >> 8), 0, 0}); err != nil {
				return 0, err
			}
			number++
		case line := <-p.said:
			if _, counts, ok := strings.Cut(line, " total "); ok {
				newest = line
				if _, err := fmt.Sscanf(counts, "%d lost %d", &total, &lost); err != nil {
					return 0, fmt.Errorf("ddsperf said %q: %w", line, err)
				}
			}
		}
	}
	if total == 0 || lost > 0 {
		return float64(total), fmt.Errorf("ddsperf said %q", newest)
	}
	return float64(total), nil
}
