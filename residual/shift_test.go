package residual

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"korr/koopman"
)

// TestShiftIsWhatWouldHaveBeenSeen: an input moved by the difference of two lifts is the input of the other
// observation, for the same base action and plan.
func TestShiftIsWhatWouldHaveBeenSeen(t *testing.T) {
	for name, f := range map[string]Foresight{
		"look-ahead": {Condition: Lookahead, Steps: []int{1, 4}},
		"observer":   {Condition: Lookahead, Steps: []int{2}, ObserverGain: 0.2},
	} {
		t.Run(name, func(t *testing.T) {
			p := partPolicy(t, 40, 16)
			p.Foresight = f
			rng := rand.New(rand.NewPCG(3, 4))
			for i := range p.Koopman.A.Data {
				p.Koopman.A.Data[i] += 0.02 * float32(rng.NormFloat64())
			}
			enc := must(p.Encoder(testFeatures{}))
			ub, plan := make([]float32, 10), make([]float32, 80)
			for i := range plan {
				plan[i] = 0.2 * float32(rng.NormFloat64())
			}
			obs := make([]float32, 58)
			for i := range obs {
				obs[i] = 0.3 * float32(rng.NormFloat64())
			}
			copy(ub, plan)
			for i := range 3 { // so that the lead is not clipped
				act := p.Base.About().Act
				ub[i] = 2*(obs[i]+0.01*float32(i)-act.Min[i])/(act.Max[i]-act.Min[i]) - 1
			}
			var track *Tracker
			input := func(obs []float32) (x, z []float32) {
				var err error
				if track, err = NewTracker(enc, p.Koopman, f); err != nil {
					t.Fatal(err)
				}
				xo := make([]float32, enc.Dim())
				x, z = make([]float32, enc.ActorInputDim()+track.Dim()), make([]float32, 40)
				enc.EncodeTo(xo, obs)
				track.Observe(xo)
				copy(track.Plan(), plan)
				enc.ActorInputTo(x, xo, ub, obs, 0.25)
				track.AheadTo(x[enc.ActorInputDim():], obs)
				return x, track.z[:copy(z, track.z)]
			}
			got, z := input(obs)
			moved := append([]float32(nil), obs...)
			for i := range moved {
				moved[i] += 0.004 * float32(rng.NormFloat64())
			}
			want, zMoved := input(moved)
			for i := range z {
				z[i] = zMoved[i] - z[i]
			}
			s, err := NewShift(enc, p.Koopman, f)
			if err != nil {
				t.Fatal(err)
			}
			before := append([]float32(nil), got...)
			s.Apply(got, z, 10)
			detail := enc.ActorInputDim() - enc.Focus().Detail
			lead := enc.in.Observed().Len() + enc.ActDim()
			for i, v := range got {
				w := want[i]
				if i >= detail && i < enc.ActorInputDim() {
					w = before[i]
				}
				if math.Abs(float64(v-w)) > 2e-5 {
					t.Errorf("value %d of %d (lead at %d, details at %d): %v, want %v", i, len(got), lead, detail, v, w)
				}
			}
			if before[lead] == want[lead] || before[len(before)-1] == want[len(want)-1] && f.ObserverGain == 0 {
				t.Error("nothing moved: this tests nothing")
			}
			part, xo := make([]float32, 29), make([]float32, enc.Dim())
			enc.EncodeTo(xo, obs)
			wantPart := make([]float32, 29)
			enc.PartTo(wantPart, xo, 16)
			s.ObsTo(part, before)
			for i, v := range part {
				if v != wantPart[i] {
					t.Errorf("the model observes %v at %d, want %v", v, i, wantPart[i])
				}
			}
			copy(got, before)
			for i := range z {
				z[i] = 1e3
			}
			s.Apply(got, z, 0.1)
			for i, v := range got {
				if d := math.Abs(float64(v - before[i])); d > 0.1+1e-5 && (i < lead || i >= lead+leadDim) {
					t.Errorf("value %d moved by %v, beyond the limit", i, d)
				}
			}
		})
	}
}

// TestShiftRefuses models whose latent does not tell what an input holds.
func TestShiftRefuses(t *testing.T) {
	p := partPolicy(t, 40, 16)
	enc := must(p.Encoder(testFeatures{}))
	for want, c := range map[string]koopman.Config{
		"state_inclusive=true":  {ObsDim: 29, State: 16, ActDim: 10, LatentDim: 40, Hidden: []int{4}},
		"same features setting": {ObsDim: 28, State: 16, ActDim: 10, LatentDim: 40, Hidden: []int{4}, StateInclusive: true},
		"koopman.focus=true":    {ObsDim: enc.Dim(), ActDim: 10, LatentDim: 120, Hidden: []int{4}, StateInclusive: true},
	} {
		m, err := koopman.New(c, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := NewShift(enc, m, p.Foresight); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
