package basepolicy

// ChunkInfo is what planning a chunk took.
type ChunkInfo struct {
	Steps         int     // denoising steps; 0 for a policy that has none
	Calls         float32 // of the network; a part of it counts as a part of a call
	Accepted      int     // steps at which a forecast took a call's place
	Rejected      int     // forecasts that were found wanting, so that a call was made
	ForecastError float32 // mean relative L2 error of the forecasts that could be compared with a call; 0 without any
	Execute       int     // at most so many actions of the chunk should be executed, because its forecasts were off; 0 = no such bound
}

// Reporter is implemented by chunk policies that know what their last chunk took.
type Reporter interface {
	ChunkInfo() ChunkInfo
}

// chunkInfo is what p's last chunk took, or nothing.
func chunkInfo(p ChunkPolicy) ChunkInfo {
	if r, ok := p.(Reporter); ok {
		return r.ChunkInfo()
	}
	return ChunkInfo{}
}

// limit is how many actions are executed of a chunk that would give most.
func (i ChunkInfo) limit(least, most int) int {
	if i.Execute == 0 {
		return most
	}
	return max(least, min(i.Execute, most))
}
