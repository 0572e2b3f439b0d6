package residual

import (
	"korr/basepolicy"
	"korr/internal/tensorfile"
)

// LoadEither reads a residual's checkpoint or a base policy's, which it tells apart by their metadata. A base policy
// becomes one that acts alone and executes execute actions of a chunk, or all when a chunk has fewer.
func LoadEither(f *tensorfile.File, execute int) (*Policy, error) {
	if _, ok := f.Meta["policy"]; ok {
		return LoadFrom(f, nil)
	}
	base, err := basepolicy.LoadFrom(f, "")
	if err != nil {
		return nil, err
	}
	about := base.About()
	return &Policy{Method: MethodBase, Task: about.Origin.Task, Base: base, Execute: min(execute, about.Horizon)}, nil
}
