package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"korr/configs"
	"korr/internal/layout"
	"korr/sim"
	"korr/sim/mujoco"
	"korr/sim/mujoco/render"
)

// checks lists what doctor looks at.
func checks() []check {
	return []check{
		{"simulator", true, false, checkSimulator},
		{"linear algebra", false, false, checkBLAS},
		{"pictures", false, false, checkPictures},
		{"shipped weights", true, true, checkWeights},
		{"cores", false, true, checkCores},
		{"clock", true, true, checkClock},
		{"network", true, true, checkLoopback},
		{"output folder", true, true, checkOutput},
	}
}

func checkSimulator(_ context.Context, a *app) finding {
	env, err := mujoco.New(mujoco.Config{Task: a.Config.Sim.Task})
	if errors.Is(err, sim.ErrNoEngine) {
		fix := "install libmujoco-dev (Debian 12+, Ubuntu 23.04+), then rebuild with `make build`"
		if _, err := os.Stat("/usr/include/mujoco/mujoco.h"); err == nil {
			fix = "MuJoCo is installed; rebuild with `make build`"
		}
		return finding{false, "this binary was built without MuJoCo", fix}
	}
	if err != nil {
		return finding{false, err.Error(), "reinstall libmujoco-dev and rebuild with `make build`"}
	}
	defer env.Close()
	obs, act := make([]float32, env.Spec().ObsDim), make([]float32, env.Spec().ActDim)
	if err := env.Reset(obs, a.Config.Seed); err != nil {
		return finding{false, err.Error(), "reinstall libmujoco-dev and rebuild with `make build`"}
	}
	copy(act, obs[:layout.Tool]) // stay where the arm is
	const steps = 100
	start := time.Now()
	for range steps {
		if _, err := env.Step(obs, act); err != nil {
			return finding{false, err.Error(), "report this as a bug, with the output of `korr doctor --json`"}
		}
	}
	return finding{true, fmt.Sprintf("MuJoCo, %s: %.0f control steps/s on one core", a.Config.Sim.Task, steps/time.Since(start).Seconds()), ""}
}

func checkPictures(context.Context, *app) finding {
	r, err := render.Open(64, 48)
	switch {
	case errors.Is(err, render.ErrNoEngine):
		return finding{false, "this binary was built without MuJoCo", "as for the simulator"}
	case err != nil:
		return finding{false, err.Error(), "apt-get install libosmesa6"}
	}
	defer r.Close()
	return finding{true, r.Backend(), ""}
}

func checkBLAS(context.Context, *app) finding {
	if withOpenBLAS {
		return finding{true, "OpenBLAS", ""}
	}
	return finding{false, "gonum's own kernels: training is 6-8 times slower", "install libopenblas-dev, then rebuild with `make build`"}
}

func checkWeights(_ context.Context, a *app) finding {
	task := a.Config.Sim.Task
	var have, lack []string
	for _, name := range []string{"base", "koopman", "resip", "korr"} {
		if slices.Contains(configs.ShippedWeights(), task+"/"+name) {
			have = append(have, name)
		} else {
			lack = append(lack, name)
		}
	}
	if len(lack) > 0 {
		return finding{
			false, task + " lacks " + strings.Join(lack, ", "),
			"use a complete checkout (configs/weights) and rebuild, or train: korr collect, korr train base, koopman, residual",
		}
	}
	return finding{true, task + ": " + strings.Join(have, ", "), ""}
}

func checkCores(context.Context, *app) finding {
	n := runtime.GOMAXPROCS(0)
	f := finding{n >= 2, fmt.Sprintf("%d usable", n), ""}
	if !f.ok {
		f.fix = "two cores keep the control loop apart from everything else; on a shared machine raise the quota"
	}
	return f
}

// checkClock measures how late a sleeping goroutine wakes, which bounds the jitter of the control loop.
func checkClock(ctx context.Context, _ *app) finding {
	const (
		ticks  = 60
		period = 5 * time.Millisecond
		bound  = 10 * time.Millisecond // a tenth of the control period
	)
	late := make([]time.Duration, 0, ticks)
	next := time.Now()
	for range ticks {
		next = next.Add(period)
		select {
		case <-time.After(time.Until(next)):
		case <-ctx.Done():
			return finding{false, "interrupted", ""}
		}
		late = append(late, time.Since(next))
	}
	slices.Sort(late)
	p99 := late[len(late)*99/100]
	return finding{
		p99 < bound, fmt.Sprintf("wakes %v late (median), %v (99 %%)", late[len(late)/2].Round(time.Microsecond), p99.Round(time.Microsecond)),
		"the machine is overloaded or a slow virtual one: end other work, pin korr to a core, use a low-latency kernel",
	}
}

func checkLoopback(context.Context, *app) finding {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return finding{false, err.Error(), "ROS nodes talk over TCP: allow listening on 127.0.0.1"}
	}
	defer l.Close()
	return finding{true, "can listen on 127.0.0.1", ""}
}

func checkOutput(context.Context, *app) finding {
	f, err := os.CreateTemp(".", ".korr-doctor-*")
	if err != nil {
		return finding{false, err.Error(), "run korr in a folder you may write to, or name one with --out"}
	}
	defer os.Remove(f.Name())
	defer f.Close()
	return finding{true, "writable", ""}
}
