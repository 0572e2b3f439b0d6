package filter

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"

	"korr/internal/geom"
	"korr/internal/nn"
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
	// Nets [part][mode] are the networks of the nonlinear model; nil where too little was seen, and nil altogether in
	// files of before there were any.
	Nets [][]*nn.MLP
	// Kinematic, Learned and Nonlinear [part][mode] are the covariances of the models' errors in one control step.
	Kinematic, Learned, Nonlinear [][]Cov
}

// Following is the covariance of models whose error is so large that every pose is taken as it is.
func (f *Fitted) Following() [][]Cov {
	q := make([][]Cov, len(f.Scene.Parts))
	for i := range q {
		q[i] = slices.Repeat([]Cov{Diagonal(10, 100)}, int(modes))
	}
	return q
}

const (
	// fewest is how many windows a matrix is fitted to at least.
	fewest = 40
	// trimmed is the share of steps that the covariance leaves to the gate: hits and slips, which no Gaussian describes.
	trimmed = 0.02
)

// Errors that a model has at least, and those of a mode that was hardly seen.
var (
	leastError   = Diagonal(1e-5, 1e-4)
	unknownError = Diagonal(1e-3, 1e-2)
)

// window is a stretch of control steps of a part in one mode: sums over its steps, divided by the root of their
// number. A filter averages over many steps, so that what counts of a matrix is where its errors lead to, and a small
// error that is always the same counts more than a large one that is not. Errors in the part's own frame add up.
type window struct {
	psi   [Lifted]float64
	error [dim]float64 // of the kinematic rule
}

// stretches are the single steps of a mode, which tell the covariance, and the windows, which tell the matrix.
type stretches struct{ short, long []window }

// horizon is how many steps a window has at most, and stride from one to the next.
const (
	horizon = 16
	stride  = 4
)

// windows cuts a run of steps into windows.
func windows(dst, run []window) []window {
	for from := 0; from < len(run) && (from == 0 || from+horizon <= len(run)+stride-1); from += stride {
		var w window
		to := min(len(run), from+horizon)
		scale := 1 / math.Sqrt(float64(to-from))
		for i := from; i < to; i++ {
			for k, v := range run[i].psi {
				w.psi[k] += scale * v
			}
			for k, v := range run[i].error {
				w.error[k] += scale * v
			}
		}
		dst = append(dst, w)
	}
	return dst
}

// Fit fits the learned model and both models' errors to episodes. The error wraps ErrData.
func Fit(s Scene, episodes []Episode) (*Fitted, error) {
	n := len(s.Parts)
	seen := make([][]stretches, n) // [part][mode]
	for i := range seen {
		seen[i] = make([]stretches, modes)
	}
	for i := range episodes {
		if err := s.collect(seen, &episodes[i]); err != nil {
			return nil, fmt.Errorf("episode %d: %w", i, err)
		}
	}
	f := &Fitted{
		Scene: s, W: make([][][]float64, n), Nets: make([][]*nn.MLP, n),
		Kinematic: make([][]Cov, n), Learned: make([][]Cov, n), Nonlinear: make([][]Cov, n),
	}
	rng := rand.New(rand.NewPCG(17, 17))
	for i := range n {
		f.W[i], f.Nets[i] = make([][]float64, modes), make([]*nn.MLP, modes)
		f.Kinematic[i], f.Learned[i], f.Nonlinear[i] = make([]Cov, modes), make([]Cov, modes), make([]Cov, modes)
		for m := range modes {
			var err error
			if f.W[i][m], err = regress(seen[i][m].long); err != nil {
				return nil, fmt.Errorf("part %d, mode %d: %w", i, m, err)
			}
			f.Nets[i][m] = regressNet(seen[i][m].short, rng)
			f.Kinematic[i][m] = covariance(seen[i][m].short, nil)
			f.Learned[i][m] = covariance(seen[i][m].short, linear(f.W[i][m]))
			f.Nonlinear[i][m] = covariance(seen[i][m].short, forward(f.Nets[i][m]))
		}
	}
	return f, nil
}

// collect appends the steps of an episode.
func (s *Scene) collect(seen [][]stretches, e *Episode) error {
	n := len(s.Parts)
	if len(e.Command) < len(e.Arm)-1 || len(e.Parts) != len(e.Arm) {
		return fmt.Errorf("%w: %d arm states, %d commands, %d scenes", ErrData, len(e.Arm), len(e.Command), len(e.Parts))
	}
	rule, joint := NewKinematic(*s), s.joints()
	next, mode := make([]geom.Pose, n), make([]Mode, n)
	run, last := make([][]window, n), make([]Mode, n)
	flush := func(i int) {
		x := &seen[i][last[i]]
		x.short, x.long = append(x.short, run[i]...), windows(x.long, run[i])
		run[i] = run[i][:0]
	}
	shut := false
	var hand motion
	for t := range max(0, len(e.Arm)-1) {
		if len(e.Parts[t]) != n {
			return fmt.Errorf("%w: %d parts at step %d, the scene has %d", ErrData, len(e.Parts[t]), t, n)
		}
		if g := e.Command[t].Grip; g != 0 {
			shut = g > 0
		}
		step := Step{From: e.Arm[t], To: e.Arm[t+1], Target: e.Command[t].Target, Shut: shut, Steps: 1}
		rule.PredictTo(next, mode, e.Parts[t], &step)
		hand.of(&step)
		for i := range n {
			x := window{error: between(next[i], e.Parts[t+1][i])}
			rule.liftTo(&x.psi, i, joint[i], e.Parts[t], &hand)
			for _, v := range x.error {
				if v-v != 0 {
					return fmt.Errorf("%w: part %d is not finite at step %d", ErrData, i, t)
				}
			}
			if mode[i] != last[i] {
				flush(i)
				last[i] = mode[i]
			}
			run[i] = append(run[i], x)
		}
	}
	for i := range run {
		flush(i)
	}
	return nil
}

