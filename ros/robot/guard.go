package robot

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"korr/residual/loop"
	"korr/ros/msgs"
	"korr/ros/transport"
)

const (
	deadmanTimeout = 300 * time.Millisecond // of ~deadman's silence, by which the arm holds
	watchPeriod    = 25 * time.Millisecond  // of looking at the dead-man and the clock
	clockTimeout   = 500 * time.Millisecond // how long /clock may stand still, and how far it may leap
	resetTimeout   = 2 * time.Second        // of ~reset_fault
)

// guard passes on what must stop the loop, and lets an operator start it.
type guard struct {
	required bool     // the dead-man is
	commands string   // topic of the commands, not over rosbridge
	sources  []string // topics that one node alone must tell, not over rosbridge
	lockStep bool     // time is the simulator's business
	passive  bool     // nothing is commanded
	peer     string   // whose loss the operator reads of
	stop     chan struct{}
	ended    chan struct{}
	resets   chan reset // requests of ~reset_fault, taken by Robot.Serve while it is in FAULT

	mu      sync.Mutex
	loop    Supervisor
	pending string    // an emergency stop that came before there was a loop
	panels  panels    // of ~estop
	rival   string    // another node that commands the arm; "" if there is none
	alive   time.Time // when ~deadman last spoke, monotonic
	lost    bool      // the dead-man's silence was reported
	mode_   uint8     // of the arm, as last reported
	why     string    // the arm's own words for that

	unmatched map[string]string  // topics whose quality of service does not match, and what to say of it
	many      map[string]string  // topics of a state that several nodes publish, and what to say of it
	forbids   [conditions]string // why each of them forbids to move; "" if it does not
}

// condition is something that holds the arm for as long as it lasts, and refuses to enable it.
type condition int

const (
	linkLost condition = iota
	clockStands
	badPolicy // before noListener: it is why
	noListener
	partLost
	manySources
	conditions // how many there are
)

// reset is a request of ~reset_fault.
type reset struct {
	seen  uint64 // emergency stops that the operator may know of
	reply chan error
}

func newGuard(cfg *Config) *guard {
	peer := "the ROS master"
	if cfg.URL != "" {
		peer = "the rosbridge server"
	}
	g := &guard{
		required: cfg.Deadman, commands: commandTopic(cfg), sources: sourceTopics(cfg), lockStep: cfg.LockStep,
		passive: cfg.Passive, peer: peer, lost: true,
		stop: make(chan struct{}), ended: make(chan struct{}), resets: make(chan reset), many: map[string]string{},
		unmatched: map[string]string{},
	}
	if g.commands != "" && !g.lockStep && !cfg.Passive {
		g.forbids[noListener] = nobody(g.commands) // until somebody is heard of
	}
	return g
}

// register makes the operator's topics and services.
func (g *guard) register(l link, recover_ func() error) error {
	trigger := func(name string, f func() error) error {
		return transport.Serve[msgs.Trigger](l, name, func(*msgs.TriggerReq) (*msgs.TriggerRes, bool) {
			if err := f(); err != nil {
				return &msgs.TriggerRes{Message: err.Error()}, true
			}
			return &msgs.TriggerRes{Success: true}, true
		})
	}
	if transport.Graph(l) {
		if err := g.watchNodes(l); err != nil {
			return err
		}
	}
	return errors.Join(
		transport.Subscribe(l, "~estop", transport.Button, func(m *msgs.Bool) { g.button(m.Data) }),
		transport.Subscribe(l, "~deadman", transport.Button, func(*msgs.Header) { g.touch() }),
		transport.Serve[msgs.SetBool](l, "~enable", g.enable),
		trigger("~reset_fault", g.resetFault),
		trigger("~recover", recover_),
	)
}

// start begins to watch; forget is called when the clock jumps back.
func (g *guard) start(l link, forget func()) { go g.watch(l, forget) }

func (g *guard) close() {
	close(g.stop)
	<-g.ended
}

// attach names the loop.
func (g *guard) attach(s Supervisor) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.loop = s
	switch {
	case g.pending != "":
		s.EStop(g.pending)
	case g.stopped() != "":
		s.EStop(g.stopped())
	}
	g.pending = ""
	s.Block(g.forbidden())
}

