package replay

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"testing"

	"korr/internal/tensorfile"
)

// x returns an input that tells its frame apart.
func x(v int) []float32 { return []float32{float32(v), -float32(v)} }

func TestNStepTable(t *testing.T) {
	const g = 0.5 // exact in binary
	type want struct {
		ret, discount float32
		boot          int
	}
	tests := []struct {
		name    string
		n       int
		rewards []float64
		end     End
		want    []want // of the frames 0.. ; nothing for frames that stay incomplete
	}{
		{"running leaves the last n-1 incomplete", 3, []float64{1, 2, 4, 8}, Running, []want{
			{1 + g*2 + g*g*4, g * g * g, 3}, {2 + g*4 + g*g*8, g * g * g, 4},
		}},
		{"terminal state has no value", 3, []float64{0, 0, 0, 1}, Terminated, []want{
			{0, g * g * g, 3}, {g * g, 0, 4}, {g, 0, 4}, {1, 0, 4},
		}},
		{"time-out bootstraps from the last state", 3, []float64{0, 0, 0, 0}, Truncated, []want{
			{0, g * g * g, 3}, {0, g * g * g, 4}, {0, g * g, 4}, {0, g, 4},
		}},
		{"episode shorter than n", 5, []float64{1, 1}, Terminated, []want{{1 + g, 0, 2}, {1, 0, 2}}},
		{"one step", 1, []float64{3, 5}, Truncated, []want{{3, g, 1}, {5, g, 2}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := New(16, 2, 1)
			s := NewNStep(b, tt.n, g)
			frame := b.AddFrame(x(0))
			for i, r := range tt.rewards {
				next, end := b.AddFrame(x(i+1)), Running
				if i == len(tt.rewards)-1 {
					end = tt.end
				}
				s.Push(frame, r, next, end)
				if b.Next(frame) != next {
					t.Errorf("frame %d: next %d, want %d", frame, b.Next(frame), next)
				}
				frame = next
			}
			if b.Transitions() != len(tt.want) {
				t.Errorf("%d transitions, want %d", b.Transitions(), len(tt.want))
			}
			for i, w := range tt.want {
				if got := (want{b.Return(i), b.Discount(i), b.Boot(i)}); got != w {
					t.Errorf("frame %d: %+v, want %+v", i, got, w)
				}
			}
		})
	}
}

func TestDropForgetsAFailedEpisode(t *testing.T) {
	b := New(8, 2, 1)
	s := NewNStep(b, 3, 0.9)
	a, c := b.AddFrame(x(0)), b.AddFrame(x(1))
	s.Push(a, 1, c, Running)
	s.Drop()
	d, e := b.AddFrame(x(2)), b.AddFrame(x(3))
	s.Push(d, 1, e, Terminated)
	if b.Transitions() != 1 || b.Return(d) != 1 {
		t.Errorf("%d transitions, return %v; want only the second episode's", b.Transitions(), b.Return(d))
	}
}

func TestTerminalStateMayBeMissing(t *testing.T) {
	b := New(8, 2, 1)
	s := NewNStep(b, 3, 0.5)
	f, g := b.AddFrame(x(0)), b.AddFrame(x(1))
	s.Push(f, 0, g, Running)
	s.Push(g, 1, None, Terminated)
	if b.Transitions() != 2 || b.Return(f) != 0.5 || b.Return(g) != 1 || b.Discount(f)+b.Discount(g) != 0 ||
		b.Next(g) != None || b.Next(f) != g {
		t.Errorf("%+v", b)
	}
	defer func() {
		if recover() == nil {
			t.Error("a running episode without a next frame was accepted")
		}
	}()
	s.Push(g, 0, None, Truncated)
}

// TestWrapAround runs interleaved episodes of random lengths through a small
// ring and checks every transition against the frames it refers to: the input
// encodes environment and step.
func TestWrapAround(t *testing.T) {
	const envs, n, capacity = 3, 4, 64
	b := New(capacity, 3, 1)
	rng := rand.New(rand.NewPCG(1, 2))
	step, episode, cur := [envs]int{}, [envs]int{}, [envs]int{}
	var as [envs]*NStep
	frame := func(e int) int { return b.AddFrame([]float32{float32(e), float32(episode[e]), float32(step[e])}) }
	for e := range envs {
		as[e] = NewNStep(b, n, 0.9)
		cur[e] = frame(e)
	}
	idx := make([]int, 32)
	for range 2000 {
		for e := range envs {
			b.SetAction(cur[e], []float32{float32(step[e])})
			step[e]++
			next := frame(e)
			end := End(0)
			if rng.IntN(10) == 0 {
				end = Terminated
			}
			as[e].Push(cur[e], float64(step[e]), next, end)
			if end != Running {
				episode[e]++
				step[e] = 0
				next = frame(e)
			}
			cur[e] = next
		}
		if b.Transitions() == 0 {
			continue
		}
		b.Sample(rng, idx)
		for _, i := range idx {
			checkTransition(t, b, i, n)
		}
	}
	if b.Frames() != capacity || b.Transitions() > capacity-1 || b.Transitions() < capacity/2 {
		t.Errorf("%d frames, %d transitions of %d", b.Frames(), b.Transitions(), capacity)
	}
}

