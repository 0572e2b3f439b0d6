package filter

import (
	"errors"
	"fmt"
	"slices"

	"gonum.org/v1/gonum/mat"

	"korr/internal/geom"
)

// ErrData marks episodes that fit no model.
var ErrData = errors.New("filter: unusable data")

// Episode is what happened, without noise: at every control step the arm and the parts, and what was commanded then.
type Episode struct {
	Arm     []Arm
	Command []Command
	Parts   [][]geom.Pose // [step][part]
}

// Fitted is what a Bank needs of a task: the scene, the learned model and the errors of both models.
type Fitted struct {
	Scene Scene
	// W [part][mode] are the matrices of Learned; nil where too little was seen.
	W [][][]float64
	// Kinematic and Learned [part][mode] are the covariances of the models' errors in one control step.
	Kinematic, Learned [][]Cov
}

const (
	// fewest is how many steps a matrix is fitted to at least.
	fewest = 120
	// ridge is the regularisation per step.
	ridge = 1e-3
	// trimmed is the share of steps that the covariance leaves to the gate: hits and slips, which no Gaussian describes.
	trimmed = 0.02
)

// Errors that a model has at least, and those of a mode that was hardly seen.
var (
	leastError   = Diagonal(1e-5, 1e-4)
	unknownError = Diagonal(1e-3, 1e-2)
)

// transition is a control step of a part.
type transition struct {
	psi   [Lifted]float64
	error [dim]float64 // of the kinematic rule
}

// Fit fits the learned model and both models' errors to episodes. The error wraps ErrData.
func Fit(s Scene, episodes []Episode) (*Fitted, error) {
	n := len(s.Parts)
	seen := make([][][]transition, n) // [part][mode]
	for i := range seen {
		seen[i] = make([][]transition, modes)
	}
	for i := range episodes {
		if err := s.collect(seen, &episodes[i]); err != nil {
			return nil, fmt.Errorf("episode %d: %w", i, err)
		}
	}
	f := &Fitted{Scene: s, W: make([][][]float64, n), Kinematic: make([][]Cov, n), Learned: make([][]Cov, n)}
	for i := range n {
		f.W[i], f.Kinematic[i], f.Learned[i] = make([][]float64, modes), make([]Cov, modes), make([]Cov, modes)
		for m := range modes {
			var err error
			if f.W[i][m], err = regress(seen[i][m]); err != nil {
				return nil, fmt.Errorf("part %d, mode %d: %w", i, m, err)
			}
			f.Kinematic[i][m] = covariance(seen[i][m], nil)
			f.Learned[i][m] = covariance(seen[i][m], f.W[i][m])
		}
	}
	return f, nil
}

// collect appends the steps of an episode.
func (s *Scene) collect(seen [][][]transition, e *Episode) error {
	n := len(s.Parts)
	if len(e.Command) < len(e.Arm)-1 || len(e.Parts) != len(e.Arm) {
		return fmt.Errorf("%w: %d arm states, %d commands, %d scenes", ErrData, len(e.Arm), len(e.Command), len(e.Parts))
	}
	rule, joint := NewKinematic(*s), s.joints()
	next, mode := make([]geom.Pose, n), make([]Mode, n)
	shut := false
	for t := range max(0, len(e.Arm)-1) {
		if len(e.Parts[t]) != n {
			return fmt.Errorf("%w: %d parts at step %d, the scene has %d", ErrData, len(e.Parts[t]), t, n)
		}
		if g := e.Command[t].Grip; g != 0 {
			shut = g > 0
		}
		step := Step{From: e.Arm[t], To: e.Arm[t+1], Target: e.Command[t].Target, Shut: shut, Steps: 1}
		rule.PredictTo(next, mode, e.Parts[t], &step)
		for i := range n {
			x := transition{error: between(next[i], e.Parts[t+1][i])}
			s.liftTo(&x.psi, i, joint[i], e.Parts[t], &step)
			for _, v := range x.error {
				if v-v != 0 {
					return fmt.Errorf("%w: part %d is not finite at step %d", ErrData, i, t)
				}
			}
			seen[i][mode[i]] = append(seen[i][mode[i]], x)
		}
	}
	return nil
}

// regress returns W [dim, Lifted] of the steps by ridge least squares; nil for too few of them.
func regress(steps []transition) ([]float64, error) {
	if len(steps) < fewest {
		return nil, nil
	}
	var g mat.SymDense
	g.ReuseAsSym(Lifted)
	c := mat.NewDense(Lifted, dim, nil)
	for i := range steps {
		x := mat.NewVecDense(Lifted, steps[i].psi[:])
		g.SymRankOne(&g, 1, x)
		c.RankOne(c, 1, x, mat.NewVecDense(dim, steps[i].error[:]))
	}
	for i := range Lifted {
		g.SetSym(i, i, g.At(i, i)+ridge*float64(len(steps)))
	}
	var chol mat.Cholesky
	if !chol.Factorize(&g) {
		return nil, fmt.Errorf("%w: singular least squares", ErrData)
	}
	var w mat.Dense
	if err := chol.SolveTo(&w, c); err != nil && !errors.As(err, new(mat.Condition)) {
		return nil, fmt.Errorf("%w: %w", ErrData, err)
	}
	return mat.DenseCopyOf(w.T()).RawMatrix().Data, nil
}

// covariance is that of the errors that w leaves of the steps, the largest left out.
func covariance(steps []transition, w []float64) Cov {
	if len(steps) < fewest {
		return unknownError
	}
	type rest struct {
		e    [dim]float64
		size float64
	}
	left := make([]rest, len(steps))
	for i := range steps {
		left[i].e = steps[i].error
		for k := range dim {
			if w != nil {
				for j, v := range steps[i].psi {
					left[i].e[k] -= w[k*Lifted+j] * v
				}
			}
			unit := firstNoise.Position
			if k >= 3 {
				unit = firstNoise.Rotation
			}
			left[i].size += left[i].e[k] * left[i].e[k] / (unit * unit)
		}
	}
	slices.SortFunc(left, func(a, b rest) int {
		switch {
		case a.size < b.size:
			return -1
		case a.size > b.size:
			return 1
		}
		return 0
	})
	left = left[:len(left)-int(trimmed*float64(len(left)))]
	c := leastError
	for i := range left {
		for j := range dim {
			for k := range dim {
				c[j*dim+k] += left[i].e[j] * left[i].e[k] / float64(len(left))
			}
		}
	}
	return c
}
