// Package golden pins what acts and what is learned, bit for bit. It has tests only.
//
// Every test runs a piece of the program and compares a hash of the bits of its numbers with one in testdata. A change
// that must not change behaviour passes unchanged. A change that does writes the files anew, and its commit says why:
//
//	go test -tags "mujoco openblas" ./train/golden -update -long
//
// Each file depends on one thing more than those before it:
//
//	ticks.json     controllers of small random policies, one for every class (testdata/policies)
//	rollouts.json  what the trainers' networks read in an episode of a toy world
//	training.json  the weights after short trainings in the toy world
//	shipped.json   controllers of the shipped policies
//	eval.json      episodes of the shipped policies in the simulator
//	pushed.json    the same with pushes
//	long.json      both, 40 episodes each (with -long)
//
// The numbers are those of the pure Go networks on a processor with AVX2 and FMA: nothing here imports OpenBLAS. Other
// processors skip the tests.
package golden
