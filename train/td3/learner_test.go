package td3

import (
	"errors"
	"math"
	"slices"
	"testing"

	"korr/internal/nn"
	"korr/internal/seed"
	"korr/koopman"
	"korr/residual"
	"korr/train/replay"
)

var small = dims{obs: 4, x: 10, in: 10, act: 2}

// newSmallLearner has tiny networks of random weights and 60 random frames in
// either buffer.
func newSmallLearner(t *testing.T, change func(*Config)) *learner {
	t.Helper()
	cfg := plain()
	cfg.ActorHidden, cfg.CriticHidden, cfg.Batch = []int{8}, []int{8}, 16
	if change != nil {
		change(&cfg)
	}
	d := small
	if cfg.CriticOnly {
		d.in -= 3
	}
	rng := seed.Stream(2, "small", 0)
	var buffers [2]*replay.Buffer
	for k := range buffers {
		buffers[k] = replay.New(60, d.x, d.act)
		s := replay.NewNStep(buffers[k], 3, 0.9)
		x, u, f := make([]float32, d.x), make([]float32, d.act), -1
		for i := range 60 {
			for j := range x {
				x[j] = float32(rng.NormFloat64())
			}
			for j := range u {
				u[j] = x[d.obs+j] + 0.07*float32(rng.NormFloat64())
			}
			g := buffers[k].AddFrame(x)
			buffers[k].SetAction(g, u)
			if f >= 0 && i%20 != 0 {
				s.Push(f, 0.3*float64(i%3), g, []replay.End{replay.Running, replay.Terminated}[min(1, i%20/19)])
			}
			f = g
		}
	}
	var model *koopman.Model
	if cfg.Method == residual.MethodKORR {
		var err error
		model, err = koopman.New(koopman.Config{
			ObsDim: d.obs, ActDim: d.act, LatentDim: 7, Hidden: []int{6},
			StateInclusive: true,
		}, rng)
		if err != nil {
			t.Fatal(err)
		}
		for i := range model.B.Data {
			model.B.Data[i] = float32(rng.NormFloat64())
		}
	}
	l := newLearner(&cfg, d, newActor(&cfg, d, model, cfg.Batch), buffers[0], buffers[1])
	t.Cleanup(l.close)
	for _, p := range l.actor.head.Params() { // the start is too close to zero to test anything
		for i := range p.Data {
			p.Data[i] = 0.5 * float32(rng.NormFloat64())
		}
	}
	return l
}

// TestTargetsByHand computes the targets of a batch from their definition.
func TestTargetsByHand(t *testing.T) {
	for _, critics := range []int{1, 2, 5} {
		l := newSmallLearner(t, func(c *Config) { c.Critics, c.TargetNoise = critics, 0 })
		for k, c := range l.critics { // spread the members: some beyond the clip
			for _, p := range c.target.Params() {
				if len(p.Data) == 1 {
					p.Data[0] = 0.6 * float32(k+1) * float32(1-2*(k%2))
				}
			}
		}
		l.sample()
		l.targets()
		eval, in := l.actor.head.Evaluator(), make([]float32, small.x+small.act)
		for i := range l.cfg.Batch {
			copy(in, l.boot[i*small.x:(i+1)*small.x])
			eval.ForwardTo(in[small.x:], in[:small.x])
			for j := range small.act {
				in[small.x+j] = float32(math.Tanh(float64(in[small.x+j])))
			}
			var qs []float64
			for _, c := range l.critics {
				var q [1]float32
				c.target.Evaluator().ForwardTo(q[:], in)
				qs = append(qs, float64(q[0]))
			}
			ok := false
			for a := range qs { // with five, the pair is drawn: any will do
				for b := range qs {
					if a == b && len(qs) > 1 {
						continue
					}
					y := float64(l.ret[i]) + float64(l.disc[i])*min(qs[a], qs[b])
					ok = ok || math.Abs(min(1, max(0, y))-float64(l.y[i])) < 1e-5
				}
			}
			if !ok {
				t.Errorf("%d critics: target %v of return %v, discount %v, values %v", critics, l.y[i], l.ret[i], l.disc[i], qs)
			}
		}
	}
}

func TestTargetPairs(t *testing.T) {
	l := newSmallLearner(t, func(c *Config) { c.Critics = 4 })
	seen := map[[2]int]int{}
	for range 1200 {
		a, b := l.targetPair()
		seen[[2]int{a, b}]++
	}
	for p, n := range seen {
		if p[0] == p[1] || n < 60 {
			t.Errorf("pair %v was drawn %d times of 1200", p, n)
		}
	}
	if len(seen) != 12 {
		t.Errorf("%d pairs, want 12", len(seen))
	}
}

