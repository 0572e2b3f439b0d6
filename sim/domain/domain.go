package domain

import (
	"encoding/json"
	"math"
	"math/rand/v2"

	"korr/internal/seed"
	"korr/internal/setting"
	"korr/sim"
)

// purpose names the streams of this package.
const purpose = "sim/domain"

// Bounds of the ranges. Beyond a gain of 2.5 the servos' damping leaves the engine's explicit integration little
// margin.
const (
	leastFactor   = 0.1
	largestFactor = 10
	leastGain     = 0.25
	largestGain   = 2.5
	largestShift  = 0.05 // m
)

// Ranges says what is drawn. The zero value draws nothing; so does a range of factors from 1 to 1.
type Ranges struct {
	Mass [2]float64 `yaml:"mass"` // factor on a part's mass and inertia, one draw per part: least, largest
	// factor on sliding friction, one draw per part and one for table and obstacle: least, largest
	Friction [2]float64 `yaml:"friction"`
	// factor on the stiffness of the arm's servos (damping: its square root): least, largest
	Gain [2]float64 `yaml:"gain"`
	// m, bound of a part's displacement along x and y of the base frame, before the initial push
	Position float64
	Rotation float64 // rad, bound of a part's turn about the vertical
}

// DefaultRanges draw nothing.
func DefaultRanges() Ranges {
	one := [2]float64{1, 1}
	return Ranges{Mass: one, Friction: one, Gain: one}
}

// factors are the ranges of factors, an unset one as 1 to 1.
func (r Ranges) factors() [3][2]float64 {
	f := [3][2]float64{r.Mass, r.Friction, r.Gain}
	for i := range f {
		if f[i] == ([2]float64{}) {
			f[i] = [2]float64{1, 1}
		}
	}
	return f
}

// On reports whether anything is drawn.
func (r Ranges) On() bool {
	return r.factors() != [3][2]float64{{1, 1}, {1, 1}, {1, 1}} || r.Position != 0 || r.Rotation != 0
}

// Validate returns an error that names the first range which is out of bounds.
func (r Ranges) Validate() error {
	f := r.factors()
	return setting.Check(
		"domain",
		setting.Range("mass", f[0], leastFactor, largestFactor),
		setting.Range("friction", f[1], leastFactor, largestFactor),
		setting.Range("gain", f[2], leastGain, largestGain),
		setting.Within("position", r.Position, 0, largestShift),
		setting.Within("rotation", r.Rotation, 0, math.Pi),
	)
}

// Draw is the physics of one episode against the nominal.
type Draw struct {
	Mass     []float64    `json:"mass"`     // factor per part
	Friction []float64    `json:"friction"` // factor per part, and then of table and obstacle
	Gain     float64      `json:"gain"`     // factor
	Shift    [][3]float64 `json:"shift"`    // per part: x, y (m, base frame) and turn about the vertical (rad)
}

// Draw returns the factors of an episode for a task of that many parts; ShiftTo adds the displacements.
func (r Ranges) Draw(episode uint64, parts int) *Draw {
	rng := seed.Stream(episode, purpose, 0)
	f := r.factors()
	d := &Draw{Mass: make([]float64, parts), Friction: make([]float64, parts+1), Shift: make([][3]float64, parts)}
	d.Gain = between(rng, f[2])
	d.Friction[parts] = between(rng, f[1])
	for i := range parts {
		d.Mass[i], d.Friction[i] = between(rng, f[0]), between(rng, f[1])
	}
	return d
}

// ShiftTo draws the displacements of every part; an arrangement that does not fit is drawn again as the next try.
func (r Ranges) ShiftTo(d *Draw, episode uint64, try int) {
	rng := seed.Stream(episode, purpose, uint64(1+try))
	for i := range d.Shift {
		p, q := [2]float64{-r.Position, r.Position}, [2]float64{-r.Rotation, r.Rotation}
		d.Shift[i] = [3]float64{between(rng, p), between(rng, p), between(rng, q)}
	}
}

func between(rng *rand.Rand, f [2]float64) float64 { return f[0] + (f[1]-f[0])*rng.Float64() }

// String is the draw as JSON, for records; empty when nothing was drawn (nil).
func (d *Draw) String() string {
	if d == nil {
		return ""
	}
	b, err := json.Marshal(d)
	if err != nil { // numbers drawn from checked ranges are finite
		panic(err)
	}
	return string(b)
}

// Drawer is an environment that draws its physics.
type Drawer interface {
	// Domain is what the running episode drew; nil when nothing is drawn.
	Domain() *Draw
}

// Of is what the running episode of env drew, looking below wrappers; nil when nothing is drawn.
func Of(env sim.Env) *Draw {
	if d, ok := sim.As[Drawer](env); ok {
		return d.Domain()
	}
	return nil
}
