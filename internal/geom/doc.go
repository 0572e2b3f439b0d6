// Package geom holds the rotations and rigid poses of the project: float64
// inside, float32 slices where observations and actions meet it.
//
// Conventions. Quaternions are (x, y, z, w); the sign is fixed by w >= 0
// wherever one is stored. Matrices are row-major and act on column vectors.
// The 6D rotation is the first two rows of the matrix, row-major (Zhou et al.
// 2019, arXiv 1812.07035, in PyTorch3D's layout); it is turned back by
// Gram-Schmidt. Lengths are metres, angles radians.
package geom
