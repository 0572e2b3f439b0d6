// Package samplers compares samplers and caches on trained diffusion policies: network calls and time for a chunk, how
// far its chunks are from those of a reference, and with episodes the success on paired seeds and the jumps at the
// chunks' borders.
package samplers
