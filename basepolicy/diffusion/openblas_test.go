//go:build openblas

package diffusion

// Run this package's tests against the vectorised loops and OpenBLAS too.
import _ "korr/internal/nn/openblas"
