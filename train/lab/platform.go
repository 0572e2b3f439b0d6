package lab

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"math"
	"os"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"

	"korr/internal/seed"
	"korr/sim"
	"korr/sim/mujoco"
	"korr/train/unit"
)

// Platform is what decides the bits of this process's outcomes: its program, its physics, and what the processor and
// the libraries of this machine make of a fixed calculation.
func Platform() (unit.Platform, error) {
	build, err := buildID()
	if err != nil {
		return unit.Platform{}, err
	}
	h := sha256.New()
	for _, name := range sim.TaskNames() {
		if print, err := mujoco.Fingerprint(name); err == nil {
			fmt.Fprintln(h, name, print)
		}
	}
	arithmetic, err := probe()
	return unit.Platform{Build: build, Simulator: digits(h), Arithmetic: arithmetic}, err
}

func digits(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil))[:12] }

// buildID is the linker's hash of what the program was made of, of an ELF file; of others a hash of the file.
func buildID() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	if f, err := elf.Open(path); err == nil {
		defer f.Close()
		if s := f.Section(".note.go.buildid"); s != nil {
			id, err := s.Data()
			h.Write(id)
			return digits(h), err
		}
	}
	text, err := os.ReadFile(path)
	h.Write(text)
	return digits(h), err
}

// probe hashes what training and simulating depend on and what differs between processors and versions of libraries:
// matrix products, the elementary functions, and a second of simulated contact.
func probe() (string, error) {
	h := sha256.New()
	put := func(v any) { _ = binary.Write(h, binary.LittleEndian, v) } // a hash takes everything
	rng := seed.Stream(1, "platform", 0)
	matrix := func(rows, cols int) blas32.General {
		m := blas32.General{Rows: rows, Cols: cols, Stride: cols, Data: make([]float32, rows*cols)}
		for i := range m.Data {
			m.Data[i] = float32(rng.NormFloat64())
		}
		return m
	}
	for _, n := range [][3]int{{128, 96, 128}, {16, 128, 7}, {1, 300, 32}} {
		a, b, c := matrix(n[0], n[1]), matrix(n[1], n[2]), matrix(n[0], n[2])
		blas32.Gemm(blas.NoTrans, blas.NoTrans, 1, a, b, 0, c)
		put(c.Data)
		blas32.Gemm(blas.Trans, blas.NoTrans, 1, a, c, 0, b)
		put(b.Data)
	}
	for range 256 {
		x := rng.NormFloat64()
		put([]float64{math.Exp(x), math.Tanh(x), math.Sin(x), math.Cos(x), math.Log(math.Abs(x)), math.Sqrt(math.Abs(x))})
	}
	if err := probeSimulator(put); err != nil && !errors.Is(err, sim.ErrNoEngine) {
		return "", fmt.Errorf("simulator: %w", err)
	}
	return digits(h), nil
}

// probeSimulator moves the arm down to the table for a second.
func probeSimulator(put func(any)) error {
	env, err := mujoco.New(mujoco.Config{Task: "one_leg", Randomness: sim.Low})
	if err != nil {
		return err
	}
	defer env.Close()
	spec := env.Spec()
	obs, act := make([]float32, spec.ObsDim), make([]float32, spec.ActDim)
	if err := env.Reset(obs, 1); err != nil {
		return err
	}
	copy(act, obs[:min(len(act), len(obs))])
	for i := range sim.ControlHz {
		act[2] = obs[2] - 0.02*float32(i%3)
		if _, err := env.Step(obs, act); err != nil {
			return err
		}
		put(obs)
	}
	return nil
}
