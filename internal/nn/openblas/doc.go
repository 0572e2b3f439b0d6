// Package openblas makes package nn fast by linking OpenBLAS. Importing it for
// its side effect, under the build tag openblas, registers OpenBLAS (on one
// thread) with gonum's blas32 and blas64, and replaces nn's element loops by
// vectorised ones in C. On processors with AVX-512 the products of a training
// step's size are computed here too: twice as fast as with OpenBLAS's kernels
// for AVX2, which it takes there more often than it should. Without the tag the
// package is empty and nothing needs cgo.
//
// On Debian the library is in the package libopenblas-dev.
package openblas
