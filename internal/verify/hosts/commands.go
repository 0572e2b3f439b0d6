package hosts

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"korr/ros/msgs"
	"korr/ros/ros2"
)

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

// quick commands a peer at 200 Hz, and returns how many commands it wrote while the peer counted as listening: an answer
// has to be asked for however fast they come.
func quick(peer string) func(*first) (float64, error) {
	return func(f *first) (float64, error) {
		c, err := f.commander()
		if err != nil {
			return 0, err
		}
		defer c.node.Close()
		p, err := f.start(peer, f.domain, "speak")
		if err != nil {
			return 0, err
		}
		defer p.stop()
		if err := c.heard(); err != nil {
			return 0, err
		}
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		written := 0
		for range 400 {
			<-tick.C
			c.out.Write(&msgs.PoseStamped{Header: msgs.Header{Stamp: time.Now()}})
			if c.listeners.Load() > 0 {
				written++
			}
		}
		return float64(written), nil
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
