package robot

import (
	"math"
	"sync"
)

const deadBand = 0.019 // of the gripper's action, as in the simulator

// grip keeps which way a gripper shall go and which way it was last sent. The tick notes, a goroutine of the hand
// sends.
type grip struct {
	wake chan struct{} // holds one: something to send

	mu     sync.Mutex
	wanted float64 // sign of the newest command beyond the dead band
	sent   float64 // sign of the last command that went out; 0 = none
}

func newGrip() grip { return grip{wake: make(chan struct{}, 1)} }

// want notes a gripper command in [-1, 1]; it never blocks.
func (g *grip) want(command float64) {
	if math.Abs(command) <= deadBand {
		return
	}
	g.mu.Lock()
	g.wanted = math.Copysign(1, command)
	changed := g.wanted != g.sent
	g.mu.Unlock()
	if changed {
		select {
		case g.wake <- struct{}{}:
		default:
		}
	}
}

// forget makes the next command count as a change: a new episode began.
func (g *grip) forget() {
	g.mu.Lock()
	g.wanted, g.sent = 0, 0
	g.mu.Unlock()
}
