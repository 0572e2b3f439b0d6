package loop

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	subBits   = 4  // 16 buckets per octave: quantiles are at most 1/16 too high
	octaves   = 40 // values from 2^40 ns (18 minutes) on share the last bucket
	histogram = (octaves - subBits + 1) << subBits
)

// Histogram counts durations in fixed logarithmic buckets. One goroutine adds, any may read; neither
// locks nor allocates. The zero value is ready.
type Histogram struct {
	counts [histogram]atomic.Uint64
	total  atomic.Uint64
	max    atomic.Int64 // ns
}

// Add counts |d|.
func (h *Histogram) Add(d time.Duration) {
	v := int64(d)
	if v < 0 {
		v = -v
	}
	if v < 0 { // the most negative duration has no positive counterpart
		v = math.MaxInt64
	}
	h.counts[bucket(uint64(v))].Add(1)
	h.total.Add(1)
	if v > h.max.Load() {
		h.max.Store(v)
	}
}

// bucket is the index of v: exact below 2^subBits, then 2^subBits buckets per octave.
func bucket(v uint64) int {
	if v < 1<<subBits {
		return int(v)
	}
	shift := bits.Len64(v) - 1 - subBits
	return min(shift<<subBits+int(v>>shift), histogram-1)
}

// upper is the largest value that falls into bucket i.
func upper(i int) uint64 {
	if i < 1<<subBits {
		return uint64(i)
	}
	shift := i>>subBits - 1
	mantissa := uint64(i&(1<<subBits-1)) | 1<<subBits
	return (mantissa+1)<<shift - 1
}

// Count is the number of durations added.
func (h *Histogram) Count() uint64 { return h.total.Load() }

// Max is the largest duration added.
func (h *Histogram) Max() time.Duration { return time.Duration(h.max.Load()) }

// Quantile returns an upper bound of the q-quantile (q in [0, 1]), at most 1/16 too high; 0 when empty.
func (h *Histogram) Quantile(q float64) time.Duration {
	total := h.total.Load()
	if total == 0 {
		return 0
	}
	rank := max(uint64(math.Ceil(q*float64(total))), 1)
	var seen uint64
	for i := range h.counts {
		seen += h.counts[i].Load()
		if seen >= rank && i < histogram-1 {
			return min(time.Duration(upper(i)), h.Max())
		}
	}
	return h.Max()
}

// Spread is a histogram in three numbers.
type Spread struct {
	Count         uint64
	P50, P99, Max time.Duration
}

// Spread returns the quantiles that status reports show.
func (h *Histogram) Spread() Spread {
	return Spread{Count: h.Count(), P50: h.Quantile(0.50), P99: h.Quantile(0.99), Max: h.Max()}
}
