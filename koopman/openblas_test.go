//go:build openblas

package koopman_test

// Run this package's tests against OpenBLAS and the vectorised loops too.
import _ "korr/internal/nn/openblas"
