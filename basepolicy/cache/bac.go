package cache

import (
	"cmp"
	"math"
	"slices"
)

// The steps of BAC (arXiv 2506.13456, as the authors' code has it).

// Unit is a part of a transformer that adds to the residual stream.
type Unit struct {
	Layer       int  // counted from the input
	FeedForward bool // or an attention
}

// forcedSteps are always updates, whatever was found: the authors' policies have 100 steps, counted from 0.
var forcedSteps = []int{99, 100}

// CosineSimilarities of the features x of every step [steps][dim]: at [i][j] of what step i cached, served at step j.
func CosineSimilarities(x [][]float32) [][]float64 {
	alike, off := square(len(x)), square(len(x))
	compare(alike, off, x)
	for i := range alike {
		for j := range i {
			alike[i][j] = alike[j][i]
		}
	}
	return alike
}

// PairwiseL1 is how much the features x of every step [steps][dim] differ: the mean over all pairs of steps of the mean
// absolute difference. It does not depend on a choice of steps.
func PairwiseL1(x [][]float32) float64 {
	var sum float64
	pairs := 0
	for i := range x {
		for j := i + 1; j < len(x); j++ {
			var d float64
			for k, v := range x[i] {
				d += math.Abs(float64(v) - float64(x[j][k]))
			}
			sum += d / float64(max(1, len(x[i])))
			pairs++
		}
	}
	return sum / float64(max(1, pairs))
}

// MostAlike chooses the first step and others, updates in all, such that the sum of alike[from][to] over all steps,
// each from the newest chosen one, is the largest.
func MostAlike(alike [][]float64, updates int) []bool {
	n := len(alike)
	best, from := make([][]float64, updates+1), make([][]int, updates+1)
	for m := range best {
		best[m], from[m] = make([]float64, n+1), make([]int, n+1)
		for j := range best[m] {
			best[m][j] = math.Inf(-1)
		}
	}
	best[0][0] = 0
	for m := 1; m <= updates; m++ { // best[m][j]: steps before j, m of them chosen
		for a := range n {
			total := best[m-1][a]
			if math.IsInf(total, -1) {
				continue
			}
			for j := a + 1; j <= n; j++ {
				total += alike[a][j-1]
				if total > best[m][j] {
					best[m][j], from[m][j] = total, a
				}
			}
		}
	}
	chosen := make([]bool, n)
	for m, j := updates, n; m > 0; m-- {
		j = from[m][j]
		chosen[j] = true
	}
	return chosen
}

// MostChanging are the n units of the largest changes, the largest first.
func MostChanging(change []float64, n int) []int {
	order := make([]int, len(change))
	for u := range order {
		order[u] = u
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(change[b], change[a]) })
	return order[:min(n, len(order))]
}

// BubblingUnion adds to the steps [steps] of each heavy unit those of all feed-forwards in its own and deeper layers:
// what a feed-forward adds on fresh input should not meet a stale unit before it. With fewer than two heavy units it
// does nothing, as in the authors' code.
func BubblingUnion(fresh [][]bool, units []Unit, heavy []int) {
	if len(heavy) < 2 {
		return
	}
	before := make([][]bool, len(fresh))
	for u := range fresh {
		before[u] = slices.Clone(fresh[u])
	}
	for _, u := range heavy {
		for f, from := range units {
			if !from.FeedForward || from.Layer < units[u].Layer {
				continue
			}
			for i, v := range before[f] {
				fresh[u][i] = fresh[u][i] || v
			}
		}
	}
}
