package residual

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"korr/internal/nn"
)

// other returns p with an actor of other weights.
func other(p *Policy, seed uint64) *Policy {
	q := *p
	c := p.Actor.Config()
	c.LastStd = 0.5
	q.Actor = nn.NewMLP(c, rand.New(rand.NewPCG(seed, 0)))
	return &q
}

// TestAverage: a mean's residual before the squash is the mean of its members', also after a round trip through a file.
func TestAverage(t *testing.T) {
	p := withForesight(t, testPolicy(t, MethodKORR, false, true), Foresight{Condition: Lookahead, Steps: []int{1, 4}})
	q := other(p, 5)
	mean, err := Average(p, q)
	if err != nil {
		t.Fatal(err)
	}
	loaded := reload(t, mean)
	if loaded.Meta["members"] != "2" || loaded.Meta["seed"] != p.Meta["seed"] {
		t.Errorf("origin %v", loaded.Meta)
	}
	got := play(t, must(loaded.NewController(nil)))
	if !slices.Equal(got, play(t, must(mean.NewController(nil)))) {
		t.Error("the stored mean acts differently")
	}
	obs, act := filled(58, 0.2), make([]float32, 10)
	pre := func(p *Policy) []float64 {
		info, err := must(p.NewController(nil)).StepTo(act, obs)
		if err != nil {
			t.Fatal(err)
		}
		out := make([]float64, len(info.Residual))
		for i, r := range info.Residual {
			out[i] = math.Atanh(float64(r))
		}
		return out
	}
	a, b, m := pre(p), pre(q), pre(mean)
	for i := range m {
		if want := (a[i] + b[i]) / 2; math.Abs(m[i]-want) > 1e-4 {
			t.Errorf("axis %d: %g, the members' mean is %g", i, m[i], want)
		}
	}
}

// TestAverageRefusals: policies that differ in more than the actor have no mean.
func TestAverageRefusals(t *testing.T) {
	p := withForesight(t, testPolicy(t, MethodKORR, false, true), Foresight{Condition: Lookahead, Steps: []int{1}})
	for name, change := range map[string]func(q *Policy){
		"alpha": func(q *Policy) { q.Alpha = 0.2 },
		"base":  func(q *Policy) { q.Base = testPolicy(t, MethodBase, false, false).Base },
		"koopman": func(q *Policy) {
			m := *q.Koopman
			b := *m.B
			b.Data = slices.Clone(b.Data)
			b.Data[3]++
			m.B = &b
			q.Koopman = &m
		},
		"no actor": func(q *Policy) { q.Actor = nil },
		"widths": func(q *Policy) {
			c := q.Actor.Config()
			c.Hidden = []int{17}
			q.Actor = nn.NewMLP(c, nil)
		},
	} {
		q := other(p, 5)
		change(q)
		if _, err := Average(p, q); !errors.Is(err, ErrPolicy) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Average(); !errors.Is(err, ErrPolicy) {
		t.Errorf("none: %v", err)
	}
}
