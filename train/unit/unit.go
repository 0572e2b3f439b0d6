package unit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
)

// ID names a unit by what it does: 32 hexadecimal digits.
type ID string

// Unit is a piece of work.
type Unit struct {
	Kind string `json:"kind"` // of the Handler that does it
	// Name is for people and for the inputs of other units; unique in a job, and no part of the identity.
	Name    string          `json:"name"`
	Spec    json.RawMessage `json:"spec"`              // what the handler reads; see Encode
	Inputs  Inputs          `json:"inputs,omitempty"`  // files that the handler reads, by the names it asks for
	Outputs []string        `json:"outputs,omitempty"` // files or folders below the unit's folder that are its outcome

	// Dir is where the outputs are wanted on this machine, and where Local does the work; empty when there are none.
	Dir string `json:"-"`
	// Begun says that Dir holds what an interrupted try left.
	Begun bool `json:"-"`
}

// Input is a file or folder that a unit reads: one of this machine (Path), bytes (Data), or what another unit of the
// job makes (From, Output).
type Input struct {
	Path   string `json:"-"`
	Data   []byte `json:"-"`
	From   string `json:"-"` // name of another unit, which comes earlier in the job
	Output string `json:"output,omitempty"`

	As     string `json:"as,omitempty"`     // the file's name where the unit is done; Sealed sets it from Path when empty
	Digest string `json:"sha256,omitempty"` // of the content, see Digest; set by Sealed
	Unit   ID     `json:"unit,omitempty"`   // of From; set by Sealed
	Folder bool   `json:"folder,omitempty"` // it is a folder; set by Sealed
}

// Inputs are a unit's inputs by the names that its handler asks for.
type Inputs map[string]Input

// Job is units that belong together.
type Job struct {
	Name  string // for people
	Units []Unit
	// Progress is told how far the units under way are, in steps of whatever they count; optional. Calls never overlap.
	Progress func(done, total int)
}

// Result is the outcome of a unit.
type Result struct {
	Value   json.RawMessage   `json:"value"`             // what the handler returned
	Files   map[string]string `json:"files,omitempty"`   // digests of the outputs; empty when Local did the unit
	Folders []string          `json:"folders,omitempty"` // those of Files that are folders
	Worker  string            `json:"worker,omitempty"`  // who did it
	Seconds float64           `json:"seconds"`           // wall time of the try that finished
}

// Executor does the units of a job. done hears of every finished unit by its index, in the order in which they finish,
// never of two at once; an error of its own ends the call. When the outputs of a unit are in its Dir, done hears of it.
// Cancelling ctx ends the call; what was begun can be gone on with by the same call.
type Executor interface {
	Do(ctx context.Context, j *Job, done func(i int, r *Result) error) error
}

// Encode is v as the spec of a unit. v is a struct without maps of interfaces: equal values have equal specs. It panics
// when v cannot be JSON.
func Encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("unit: spec: %v", err))
	}
	return b
}

// Platform is what else decides the bits of an outcome: two programs of equal platform do the same arithmetic.
type Platform struct {
	Build      string `json:"build"`      // of the program
	Simulator  string `json:"simulator"`  // fingerprint of its physics
	Arithmetic string `json:"arithmetic"` // digest of what a fixed calculation gives on this processor with these libraries
}

// Lane is a short name of the platform: workers of one lane can take each other's units.
func (p Platform) Lane() string { return hash(p)[:12] }

// Differs says in what way a platform is another; empty when it is not.
func (p Platform) Differs(q Platform) string {
	var out []string
	for _, d := range []struct{ what, mine, theirs string }{
		{"program", p.Build, q.Build},
		{"simulator", p.Simulator, q.Simulator},
		{"arithmetic (processor or libraries)", p.Arithmetic, q.Arithmetic},
	} {
		if d.mine != d.theirs {
			out = append(out, fmt.Sprintf("%s %s, here %s", d.what, d.theirs, d.mine))
		}
	}
	return strings.Join(out, "; ")
}

// ID is the identity of a sealed unit on a platform.
func (u *Unit) ID(p Platform) ID {
	return ID(hash(struct {
		Kind     string
		Spec     json.RawMessage
		Inputs   Inputs
		Outputs  []string
		Platform Platform
	}{u.Kind, u.Spec, u.Inputs, u.Outputs, p})[:32])
}

func hash(v any) string {
	sum := sha256.Sum256(Encode(v))
	return hex.EncodeToString(sum[:])
}

// check refuses jobs that no executor could do.
func (j *Job) check(handlers Handlers) error {
	earlier := map[string]*Unit{}
	for i := range j.Units {
		u := &j.Units[i]
		if handlers != nil && handlers[u.Kind].Do == nil {
			return fmt.Errorf("unit %s: nothing here does units of kind %q", u.Name, u.Kind)
		}
		if u.Name == "" || earlier[u.Name] != nil {
			return fmt.Errorf("unit %q: names of a job's units are unique and not empty", u.Name)
		}
		for _, o := range u.Outputs {
			if !local(o) {
				return fmt.Errorf("unit %s: output %q is not below its folder", u.Name, o)
			}
		}
		for name, in := range u.Inputs {
			if err := in.check(earlier); err != nil {
				return fmt.Errorf("unit %s: input %s: %w", u.Name, name, err)
			}
		}
		earlier[u.Name] = u
	}
	return nil
}

func (in *Input) check(earlier map[string]*Unit) error {
	n := 0
	for _, given := range []bool{in.Path != "", in.Data != nil, in.From != ""} {
		if given {
			n++
		}
	}
	if n != 1 {
		return fmt.Errorf("want one of path, data and unit, got %d", n)
	}
	if in.From == "" {
		return nil
	}
	from, ok := earlier[in.From]
	if !ok {
		return fmt.Errorf("%q is no earlier unit of the job", in.From)
	}
	for _, o := range from.Outputs {
		if in.Output == o || strings.HasPrefix(in.Output, o+"/") {
			return nil
		}
	}
	return fmt.Errorf("%q is no output of %s", in.Output, in.From)
}

// local reports whether a slash-separated path stays below the folder it is relative to.
func local(p string) bool {
	return p != "" && p != "." && path.Clean(p) == p && !path.IsAbs(p) && p != ".." && !strings.HasPrefix(p, "../")
}

// ErrMissingInput marks an input that the unit does not have: a mistake of whoever described the unit.
var ErrMissingInput = errors.New("the unit has no such input")
