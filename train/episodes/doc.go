// Package episodes is the bookkeeping that the learners of residuals (train/ppo, train/td3) share: where episodes get
// their seeds, and how a raw observation becomes the network input x = [x_o, u_b, lead, phase] of residual.Encoder.
package episodes
