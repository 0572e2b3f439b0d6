package cache

import (
	"math"
	"slices"
	"testing"
)

// curve is a network whose output, last block's input and stream are functions of the
// step alone.
type curve struct {
	shape Shape
	f     func(i, j int) float64 // value j of a chunk at step i
	bent  float64                // added by the last block, at odd steps
	n     int
	at    int
	calls int
	tails int
}

func (c *curve) Begin(_ []int, n int) { c.n = n }

func (c *curve) PredictTo(dst, _, _ []float32, i int) {
	c.calls++
	c.at = i
	c.fill(dst, i)
}

func (c *curve) fill(dst []float32, i int) {
	for j := range dst {
		dst[j] = float32(c.f(i, j%(c.shape.Horizon*c.shape.ActDim)))
	}
}

func (c *curve) Shape() Shape { return c.shape }
func (c *curve) Parts() Parts { return Parts{Steps: c, Tail: c, Stream: c} }

func (c *curve) EmbedDim() int                   { return 2 }
func (c *curve) EmbedTo(dst []float32, step int) { dst[0], dst[1] = 1, float32(step)/10 }
func (c *curve) TailDim() int                    { return c.shape.Horizon * c.shape.ActDim }
func (c *curve) TailShare() float64              { return 0.25 }
func (c *curve) TailInputTo(dst []float32)       { c.fill(dst, c.at) }
func (c *curve) StreamDim() int                  { return c.shape.Horizon * c.shape.ActDim }
func (c *curve) HeadShare() float64              { return 0.125 }
func (c *curve) StreamTo(dst []float32)          { c.fill(dst, c.at) }

func (c *curve) TailTo(dst, input, _ []float32, i int) {
	c.tails++
	for j, v := range input {
		dst[j] = v + float32(c.bent*float64(i%2))
	}
}

func (c *curve) HeadTo(dst, stream, _, _ []float32, _ int) { copy(dst, stream) }

func newCurve(f func(i, j int) float64) *curve {
	return &curve{shape: Shape{Horizon: 4, ActDim: 3, MaxBatch: 2}, f: f}
}

func countdown(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = 6 * (n - 1 - i)
	}
	return s
}

// drive runs steps through the cache and returns the outputs.
func drive(c *Cache, steps int) [][]float32 {
	c.Begin(countdown(steps), 2)
	x, out := make([]float32, 24), make([][]float32, steps)
	for i := range out {
		for j := range x {
			x[j] = 1 + 0.1*float32(i)
		}
		out[i] = make([]float32, 24)
		c.PredictTo(out[i], x, nil, i)
	}
	return out
}

