//go:build mujoco

package mujoco

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"korr/sim"
)

// displaced is how far (m) the initial push moved each part in the plane, sorted over the episodes; +Inf where the
// episode could not begin. published leaves out this model's calibrated shares of the multipliers.
func displaced(t *testing.T, task string, level sim.Randomness, published bool, episodes uint64) [][]float64 {
	t.Helper()
	e := open(t, Config{Task: task, Randomness: level})
	if published {
		for i := range e.task.Parts {
			e.task.Parts[i].PushForce, e.task.Parts[i].PushTorque = 1, 1
		}
	}
	obs := make([]float32, e.spec.ObsDim)
	out := make([][]float64, len(e.task.Parts))
	for s := range episodes {
		err := e.Reset(obs, s)
		for i := range out {
			d := e.poses[i].P.Sub(NominalPose(&e.task.Parts[i]).P)
			way := math.Hypot(d[0], d[1])
			if err != nil {
				way = math.Inf(1)
			}
			out[i] = append(out[i], way)
		}
	}
	for i := range out {
		slices.Sort(out[i])
	}
	return out
}

// momentum is the published mean displacement (m) as momentum and friction predict it for a part that slides without
// turning or touching anything: its force for one simulation substep of 1/120 s, friction 0.125 between part and table.
func momentum(p *sim.Part, force float64) (mean float64) {
	const (
		n        = 1000
		substep  = 1. / 120
		friction = 0.125 * gravity
	)
	for k := range n {
		if v := (force*p.ForceMul*(float64(k)+0.5)/n/p.Mass - friction) * substep; v > 0 {
			mean += v * v / (2 * friction) / n
		}
	}
	return mean
}

func mean(x []float64) (m float64) {
	for _, v := range x {
		m += v / float64(len(x))
	}
	return m
}

// TestDisplacement measures the initial displacement of every part; with -long it prints the table of
// docs/simulator.md. At low, where a part meets no other, one with the published impulse goes as far as the published
// simulator's momentum predicts, within a factor of two; a calibrated part stays within 0.4 m.
func TestDisplacement(t *testing.T) {
	episodes := uint64(30)
	if *long {
		episodes = 200
	}
	for _, name := range sim.TaskNames() {
		parts := task(t, name).Parts
		rows := make([]string, len(parts))
		for _, level := range []sim.Randomness{sim.Low, sim.Med, sim.High} {
			here := displaced(t, name, level, false, episodes)
			var there [][]float64
			if *long {
				there = displaced(t, name, level, true, episodes)
			}
			l, err := level.Level()
			if err != nil {
				t.Fatal(err)
			}
			for i := range here {
				p := &parts[i]
				want := momentum(p, l.Force)
				if *long {
					rows[i] += fmt.Sprintf(" %s | %s | %s |", mm(want), mm(mean(there[i]), there[i][episodes*95/100]),
						mm(mean(here[i]), here[i][episodes*95/100]))
				}
				calibrated := p.PushForce != 0 || p.PushTorque != 0
				if far := here[i][episodes-1]; calibrated && far > 0.4 {
					t.Errorf("%s, %s: %s went %.0f mm", name, level, p.Name, 1e3*far)
				}
				if level == sim.Low && !calibrated && want > 0.001 && (mean(here[i]) < want/2 || mean(here[i]) > 2*want) {
					t.Errorf("%s, %s: %s goes %.1f mm on average, published about %.1f", name, level, p.Name,
						1e3*mean(here[i]), 1e3*want)
				}
			}
		}
		for i := range parts {
			if *long {
				t.Logf("| %s %s |%s", name, parts[i].Name, rows[i])
			}
		}
	}
}

// mm prints lengths (m) in mm, with three digits or so.
func mm(lengths ...float64) string {
	var out []string
	for _, l := range lengths {
		digits := 1
		if l >= 0.1 {
			digits = 0
		}
		out = append(out, strconv.FormatFloat(1e3*l, 'f', digits, 64))
	}
	return strings.Join(out, ", ")
}
