package pictures

import "slices"

// histogram counts colours in cells of 6 bits a channel and keeps the mean colour of every cell.
type histogram struct {
	cells map[uint32]*cell
}

type cell struct {
	n   int
	sum [3]int
	rgb [3]uint8
}

func key(p []uint8) uint32 { return uint32(p[0]>>2)<<12 | uint32(p[1]>>2)<<6 | uint32(p[2]>>2) }

func (h *histogram) add(p []uint8) {
	if h.cells == nil {
		h.cells = map[uint32]*cell{}
	}
	c := h.cells[key(p)]
	if c == nil {
		c = &cell{}
		h.cells[key(p)] = c
	}
	c.n++
	for k := range 3 {
		c.sum[k] += int(p[k])
	}
}

// palette chooses at most n colours by median cut: the box with the largest squared error along one channel is split at
// its mean there until there are n boxes; a box's colour is its mean.
func (h *histogram) palette(n int) [][3]uint8 {
	keys := make([]uint32, 0, len(h.cells))
	for k := range h.cells {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	all := make([]*cell, len(keys))
	for i, k := range keys {
		c := h.cells[k]
		for j := range 3 {
			c.rgb[j] = uint8(c.sum[j] / c.n)
		}
		all[i] = c
	}
	boxes := []box{measure(all)}
	for len(boxes) < n {
		worst := 0
		for i := range boxes {
			if boxes[i].spread > boxes[worst].spread {
				worst = i
			}
		}
		if boxes[worst].spread == 0 {
			break
		}
		a, b := boxes[worst].split()
		boxes[worst] = a
		boxes = append(boxes, b)
	}
	out := make([][3]uint8, len(boxes))
	for i, b := range boxes {
		for k := range 3 {
			out[i][k] = uint8(b.mean[k] + 0.5)
		}
	}
	return out
}

// box is a set of cells: their mean colour and the channel along which they differ most.
type box struct {
	cells   []*cell
	mean    [3]float64
	channel int
	spread  float64 // sum of squared differences from the mean along channel
}

func measure(cells []*cell) box {
	b := box{cells: cells}
	var n float64
	var sum, square [3]float64
	for _, c := range cells {
		w := float64(c.n)
		n += w
		for k := range 3 {
			v := float64(c.rgb[k])
			sum[k] += w * v
			square[k] += w * v * v
		}
	}
	for k := range 3 {
		b.mean[k] = sum[k] / n
		if s := square[k] - sum[k]*b.mean[k]; s > b.spread+1e-6*square[k] {
			b.spread, b.channel = s, k
		}
	}
	return b
}

// split parts the box at its mean. Its spread is positive, so neither side is empty.
func (b box) split() (lower, upper box) {
	k := b.channel
	slices.SortStableFunc(b.cells, func(x, y *cell) int { return int(x.rgb[k]) - int(y.rgb[k]) })
	at, _ := slices.BinarySearchFunc(b.cells, b.mean[k], func(c *cell, mean float64) int {
		if float64(c.rgb[k]) <= mean {
			return -1
		}
		return 1
	})
	return measure(b.cells[:at]), measure(b.cells[at:])
}

// nearest finds the palette's colour nearest to a pixel and remembers it for the pixel's cell.
type nearest struct {
	colours [][3]uint8
	known   map[uint32]int
}

func newNearest(colours [][3]uint8) *nearest {
	return &nearest{colours: colours, known: map[uint32]int{}}
}

func (n *nearest) index(p []uint8) int {
	if i, ok := n.known[key(p)]; ok {
		return i
	}
	best, at := 1<<30, 0
	for i, c := range n.colours {
		d := 0
		for k := range 3 {
			e := int(c[k]) - int(p[k])
			d += e * e
		}
		if d < best {
			best, at = d, i
		}
	}
	n.known[key(p)] = at
	return at
}
