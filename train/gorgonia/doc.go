// Package gorgonia computes the losses of train/ppo and koopman, and their
// gradients, with gorgonia's automatic differentiation.
//
// It is the second engine of a PPO run (NewEngine) and the oracle that the
// hand-derived gradients are held against in tests: Model for the Koopman
// losses over one and several steps, Engine for the whole loss of PPO. The
// optimiser is internal/nn's for both engines.
//
// A graph is built once for every batch size and run by a TapeMachine that
// watches for NaN. Weights are copied in before a run and gradients out after
// it. A matrix W [out, in] lies transposed in the graph, so that a layer is
// x W + 1 b; max(a, b) is a + relu(b - a); a selection or a concatenation is a
// product with ones and zeros.
//
// Graphs of one process are built one at a time: gorgonia's construction is not
// safe beside another.
package gorgonia
