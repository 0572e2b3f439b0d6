//go:build openblas

package nn_test

// Run this package's tests against the vectorised loops and OpenBLAS too.
import _ "korr/internal/nn/openblas"
