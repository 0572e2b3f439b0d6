package render

import (
	"math"
	"slices"
)

// keys chooses key frames while an episode of unknown length goes on: it keeps the first frame of every phase and a
// bounded number of others at even distances.
type keys struct {
	want   int
	marks  []Shot // the first frame of each phase
	others []Shot // every stride-th frame
	stride int
	seen   int
	last   Shot
}

func newKeys(want int) *keys { return &keys{want: want, stride: 1} }

func (k *keys) add(s Shot) {
	if !slices.ContainsFunc(k.marks, func(m Shot) bool { return m.Phase == s.Phase }) {
		k.marks = append(k.marks, s)
	}
	if k.seen%k.stride == 0 {
		k.others = append(k.others, s)
	}
	k.seen++
	k.last = s
	if len(k.others) > 4*k.want {
		kept := k.others[:0]
		for i, o := range k.others {
			if i%2 == 0 {
				kept = append(kept, o)
			}
		}
		clear(k.others[len(kept):])
		k.others, k.stride = kept, 2*k.stride
	}
}

// pick returns at most want frames in order: the last, then the beginnings of phases, then what halves the longest gap.
func (k *keys) pick() []Shot {
	if k.seen == 0 {
		return nil
	}
	out := []Shot{k.last}
	add := func(s Shot) bool {
		if len(out) >= k.want || slices.ContainsFunc(out, func(o Shot) bool { return o.Step == s.Step }) {
			return false
		}
		out = append(out, s)
		slices.SortFunc(out, func(a, b Shot) int { return a.Step - b.Step })
		return true
	}
	for _, m := range k.marks {
		add(m)
	}
	for len(out) < k.want {
		best, width := -1, 0
		for i, o := range k.others {
			if d := distance(out, o.Step); d > width {
				best, width = i, d
			}
		}
		if best < 0 || !add(k.others[best]) {
			break
		}
	}
	return out
}

// distance is how far a step is from the nearest frame chosen so far.
func distance(chosen []Shot, step int) int {
	d := math.MaxInt
	for _, c := range chosen {
		d = min(d, max(step-c.Step, c.Step-step))
	}
	return d
}