func parse(t *testing.T, text string) Config {
	t.Helper()
	c, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func polynomial(degree int) func(i, j int) float64 {
	return func(i, j int) float64 {
		x, p, y := float64(i)/4, 1.0, 1.0+float64(j)
		for d := 1; d <= degree; d++ {
			p *= x
			y += p / float64(d+j+1)
		}
		return y
	}
}

// TestExactTrajectories: every method reproduces the trajectories its formula is exact on.
func TestExactTrajectories(t *testing.T) {
	level := func(i, j int) float64 { return polynomial(3)(i, j) - polynomial(3)(i, j) + float64(j) + 1 }
	for _, tc := range []struct {
		cache string
		f     func(i, j int) float64
	}{
		{"reuse", level},
		{"taylor:order=1", polynomial(1)},
		{"taylor:order=1,feature=stream", polynomial(1)},
		{"newton:order=1", polynomial(1)},
		{"newton:order=2", polynomial(2)},
		{"newton:order=3,w=4", polynomial(3)},
		{"hicache:order=1,scale=0.7071067811865476", polynomial(1)},
		{"foca:bdf=variable", polynomial(1)},
		{"foca:n=2,w=1", level},
		// a still mean and a moving rest along the horizon
		{"freqca:scale=0.7071067811865476,order=1", func(i, j int) float64 {
			row := j / 3
			return 2 + float64(i)*[]float64{1, -1, -1, 1}[row]
		}},
	} {
		for _, n := range []string{"2", "3", "4"} {
			text := tc.cache
			if !slices.Contains([]string{"reuse", "foca:n=2,w=1"}, tc.cache) {
				text += ",n=" + n
			}
			net := newCurve(tc.f)
			c := New(net, parse(t, text), nil)
			for i, y := range drive(c, 16) {
				for j, v := range y {
					if want := tc.f(i, j%12); math.Abs(float64(v)-want) > 2e-4*math.Abs(want) {
						t.Fatalf("%s, step %d, value %d: %g, want %g", text, i, j, v, want)
					}
				}
			}
			if info := c.Info(); net.calls >= 16 || info.ForecastError > 1e-4 || info.Accepted != 16-net.calls ||
				info.Rejected != 0 {
				t.Errorf("%s: %d calls, %+v", text, net.calls, info)
			}
		}
	}
}

// TestFullCalls: w = 3 and n = 2, 3, 4 on 16 steps give 9, 7, 6 calls.
func TestFullCalls(t *testing.T) {
	for text, want := range map[string]int{
		"none": 16, "reuse:n=1": 16, "reuse:n=2": 9, "reuse:n=3": 7, "reuse:n=4": 6, "taylor:n=2": 9,
		"hicache:n=3": 7, "foca:n=4": 6, "freqca:n=3,feature=output": 7,
		"newton:n=4,end=1": 7, "reuse:w=1,n=16": 1, "adaptive:threshold=1000000,max=1000": 3, "adaptive:threshold=0": 16,
		"adaptive:by=step,threshold=0": 16, "adaptive:by=step,threshold=1000000,max=4": 5, "speca:tau=0,min=4,max=4": 4,
	} {
		net := newCurve(func(i, _ int) float64 { return math.Sin(float64(i)) })
		c := New(net, parse(t, text), nil)
		drive(c, 16)
		if info := c.Info(); net.calls != want || info.Calls != float32(want) || info.Steps != 16 {
			t.Errorf("%s: %d calls, %+v, want %d", text, net.calls, info, want)
		}
	}
}

// TestAdaptiveFollowsTheInput: the input grows by 10 % of its start in every step, so
// the threshold says how many steps a call serves.
func TestAdaptiveFollowsTheInput(t *testing.T) {
	net := newCurve(func(i, _ int) float64 { return float64(i) })
	c := New(net, parse(t, "adaptive:threshold=0.15,w=1,max=100"), nil)
	out := drive(c, 8)
	// relative changes 1/10, 1/11, 1/12, ..: above 0.15 after two steps, later after three
	for i, want := range []float32{0, 0, 2, 2, 4, 4, 4, 7} {
		if out[i][0] != want {
			t.Fatalf("step %d serves the call of step %g, want %g", i, out[i][0], want)
		}
	}
}

// TestVerification: with reject=now a last block that disagrees by more than the threshold costs a call at that very
// step; one that is within it gives the output.
func TestVerification(t *testing.T) {
	net := newCurve(func(int, int) float64 { return 10 })
	net.bent = 5 // at odd steps the last block is far off
	c := New(net, parse(t, "speca:tau=0.05,beta=1,w=1,min=0,max=3,reject=now"), nil)
	for i, y := range drive(c, 8) {
		if y[0] != 10 { // rejected: the call; accepted: the same
			t.Errorf("step %d: %g", i, y[0])
		}
	}
	info := c.Info()
	if net.calls != 5 || info.Rejected != 4 || info.Accepted != 3 || info.Calls != 5+7*0.25 {
		t.Errorf("%d calls, %+v: want 1 + 4 rejected, 3 accepted and 7 verified", net.calls, info)
	}
	c.spec.Tau = 1
	if out := drive(c, 4); out[3][0] != 15 {
		t.Errorf("accepted step 3: %g, want what the last block gave, 15", out[3][0])
	}
}

// TestRefusedDraftIsKept: as published, a refused draft acts and the next step is the call.
func TestRefusedDraftIsKept(t *testing.T) {
	net := newCurve(func(i, _ int) float64 { return 10 + float64(i) })
	net.bent = 5
	c := New(net, parse(t, "speca:tau=0.05,beta=1,w=1,min=0,max=3"), nil)
	for i, y := range drive(c, 8) {
		// steps 0, 2, 4 and 6 are calls; 1 reuses, the others follow the line from step 2 on
		if want := map[int]float32{1: 10}[i]; y[0] != want && y[0] != float32(10+i) {
			t.Errorf("step %d: %g", i, y[0])
		}
	}
	if info := c.Info(); net.calls != 4 || info.Rejected != 4 || info.Accepted != 4 || info.Calls != 4+4*0.25 {
		t.Errorf("%d calls, %+v: want 4 calls and 4 drafts, all of them refused", net.calls, info)
	}
}

// TestFeatureOfTheNetwork: freqca and hyca cache a transformer's stream unless told otherwise.
func TestFeatureOfTheNetwork(t *testing.T) {
	net := newCurve(func(int, int) float64 { return 0 })
	for text, want := range map[string]string{
		"freqca": FeatureStream, "hyca": FeatureStream, "freqca:feature=output": FeatureOutput, "taylor": FeatureOutput,
	} {
		if got := parse(t, text).FeatureOf(net.Parts()); got != want {
			t.Errorf("%s caches the %s of a transformer", text, got)
		}
		if got := parse(t, text).FeatureOf(Parts{}); got != FeatureOutput {
			t.Errorf("%s caches the %s of a network without a stream", text, got)
		}
	}
}

// TestDoubt: forecasts that are off shorten the chunk.
func TestDoubt(t *testing.T) {
	c := New(newCurve(func(i, _ int) float64 { return 1 + float64(i%3) }), parse(t, "reuse:n=2,doubt=0.1,short=2"), nil)
	drive(c, 16)
	if i := c.Info(); i.ForecastError < 0.1 || i.Execute != 2 {
		t.Errorf("%+v", i)
	}
	c = New(newCurve(func(int, int) float64 { return 1 }), parse(t, "reuse:n=2,doubt=0.1,short=2"), nil)
	drive(c, 16)
	if i := c.Info(); i.ForecastError != 0 || i.Execute != 0 {
		t.Errorf("%+v", i)
	}
}

func TestNoAllocation(t *testing.T) {
	net := newCurve(polynomial(2))
	steps, x, y := countdown(16), make([]float32, 24), make([]float32, 24)
	for _, m := range Methods() {
		var cal *Calibration
		switch m {
		case BAC:
			continue // needs blocks: package diffusion
		case HyCa:
			cal = &Calibration{Solvers: []int{0, 3, 6}} // a row of the stream is three values wide here
		}
		c := New(net, parse(t, m), cal)
		if a := testing.AllocsPerRun(5, func() {
			c.Begin(steps, 2)
			for i := range steps {
				c.PredictTo(y, x, nil, i)
			}
			c.Info()
		}); a != 0 {
			t.Errorf("%s allocates %v times a run", m, a)
		}
	}
}

func TestParse(t *testing.T) {
	for _, text := range []string{
		"fast", "reuse:", "reuse:n", "reuse:n=", "reuse:n=0", "reuse:n=x", "reuse:order=2", "taylor:order=9",
		"hicache:scale=0", "hicache:scale=NaN",
		"foca:bdf=new", "speca:min=5,max=4", "taylor:feature=x", "bac:doubt=1", "reuse:n=2 ", ":n=2",
	} {
		if c, err := Parse(text); err == nil {
			t.Errorf("%q became %v", text, c)
		}
	}
	for _, m := range append(Methods(), "none", "reuse:n=4,doubt=0.5,short=3", "hicache:scale=0.25,order=3") {
		c := parse(t, m)
		if again, err := Parse(c.String()); err != nil || again != c {
			t.Errorf("%q: %v came back as %v, %v", m, c, again, err)
		}
	}
	if c := parse(t, ""); c.On() || c.Text() != "" || c.String() != None {
		t.Errorf("the empty text became %+v", c)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("hicache:n=3,order=2,scale=0.5")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text)
		if err != nil {
			return
		}
		if again, err := Parse(c.String()); err != nil || again.String() != c.String() {
			t.Errorf("%q: %v came back as %v, %v", text, c, again, err)
		}
	})
}

func TestCheckRefuses(t *testing.T) {
	for text, parts := range map[string]Parts{
		"reuse:feature=stream": {}, "speca": {}, "bac": {}, "hyca": {},
	} {
		if Check(parse(t, text), parts, nil) == nil {
			t.Errorf("%s was accepted by a network without its parts or calibration", text)
		}
	}
	if Check(Config{Method: "x"}, Parts{}, nil) == nil {
		t.Error("an unknown method was accepted")
	}
}
