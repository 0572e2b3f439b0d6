package mujoco

// Phases is where the time of a control step goes (s). Collision and Solver are parts of Engine: finding contacts, and
// solving for their forces.
type Phases struct {
	Total, Engine, Collision, Solver, Control, Threads, Outputs, Go float64
}