// TestSampleKeepsRowsTogether: what is gathered belongs to one transition.
func TestSampleKeepsRowsTogether(t *testing.T) {
	l := newSmallLearner(t, nil)
	l.sample()
	if l.fromDemos != l.cfg.Batch/2 {
		t.Errorf("%d demonstrations in a batch of %d", l.fromDemos, l.cfg.Batch)
	}
	pairs, d := 0, small
	for row, i := range l.idx {
		from := l.online
		if row < l.fromDemos {
			from = l.demos
		}
		x, in := from.X(i), l.in[row*(d.x+d.act):(row+1)*(d.x+d.act)]
		if !slices.Equal(x, l.x[row*d.x:(row+1)*d.x]) || !slices.Equal(x, in[:d.x]) ||
			!slices.Equal(from.X(from.Boot(i)), l.boot[row*d.x:(row+1)*d.x]) || l.ret[row] != from.Return(i) ||
			l.disc[row] != from.Discount(i) {
			t.Fatalf("row %d is not transition %d", row, i)
		}
		for j, r := range in[d.x:] {
			want := (float64(from.Action(i)[j]) - float64(x[d.obs+j])) / l.cfg.Alpha
			if math.Abs(min(1, max(-1, want))-float64(r)) > 1e-5 {
				t.Errorf("row %d: residual %v, want %v clipped", row, r, want)
			}
		}
		if n := from.Next(i); n != replay.None {
			if !slices.Equal(l.pair.obs[pairs*d.obs:(pairs+1)*d.obs], x[:d.obs]) ||
				!slices.Equal(l.pair.next[pairs*d.obs:(pairs+1)*d.obs], from.X(n)[:d.obs]) ||
				!slices.Equal(l.pair.u[pairs*d.act:(pairs+1)*d.act], from.Action(i)) {
				t.Fatalf("pair %d is not transition %d", pairs, i)
			}
			pairs++
		}
	}
	if pairs != l.pair.n || pairs == 0 {
		t.Errorf("%d pairs, counted %d", l.pair.n, pairs)
	}
}

// TestCriticFitsFixedTargets: with the discount at zero the returns are all
// there is to learn.
func TestCriticFitsFixedTargets(t *testing.T) {
	l := newSmallLearner(t, func(c *Config) { c.CriticLR, c.DemoFraction = 3e-3, 1 })
	l.sample()
	for i := range l.y {
		l.y[i] = float32(i%4) / 4
	}
	first := 0.0
	for step := range 1500 {
		l.critics[0].regress(l.in, l.y, l.cfg.Batch, 0.1)
		if step == 0 {
			first = l.critics[0].loss
		}
	}
	if l.critics[0].loss > 0.02*first {
		t.Errorf("loss %v after 1500 steps, %v at first", l.critics[0].loss, first)
	}
	// The target has followed.
	l.critics[0].evaluateTarget(l.in, l.cfg.Batch)
	for i, q := range l.critics[0].next[:l.cfg.Batch] {
		if math.Abs(float64(q-l.critics[0].q[i])) > 0.05 {
			t.Errorf("target %v, critic %v", q, l.critics[0].q[i])
		}
	}
}

// TestThreadsDoNotMatter compares weights after updates on one and on three
// goroutines.
func TestThreadsDoNotMatter(t *testing.T) {
	var want *learner
	for _, threads := range []int{1, 3} {
		l := newSmallLearner(t, func(c *Config) { c.Critics, c.LearnerThreads = 3, threads })
		for i := range 20 {
			if err := l.update(i%2 == 1); err != nil {
				t.Fatal(err)
			}
		}
		if want == nil {
			want = l
			continue
		}
		if !same(want.actor.head.Params(), l.actor.head.Params()) {
			t.Error("the actors differ")
		}
		for k := range l.critics {
			if !same(want.critics[k].target.Params(), l.critics[k].target.Params()) {
				t.Errorf("the targets of critic %d differ", k)
			}
		}
	}
}

func TestDivergenceIsAnError(t *testing.T) {
	nan := float32(math.NaN())
	for name, poison := range map[string]func(l *learner){
		"weight":      func(l *learner) { l.critics[1].online.Params()[0].Data[0] = nan },
		"target":      func(l *learner) { l.critics[0].target.Params()[0].Data[0] = float32(math.Inf(1)) },
		"actor":       func(l *learner) { p := l.actor.head.Params(); p[len(p)-1].Data[0] = nan },
		"observation": func(l *learner) { p := l.online; p.X(0)[0] = nan; p.X(1)[0] = nan },
	} {
		t.Run(name, func(t *testing.T) {
			l := newSmallLearner(t, func(c *Config) { c.DemoFraction, c.Batch = 0, 64 })
			before := l.actor.head.Clone()
			poison(l)
			var err error
			for range 20 {
				if err = l.update(true); err != nil {
					break
				}
			}
			if !errors.Is(err, ErrDiverged) {
				t.Fatalf("error %v, want ErrDiverged", err)
			}
			if name != "actor" && !same(before.Params(), l.actor.head.Params()) {
				t.Error("the actor moved on a loss that is not finite")
			}
		})
	}
}

func TestUpdatesDoNotAllocate(t *testing.T) {
	for _, threads := range []int{1, 2} {
		for _, method := range []residual.Method{residual.MethodResiP, residual.MethodKORR} {
			l := newSmallLearner(t, func(c *Config) { c.Method, c.LearnerThreads, c.ConstrainEvery = method, threads, 0 })
			if n := testing.AllocsPerRun(50, func() {
				if err := l.update(true); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%s on %d threads: %v allocations per update", method, threads, n)
			}
		}
	}
}

func same(a, b []*nn.Param) bool {
	return slices.EqualFunc(a, b, func(p, q *nn.Param) bool { return slices.Equal(p.Data, q.Data) })
}
