package survey

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/residual/loop"
	"korr/sim/disturb"
)

// feed plays a minute of an arm of 100 states a second and a tracker: at rest first, then carrying the last of six
// parts about.
func feed(p disturb.Parts, hz float64, latency, jitter, skew time.Duration) *Survey {
	const n = 6
	rng := rand.New(rand.NewPCG(3, 4))
	normal := func(s float64) geom.Vec3 {
		return geom.Vec3{s * rng.NormFloat64(), s * rng.NormFloat64(), s * rng.NormFloat64()}
	}
	hand := func(t float64) geom.Pose {
		if t < 20 {
			t = 20
		}
		return geom.Pose{
			P: geom.Vec3{.5 + .1*math.Sin(t), .1 * math.Cos(1.3*t), .2 + .05*math.Sin(.7*t)},
			Q: geom.RotVec(geom.Vec3{0, .3 * math.Sin(t), 0}),
		}
	}
	truth := func(i int, t float64) geom.Pose {
		if i == n-1 {
			return hand(t).Mul(geom.Pose{P: geom.Vec3{0, .01, .02}, Q: geom.IdentityQuat})
		}
		return geom.Pose{P: geom.Vec3{.3 * float64(i), .4, 0}, Q: geom.IdentityQuat}
	}
	origin := time.Unix(1000, 0)
	type on struct {
		stamp, due time.Time
		pose       [n]geom.Pose
		lost       [n]bool
	}
	var way []on
	s, next := &Survey{}, 0.0
	x := loop.Sample{
		Obs: make([]float32, layout.Observation(n)), Measured: make([]time.Time, 1+n),
		Sources: make([]loop.Source, 3),
	}
	x.Sources[0].Name, x.Sources[1].Name, x.Sources[2].Name = "arm", "gripper", "parts"
	for k := range 6000 {
		t := float64(k) / 100
		now := origin.Add(time.Duration(t * float64(time.Second)))
		if t >= next {
			next += 1 / hz
			o := on{stamp: now.Add(skew), due: now.Add(latency + skew + time.Duration(float64(jitter)*(2*rng.Float64()-1)))}
			for i := range n {
				a := truth(i, t)
				o.pose[i] = geom.Pose{P: a.P.Add(normal(p.Position)), Q: a.Q.Mul(geom.RotVec(normal(p.Rotation)))}
				o.lost[i] = k > 0 && rng.Float64() < p.Dropout
			}
			way = append(way, o)
		}
		layout.ToolTo(x.Obs, hand(t))
		x.Measured[0] = now
		for len(way) > 0 && !way[0].due.After(now) {
			x.Sources[2].Stamp, x.Sources[2].Came = way[0].stamp, way[0].due
			for i := range n {
				if !way[0].lost[i] {
					x.Measured[1+i] = way[0].stamp
					geom.PoseTo(layout.Part(i).Of(x.Obs), geom.TagFrame.Inv().Mul(way[0].pose[i]))
				}
			}
			way = way[1:]
		}
		if !x.Measured[1].IsZero() {
			s.Add(&x)
		}
	}
	return s
}

// TestSurveyFindsTheProfiles: the noise, dropout, rate and latency of the trackers that policies are measured with, at
// 15 frames a second, whether their stamps tell the exposure or come 60 ms later.
func TestSurveyFindsTheProfiles(t *testing.T) {
	for _, name := range disturb.Profiles() {
		cfg, err := disturb.Profile(name)
		if err != nil {
			t.Fatal(err)
		}
		p := cfg.Parts
		for _, skew := range []time.Duration{0, 60 * time.Millisecond} {
			latency := time.Duration(p.Delay) * 100 * time.Millisecond
			r, err := feed(p, 15, latency, 20*time.Millisecond, skew).Report(10)
			if err != nil {
				t.Fatal(err)
			}
			near := func(what string, got, want, off float64) {
				t.Helper()
				if !(math.Abs(got-want) <= off) {
					t.Errorf("%s, skew %v: %s is %g, want %g", name, skew, what, got, want)
				}
			}
			near("the rate", r.RateHz, 15, 0.6)
			near("the latency", r.Latency, latency.Seconds(), 0.01)
			near("the jitter", r.Jitter, 0.019, 0.005)
			near("the position's noise", r.Position, p.Position, 0.1*p.Position+1e-6)
			near("the rotation's noise", r.Rotation, p.Rotation, 0.1*p.Rotation+1e-3)
			near("the dropout", r.Dropout, p.Dropout, 0.03)
			if r.Skew == nil {
				t.Fatalf("%s: no skew was found", name)
			}
			near("the skew", *r.Skew, skew.Seconds(), 0.021)
			if steps := float64(p.Delay); skew == 0 && !strings.Contains(strings.Join(r.Keys, " "),
				"delay="+string(rune('0'+int(steps)))) {
				t.Errorf("%s: keys %v", name, r.Keys)
			}
			var b strings.Builder
			if err := r.WriteText(&b); err != nil || !strings.Contains(b.String(), "--set disturb.part.dropout=") {
				t.Errorf("%v\n%s", err, b.String())
			}
			if _, err := json.Marshal(r); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestSurveySaysWhatItLacks: without frames there is an error, and without a carried part no skew.
func TestSurveySaysWhatItLacks(t *testing.T) {
	if _, err := (&Survey{}).Report(10); err == nil {
		t.Error("a report of nothing")
	}
	s := feed(disturb.Parts{Position: 1e-3}, 15, 0, 0, 0)
	for i := range s.parts {
		s.parts[i] = s.parts[i][:min(len(s.parts[i]), 250)] // before the arm moves
	}
	r, err := s.Report(10)
	if err != nil || r.Skew != nil {
		t.Errorf("%+v, %v", r, err)
	}
}
