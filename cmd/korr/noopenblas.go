//go:build !openblas

package main

// withOpenBLAS says that products run through gonum's own Go kernels.
const withOpenBLAS = false
