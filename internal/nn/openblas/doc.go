// Package openblas makes package nn fast by linking OpenBLAS. Importing it for
// its side effect, under the build tag openblas, registers OpenBLAS (on one
// thread) with gonum's blas32 and blas64, and replaces nn's element loops by
// vectorised ones in C. Without the tag it is empty and nothing needs cgo.
//
// On Debian the library is in the package libopenblas-dev.
package openblas
