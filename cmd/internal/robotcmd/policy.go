package robotcmd

import (
	"fmt"
	"strings"

	"korr/basepolicy/acting"
	"korr/cmd/internal/cli"
	"korr/configs"
	"korr/internal/tensorfile"
	"korr/residual"
)

// CacheUsage explains a flag that several verbs have.
const CacheUsage = "how a diffusion base saves network calls, `NAME[:key=value,...]`; " +
	"none = not at all (default: the checkpoint's own)"

// OpenWeights reads a checkpoint: a path that ends in .safetensors, else the name of shipped weights with or without the task
// before it; task is for a name without.
func OpenWeights(name, task string) (*tensorfile.File, error) {
	if strings.HasSuffix(name, ".safetensors") {
		return tensorfile.Read(name)
	}
	policy := name
	if t, p, ok := strings.Cut(name, "/"); ok {
		task, policy = t, p
	}
	b, err := configs.Weights(task, policy)
	if err != nil {
		return nil, fmt.Errorf("%w; a checkpoint's path ends in .safetensors", err)
	}
	return tensorfile.Decode(b)
}

// LoadPolicy reads a residual policy of the task, or wraps a base policy into one that acts alone.
func LoadPolicy(name, task string, how *acting.Config) (*residual.Policy, error) {
	f, err := OpenWeights(name, task)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", name, err)
	}
	p, err := residual.LoadEither(f, how.Execute)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", name, err)
	}
	if p.Base, err = how.Apply(p.Base); err != nil {
		return nil, cli.Usage(err)
	}
	if p.Task != task {
		return nil, cli.UsageErrorf("policy %s was trained for task %q, not %q", name, p.Task, task)
	}
	return p, nil
}