func checkTransition(t *testing.T, b *Buffer, i, n int) {
	t.Helper()
	f, next, boot := b.X(i), b.X(b.Next(i)), b.X(b.Boot(i))
	m := int(boot[2] - f[2])
	ret := 0.0
	for k := range m {
		ret += math.Pow(0.9, float64(k)) * float64(int(f[2])+k+1)
	}
	ok := next[0] == f[0] && next[1] == f[1] && next[2] == f[2]+1 && boot[0] == f[0] && boot[1] == f[1] &&
		m >= 1 && m <= n && math.Abs(ret-float64(b.Return(i))) < 1e-4 && b.Action(i)[0] == f[2] &&
		(b.Discount(i) == 0 || m == n)
	if !ok {
		t.Fatalf("frame %v: next %v, boot %v, return %v (want %v), discount %v, action %v", f, next, boot,
			b.Return(i), ret, b.Discount(i), b.Action(i))
	}
}

func TestSampleIsUniformOverTransitions(t *testing.T) {
	b := New(8, 2, 1)
	s := NewNStep(b, 1, 0.9)
	for e := range 2 { // frames 0-2 and 3-5; 2 and 5 are ends
		f := b.AddFrame(x(0))
		for i := range 2 {
			g, end := b.AddFrame(x(i)), Running
			if i == 1 {
				end = Terminated
			}
			s.Push(f, float64(e), g, end)
			f = g
		}
	}
	const draws = 40000
	idx := make([]int, draws)
	b.Sample(rand.New(rand.NewPCG(3, 4)), idx)
	count := map[int]int{}
	for _, i := range idx {
		count[i]++
	}
	for _, i := range []int{0, 1, 3, 4} {
		if p := float64(count[i]) / draws; math.Abs(p-0.25) > 0.015 {
			t.Errorf("transition %d drawn with frequency %.3f, want 0.25", i, p)
		}
	}
	if len(count) != 4 {
		t.Errorf("drew from %d frames, want 4: %v", len(count), count)
	}
}

func TestSaveAndLoad(t *testing.T) {
	for _, frames := range []int{5, 20} { // part full, wrapped
		t.Run(fmt.Sprint(frames), func(t *testing.T) {
			b := New(8, 2, 1)
			s := NewNStep(b, 2, 0.9)
			f := b.AddFrame(x(0))
			for i := range frames - 1 {
				g := b.AddFrame(x(i + 1))
				s.Push(f, float64(i), g, Running)
				f = g
			}
			file := &tensorfile.File{}
			b.SaveTo(file, "replay.")
			path := filepath.Join(t.TempDir(), "b.safetensors")
			if err := tensorfile.Write(path, file); err != nil {
				t.Fatal(err)
			}
			read, err := tensorfile.Read(path)
			if err != nil {
				t.Fatal(err)
			}
			c := New(8, 2, 1)
			c.AddFrame(x(99)) // what was there goes
			if err := c.LoadFrom(read, "replay."); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(b, c) {
				t.Errorf("loaded\n%+v\nsaved\n%+v", c, b)
			}
			s2 := NewNStep(c, 2, 0.9)
			if err := s2.SetPending(s.Pending()); err != nil || !reflect.DeepEqual(s2.pending, s.pending) {
				t.Errorf("pending %+v, want %+v (%v)", s2.pending, s.pending, err)
			}
			if frames > 8 {
				if err := New(9, 2, 1).LoadFrom(read, "replay."); err == nil {
					t.Error("a wrapped ring was loaded into another capacity")
				}
			}
		})
	}
}

func TestSetPendingRefusesNonsense(t *testing.T) {
	b := New(8, 2, 1)
	b.AddFrame(x(0))
	for _, p := range [][]Pending{
		{{Frame: 1, Steps: 1}},
		{{Frame: -1, Steps: 1}},
		{{Frame: 0, Steps: 3}},
		{{Frame: 0, Steps: 1}, {Frame: 0, Steps: 1}, {Frame: 0, Steps: 1}},
	} {
		if err := NewNStep(b, 3, 0.9).SetPending(p); err == nil {
			t.Errorf("%+v was accepted", p)
		}
	}
}

func TestNoAllocationInSteadyState(t *testing.T) {
	b := New(64, 2, 1)
	s := NewNStep(b, 5, 0.9)
	rng := rand.New(rand.NewPCG(5, 6))
	idx, in, act := make([]int, 16), x(0), []float32{0}
	f := b.AddFrame(in)
	step := func() {
		g := b.AddFrame(in)
		b.SetAction(f, act)
		s.Push(f, 0, g, Running)
		f = g
	}
	for range 10 {
		step()
	}
	if n := testing.AllocsPerRun(200, func() { step(); b.Sample(rng, idx) }); n != 0 {
		t.Errorf("%v allocations per step", n)
	}
}
