package basepolicy

import (
	"math"
	"testing"
)

// steadyPlan plans the number of the chunk, at every row.
type steadyPlan struct {
	Policy
	Stateless
	horizon, chunks int
}

func (p *steadyPlan) NewChunker() ChunkPolicy { return p }
func (p *steadyPlan) Horizon() int            { return p.horizon }
func (p *steadyPlan) ActDim() int             { return 2 }

func (p *steadyPlan) ChunkTo(chunk, _ []float32, _ Rest) error {
	p.chunks++
	for i := range chunk {
		chunk[i] = float32(p.chunks)
	}
	return nil
}

// TestEnsembling: every action is the weighted mean of all chunks that reach its step,
// the oldest weighing 1.
func TestEnsembling(t *testing.T) {
	const horizon, execute, rate = 7, 2, 0.3
	q := NewQueue(Ensembled{&steadyPlan{horizon: horizon}, rate}.NewChunker(), execute)
	q.Reset(1)
	act := make([]float32, 2)
	for step := range 15 {
		if err := q.ActTo(act, nil); err != nil {
			t.Fatal(err)
		}
		var sum, weights float64
		order := 0
		for chunk := 0; chunk*execute <= step; chunk++ {
			if step-chunk*execute < horizon {
				w := math.Exp(-rate * float64(order))
				sum += w * float64(chunk+1)
				weights += w
				order++
			}
		}
		if want := sum / weights; math.Abs(float64(act[0])-want) > 1e-5 || act[1] != act[0] {
			t.Fatalf("step %d: %v, want %g", step, act, want)
		}
	}
	q.Reset(2)
	if err := q.ActTo(act, nil); err != nil || act[0] != 9 {
		t.Errorf("after a reset: %v (%v), want the ninth chunk alone", act, err)
	}
}

func TestEnsembleKeepsWhatIsCommitted(t *testing.T) {
	c := Ensembled{&steadyPlan{horizon: 4}, 0}.NewChunker()
	chunk := make([]float32, 8)
	if err := c.ChunkTo(chunk, nil, Rest{}); err != nil {
		t.Fatal(err)
	}
	if err := c.ChunkTo(chunk, nil, Rest{[]float32{5, 5, 7, 7, 7, 7}, 1}); err != nil {
		t.Fatal(err)
	}
	for r, want := range []float32{5, 4.5, 4.5, 2} { // committed, mean of 7 and 2, twice, new
		if chunk[2*r] != want {
			t.Errorf("row %d: %g, want %g", r, chunk[2*r], want)
		}
	}
}

// TestDoubtfulChunksAreCutShort: a chunk that asks for it is executed for fewer steps,
// in a Queue and in an Ahead.
func TestDoubtfulChunksAreCutShort(t *testing.T) {
	p := &doubtful{steadyPlan{horizon: 8}}
	q, act := NewQueue(p, 4), make([]float32, 2)
	var got []float32
	for range 8 {
		if err := q.PeekTo(act, []float32{0}); err != nil {
			t.Fatal(err)
		}
		if err := q.ActTo(act, []float32{0}); err != nil {
			t.Fatal(err)
		}
		got = append(got, act[0])
	}
	for i, want := range []float32{1, 1, 1, 1, 2, 2, 3, 3} { // the second is doubtful
		if got[i] != want {
			t.Fatalf("a queue executed %v", got)
		}
	}
	a := newAhead(t, &doubtful{steadyPlan{horizon: 8}}, AheadConfig{Execute: 4, Lead: 1})
	prepare(t, a, 0)
	got = got[:0]
	for range 8 {
		if err := a.ActTo(act, []float32{0}); err != nil {
			t.Fatal(err)
		}
		got = append(got, act[0])
		a.settle(t)
	}
	for i, want := range []float32{1, 1, 1, 1, 2, 2, 3, 3} {
		if got[i] != want {
			t.Fatalf("an ahead executed %v", got)
		}
	}
	if s := a.Stats(); s.Calls != 9 || s.Accepted != 3 || s.Shortened != 1 {
		t.Errorf("%+v", s)
	}
}

type doubtful struct{ steadyPlan }

func (p *doubtful) NewChunker() ChunkPolicy { return p }

func (p *doubtful) ChunkInfo() ChunkInfo {
	i := ChunkInfo{Steps: 4, Calls: 3, Accepted: 1}
	if p.chunks == 2 {
		i.ForecastError, i.Execute = 1, 2
	}
	return i
}
