// Package koopman learns and runs linear models of the lifted state.
//
// An observation o [D] is lifted to a latent z [L] in which the dynamics are
// linear and time-invariant (KORR, arXiv 2509.12562):
//
//	z = phi(o)  or  z = [o; phi(o)] (state-inclusive),   z' = A z + B u
//
// with phi an MLP, A [L, L], B [L, U] and u [U] the executed action. Every
// control-affine system has a bilinear Koopman realization, but not always a linear
// one (Bruder et al. 2021, arXiv 2010.09961); Config.Bilinear adds of it what matters
// where a hand takes hold, the gripper's command g:
//
//	z' = (A + g N) z + B u
//
// which is linear while the hand stays open or shut.
//
// The state-inclusive lift cannot collapse and reads the predicted observation off
// the first D coordinates. A, B and N start from a least-squares fit (EDMD with
// control: Williams et al. 2015, arXiv 1408.4408; Proctor et al. 2016, arXiv
// 1409.6358); phi, A, B and N are then trained on H-step predictions,
//
//	loss = 1/H sum over h of mean(zhat_h - z_h)^2,  zhat_0 = z_0,
//
// where, for the state-inclusive lift, the mean over the D raw coordinates
// counts with weight 1 and that over phi's with LatentWeight, and the first step
// with FirstWeight. The spectral radius of A, or of A + N and A - N, is kept at or
// below SpectralBound by moving the eigenvalues beyond it, and those alone.
//
// Observations and actions are normalised; the package knows neither units nor
// frames. Batches of windows are time-major: row h n + i is step h of window i.
package koopman
