package robot

import (
	"fmt"
	"time"
)

// touch notes a sign of life of the dead-man.
func (g *guard) touch() {
	g.mu.Lock()
	g.alive, g.lost = time.Now(), false
	g.mu.Unlock()
}

// deadmanAge is the time since ~deadman spoke; negative when it is not required or was never heard.
func (g *guard) deadmanAge() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.required || g.alive.IsZero() {
		return -time.Second
	}
	return time.Since(g.alive)
}

// watch looks for the dead-man's silence and at simulated time, on the monotonic clock.
func (g *guard) watch(l link, forget func()) {
	defer close(g.ended)
	tick := time.NewTicker(watchPeriod)
	defer tick.Stop()
	c := clockWatch{}
	for {
		select {
		case <-g.stop:
			return
		case <-tick.C:
		}
		g.mu.Lock()
		if g.required && time.Since(g.alive) > deadmanTimeout-2*watchPeriod && g.loop != nil { // the next look may come late
			g.lost = true
			g.loop.RequestHold(fmt.Sprintf("the dead-man is silent for %v", deadmanTimeout))
		}
		g.mu.Unlock()
		if g.lockStep || !l.SimTime() {
			continue
		}
		jump, back, stands := c.look(l.Now(), time.Now())
		if back {
			forget()
		}
		if jump != "" {
			g.hold(jump)
		}
		g.set(clockStands, stands)
	}
}

// clockWatch notices what simulated time must not do.
type clockWatch struct {
	now   time.Time // simulated
	moved time.Time // when it last did, monotonic
}

// look compares simulated time with what it was, and says why the arm must hold: once for a jump, for as long as it
// lasts when time stands still.
func (c *clockWatch) look(now, monotonic time.Time) (jump string, back bool, stands string) {
	before, elapsed := c.now, monotonic.Sub(c.moved)
	c.now = now
	switch {
	case !before.IsZero() && before.Unix() > 0 && now.Sub(before)-elapsed > clockTimeout:
		c.moved = monotonic
		return fmt.Sprintf("/clock jumped forward by %v", now.Sub(before)-elapsed), false, ""
	case before.IsZero() || now.After(before):
		c.moved = monotonic
	case now.Before(before):
		c.moved = monotonic
		return fmt.Sprintf("/clock jumped back by %v", before.Sub(now)), true, ""
	case monotonic.Sub(c.moved) > clockTimeout:
		return "", false, fmt.Sprintf("/clock stands still for %v", clockTimeout)
	}
	return "", false, ""
}
