package robot

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"korr/ros/msgs"
	"korr/ros/node"
)

// deadmanTimeout is how long ~deadman may be silent.
const deadmanTimeout = 300 * time.Millisecond

// guard passes on what must stop the loop.
type guard struct {
	required bool // the dead-man is
	stop     chan struct{}
	ended    chan struct{}

	mu      sync.Mutex
	loop    Supervisor
	pending string    // an emergency stop that came before there was a loop
	alive   time.Time // when ~deadman last spoke, monotonic
	lost    bool      // the dead-man's silence was reported
	mode_   uint8     // of the arm, as last reported
}

func newGuard(required bool) *guard {
	g := &guard{required: required, stop: make(chan struct{}), ended: make(chan struct{}), lost: true}
	go g.watch()
	return g
}

// register makes the operator's topics and services.
func (g *guard) register(n *node.Node, onResetFault func() error) error {
	return errors.Join(
		node.Subscribe(n, "~estop", func(m *msgs.Bool) {
			if m.Data {
				g.estop("~estop")
			}
		}),
		node.Subscribe(n, "~deadman", func(*msgs.Header) { g.touch() }),
		node.Serve[msgs.SetBool](n, "~enable", g.enable),
		node.Serve[msgs.Trigger](n, "~reset_fault", func(*msgs.TriggerReq) (*msgs.TriggerRes, bool) {
			err := errors.New("this node has no fault to reset")
			if onResetFault != nil {
				err = onResetFault()
			}
			if err != nil {
				return &msgs.TriggerRes{Message: err.Error()}, true
			}
			return &msgs.TriggerRes{Success: true}, true
		}),
	)
}

func (g *guard) close() {
	close(g.stop)
	<-g.ended
}

// attach names the loop.
func (g *guard) attach(s Supervisor) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.loop = s
	if g.pending != "" {
		s.EStop(g.pending)
		g.pending = ""
	}
}

func (g *guard) estop(reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.loop == nil {
		g.pending = reason
		return
	}
	g.loop.EStop(reason)
}

func (g *guard) hold(reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.loop != nil {
		g.loop.RequestHold(reason)
	}
}

// master is told when the ROS master is lost or back.
func (g *guard) master(up bool) {
	if !up {
		g.hold("the ROS master is lost")
	}
}

func (g *guard) enable(q *msgs.SetBoolReq) (*msgs.SetBoolRes, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.loop == nil:
		return &msgs.SetBoolRes{Message: "the control loop is not running"}, true
	case q.Data && g.required && g.lost:
		return &msgs.SetBoolRes{Message: "the dead-man (~deadman) is silent"}, true
	}
	g.loop.Enable(q.Data)
	return &msgs.SetBoolRes{Success: true}, true
}

// touch notes a sign of life of the dead-man.
func (g *guard) touch() {
	g.mu.Lock()
	g.alive, g.lost = time.Now(), false
	g.mu.Unlock()
}

// watch looks for the dead-man's silence, on the monotonic clock.
func (g *guard) watch() {
	defer close(g.ended)
	tick := time.NewTicker(deadmanTimeout / 6)
	defer tick.Stop()
	for {
		select {
		case <-g.stop:
			return
		case <-tick.C:
		}
		g.mu.Lock()
		if g.required && time.Since(g.alive) > deadmanTimeout && g.loop != nil {
			g.lost = true
			g.loop.RequestHold(fmt.Sprintf("the dead-man is silent for %v", deadmanTimeout))
		}
		g.mu.Unlock()
	}
}

// mode faults when the arm says that it stopped itself or was stopped.
func (g *guard) mode(m *msgs.FrankaState) {
	g.mu.Lock()
	changed := g.mode_ != m.RobotMode
	g.mode_ = m.RobotMode
	g.mu.Unlock()
	if !changed {
		return
	}
	switch m.RobotMode {
	case msgs.RobotModeReflex:
		g.estop("the arm stopped in a reflex: " + faults(&m.CurrentErrors, &m.LastMotionErrors))
	case msgs.RobotModeUserStopped:
		g.estop("the arm's user stop is pressed")
	}
}

// faults lists the errors that are set, by their ROS names.
func faults(errs ...*msgs.FrankaErrors) string {
	var names []string
	for _, e := range errs {
		v := reflect.ValueOf(e).Elem()
		for i := range v.NumField() {
			if f := v.Type().Field(i); v.Field(i).Kind() == reflect.Bool && v.Field(i).Bool() {
				names = append(names, f.Tag.Get("rosname"))
			}
		}
	}
	if names == nil {
		return "no cause given"
	}
	return strings.Join(names, ", ")
}
