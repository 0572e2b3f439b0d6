package hosts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"korr/ros/msgs"
	"korr/ros/ros2"
)

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