// regress returns the W [dim, Lifted] of the steps that predicts steps it was not fitted to best, by ridge least
// squares; nil, the kinematic rule alone, where no W is better than the rule by margin, or too little was seen. A
// matrix that is only a little better open loop makes a filter worse: it moves with the noise of the estimate that it
// reads.
func regress(steps []window) ([]float64, error) {
	if len(steps) < fewest {
		return nil, nil
	}
	best, ridge := (1-margin)*folded(steps, nil), 0.
	for _, r := range ridges {
		var held float64
		for fold := range folds {
			w, err := least(steps, r, fold)
			if err != nil {
				return nil, err
			}
			held += folded(steps[fold*len(steps)/folds:(fold+1)*len(steps)/folds], linear(w)) / folds
		}
		if held < best {
			best, ridge = held, r
		}
	}
	if ridge == 0 {
		return nil, nil
	}
	return least(steps, ridge, folds)
}

const (
	folds  = 4
	margin = 0.3
	rounds = 3 // of least squares, each without the steps that the last one left the largest errors of
)

// ridges are the regularisations per step that are tried.
var ridges = []float64{1e-4, 1e-3, 1e-2}

// folded is the mean squared error that w leaves, in units of the first guess of a tracker's noise and without the
// trimmed share; nil is the rule.
func folded(steps []window, add adds) float64 {
	left := remains(steps, add)
	var sum float64
	for i := range left {
		sum += left[i].size / float64(len(left))
	}
	return sum
}

// least is the ridge least squares of the steps outside a fold, or of all for no fold, repeated on what it fits.
func least(steps []window, ridge float64, fold int) (w []float64, err error) {
	lo, hi := fold*len(steps)/folds, min(len(steps), (fold+1)*len(steps)/folds)
	train := slices.Concat(steps[:min(lo, len(steps))], steps[hi:])
	for range rounds {
		use := remains(train, linear(w))
		var g mat.SymDense
		g.ReuseAsSym(Lifted)
		c := mat.NewDense(Lifted, dim, nil)
		for _, r := range use {
			x := mat.NewVecDense(Lifted, r.step.psi[:])
			g.SymRankOne(&g, 1, x)
			c.RankOne(c, 1, x, mat.NewVecDense(dim, r.step.error[:]))
		}
		for i := range Lifted {
			g.SetSym(i, i, g.At(i, i)+ridge*float64(len(use)))
		}
		var chol mat.Cholesky
		if !chol.Factorize(&g) {
			return nil, fmt.Errorf("%w: singular least squares", ErrData)
		}
		var m mat.Dense
		if err := chol.SolveTo(&m, c); err != nil && !errors.As(err, new(mat.Condition)) {
			return nil, fmt.Errorf("%w: %w", ErrData, err)
		}
		w = mat.DenseCopyOf(m.T()).RawMatrix().Data
	}
	return w, nil
}

// remainder is what a model leaves of a step.
type remainder struct {
	step *window
	e    [dim]float64
	size float64 // squared, in units of the first guess of a tracker's noise
}

// regressNet returns a network of the steps that predicts those it was not fitted to better than the rule by margin;
// nil for none. Its steps are single ones: of a network the sums over a window are not those of what it says to each.
func regressNet(steps []window, rng *rand.Rand) *nn.MLP {
	const batch, updates = 128, 2000
	if len(steps) < 4*fewest {
		return nil
	}
	cut := len(steps) * (folds - 1) / folds
	use, held := remains(steps[:cut], nil), steps[cut:]
	net := nn.NewMLP(nn.MLPConfig{In: Lifted, Hidden: []int{32, 32}, Out: dim, OutputBias: true}, rng)
	tape, opt := net.NewTape(batch), nn.NewAdamW(net.Params(), nn.AdamWConfig{LR: 1e-3})
	x, dy := make([]float32, batch*Lifted), make([]float32, batch*dim)
	for range updates {
		for k := range batch {
			s := use[rng.IntN(len(use))].step
			for j, v := range s.psi {
				x[k*Lifted+j] = float32(v)
			}
			for j, v := range s.error {
				dy[k*dim+j] = float32(v / netUnit(j))
			}
		}
		for j, v := range net.Forward(tape, x, batch)[:batch*dim] {
			dy[j] = 2 * (v - dy[j]) / batch
		}
		nn.ZeroGrad(net.Params())
		net.Backward(tape, dy, nil)
		opt.Step()
	}
	if folded(held, forward(net)) < (1-margin)*folded(held, nil) {
		return net
	}
	return nil
}

// remains is what a model leaves of the steps, nil the rule, without the largest.
func remains(steps []window, add adds) []remainder {
	left := make([]remainder, len(steps))
	for i := range steps {
		left[i].step, left[i].e = &steps[i], steps[i].error
		if add != nil {
			for k, v := range add(&steps[i].psi) {
				left[i].e[k] -= v
			}
		}
		for k := range dim {
			unit := firstNoise.Position
			if k >= 3 {
				unit = firstNoise.Rotation
			}
			left[i].size += left[i].e[k] * left[i].e[k] / (unit * unit)
		}
	}
	slices.SortStableFunc(left, func(a, b remainder) int { return cmp.Compare(a.size, b.size) })
	return left[:len(left)-int(trimmed*float64(len(left)))]
}

// covariance is that of the errors that a model leaves of the steps, the largest left out.
func covariance(steps []window, add adds) Cov {
	if len(steps) < fewest {
		return unknownError
	}
	left := remains(steps, add)
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
