package nn

import "math"

func mul(dst, src []float32) {
	src = src[:len(dst)]
	for i, v := range src {
		dst[i] *= v
	}
}

// mish: with e = e^x and w = e (e + 2), tanh(log(1 + e)) is w / (w + 2) and its
// derivative by x is 4 e (1 + e) / (w + 2)^2. Beyond 20 it is 1 to all digits.
func mish(y, d, x []float32) {
	for i, v := range x {
		e := math.Exp(math.Min(float64(v), 20))
		w := e * (e + 2)
		if d != nil {
			d[i] = float32(w/(w+2) + float64(v)*4*e*(1+e)/((w+2)*(w+2)))
		}
		y[i] = float32(float64(v) * w / (w + 2))
	}
}

func silu(y, d, x []float32) {
	for i, v := range x {
		s := 1 / (1 + math.Exp(-float64(v)))
		if d != nil {
			d[i] = float32(s * (1 + float64(v)*(1-s)))
		}
		y[i] = float32(float64(v) * s)
	}
}

func affine(y, x, w, b []float32) {
	for at := 0; at < len(x); at += len(w) {
		row, out := x[at:at+len(w)], y[at:at+len(w)]
		for j, v := range row {
			out[j] = w[j]*v + b[j]
		}
	}
}

func affineGrad(g, x, w, dw, db []float32) {
	for at := 0; at < len(g); at += len(w) {
		row, in := g[at:at+len(w)], x[at:at+len(w)]
		for j, v := range row {
			dw[j] += v * in[j]
			db[j] += v
			row[j] = v * w[j]
		}
	}
}

func groupNorm(x, rstd []float32, rows, width int) {
	groups := len(rstd) * rows * width / len(x)
	group := width / groups
	n := float64(rows * group)
	for k := range rstd {
		part := x[k/groups*rows*width+k%groups*group:]
		var mean, sq float64
		for at := 0; at < rows*width; at += width {
			mean += float64(sum(part[at : at+group]))
		}
		mean /= n
		for at := 0; at < rows*width; at += width {
			for _, v := range part[at : at+group] {
				sq += (float64(v) - mean) * (float64(v) - mean)
			}
		}
		scale := 1 / math.Sqrt(sq/n+normEps)
		rstd[k] = float32(scale)
		for at := 0; at < rows*width; at += width {
			row := part[at : at+group]
			for j, v := range row {
				row[j] = float32((float64(v) - mean) * scale)
			}
		}
	}
}

// groupNormGrad: rstd (g - mean(g) - hat mean(g hat)) over every group.
func groupNormGrad(g, hat, rstd []float32, rows, width int) {
	groups := len(rstd) * rows * width / len(g)
	group := width / groups
	n := float32(rows * group)
	for k, r := range rstd {
		first := k/groups*rows*width + k%groups*group
		part, h := g[first:], hat[first:]
		var sg, sgh float32
		for at := 0; at < rows*width; at += width {
			for j, v := range part[at : at+group] {
				sg += v
				sgh += v * h[at+j]
			}
		}
		sg, sgh = sg/n, sgh/n
		for at := 0; at < rows*width; at += width {
			row := part[at : at+group]
			for j, v := range row {
				row[j] = r * (v - sg - h[at+j]*sgh)
			}
		}
	}
}
