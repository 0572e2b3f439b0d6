// Package diffusion holds base policies that draw a chunk of actions by
// denoising (Chi et al. 2023, arXiv 2303.04137).
//
// A chunk x_0 [H, U] of normalised actions is noised over K steps,
//
//	x_k = sqrt(a_k) x_0 + sqrt(1 - a_k) e,  e ~ N(0, 1),
//
// with a_k the product of 1 - beta up to k (a Schedule). A network sees x_k, k and
// the normalised observation and predicts e, x_0 or v = sqrt(a_k) e -
// sqrt(1 - a_k) x_0. A Sampler runs that backwards from noise on a subset of the
// steps: DDPM (Ho et al. 2020, arXiv 2006.11239), DDIM (Song et al. 2021, arXiv
// 2010.02502) or DPM-Solver++(2M) (Lu et al. 2022, arXiv 2211.01095).
//
// The networks are the published conditional UNet over time, with the published
// parameter names; a residual MLP; and a transformer with adaptive layer norm
// (Peebles and Xie 2023, arXiv 2212.09748). All are float32, channels last.
//
// A Sampler reaches its network through the interface Denoiser, so that a cache
// can stand between them. Policy joins everything and is a basepolicy.Policy.
package diffusion
