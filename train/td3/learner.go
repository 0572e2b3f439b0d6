package td3

import (
	"errors"
	"fmt"
	"math"

	"korr/train/replay"
)

// ErrDiverged marks a loss or gradient that is not finite. The run stops, and
// its last checkpoint is from before.
var ErrDiverged = errors.New("training diverged: a loss or gradient is not finite")

// learner updates the networks from the buffers.
type learner struct {
	cfg     *Config
	dims    dims
	actor   *actor
	critics []*critic
	online  *replay.Buffer
	demos   *replay.Buffer // may hold nothing
	rng     stream
	workers *workers
	expand  *expansion // nil without value expansion
	bound   float64    // of the targets from above; 0 = none

	updates, actorUpdates int
	stats                 learnerStats

	// The batch. Rows come from demos first.
	idx         []int
	x, boot     []float32 // [batch, x]
	act         []float32 // [batch, act] executed normalised actions
	in, next    []float32 // [batch, x+act] critic inputs at the state and at the bootstrap state
	ret, disc   []float32
	y           []float32
	dq, din, dr []float32
	pair        pairs
	fromDemos   int

	evaluateTargets, regress func(k int) // made once: a closure for each call would allocate
}

// pairs are the transitions (o, u, o') of the batch that stay in one episode.
type pairs struct {
	n            int
	obs, u, next []float32
}

func newLearner(cfg *Config, d dims, a *actor, online, demos *replay.Buffer) *learner {
	b, u := cfg.Batch, d.act
	l := &learner{
		cfg: cfg, dims: d, actor: a, online: online, demos: demos,
		rng: newStream(cfg.Seed, "learner"), workers: newWorkers(cfg.LearnerThreads), bound: cfg.targetMax(nil),
		idx: make([]int, b), x: make([]float32, b*d.x), boot: make([]float32, b*d.x), act: make([]float32, b*u),
		in: make([]float32, b*d.judged()), next: make([]float32, b*d.judged()),
		ret: make([]float32, b), disc: make([]float32, b), y: make([]float32, b),
		dq: make([]float32, b), din: make([]float32, b*d.judged()), dr: make([]float32, b*u),
		pair: pairs{obs: make([]float32, b*d.obs), u: make([]float32, b*u), next: make([]float32, b*d.obs)},
	}
	init := newStream(cfg.Seed, "critics")
	for range cfg.Critics {
		l.critics = append(l.critics, newCritic(cfg, d.judged(), init.Rand))
	}
	l.evaluateTargets = func(k int) { l.critics[k].evaluateTarget(l.next, b) }
	l.regress = func(k int) { l.critics[k].regress(l.in, l.y, b, float32(cfg.Tau)) }
	return l
}

func (l *learner) close() { l.workers.close() }

// setRate scales every learning rate by f.
func (l *learner) setRate(f float64) {
	l.actor.headOpt.LR = float32(f * l.cfg.ActorLR)
	if l.actor.modelOpt != nil {
		l.actor.modelOpt.LR = float32(f * l.cfg.KoopmanLR)
	}
	for _, c := range l.critics {
		c.opt.LR = float32(f * l.cfg.CriticLR)
	}
}

// update takes one step of every critic and, if asked to, one of the actor on
// the same batch.
func (l *learner) update(withActor bool) error {
	l.sample()
	if l.expand != nil && l.fromDemos < l.cfg.Batch {
		if err := l.expand.apply(l.actor, l.online, l.idx[l.fromDemos:], l.boot[l.fromDemos*l.dims.x:]); err != nil {
			return err
		}
		l.stats.expanded.add(l.expand.moved)
	}
	l.targets()
	l.workers.each(len(l.critics), l.regress)
	l.updates++
	for k, c := range l.critics {
		if !finite(c.loss) {
			return fmt.Errorf("%w: critic %d has loss %v at update %d (largest |input| %.3g, |target| %.3g)",
				ErrDiverged, k, c.loss, l.updates, largest(l.in), largest(l.y))
		}
	}
	l.stats.critics(l)
	if !withActor {
		return nil
	}
	return l.updateActor()
}

// sample draws the batch, demonstrations first, and gathers it.
func (l *learner) sample() {
	l.fromDemos = 0
	if l.demos.Transitions() > 0 {
		l.fromDemos = int(math.Round(float64(l.cfg.Batch) * l.cfg.DemoFraction))
	}
	if l.online.Transitions() == 0 {
		l.fromDemos = l.cfg.Batch
	}
	if l.fromDemos > 0 {
		l.demos.Sample(l.rng.Rand, l.idx[:l.fromDemos])
	}
	if l.fromDemos < l.cfg.Batch {
		l.online.Sample(l.rng.Rand, l.idx[l.fromDemos:])
	}
	l.pair.n = 0
	for row, i := range l.idx {
		from := l.online
		if row < l.fromDemos {
			from = l.demos
		}
		l.gather(row, from, i)
	}
}

