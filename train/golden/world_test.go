package golden

import (
	"errors"
	"math"
	"testing"

	"korr/internal/seed"
	"korr/sim"
	"korr/train/dataset"
)

// Of the toy world, which has the shapes of one_leg.
const (
	parts    = 6
	worldObs = sim.StateDim + parts*sim.PoseDim
	worldEnd = 40
)

// world is a toy: the tool follows its command slowly, the parts turn at rates of their own, the first follows the tool
// while the hand is shut, and it counts as assembled near the second. Some episodes break off with an error.
type world struct {
	tool  [3]float64
	at    [parts][3]float64
	angle [parts]float64
	rate  [parts]float64
	open  bool
	bad   bool
	step  int
}

var errBroken = errors.New("the toy breaks")

func (w *world) Spec() sim.Spec {
	names := []string{"a", "b", "c", "d", "e", "f"}
	return sim.Spec{
		Task: "one_leg", ObsDim: worldObs, ActDim: sim.ActDim, MaxSteps: worldEnd, ControlHz: 10,
		PartNames: names,
	}
}

func (w *world) Reset(obs []float32, episodeSeed uint64) error {
	rng := seed.Stream(episodeSeed, "world", 0)
	*w = world{open: true, bad: rng.IntN(12) == 0}
	for i := range 3 {
		w.tool[i] = 0.3 * rng.NormFloat64()
		for k := range w.at {
			w.at[k][i] = 0.2 * rng.NormFloat64()
		}
	}
	for k := range w.rate {
		w.angle[k], w.rate[k] = rng.Float64(), 0.2*rng.NormFloat64()
	}
	w.observe(obs)
	return nil
}

func (w *world) observe(obs []float32) {
	clear(obs)
	for i, v := range w.tool {
		obs[i] = float32(v)
	}
	s, c := math.Sincos(0.3 * w.tool[0])
	obs[3], obs[4], obs[6], obs[7] = float32(c), float32(s), float32(-s), float32(c)
	obs[15] = 0.03
	if w.open {
		obs[15] = 0.08
	}
	for k := range w.at {
		p := obs[sim.StateDim+k*sim.PoseDim:]
		for i, v := range w.at[k] {
			p[i] = float32(v)
		}
		s, c := math.Sincos(w.angle[k] / 2)
		p[3+k%3], p[6] = float32(s), float32(c)
		if c < 0 {
			p[3+k%3], p[6] = -p[3+k%3], -p[6]
		}
	}
}

func (w *world) Step(obs, act []float32) (sim.Result, error) {
	if err := sim.CheckAction(act); err != nil {
		return sim.Result{}, err
	}
	if w.step++; w.bad && w.step == 13 {
		return sim.Result{}, errBroken
	}
	w.open = act[9] < 0
	far := 0.0
	for i := range 3 {
		d := max(-0.05, min(0.05, 0.5*(float64(act[i])-w.tool[i])))
		w.tool[i] += d
		if !w.open {
			w.at[0][i] += 0.8 * d
		}
		far += math.Abs(w.at[0][i] - w.at[1][i])
	}
	for k := range w.angle {
		w.angle[k] += w.rate[k]
	}
	w.observe(obs)
	if far < 0.15 {
		return sim.Result{Reward: 1, Terminated: true, Success: true}, nil
	}
	return sim.Result{Truncated: w.step >= worldEnd}, nil
}

func (w *world) Close() error { return nil }

// engaged is progress in the toy.
func engaged(obs []float32) bool {
	far := 0.0
	for i := range 3 {
		far += math.Abs(float64(obs[sim.StateDim+i] - obs[sim.StateDim+sim.PoseDim+i]))
	}
	return far < 0.4
}

// demonstrations carry the first part to the second.
func demonstrations(t *testing.T, n int) []dataset.Episode {
	t.Helper()
	var out []dataset.Episode
	for k := uint64(0); len(out) < n; k++ {
		w, obs, act := &world{}, make([]float32, worldObs), make([]float32, sim.ActDim)
		e := dataset.Episode{Seed: k}
		if err := w.Reset(obs, k); err != nil {
			t.Fatal(err)
		}
		if w.bad {
			continue
		}
		for done := false; !done; {
			e.State = append(e.State, obs[:sim.StateDim]...)
			e.Env = append(e.Env, obs[sim.StateDim:]...)
			for i := range 3 {
				act[i] = obs[i] + obs[sim.StateDim+sim.PoseDim+i] - obs[sim.StateDim+i]
			}
			act[3], act[7], act[9] = 1, 1, 1
			e.Action = append(e.Action, act...)
			res, err := w.Step(obs, act)
			if err != nil {
				t.Fatal(err)
			}
			e.Reward = append(e.Reward, res.Reward)
			e.Success = res.Success
			done = res.Terminated || res.Truncated
		}
		e.Executed = e.Action
		out = append(out, e)
	}
	return out
}

// walk is a course of n observations that belong to no world: every number moves, and the quaternions stay of unit
// length.
func walk(s uint64, n int) [][]float32 {
	rng := seed.Stream(s, "walk", 0)
	out := make([][]float32, n)
	for t := range out {
		out[t] = make([]float32, worldObs)
		for i := range out[t] {
			if t > 0 {
				out[t][i] = out[t-1][i]
			} else {
				out[t][i] = 0.3 * float32(rng.NormFloat64())
			}
			out[t][i] += 0.03 * float32(rng.NormFloat64())
		}
		for k := range parts {
			q := out[t][sim.StateDim+k*sim.PoseDim+3:][:4]
			size := 0.0
			for _, v := range q {
				size += float64(v) * float64(v)
			}
			for i := range q {
				q[i] /= float32(math.Sqrt(size))
			}
		}
	}
	return out
}
