package basepolicy

import (
	"fmt"
	"maps"
	"slices"

	"korr/internal/tensorfile"
)

// Policy is a base policy of any kind: what a checkpoint holds and a residual
// refines. Everything made of it shares its weights.
type Policy interface {
	// About returns what every kind has.
	About() About
	// NewChunker returns a ChunkPolicy with scratch of its own on the shared network.
	NewChunker() ChunkPolicy
	// SaveTo adds the policy to f with prefix before every tensor and metadata key;
	// the metadata prefix+"format" says what kind it is.
	SaveTo(f *tensorfile.File, prefix string) error
}

// About describes a Policy.
type About struct {
	Horizon int         // H, actions in a chunk
	Obs     *Normalizer // of raw observations (RawDim) to Dim D
	Act     *Normalizer // of raw actions, Dim U
	Origin  Origin
	// Features is how many of the task's features (sim.Features) the policy reads after the observation.
	Features int
	// Raw: the policy reads the raw observation too, at the end of its input.
	Raw bool
	// Waits: planning waits for something outside of this process, so several chunks are better planned at once.
	Waits bool
}

// ObsDim is D, the width of a normalised observation.
func (a About) ObsDim() int { return a.Obs.Dim() }

// InputDim is the width of what the policy reads: the normalised observation, the features and, if it reads that too,
// the raw observation.
func (a About) InputDim() int {
	n := a.Obs.Dim() + a.Features
	if a.Raw {
		n += a.Obs.RawDim()
	}
	return n
}

// ActDim is U, the width of an action.
func (a About) ActDim() int { return a.Act.Dim() }

// Loader reads what the SaveTo of a kind of policy added under prefix.
type Loader func(f *tensorfile.File, prefix string) (Policy, error)

// loaders are the kinds known, by the "format" of their metadata.
var loaders = map[string]Loader{}

func init() { Register(mlpFormat, LoadMLPFrom) }

// Register makes LoadFrom read another kind. It is for the init function of the
// kind's package and panics when the format is taken.
func Register[P Policy](format string, load func(f *tensorfile.File, prefix string) (P, error)) {
	if _, ok := loaders[format]; ok {
		panic("basepolicy: format " + format + " is registered twice")
	}
	loaders[format] = func(f *tensorfile.File, prefix string) (Policy, error) {
		p, err := load(f, prefix)
		if err != nil {
			return nil, err // not p: a nil pointer in the interface would not be nil
		}
		return p, nil
	}
}

// LoadFrom reads a policy of any registered kind that SaveTo added to f under
// prefix, Ensembled or not.
func LoadFrom(f *tensorfile.File, prefix string) (Policy, error) {
	got := f.Meta[prefix+"format"]
	load, ok := loaders[got]
	if !ok {
		return nil, fmt.Errorf("format is %q, want one of %q: not a base policy of this program", got,
			slices.Sorted(maps.Keys(loaders)))
	}
	p, err := load(f, prefix)
	if err != nil {
		return nil, err
	}
	return ensembledAs(p, f, prefix)
}

// Save writes a policy to a safetensors file, replacing it only when the new one
// is complete.
func Save(path string, p Policy) error {
	var f tensorfile.File
	if err := p.SaveTo(&f, ""); err != nil {
		return err
	}
	return tensorfile.Write(path, &f)
}

// Load reads a policy that Save wrote. It refuses a file that is truncated, of an
// unknown kind, mis-shaped or not finite.
func Load(path string) (Policy, error) {
	f, err := tensorfile.Read(path)
	if err != nil {
		return nil, fmt.Errorf("load base policy: %w", err)
	}
	p, err := LoadFrom(f, "")
	if err != nil {
		return nil, fmt.Errorf("load base policy %s: %w", path, err)
	}
	return p, nil
}
