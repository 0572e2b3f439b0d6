package residual

import (
	"korr/basepolicy"
	"korr/koopman/filter"
)

// Info is what one tick of a [Controller] decided. Its slices are views of the controller's own buffers:
// they are valid until the next StepTo, Reset or Replan, and must not be written.
type Info struct {
	// Base is the base policy's normalised action u_b [ActDim].
	Base []float32
	// Residual is r [ActDim], in [-1, 1] when squashed; zeros when there is no head or the head failed.
	Residual []float32
	// Latent is z = phi(o) [LatentDim] and Predicted is z' = A z + B u_b; nil without a predictor, and Predicted where the
	// policy was folded (see Policy.Fold).
	Latent, Predicted []float32
	// Innovation is rms(z - z^), z^ being the last tick's prediction with the action then executed.
	// Innovated is false, and Innovation 0, when there is no such prediction (first tick, no predictor).
	Innovation float32
	Innovated  bool
	// Surprise is the innovation's calibrated score, 1 at the limit that demonstrations rarely exceed; 0 without a
	// calibrated model.
	Surprise float32
	// Phase is the position inside the base policy's chunk, in (0, 1]; 0 if the base has none.
	Phase float32
	// Chunk is what planning the chunk that the base action is from took; zero if the base does not tell.
	Chunk basepolicy.ChunkInfo
	// Parts is what is known of every part; nil where the policy acts on poses as they were seen.
	Parts []filter.Estimate
	// FellBack says that the residual was not finite and the base action was executed alone.
	FellBack bool
}
