package nn

import "math"

// SinusoidalTo writes the embedding of position x (Vaswani et al. 2017, arXiv
// 1706.03762) to dst, of even length 2h, h > 1: sin(x f_i), then cos(x f_i), with
// frequencies f_i = 10000^(-i/(h-1)).
//
// Phases are rounded to single precision, as published networks were trained with
// them: at step 90 that moves them by some 1e-6.
func SinusoidalTo(dst []float32, x float32) {
	h := len(dst) / 2
	rate := float32(-math.Log(10000) / float64(h-1))
	for i := range h {
		f := float32(math.Exp(float64(float32(i) * rate)))
		s, c := math.Sincos(float64(x * f))
		dst[i], dst[h+i] = float32(s), float32(c)
	}
}
