package hosts

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"

	"korr/ros/msgs"
	"korr/ros/ros2"
)

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
