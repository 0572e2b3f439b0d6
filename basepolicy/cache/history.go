package cache

// history holds features of the last full steps, newest first.
type history struct {
	feature [][]float32 // [depth][maxBatch*dim]
	at      []int       // step of each
	back    []float64
	n       int // members
	// order is how many differences may be taken if they are kept from step 2 on only, as TaylorSeer does: one more with
	// every member since.
	order int
	late  bool // they are
}

func newHistory(depth, size int) *history {
	h := &history{feature: make([][]float32, depth), at: make([]int, depth), back: make([]float64, depth)}
	for i := range h.feature {
		h.feature[i] = make([]float32, size)
	}
	return h
}

func (h *history) reset() { h.n, h.order = 0, 0 }

// push makes room for the feature of step i and returns it.
func (h *history) push(i int) []float32 {
	last := len(h.feature) - 1
	f := h.feature[last]
	copy(h.feature[1:], h.feature[:last])
	copy(h.at[1:], h.at[:last])
	h.feature[0], h.at[0] = f, i
	h.n = min(h.n+1, len(h.feature))
	if i >= 2 {
		h.order++
	}
	return f
}

// weigh writes the rule's weights for step i.
func (h *history) weigh(w *weights, r rule, i int) {
	for j := range h.n {
		h.back[j] = float64(h.at[0] - h.at[j])
	}
	r(w, h.back[:h.members()], float64(i-h.at[0]))
}

// members is how many of the features a rule may look at.
func (h *history) members() int {
	if h.late {
		return min(h.n, h.order+1)
	}
	return h.n
}

// sum writes the weighted sum of the members.
func (h *history) sum(dst []float32, w *weights) {
	a := float32(w[0])
	for i, v := range h.feature[0][:len(dst)] {
		dst[i] = a * v
	}
	for j := 1; j < h.n; j++ {
		if w[j] == 0 {
			continue
		}
		a := float32(w[j])
		for i, v := range h.feature[j][:len(dst)] {
			dst[i] += a * v
		}
	}
}

// sumColumns is sum for rows of width len(ws), with weights for each column.
func (h *history) sumColumns(dst []float32, ws []weights) {
	clear(dst)
	u := len(ws)
	for j := range h.n {
		f := h.feature[j]
		for i := 0; i < len(dst); i += u {
			for c := range ws {
				dst[i+c] += float32(ws[c][j]) * f[i+c]
			}
		}
	}
}
