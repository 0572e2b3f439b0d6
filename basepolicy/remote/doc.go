// Package remote is a base policy that another process computes: a server in openpi's protocol (github.com/
// Physical-Intelligence/openpi), which is how policies of Python, vision-language-action models among them, are served.
//
// The protocol is WebSocket without compression. After connecting the server sends a dictionary, its metadata; then for
// every observation dictionary that it gets, it sends a dictionary with the key "actions". Both are msgpack in binary
// frames. A text frame is the server's error. An array is a dictionary with the keys (bytes) __ndarray__, data, dtype
// and shape.
//
// An observation holds, float32:
//
//	observation.state              [16]     the arm's state (package sim has units and frames)
//	observation.environment_state  [7 P]    the parts' poses: position, quaternion x y z w
//	observation.features           [F]      the task's features, only where the metadata ask for them
//	prompt                                  the task, text
//
// The answer's "actions" are [H, 10] in raw units, float32 or float64. A server whose metadata have korr.batch = N
// above one gets up to N observations at once: every array has a leading dimension, and so have the actions. What the
// metadata may hold under "korr" is in Metadata; a server that knows nothing of korr needs none of it.
//
// A Policy is opened with a probe, which tells the horizon and lets a server compile its network. Its requests have a
// deadline each. A server that does not answer in time, or is gone, makes an error that wraps basepolicy.ErrLate: the
// arm holds, and goes on only when it is told to. An answer that is wrong (a shape, a number that is not finite, no
// msgpack, more than MaxAnswer) is an error that ends the episode.
package remote
