// Package seed derives independent random streams from one run seed.
//
// A stream is named by (seed, purpose, index): the seed of the run, what the
// numbers are for ("eval", "init", "noise") and which environment, episode or
// worker draws them. The triple is hashed before it seeds a PCG generator,
// because streams of neighbouring or shifted seeds are correlated otherwise.
package seed

import "math/rand/v2"

// FNV-1a, 64 bit.
const (
	fnvOffset = 0xcbf29ce484222325
	fnvPrime  = 0x100000001b3
)

// Stream returns the generator of (seed, purpose, index). Equal triples give
// equal streams on every platform; the generator is not safe for concurrent
// use, so every goroutine takes its own.
func Stream(seed uint64, purpose string, index uint64) *rand.Rand {
	h := Hash(seed, purpose, index)
	return rand.New(rand.NewPCG(h, mix(h^0xd1b54a32d192ed03)))
}

// Hash maps the triple to 64 well mixed bits. It is the first half of the
// state of Stream, for callers that need a plain number.
func Hash(seed uint64, purpose string, index uint64) uint64 {
	h := uint64(fnvOffset)
	for i := 0; i < len(purpose); i++ {
		h = (h ^ uint64(purpose[i])) * fnvPrime
	}
	return mix(mix(mix(seed)^h) + mix(^index))
}

// mix is the finaliser of splitmix64 (Steele, Lea and Flood 2014): a bijection
// on 64 bits in which every input bit reaches every output bit.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}
