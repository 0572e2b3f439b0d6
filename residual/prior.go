package residual

import (
	"fmt"

	"korr/internal/nn"
	"korr/koopman"
)

const (
	// priorHorizon is the horizon of the regulator, in control steps: as many as a chunk of the base is followed.
	priorHorizon = 8
	// priorLimit bounds the correction, of the normalised action.
	priorLimit = 0.05
)

// prior closes the loop inside a chunk: from the chunk's first observation the model predicts the course of its actions, and at
// each later step a linear-quadratic regulator corrects the base action by -K (z - course), bounded. The learned residual comes
// on top.
type prior struct {
	model  Predictor
	gain   [2][]float32 // K [U, L] with the gripper commanded to its least (0) and to its most (1)
	course []float32    // predicted latent for the present step
	next   []float32
	off    []float32 // course - z
	add    []float32 // [U] correction, unbounded
	phase  float32   // of the last action
	known  bool      // course holds a prediction
}

// newPrior weighs the squared distance of the coordinates from..to-1 with 1 and the squared action with cost.
func newPrior(m *koopman.Model, p Predictor, from, to int, cost float64) (*prior, error) {
	l, u := m.LatentDim(), m.Config().ActDim
	q, r := make([]float64, l), make([]float64, u)
	for i := from; i < to; i++ {
		q[i] = 1
	}
	for i := range r {
		r[i] = cost
	}
	out := &prior{model: p, course: make([]float32, l), next: make([]float32, l), off: make([]float32, l), add: make([]float32, u)}
	for k, g := range []float32{-1, 1} {
		a, b := m.At(g).Matrices()
		reg, err := koopman.FiniteLQR(a, b, koopman.DiagonalCost(q, r), priorHorizon, nil)
		if err != nil {
			return nil, fmt.Errorf("residual: LQR prior: %w", err)
		}
		out.gain[k] = make([]float32, u*l)
		for i := range out.gain[k] {
			out.gain[k][i] = float32(reg.K[0].At(i/l, i%l))
		}
	}
	return out, nil
}

// correct adds the correction to the base action ub at the latent z and the chunk's phase; a chunk's first action stays.
func (p *prior) correct(ub, z []float32, phase float32) {
	fresh := !p.known || phase <= p.phase
	p.phase, p.known = phase, true
	if fresh {
		copy(p.course, z)
	}
	p.model.PredictTo(p.next, p.course, ub)
	for i, v := range p.course {
		p.off[i] = v - z[i]
	}
	gain := p.gain[0]
	if ub[len(ub)-1] > 0 { // the gripper's command
		gain = p.gain[1]
	}
	nn.MatVec(p.add, gain, p.off, len(p.add), len(p.off), 0)
	for i, c := range p.add {
		if c-c == 0 { // finite
			ub[i] += max(-priorLimit, min(priorLimit, c))
		}
	}
	p.course, p.next = p.next, p.course
}
