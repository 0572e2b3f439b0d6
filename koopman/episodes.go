package koopman

import (
	"fmt"
	"math/rand/v2"
)

// Episode is one trajectory without a reset inside.
type Episode struct {
	// Obs [T, D] are the normalised observations, flat.
	Obs []float32
	// Act [T, U] are the normalised executed actions, flat: row t leads from
	// observation t to t+1; the last row is not used.
	Act []float32
	// T is the number of observations.
	T int
}

func checkEpisodes(episodes []Episode, d, u int) error {
	for i, e := range episodes {
		if e.T < 0 || len(e.Obs) < e.T*d || len(e.Act) < (e.T-1)*u {
			return fmt.Errorf("%w: episode %d of %d steps has %d and %d numbers for widths %d and %d",
				ErrData, i, e.T, len(e.Obs), len(e.Act), d, u)
		}
	}
	return nil
}

// windows draws random pieces of H+1 observations, each within one episode.
type windows struct {
	episodes []Episode
	d, u, h  int
	ends     []int // cumulated number of windows
	total    int
}

func newWindows(episodes []Episode, d, u, h int) (*windows, error) {
	if err := checkEpisodes(episodes, d, u); err != nil {
		return nil, err
	}
	w := &windows{episodes: episodes, d: d, u: u, h: h}
	for _, e := range episodes {
		w.total += max(0, e.T-h)
		w.ends = append(w.ends, w.total)
	}
	if w.total == 0 {
		return nil, fmt.Errorf("%w: none of %d episodes has more than %d steps", ErrData, len(episodes), h)
	}
	return w, nil
}

// at returns the episode and the first step of window k.
func (w *windows) at(k int) (*Episode, int) {
	lo, hi := 0, len(w.ends)-1
	for lo < hi {
		if mid := (lo + hi) / 2; w.ends[mid] > k {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	e := &w.episodes[lo]
	return e, k - (w.ends[lo] - (e.T - w.h))
}

// draw fills obs [(H+1) n, D] and us [H n, U], time-major, with n windows.
func (w *windows) draw(obs, us []float32, n int, rng *rand.Rand) {
	for i := range n {
		e, start := w.at(rng.IntN(w.total))
		for h := 0; h <= w.h; h++ {
			t, row := start+h, h*n+i
			copy(obs[row*w.d:(row+1)*w.d], e.Obs[t*w.d:])
			if h < w.h {
				copy(us[row*w.u:(row+1)*w.u], e.Act[t*w.u:])
			}
		}
	}
}
