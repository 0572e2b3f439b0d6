//go:build openblas

package main

import _ "korr/internal/nn/openblas" // registers OpenBLAS with gonum

// withOpenBLAS says that products run through OpenBLAS.
const withOpenBLAS = true
