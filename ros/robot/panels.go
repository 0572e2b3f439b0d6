package robot

// panels are the emergency stops that may be pressed: one for every node that publishes ~estop. A panel that is
// released says nothing about another.
type panels struct {
	on     map[string]bool // by the node's name
	orphan bool            // pressed by somebody who is gone, or whom nobody knows
}

// said notes what a panel says. The name "" is of a message whose sender is not known, which another one, with a name,
// may follow.
func (p *panels) said(name string, pressed bool) {
	if p.on == nil {
		p.on = map[string]bool{}
	}
	was, known := p.on[name]
	if name != "" {
		p.on[name] = pressed
	}
	switch {
	case pressed && name == "":
		p.orphan = true
	case pressed:
	case name == "" && len(p.on) == 0, name != "" && (was || !known): // not one that goes on saying what it said before
		p.orphan = false
	}
}

// gone notes that a panel is not heard any more. What it pressed stays pressed until a panel releases that was pressed
// since, or that is new.
func (p *panels) gone(name string) {
	p.orphan = p.orphan || p.on[name]
	delete(p.on, name)
}

// pressed says which panel is pressed, "" if none is.
func (p *panels) pressed() string {
	for name, on := range p.on {
		if on {
			return "~estop is pressed (" + name + ")"
		}
	}
	if p.orphan {
		return "~estop is pressed"
	}
	return ""
}
