package verify

import (
	"fmt"
	"math"

	"korr/internal/nn"
	"korr/internal/tensorfile"
	"korr/train/published"
)

// file is a reference file under check. It keeps book of the tensors looked at.
type file struct {
	dir    string // where it lies, for a file that belongs to another
	name   string
	f      *tensorfile.File
	seen   map[string]bool
	checks []Check
}

func newFile(name string, f *tensorfile.File) *file {
	return &file{name: name, f: f, seen: map[string]bool{}}
}

// finish adds a failed check for every tensor that was not looked at.
func (c *file) finish() []Check {
	for i := range c.f.Tensors {
		if name := c.f.Tensors[i].Name; !c.seen[name] {
			c.fail(name, "unknown: nothing computes it")
		}
	}
	return c.checks
}

func (c *file) fail(quantity, note string) {
	c.checks = append(c.checks, Check{File: c.name, Quantity: quantity, Note: note})
}

// note annotates the last check.
func (c *file) note(text string) {
	if last := &c.checks[len(c.checks)-1]; last.Note == "" {
		last.Note = text
	}
}

// shape returns a tensor's shape: want dimensions, none of them zero.
func (c *file) shape(name string, want int) ([]int, error) {
	t, ok := c.f.Lookup(name)
	if !ok {
		return nil, fmt.Errorf("%w: %q", tensorfile.ErrMissing, name)
	}
	if len(t.Shape) != want || len(t.F32) == 0 {
		return nil, fmt.Errorf("%w: %q is %v, want %d dimensions", tensorfile.ErrShape, name, t.Shape, want)
	}
	return t.Shape, nil
}

// input reads a tensor that is given.
func (c *file) input(name string, shape ...int) ([]float32, error) {
	c.seen[name] = true
	return c.f.Get(name, shape...)
}

// input64 is input in double precision.
func (c *file) input64(name string, shape ...int) ([]float64, error) {
	c.seen[name] = true
	return c.f.Get64(name, shape...)
}

// inputs reads several tensors.
func (c *file) inputs(list ...wanted) error {
	for _, w := range list {
		v, err := c.input(w.name, w.shape...)
		if err != nil {
			return err
		}
		*w.into = v
	}
	return nil
}

type wanted struct {
	into  *[]float32
	name  string
	shape []int
}

// compare adds the check of a tensor of the given shape.
func (c *file) compare(name string, got []float32, tolerance float64, shape ...int) {
	c.compareAs(name, name, got, tolerance, shape...)
}

// compareAs is compare under another name, for what is computed in two ways.
func (c *file) compareAs(quantity, name string, got []float32, tolerance float64, shape ...int) {
	c.compare64(quantity, name, wide(got), tolerance, shape...)
}

func (c *file) compare64(quantity, name string, got []float64, tolerance float64, shape ...int) {
	c.seen[name] = true
	want, err := c.f.Get64(name, shape...)
	if err != nil {
		c.fail(quantity, err.Error())
		return
	}
	c.add(quantity, got, want, nil, tolerance)
}

// scalar compares a tensor of one number.
func (c *file) scalar(name string, got, tolerance float64) {
	if t, ok := c.f.Lookup(name); ok && len(t.F32) != 1 {
		c.seen[name] = true
		c.fail(name, fmt.Sprintf("%v: %v, want one number", tensorfile.ErrShape, t.Shape))
		return
	}
	c.compare64(name, name, []float64{got}, tolerance)
}

// compareChange compares how far a tensor of weights moved.
func (c *file) compareChange(name string, before, after []float32, shape ...int) {
	quantity := "param_after3." + name
	c.seen[quantity] = true
	want, err := c.f.Get64(quantity, shape...)
	if err != nil {
		c.fail(quantity, err.Error())
		return
	}
	c.add(quantity, wide(after), want, wide(before), Change)
}

func wide(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// add measures got against want, both relative to from if that is not nil.
func (c *file) add(quantity string, got, want, from []float64, tolerance float64) {
	check := Check{File: c.name, Quantity: quantity, Tolerance: tolerance}
	if len(got) != len(want) {
		check.Note = fmt.Sprintf("computed %d numbers, the reference has %d", len(got), len(want))
		c.checks = append(c.checks, check)
		return
	}
	e := relativeError(got, want, from)
	if e-e != 0 {
		check.Note = "computed numbers that are not finite"
	} else {
		check.Error, check.OK = &e, e <= tolerance
	}
	c.checks = append(c.checks, check)
}

// relativeError is the largest |got - want| over the largest |want - from|, or
// the former alone when all of want - from is zero. NaN and infinity win.
func relativeError(got, want, from []float64) float64 {
	diff, scale := 0.0, 0.0
	for i, w := range want {
		d := math.Abs(got[i] - w)
		if d-d != 0 {
			return d
		}
		diff = math.Max(diff, d)
		if from != nil {
			w -= from[i]
		}
		scale = math.Max(scale, math.Abs(w))
	}
	if scale == 0 {
		return diff
	}
	return diff / scale
}

// network reads the weights of a torch Sequential(Linear, ReLU, ..., Linear),
// whose sizes are those of its tensors.
func (c *file) network(prefix string) (*nn.MLP, error) {
	m, err := published.MLP(c.f, prefix)
	if err != nil {
		return nil, err
	}
	for _, p := range m.Params() {
		c.seen[prefix+p.Name] = true
	}
	return m, nil
}
