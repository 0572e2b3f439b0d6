// Package nn holds the float32 networks of the project, with hand-derived
// gradients: multilayer perceptrons and the layers of convolutional and attentive
// networks; AdamW, gradient clipping, Polyak and exponential averaging.
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
// A larger network is made of layers (Linear, Conv1d, ConvTranspose1d, GroupNorm,
// Attention, Activation, FiLM). A Builder lays their parameters out in one slab. A
// layer's pass holds one batch: Forward returns memory of the pass and keeps a
// reference to its input, Backward adds the parameters' gradients and returns that
// of the input, some in the memory of the gradient given. Sequences are channels
// last, [n, length, channels], so that the inputs under a convolution's kernel are
// neighbours and a convolution is one product; Param.Taps tells how its weights
// then lie. Gradient memory is made at the first Backward.
//
// Products go through gonum's blas32. The sub-package openblas, under the
// build tag of that name, registers OpenBLAS and vectorised element loops.
package nn
