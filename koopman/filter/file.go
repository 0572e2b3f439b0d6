package filter

import (
	"encoding/json"
	"fmt"
	"strings"

	"korr/internal/nn"
	"korr/internal/tensorfile"
)

// Names within a file: the scene is metadata, the rest tensors [part, mode, n].
const (
	sceneKey      = "filter"
	kinematicName = "q.kinematic"
	learnedName   = "q.learned"
	nonlinearName = "q.nonlinear"
	matrixName    = "w" // zeros for none
	netName       = "net."
)

// header is the metadata of a fitted filter.
type header struct {
	Task  string  `json:"task"`
	Scene Scene   `json:"scene"`
	Nets  []netAt `json:"nets,omitempty"`
}

// netAt says whose a network is.
type netAt struct {
	Part   int   `json:"part"`
	Mode   Mode  `json:"mode"`
	Hidden []int `json:"hidden"`
}

// params are the network's tensors' names before their own.
func (a *netAt) params() string { return fmt.Sprintf("%s%d.%d.", netName, a.Part, a.Mode) }

// mostHidden bounds a network's layers, so that a damaged file cannot ask for terabytes.
const mostHidden = 1024

// empty is the network without weights.
func (a *netAt) empty(parts int) (*nn.MLP, error) {
	bad := a.Part < 0 || a.Part >= parts || a.Mode < 0 || a.Mode >= modes || len(a.Hidden) > 8
	for _, h := range a.Hidden {
		bad = bad || h < 1 || h > mostHidden
	}
	if bad {
		return nil, fmt.Errorf("%w: a network of part %d in mode %d with layers of %v, of %d parts", ErrConfig, a.Part,
			a.Mode, a.Hidden, parts)
	}
	return nn.NewMLP(nn.MLPConfig{In: Lifted, Hidden: a.Hidden, Out: dim, OutputBias: true}, nil), nil
}

// SaveTo adds the filter of a task to a file, its tensors' names after the prefix.
func (f *Fitted) SaveTo(out *tensorfile.File, prefix, task string) error {
	n, head := len(f.Scene.Parts), header{Task: task, Scene: f.Scene}
	for i := range f.Nets {
		for m, net := range f.Nets[i] {
			if net == nil {
				continue
			}
			head.Nets = append(head.Nets, netAt{i, Mode(m), net.Config().Hidden})
		}
	}
	text, err := json.Marshal(head)
	if err != nil {
		return fmt.Errorf("filter: %w", err)
	}
	out.SetMeta(sceneKey, string(text))
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
	if f.Nets != nil {
		out.Add(prefix+nonlinearName, covs(f.Nonlinear), n, int(modes), dim*dim)
	}
	for _, at := range head.Nets {
		nn.SaveParams(out, prefix+at.params(), f.Nets[at.Part][at.Mode].Params())
	}
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
	if err := f.loadMatrices(in, prefix); err != nil {
		return nil, "", fmt.Errorf("filter: %w", err)
	}
	if _, ok := in.Lookup(prefix + nonlinearName); ok {
		if f.Nonlinear, err = covs(nonlinearName); err != nil {
			return nil, "", err
		}
		if f.Nets, err = loadNets(in, prefix, h.Nets, n); err != nil {
			return nil, "", err
		}
	}
	return f, h.Task, f.check()
}

// loadMatrices reads W, whose rows may lack the coordinates that came later.
func (f *Fitted) loadMatrices(in *tensorfile.File, prefix string) error {
	n, width := len(f.W), Lifted
	v, err := in.Get(prefix+matrixName, n, int(modes), dim*width)
	if err != nil {
		var former error
		width = formerLifted
		if v, former = in.Get(prefix+matrixName, n, int(modes), dim*width); former != nil {
			return err
		}
	}
	for i := range f.W {
		f.W[i] = make([][]float64, modes)
		for m := range f.W[i] {
			f.W[i][m] = matrix(v[(i*int(modes)+m)*dim*width:][:dim*width], width)
		}
	}
	return nil
}

// loadNets reads the networks of a filter of so many parts.
func loadNets(in *tensorfile.File, prefix string, at []netAt, parts int) ([][]*nn.MLP, error) {
	nets := make([][]*nn.MLP, parts)
	for i := range nets {
		nets[i] = make([]*nn.MLP, modes)
	}
	for i := range at {
		net, err := at[i].empty(parts)
		if err != nil {
			return nil, err
		}
		if err := nn.LoadParams(in, prefix+at[i].params(), net.Params()); err != nil {
			return nil, fmt.Errorf("filter: %w", err)
		}
		nets[at[i].Part][at[i].Mode] = net
	}
	return nets, nil
}

// matrix is that of rows of so many numbers, [dim, Lifted]; nil for zeros.
func matrix(v []float32, width int) []float64 {
	w, any := make([]float64, dim*Lifted), false
	for i, x := range v {
		w[i/width*Lifted+i%width] = float64(x)
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
	all := [][][]Cov{f.Kinematic, f.Learned}
	if f.Nets != nil {
		all = append(all, f.Nonlinear)
	}
	for _, q := range all {
		c := Config{Parts: n, Q: q}
		if err := c.check(learned); err != nil {
			return err
		}
	}
	return nil
}
