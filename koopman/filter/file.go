package filter

import (
	"encoding/json"
	"fmt"
	"strings"

	"korr/internal/tensorfile"
)

// Names within a file: the scene is metadata, the rest tensors [part, mode, n].
const (
	sceneKey      = "filter"
	kinematicName = "q.kinematic"
	learnedName   = "q.learned"
	matrixName    = "w" // zeros for none
)

// header is the metadata of a fitted filter.
type header struct {
	Task  string `json:"task"`
	Scene Scene  `json:"scene"`
}

// SaveTo adds the filter of a task to a file, its tensors' names after the prefix.
func (f *Fitted) SaveTo(out *tensorfile.File, prefix, task string) error {
	text, err := json.Marshal(header{task, f.Scene})
	if err != nil {
		return fmt.Errorf("filter: %w", err)
	}
	out.SetMeta(sceneKey, string(text))
	n := len(f.Scene.Parts)
	covs := func(q [][]Cov) (v []float32) {
		for i := range q {
			for m := range q[i] {
				for _, x := range q[i][m] {
					v = append(v, float32(x))
				}
			}
		}
		return v
	}
	out.Add(prefix+kinematicName, covs(f.Kinematic), n, int(modes), dim*dim)
	out.Add(prefix+learnedName, covs(f.Learned), n, int(modes), dim*dim)
	w := make([]float32, n*int(modes)*dim*Lifted)
	for i := range f.W {
		for m, a := range f.W[i] {
			for k, x := range a {
				w[(i*int(modes)+m)*dim*Lifted+k] = float32(x)
			}
		}
	}
	out.Add(prefix+matrixName, w, n, int(modes), dim*Lifted)
	return nil
}

// LoadFrom reads what SaveTo added, and the task it is of. The error wraps ErrConfig or one of tensorfile's.
func LoadFrom(in *tensorfile.File, prefix string) (f *Fitted, task string, err error) {
	text, ok := in.Meta[sceneKey]
	if !ok {
		return nil, "", fmt.Errorf("%w: the file holds no fitted filter; korr train filter makes one", ErrConfig)
	}
	var h header
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		return nil, "", fmt.Errorf("%w: %q: %w", ErrConfig, sceneKey, err)
	}
	n := len(h.Scene.Parts)
	f = &Fitted{Scene: h.Scene, W: make([][][]float64, n)}
	covs := func(name string) ([][]Cov, error) {
		v, err := in.Get(prefix+name, n, int(modes), dim*dim)
		if err != nil {
			return nil, fmt.Errorf("filter: %w", err)
		}
		q := make([][]Cov, n)
		for i := range q {
			q[i] = make([]Cov, modes)
			for m := range q[i] {
				for k := range q[i][m] {
					q[i][m][k] = float64(v[(i*int(modes)+m)*dim*dim+k])
				}
			}
		}
		return q, nil
	}
	if f.Kinematic, err = covs(kinematicName); err != nil {
		return nil, "", err
	}
	if f.Learned, err = covs(learnedName); err != nil {
		return nil, "", err
	}
	v, err := in.Get(prefix+matrixName, n, int(modes), dim*Lifted)
	if err != nil {
		return nil, "", fmt.Errorf("filter: %w", err)
	}
	for i := range f.W {
		f.W[i] = make([][]float64, modes)
		for m := range f.W[i] {
			f.W[i][m] = matrix(v[(i*int(modes)+m)*dim*Lifted:][:dim*Lifted])
		}
	}
	return f, h.Task, f.check()
}

// matrix is nil for zeros.
func matrix(v []float32) []float64 {
	w, any := make([]float64, len(v)), false
	for i, x := range v {
		w[i] = float64(x)
		any = any || x != 0
	}
	if !any {
		return nil
	}
	return w
}

// check refuses what no filter can be made of.
func (f *Fitted) check() error {
	n := len(f.Scene.Parts)
	for i := range f.Scene.Joints {
		j := &f.Scene.Joints[i]
		if j.Male < 0 || j.Male >= n || j.Receiver < 0 || j.Receiver >= n || j.Male == j.Receiver || len(j.Holes) == 0 {
			return fmt.Errorf("%w: joint %d of parts %d and %d with %d holes, of %d parts",
				ErrConfig, i, j.Male, j.Receiver, len(j.Holes), n)
		}
		for k := range j.Holes {
			if !finite(j.Holes[k]) {
				return fmt.Errorf("%w: hole %d of joint %d is not a pose", ErrConfig, k, i)
			}
		}
	}
	learned, err := NewLearned(f.Scene, f.W)
	if err != nil {
		return err
	}
	for _, q := range [][][]Cov{f.Kinematic, f.Learned} {
		c := Config{Parts: n, Q: q}
		if err := c.check(learned); err != nil {
			return err
		}
	}
	return nil
}