// set notes whether a condition forbids to move.
func (g *guard) set(c condition, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forbid(c, why)
}

// forbid is set with mu held.
func (g *guard) forbid(c condition, why string) {
	if g.forbids[c] == why {
		return
	}
	g.forbids[c] = why
	if g.loop != nil {
		g.loop.Block(g.forbidden())
	}
}

// forbidden is why the arm may not move as things are, "" if it may. It is called with mu held.
func (g *guard) forbidden() string {
	for _, why := range g.forbids {
		if why != "" {
			return why
		}
	}
	return ""
}

// stopped says how the arm or ~estop forbids to move, "" if neither does. It is called with mu held.
func (g *guard) stopped() string {
	switch {
	case g.panels.pressed() != "":
		return g.panels.pressed()
	case g.rival != "":
		return g.rival
	case g.mode_ == msgs.RobotModeReflex:
		return "the arm stopped in a reflex: " + g.why
	case g.mode_ == msgs.RobotModeUserStopped:
		return "the arm's user stop is pressed"
	}
	return ""
}

// button notes ~estop, of whomever. Its release counts where nobody tells who pressed, or when that panel is gone.
func (g *guard) button(pressed bool) {
	g.mu.Lock()
	g.panels.said("", pressed)
	g.mu.Unlock()
	if pressed {
		g.estop("~estop")
	}
}

// panel notes ~estop of one publisher.
func (g *guard) panel(publisher string, pressed bool) {
	g.mu.Lock()
	news := pressed && !g.panels.on[publisher]
	g.panels.said(publisher, pressed)
	g.mu.Unlock()
	if news {
		g.estop("~estop")
	}
}

func (g *guard) panelGone(publisher string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.panels.gone(publisher)
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

// master is told when the ROS master, or the rosbridge server, is lost or back.
func (g *guard) master(up bool) {
	why := ""
	if !up {
		why = g.peer + " is lost"
	}
	g.set(linkLost, why)
}

func (g *guard) enable(q *msgs.SetBoolReq) (*msgs.SetBoolRes, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.loop == nil:
		return &msgs.SetBoolRes{Message: "the control loop is not running"}, true
	case q.Data && g.required && g.lost:
		return &msgs.SetBoolRes{Message: "the dead-man (~deadman) is silent"}, true
	case q.Data && g.stopped() != "":
		return &msgs.SetBoolRes{Message: g.stopped()}, true
	case q.Data && g.forbidden() != "":
		return &msgs.SetBoolRes{Message: g.forbidden()}, true
	case q.Data && g.loop.Status().State == loop.StateFault:
		return &msgs.SetBoolRes{Message: "in FAULT: call ~reset_fault first"}, true
	}
	g.loop.Enable(q.Data)
	return &msgs.SetBoolRes{Success: true}, true
}

// resetFault asks whoever runs the loop to clear its fault.
func (g *guard) resetFault() error {
	g.mu.Lock()
	s := g.loop
	var seen uint64
	if s != nil {
		seen = s.Stops() // before the stops are looked at: one that comes later is not the operator's to clear
	}
	stopped := g.stopped()
	g.mu.Unlock()
	switch {
	case s == nil || s.Status().State != loop.StateFault:
		return errors.New("there is no fault to reset")
	case stopped != "":
		return fmt.Errorf("not yet: %s", stopped)
	}
	reply := make(chan error, 1)
	timeout := time.After(resetTimeout)
	select {
	case g.resets <- reset{seen, reply}:
	case <-timeout:
		return errors.New("this node does not reset faults: start it again")
	case <-g.stop:
		return ErrClosed
	}
	select {
	case err := <-reply:
		return err
	case <-timeout:
		return fmt.Errorf("no answer within %v", resetTimeout)
	case <-g.stop:
		return ErrClosed
	}
}

// mode faults when the arm says that it stopped itself or was stopped.
func (g *guard) mode(m *msgs.FrankaState) {
	g.mu.Lock()
	changed := g.mode_ != m.RobotMode
	g.mode_ = m.RobotMode
	if changed && m.RobotMode == msgs.RobotModeReflex {
		g.why = faults(&m.CurrentErrors, &m.LastMotionErrors)
	}
	stopped := g.stopped()
	g.mu.Unlock()
	if changed && stopped != "" {
		g.estop(stopped)
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
