package cache

import "math"

// bands splits chunks [H, width] along the horizon by the orthonormal cosine
// transform (DCT-II); the lowest rows of it are low.
type bands struct {
	basis []float64 // [low, H]
	h     int
	coef  []float32 // [width]
}

func newBands(horizon int, cutoff float64, width int) *bands {
	low := int(math.Ceil(cutoff * float64(horizon)))
	b := &bands{basis: make([]float64, low*horizon), h: horizon, coef: make([]float32, width)}
	n := float64(horizon)
	for i := range low {
		scale := math.Sqrt(2 / n)
		if i == 0 {
			scale = math.Sqrt(1 / n)
		}
		for t := range horizon {
			b.basis[i*horizon+t] = scale * math.Cos(math.Pi*(float64(t)+0.5)*float64(i)/n)
		}
	}
	return b
}

// addLow adds a times the low frequencies of every chunk in x to dst.
func (b *bands) addLow(dst, x []float32, a float32) {
	width := len(b.coef)
	for at := 0; at < len(x); at += b.h * width {
		for i := 0; i < len(b.basis); i += b.h {
			row := b.basis[i : i+b.h]
			clear(b.coef)
			for t, c := range row {
				for j, v := range x[at+t*width:][:width] {
					b.coef[j] += float32(c) * v
				}
			}
			for t, c := range row {
				out := dst[at+t*width:][:width]
				for j, v := range b.coef {
					out[j] += a * float32(c) * v
				}
			}
		}
	}
}
