package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"korr/cmd/internal/robotcmd"
	"korr/internal/layout"
	"korr/sim"
	"korr/sim/mujoco"
	"korr/sim/mujoco/render"
)

// checks lists what doctor looks at before what the control loop needs.
func (a *app) checks() []robotcmd.Check {
	return []robotcmd.Check{
		{Name: "simulator", Needed: true, Run: a.checkSimulator},
		{Name: "linear algebra", Run: checkBLAS},
		{Name: "pictures", Run: checkPictures},
	}
}

func (a *app) checkSimulator(context.Context) robotcmd.Finding {
	env, err := mujoco.New(mujoco.Config{Task: a.Config.Sim.Task})
	if errors.Is(err, sim.ErrNoEngine) {
		fix := "install libmujoco-dev (Debian 12+, Ubuntu 23.04+), then rebuild with `make build`"
		if _, err := os.Stat("/usr/include/mujoco/mujoco.h"); err == nil {
			fix = "MuJoCo is installed; rebuild with `make build`"
		}
		return robotcmd.Missing("this binary was built without MuJoCo", fix)
	}
	if err != nil {
		return robotcmd.Missing(err.Error(), "reinstall libmujoco-dev and rebuild with `make build`")
	}
	defer env.Close()
	obs, act := make([]float32, env.Spec().ObsDim), make([]float32, env.Spec().ActDim)
	if err := env.Reset(obs, a.Config.Seed); err != nil {
		return robotcmd.Missing(err.Error(), "reinstall libmujoco-dev and rebuild with `make build`")
	}
	copy(act, obs[:layout.Tool]) // stay where the arm is
	const steps = 100
	start := time.Now()
	for range steps {
		if _, err := env.Step(obs, act); err != nil {
			return robotcmd.Missing(err.Error(), "report this as a bug, with the output of `korr doctor --json`")
		}
	}
	return robotcmd.Found(fmt.Sprintf("MuJoCo, %s: %.0f control steps/s on one core", a.Config.Sim.Task,
		steps/time.Since(start).Seconds()))
}

func checkPictures(context.Context) robotcmd.Finding {
	r, err := render.Open(64, 48)
	switch {
	case errors.Is(err, render.ErrNoEngine):
		return robotcmd.Missing("this binary was built without MuJoCo", "as for the simulator")
	case err != nil:
		return robotcmd.Missing(err.Error(), "apt-get install libosmesa6")
	}
	defer r.Close()
	return robotcmd.Found(r.Backend())
}

func checkBLAS(context.Context) robotcmd.Finding {
	if withOpenBLAS {
		return robotcmd.Found("OpenBLAS")
	}
	return robotcmd.Missing("gonum's own kernels: training is 6-8 times slower",
		"install libopenblas-dev, then rebuild with `make build`")
}
