// Package nn holds the float32 networks of the project: multilayer perceptrons
// with hand-derived gradients, AdamW, gradient clipping and Polyak averaging.
//
// Matrices are row-major; a batch is [n, width]. A linear layer computes
//
//	y = x W^T + b,  dx = dy W,  dW += dy^T x,  db += sum over rows of dy
//
// with W [out, in] as PyTorch lays it out. Hidden layers apply ReLU, optionally
// after a layer norm without affine parameters (Ba et al. 2016, arXiv
// 1607.06450, eps 1e-5).
//
// An MLP owns parameters, a Tape the activations of one batch, an Evaluator
// the scratch of batch-1 inference. Parameters of one MLP lie in one slab, so
// the optimiser runs over long contiguous ranges. Nothing allocates after
// construction.
//
// Products go through gonum's blas32. The sub-package openblas, under the
// build tag of that name, registers OpenBLAS and vectorised element loops.
package nn
