//go:build !amd64

package nn

func dense(y, w, x []float32, rectify bool) { denseAnywhere(y, w, x, rectify) }
