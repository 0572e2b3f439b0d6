package bench

import "log/slog"

// Options say how often to measure, and beside which peer.
type Options struct {
	Rounds int
	Seed   uint64       // of weights and inputs
	Python string       // interpreter that imports torch; empty for no peer
	Log    *slog.Logger // tells when there is no peer
}