func (l *learner) gather(row int, from *replay.Buffer, i int) {
	d, u := l.dims, l.dims.act
	x, act := from.X(i), from.Action(i)
	copy(l.x[row*d.x:], x)
	copy(l.act[row*u:], act)
	copy(l.boot[row*d.x:], from.X(from.Boot(i)))
	l.ret[row], l.disc[row] = from.Return(i), from.Discount(i)

	w := d.judged()
	in := l.in[row*w : (row+1)*w]
	copy(in, x)
	base, r, alpha := d.base().Of(x), d.residual().Of(in), float32(l.cfg.Alpha)
	for j := range r { // a demonstration may lie outside the residual's reach
		r[j] = max(-1, min(1, (act[j]-base[j])/alpha))
	}
	if j := from.Next(i); j != replay.None {
		p := &l.pair
		copy(p.obs[p.n*d.obs:], x[:d.obs])
		copy(p.u[p.n*u:], act)
		copy(p.next[p.n*d.obs:], from.X(j)[:d.obs])
		p.n++
	}
}

// targets fills y with R + discount min_k Q'_k(x', r'), r' being the smoothed
// residual of the current actor.
func (l *learner) targets() {
	b := l.cfg.Batch
	l.nextInputs()
	l.workers.each(len(l.critics), l.evaluateTargets)
	first, second := l.targetPair()
	top := float32(math.Inf(1))
	bottom := -top
	if l.bound > 0 {
		bottom, top = 0, float32(l.bound)
	}
	for i := range b {
		q := min(l.critics[first].next[i], l.critics[second].next[i])
		l.y[i] = max(bottom, min(top, l.ret[i]+l.disc[i]*q)) // the built-in min and max hand NaN on
	}
}

// nextInputs fills next with the bootstrap states and the residuals there.
func (l *learner) nextInputs() {
	d, u, b := l.dims, l.dims.act, l.cfg.Batch
	r := l.actor.forward(l.boot, b)
	noise, bound := float32(l.cfg.TargetNoise), float32(l.cfg.TargetNoiseClip)
	w := d.judged()
	for i := range b {
		row := l.next[i*w : (i+1)*w]
		copy(row, l.boot[i*d.x:(i+1)*d.x])
		smooth := d.residual().Of(row)
		for j := range smooth {
			e := max(-bound, min(bound, noise*float32(l.rng.NormFloat64())))
			smooth[j] = max(-1, min(1, r[i*u+j]+e))
		}
	}
}

// targetPair draws two different critics, or takes those there are.
func (l *learner) targetPair() (first, second int) {
	n := len(l.critics)
	if n <= 2 {
		return 0, n - 1
	}
	first = l.rng.IntN(n)
	second = l.rng.IntN(n - 1)
	if second >= first {
		second++
	}
	return first, second
}

// updateActor takes one step of the actor on the batch of the critics.
func (l *learner) updateActor() error {
	d, u, b := l.dims, l.dims.act, l.cfg.Batch
	r := l.actor.forward(l.x, b)
	w := d.judged()
	for i := range b {
		copy(d.residual().Of(l.in[i*w:]), r[i*u:(i+1)*u])
	}
	judges := l.critics[:1]
	if len(l.critics) > 2 {
		judges = l.critics // the ensemble's mean
	}
	penalty := 2 * float32(l.cfg.Penalty) / float32(b*u)
	square := 0.0
	for i, v := range r[:b*u] {
		l.dr[i] = penalty * v
		square += float64(v) * float64(v)
	}
	loss := l.cfg.Penalty * square / float64(b*u)
	for i := range l.dq {
		l.dq[i] = -1 / float32(b*len(judges))
	}
	for _, c := range judges {
		c.evaluate(l.in, b)
		c.online.BackwardInput(c.onlineTape, l.dq, l.din)
		for i := range b {
			loss += float64(l.dq[i] * c.q[i])
			for j, g := range d.residual().Of(l.din[i*w:]) {
				l.dr[i*u+j] += g
			}
		}
	}
	if !finite(loss) {
		return fmt.Errorf("%w: actor loss %v at actor update %d", ErrDiverged, loss, l.actorUpdates+1)
	}
	info, err := l.actor.step(l.dr, &l.pair)
	if err != nil {
		return fmt.Errorf("actor update %d: %w", l.actorUpdates+1, err)
	}
	l.actorUpdates++
	l.stats.actor(loss, math.Sqrt(square/float64(b*u)), info)
	return nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func largest(v []float32) float32 {
	m := float32(0)
	for _, x := range v {
		m = max(m, x, -x)
	}
	return m
}
