package td3

import (
	"fmt"
	"math"

	"korr/koopman"
	"korr/residual"
	"korr/train/replay"
)

// expandLimit bounds by how much a value expansion moves a normalised value of a network's input: actions within the
// residual's reach move the arm by less in a window, and features are linear no farther.
const expandLimit = 0.2

// expansion corrects n-step targets by the Koopman model (model-based value expansion, Feinberg et al. 2018, arXiv
// 1803.00101, whose imagined steps here start from recorded ones). A stored window follows the actions of the
// policies that collected it; the state to bootstrap from is moved to where the present actor would have come:
//
//	zhat  = A zhat + B u_j,                                    u_j as stored
//	z~    = A z~   + B (u_b,j + alpha pi(x_j moved by z~ - zhat))
//
// for the window's steps after the first, whose action is Q's argument, both from the lift of the second frame. The
// difference alone is used (see residual.Shift), so the model's own error along the window cancels. The window's
// rewards stay: they are zero at all but two steps of an episode.
//
// Windows of demonstrations are left alone: what an expert does beyond the residual's reach is no small difference.
type expansion struct {
	cfg   *Config
	dims  dims
	model *koopman.Model
	tape  *koopman.Tape
	shift *residual.Shift
	d     int // width of what the model observes

	at, end []int     // [batch] frame that a row stands at, frame to bootstrap from
	x       []float32 // [batch, x] of the frames, moved
	obs     []float32 // [batch, D] that the model observes
	z, next []float32 // [2 batch, L] zhat, then z~
	us      []float32 // [2 batch, act]
	dz      []float32 // [L]
	moved   float64   // root mean square of the windows' observed differences, in the last call
}

func newExpansion(cfg *Config, d dims, model *koopman.Model, shift *residual.Shift) *expansion {
	b, l := cfg.Batch, model.LatentDim()
	return &expansion{
		cfg: cfg, dims: d, model: model, tape: model.NewTape(2*b, 1), shift: shift, d: model.Config().ObsDim,
		at: make([]int, b), end: make([]int, b), x: make([]float32, b*d.x), obs: make([]float32, b*model.Config().ObsDim),
		z: make([]float32, 2*b*l), next: make([]float32, 2*b*l), us: make([]float32, 2*b*d.act), dz: make([]float32, l),
	}
}

// apply moves the rows of boot [len(idx), x] that the transitions idx of the buffer bootstrap from. The error wraps
// ErrDiverged: a difference is not finite.
func (e *expansion) apply(a *actor, buffer *replay.Buffer, idx []int, boot []float32) error {
	n, l := len(idx), e.model.LatentDim()
	e.moved = 0
	if !e.begin(buffer, idx) {
		return nil
	}
	for e.gather(buffer, n) {
		e.act(a, buffer, n)
		e.model.StepBatch(e.tape, e.next, e.z, e.us, 2*n)
		for k := range n {
			if e.at[k] == e.end[k] {
				continue
			}
			copy(e.z[k*l:(k+1)*l], e.next[k*l:])
			copy(e.z[(n+k)*l:(n+k+1)*l], e.next[(n+k)*l:])
			e.at[k] = buffer.Next(e.at[k])
		}
	}
	return e.move(boot, n)
}

// move applies the differences to the rows of boot.
func (e *expansion) move(boot []float32, n int) error {
	observed, w, count := e.dz[:e.d], e.dims.x, 0
	for k := range n {
		size := e.difference(k, n)
		if !finite(size) {
			return fmt.Errorf("%w: the Koopman model's prediction for value expansion", ErrDiverged)
		}
		if size == 0 {
			continue
		}
		e.shift.Apply(boot[k*w:(k+1)*w], e.dz, expandLimit)
		for _, v := range observed {
			e.moved += float64(v * v)
		}
		count += len(observed)
	}
	e.moved = math.Sqrt(e.moved / float64(max(1, count)))
	return nil
}

// begin puts every row at the second frame of its window, or at the end if there is nothing to correct, and lifts it.
// It reports whether there is anything to do.
func (e *expansion) begin(buffer *replay.Buffer, idx []int) bool {
	n, d, l := len(idx), e.d, e.model.LatentDim()
	open := false
	for k, i := range idx {
		e.end[k] = buffer.Boot(i)
		e.at[k] = e.end[k]
		if next := buffer.Next(i); next != replay.None && buffer.Discount(i) > 0 {
			e.at[k] = next
		}
		open = open || e.at[k] != e.end[k]
		e.shift.ObsTo(e.obs[k*d:(k+1)*d], buffer.X(e.at[k]))
	}
	if !open {
		return false
	}
	e.model.LiftBatch(e.tape, e.z, e.obs, n)
	copy(e.z[n*l:2*n*l], e.z[:n*l])
	return true
}

// gather fills x with the frames that the rows stand at, moved, and reports whether any is before its end. The others
// keep what they had.
func (e *expansion) gather(buffer *replay.Buffer, n int) bool {
	open := false
	for k := range n {
		if e.at[k] == e.end[k] {
			continue
		}
		open = true
		x := e.x[k*e.dims.x : (k+1)*e.dims.x]
		copy(x, buffer.X(e.at[k]))
		if e.difference(k, n) != 0 {
			e.shift.Apply(x, e.dz, expandLimit)
		}
	}
	return open
}

// act fills us with the stored actions and the present actor's.
func (e *expansion) act(a *actor, buffer *replay.Buffer, n int) {
	u, alpha := e.dims.act, float32(e.cfg.Alpha)
	r := a.forward(e.x, n)
	for k := range n {
		copy(e.us[k*u:(k+1)*u], buffer.Action(e.at[k]))
		base := e.dims.base().Of(e.x[k*e.dims.x:])
		for j := range u {
			e.us[(n+k)*u+j] = base[j] + alpha*r[k*u+j]
		}
	}
}

// difference fills dz with z~ - zhat of row k and returns its square.
func (e *expansion) difference(k, n int) float64 {
	l, sum := len(e.dz), float32(0)
	for i := range e.dz {
		v := e.z[(n+k)*l+i] - e.z[k*l+i]
		e.dz[i] = v
		sum += v * v
	}
	return float64(sum)
}
