package residual

import (
	"errors"
	"math"
	"slices"
	"testing"

	"korr/basepolicy"
	"korr/koopman/filter"
	"korr/residual/shield"
)

// shifted is an estimator that moves the first coordinate and remembers what it was told.
type shifted struct {
	by     float32
	cmds   [][]float32
	resets int
	err    error
}

func (s *shifted) Reset() { s.resets++ }

func (s *shifted) Parts() []filter.Estimate { return nil }

func (s *shifted) EstimateTo(dst, obs []float32, _ When, cmd []float32) error {
	copy(dst, obs)
	dst[0] += s.by
	s.cmds = append(s.cmds, slices.Clone(cmd))
	return s.err
}

// TestTickEstimatesFirst: base policy, network and prediction see the estimate, which is told the command before.
func TestTickEstimatesFirst(t *testing.T) {
	est, base := &shifted{by: 0.25}, &scripted{acts: [][]float32{filled(10, 0.1)}}
	head := &pick{gain: 1}
	c := newController(t, Config{
		Base: base, Estimator: est, Predictor: linear{58}, Head: head, Alpha: 0.1,
		Squash: Linear,
	})
	c.Reset(1)
	obs, act := filled(58, 0.5), make([]float32, 10)
	if _, err := c.StepTo(act, obs); err != nil {
		t.Fatal(err)
	}
	if est.resets != 1 || base.seen[0] != 0.75 || base.seen[1] != 0.5 || head.spy[0] != 0.75 {
		t.Errorf("%d resets; the base saw %v, the network %v", est.resets, base.seen[:2], head.spy[:2])
	}
	if lead := head.spy[c.Layout().Lead.From]; lead != -leadLimit { // commanded 0.1, estimated at 0.75
		t.Errorf("lead %g", lead)
	}
	sent := filled(10, 0.3)
	c.Executed(sent)
	info, err := c.StepTo(act, obs)
	if err != nil {
		t.Fatal(err)
	}
	if len(est.cmds) != 2 || len(est.cmds[0]) != 0 || !slices.Equal(est.cmds[1], sent) {
		t.Errorf("told commands %v", est.cmds)
	}
	if !info.Innovated {
		t.Error("nothing was predicted")
	}
	est.err = errBase
	if _, err := c.StepTo(act, obs); !errors.Is(err, errBase) {
		t.Errorf("err = %v", err)
	}
	est.err, est.by = nil, float32(math.NaN())
	var nf *shield.NotFiniteError
	if _, err := c.StepTo(act, obs); !errors.As(err, &nf) || nf.What != "estimated observation" {
		t.Errorf("err = %v", err)
	}
}

// TestControllerIsATick: a controller commands what a trainer's tick composes from the same residual.
func TestControllerIsATick(t *testing.T) {
	for _, method := range []Method{MethodResiP, MethodKORR} {
		p := testPolicy(t, method, true, true)
		if method == MethodKORR {
			p = withForesight(t, p, Foresight{Condition: Lookahead, Steps: []int{1, 4}, ObserverGain: 0.1})
		}
		queue := basepolicy.NewQueue(p.Base.NewChunker(), p.Execute)
		tick, err := NewTick(must(p.Encoder(testFeatures{})), queue, p.Koopman, p.Foresight, nil)
		if err != nil {
			t.Fatal(err)
		}
		c, head := must(p.NewController(testFeatures{})), p.Actor.Evaluator()
		x, r := make([]float32, tick.Layout().Width()), make([]float32, 10)
		want, got, u := make([]float32, 10), make([]float32, 10), make([]float32, 10)
		c.Reset(4)
		tick.Reset(4)
		for k := range 20 {
			obs := filled(58, 0.02*float32(k))
			if _, err := c.StepTo(want, obs); err != nil {
				t.Fatal(err)
			}
			if _, err := tick.Observe(obs); err != nil {
				t.Fatal(err)
			}
			if err := tick.BaseOf(queue.Peeking()); err != nil {
				t.Fatal(err)
			}
			peeked := make([]float32, len(x))
			tick.InputTo(peeked)
			if err := tick.Base(); err != nil {
				t.Fatal(err)
			}
			tick.InputTo(x)
			if !slices.Equal(x, peeked) {
				t.Fatalf("%s, step %d: peeking reads otherwise", method, k)
			}
			head.ForwardTo(r, x)
			for i, v := range r {
				r[i] = float32(math.Tanh(float64(v)))
			}
			tick.ComposeTo(got, u, r, p.Alpha)
			tick.Executed(got)
			if !slices.Equal(got, want) {
				t.Fatalf("%s, step %d: %v, the controller commands %v", method, k, got, want)
			}
		}
	}
}
