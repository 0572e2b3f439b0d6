// Package imitation trains base policies from demonstrations: chunked
// behaviour cloning (TrainBase), diffusion policies (TrainDiffusion) and CARP
// (TrainCARP).
//
// From the normalised observation o_t the network predicts the next H clean
// actions of the demonstrator; past the episode's end the last action repeats.
// Cloned positions are relative to the tool's at t, those of step h in units of
// their root mean square (basepolicy.Relative).
// The loss is
//
//	L = mean |net(o_t) - [a_t, a_t+1, .. a_t+H-1]|   (L1, all elements alike)
//
// minimised by AdamW under a cosine schedule from LR to zero, on batches drawn
// uniformly with replacement from all frames. L1 with chunks follows Zhao et
// al. 2023 (arXiv 2304.13705).
//
// A diffusion policy's network learns by mean squared error to predict, from o_t
// and a chunk noised to a random step, the noise, the chunk or the velocity
// (Chi et al. 2023, arXiv 2303.04137); what acts is an exponential average of its
// weights. Its state is saved now and then, and a resumed run ends with the
// weights of an uninterrupted one.
//
// A run is bit-identical for equal demonstrations, configuration and BLAS. With
// Shards = 2 every batch is split over two goroutines, whose gradients are
// added in a fixed order: also reproducible, but rounded differently than one.
package imitation
