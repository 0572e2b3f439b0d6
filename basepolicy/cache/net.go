package cache

// Shape are a network's sizes.
type Shape struct {
	Horizon  int // H
	ActDim   int // U
	MaxBatch int
}

// Net is a denoiser that calls its network every time, and what a cache must know of
// it.
type Net interface {
	// Begin announces a run over n chunks at the given diffusion steps.
	Begin(steps []int, n int)
	// PredictTo writes the output [n*H*U] for the noisy chunks x [n*H*U] at the i-th
	// announced step, under observations cond [n*D].
	PredictTo(dst, x, cond []float32, i int)
	Shape() Shape
	Parts() Parts
}

// Parts are a network's insides; nil where its kind has none.
type Parts struct {
	Steps  Steps
	Tail   Tail
	Stream Stream
	Blocks Blocks
}

// Steps embeds diffusion steps.
type Steps interface {
	EmbedDim() int
	EmbedTo(dst []float32, step int)
}

// Tail is the last block of a network and what follows it.
type Tail interface {
	TailDim() int       // values of a chunk that the last block reads
	TailShare() float64 // of a call's work
	// TailInputTo writes what the last block read in the last PredictTo [n*TailDim].
	TailInputTo(dst []float32)
	// TailTo writes the output for that input at the i-th announced step.
	TailTo(dst, input, cond []float32, i int)
}

// Stream is a residual stream of a row for every action.
type Stream interface {
	StreamDim() int     // H times the width
	HeadShare() float64 // of a call's work, of what HeadTo does
	// StreamTo writes the sum of all blocks' residuals in the last PredictTo [n*StreamDim].
	StreamTo(dst []float32)
	// HeadTo writes the output for x with that sum at the i-th announced step.
	HeadTo(dst, stream, x, cond []float32, i int)
}

// Blocks are a network of residual units, attentions and feed-forwards in turn.
type Blocks interface {
	Units() int
	UnitShare() (attention, feedForward, rest float64) // of a call's work: of one unit each, and of what is no unit
	UnitDim() int                                      // values of a chunk that a unit adds
	// BlocksTo is PredictTo with the fresh units computed, and what they add written to
	// kept [units][n*UnitDim]; the others add what is there.
	BlocksTo(dst, x, cond []float32, i int, fresh []bool, kept [][]float32)
}
