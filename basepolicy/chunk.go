package basepolicy

// ChunkPolicy plans a whole chunk of actions from one observation. A value is used by one goroutine at a time.
type ChunkPolicy interface {
	// Horizon is H, the number of actions in a chunk.
	Horizon() int
	// ActDim is U, the width of one action.
	ActDim() int
	// Reset starts an episode: the random numbers follow from seed, and nothing of the last episode is left.
	Reset(seed uint64)
	// ChunkTo fills chunk (normalised, row-major [H*U]) from the normalised observation obs, given what is left of
	// the plan before. It must not keep a slice.
	ChunkTo(chunk, obs []float32, rest Rest) error
	// ChunkInfo is what the last chunk took.
	ChunkInfo() ChunkInfo
}

// Rest is what is left of the plan before when a chunk is drawn. The zero value is nothing, as after a Reset or Replan.
type Rest struct {
	// Actions [rows*U] are the actions that were not executed yet (normalised, row-major). The first was meant for
	// the chunk's first step.
	Actions []float32
	// Committed is how many of them, from the first on, will be executed whatever the chunk holds there, because it
	// is drawn beside the control loop. The others were intended.
	Committed int
}

// Stateless answers for a ChunkPolicy that draws no random numbers and remembers nothing. Embed it.
type Stateless struct{}

// Reset has nothing to forget.
func (Stateless) Reset(uint64) {}

// ChunkInfo is empty.
func (Stateless) ChunkInfo() ChunkInfo { return ChunkInfo{} }

// ChunkInfo is what planning a chunk took.
type ChunkInfo struct {
	Steps         int     // denoising steps; 0 for a policy that has none
	Calls         float32 // of the network; a part of it counts as a part of a call
	Accepted      int     // steps at which a forecast took a call's place
	Rejected      int     // forecasts that were found wanting, so that a call was made
	ForecastError float32 // mean relative L2 error of the forecasts that could be compared with a call; 0 without any
	// Execute is how many actions of the chunk should be executed at most, because its forecasts were off; 0 = no
	// such bound.
	Execute int
}

// limit is how many actions are executed of a chunk that would give most.
func (i ChunkInfo) limit(least, most int) int {
	if i.Execute == 0 {
		return most
	}
	return max(least, min(i.Execute, most))
}
