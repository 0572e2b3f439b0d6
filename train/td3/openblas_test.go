//go:build openblas

package td3

// Run this package's tests against OpenBLAS and the vectorised loops too.
import _ "korr/internal/nn/openblas"
