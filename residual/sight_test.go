package residual

import (
	"errors"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"korr/basepolicy"
	"korr/internal/nn"
	"korr/koopman/filter"
)

// sighted is a policy whose actor reads two earlier steps and the belief about two parts of six.
func sighted(t testing.TB) *Policy {
	t.Helper()
	p := testPolicy(t, MethodResiP, true, true)
	p.Estimation, p.Filter = Kinematic, fittedScene()
	p.Sight = Sight{Belief: true, History: 2, Truth: true}
	p.Focus = Focus{State: 16, Detail: 3}
	in := 16 + 13 + 10 + leadDim + 1 + 3 + 2*beliefWidth + 2*(13+3+10)
	p.Actor = nn.NewMLP(nn.MLPConfig{In: in, Hidden: []int{16}, Out: 10, OutputBias: true, LastStd: 0.5},
		rand.New(rand.NewPCG(4, 4)))
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestSightIsTheSameInTraining: what a trainer's tick writes for a critic begins with what the controller's actor
// reads, over an episode behind a late tracker; the truth comes last, and is what the trainer was told.
func TestSightIsTheSameInTraining(t *testing.T) {
	p := sighted(t)
	c := must(p.NewController(testFeatures{}))
	head := &pick{gain: 0}
	c.head = head
	est, err := p.NewEstimator()
	if err != nil {
		t.Fatal(err)
	}
	enc := NewEncoder(p.Base.About().Obs, p.Base.About().Act, testFeatures{}).Focused(16).Sighted(p.Sight, p.jointed())
	tick, err := NewTick(enc, basepolicy.NewQueue(p.Base.NewChunker(), p.Execute), nil, Foresight{}, est)
	if err != nil {
		t.Fatal(err)
	}
	in := tick.Layout()
	if in.Belief.Len() != 2*beliefWidth || in.History.Len() != 2*26 || in.Truth.Len() != 16 ||
		in.Acting().Len() != p.Actor.In() {
		t.Fatalf("%+v of an actor that reads %d values", in, p.Actor.In())
	}
	x, act, truth := make([]float32, in.Width()), make([]float32, 10), filled(58, 0.25)
	ages := []float32{0, 2, 2, 2, 2, 2, 2}
	c.Reset(1)
	tick.Reset(1)
	var before []float32
	for k := range 8 {
		obs, cmd := carrying(k)
		for _, to := range []*Tick{tick, c.Tick} {
			to.ReadAges(ages)
		}
		if _, err := c.StepTo(act, obs); err != nil {
			t.Fatal(err)
		}
		c.Executed(cmd)
		if _, err := tick.Observe(obs); err != nil {
			t.Fatal(err)
		}
		tick.Tell(truth)
		if err := tick.Base(); err != nil {
			t.Fatal(err)
		}
		tick.InputTo(x)
		tick.Executed(cmd)
		if !slices.Equal(in.Acting().Of(x), head.spy) {
			t.Fatalf("step %d: the actor reads\n%v, in training\n%v", k, head.spy, in.Acting().Of(x))
		}
		want := make([]float32, 16)
		enc.seenTo(want, truth)
		if !slices.Equal(in.Truth.Of(x), want) {
			t.Errorf("step %d: the truth is %v, want %v", k, in.Truth.Of(x), want)
		}
		past := in.History.Of(x)
		if k > 0 {
			u := make([]float32, 10)
			_, last := carrying(k - 1)
			enc.NormalizeActionTo(u, last)
			if !slices.Equal(past[:16], before) || !slices.Equal(past[16:26], u) {
				t.Errorf("step %d: the newest row of history is %v, was observed %v and executed %v", k, past[:26], before, u)
			}
		} else if !slices.Equal(past[:16], past[26:42]) || !slices.Equal(past[16:26], make([]float32, 10)) {
			t.Errorf("an episode begins with the history %v", past)
		}
		before = append(slices.Clone(in.Features.Of(x)), in.Detail.Of(x)...)
		if age := in.Belief.Of(x)[2]; k > 2 && age != 2./beliefAge {
			t.Errorf("step %d: part 4 is %g old", k, age)
		}
	}
}

// TestBeliefOfNothing: what was never seen is as unsure as can be, and what is known is within the limits.
func TestBeliefOfNothing(t *testing.T) {
	dst := filled(2*beliefWidth, 9)
	known := filter.Estimate{Known: true, Position: beliefPosition, Rotation: 0, Age: 400, Gated: 1}
	known.Drift[2] = math.Inf(-1)
	beliefTo(dst, []filter.Estimate{known, {}}, []int{0, 1})
	want := []float32{0, -3, 3, 1, 0, 0, -3, 3, 3, 3, 0, 0, 0, 0}
	if !slices.Equal(dst, want) {
		t.Errorf("%v, want %v", dst, want)
	}
	beliefTo(dst, nil, []int{0, 1})
	if dst[0] != 3 || dst[beliefWidth+2] != 3 {
		t.Errorf("without an estimator %v", dst)
	}
}

// TestSightIsKept: a checkpoint knows what its actor reads; what nobody can show is refused.
func TestSightIsKept(t *testing.T) {
	p := sighted(t)
	path := filepath.Join(t.TempDir(), "p.safetensors")
	if err := p.Save(path); err != nil {
		t.Fatal(err)
	}
	q, err := Load(path, nil)
	if err != nil || q.Sight != p.Sight {
		t.Fatalf("%+v, %v", q, err)
	}
	for what, spoil := range map[string]func(*Policy){
		"no filter":        func(p *Policy) { p.Estimation, p.Filter = AsSeen, nil },
		"another history":  func(p *Policy) { p.Sight.History = 3 },
		"too much history": func(p *Policy) { p.Sight.History = MaxHistory + 1 },
		"no belief":        func(p *Policy) { p.Sight.Belief = false },
	} {
		bad := *q
		if spoil(&bad); !errors.Is(bad.Validate(), ErrPolicy) {
			t.Errorf("%s: %v", what, bad.Validate())
		}
	}
}
