package episodes

import (
	"fmt"

	"korr/internal/memory"
	"korr/sim"
)

// NewBatch makes the environments in which a trainer collects, 0 to Envs-1, and steps them with so many workers. When
// one cannot be made, those before it are closed.
func (r *Recipe) NewBatch(newEnv func(i int) (sim.Env, error), workers int) (batch *sim.Batch, err error) {
	if err := memory.Check(memory.Need{
		Setting: "residual.envs", Value: r.Envs,
		Bytes: memory.Env * float64(r.Envs),
	}); err != nil {
		return nil, err
	}
	var envs []sim.Env
	defer func() {
		if err != nil {
			for _, e := range envs {
				_ = e.Close() // an error is on its way already
			}
		}
	}()
	for i := range r.Envs {
		e, err := newEnv(i)
		if err != nil {
			return nil, fmt.Errorf("environment %d: %w", i, err)
		}
		envs = append(envs, e)
	}
	return sim.NewBatch(envs, workers)
}
