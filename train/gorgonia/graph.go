package gorgonia

import (
	"fmt"
	"strconv"
	"sync"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"korr/internal/nn"
)

// building is held while a graph is built.
var building sync.Mutex

// variable is a matrix that is filled before a run.
type variable struct {
	node       *G.Node
	rows, cols int
	f32        []float32 // one of the two, the node's own memory
	f64        []float64
	param      *nn.Param // [cols, rows]; nil for data
	learned    bool      // its gradient is wanted
}

// set fills the variable with values, row by row, and zeros after them.
func (v *variable) set(values []float32) {
	if v.f32 != nil {
		clear(v.f32[copy(v.f32, values):])
		return
	}
	for i, x := range values {
		v.f64[i] = float64(x)
	}
	clear(v.f64[len(values):])
}

// put sets element i.
func (v *variable) put(i int, x float64) {
	if v.f32 != nil {
		v.f32[i] = float32(x)
		return
	}
	v.f64[i] = x
}

// load copies the parameter in.
func (v *variable) load() {
	for i := range v.rows {
		for j := range v.cols {
			v.put(i*v.cols+j, float64(v.param.Data[j*v.rows+i]))
		}
	}
}

// graph is a loss under construction, then a machine that runs it.
type graph struct {
	g    *G.ExprGraph
	dt   tensor.Dtype
	vars []*variable
	ones map[int]*G.Node // [n, 1]
	vm   G.VM
}

func newGraph(dt tensor.Dtype) *graph {
	return &graph{g: G.NewGraph(), dt: dt, ones: map[int]*G.Node{}}
}

// must unwraps what gorgonia returns while a graph is built: shapes are this
// package's own making.
func must(n *G.Node, err error) *G.Node {
	if err != nil {
		panic(fmt.Sprintf("gorgonia: %v", err))
	}
	return n
}

// input adds a matrix of data.
func (g *graph) input(rows, cols int) *variable {
	v := &variable{rows: rows, cols: cols}
	var backing any
	if g.dt == tensor.Float32 {
		v.f32 = make([]float32, rows*cols)
		backing = v.f32
	} else {
		v.f64 = make([]float64, rows*cols)
		backing = v.f64
	}
	// Without a name of its own a node would be taken for another of its shape.
	v.node = G.NewMatrix(
		g.g, g.dt, G.WithShape(rows, cols), G.WithName(strconv.Itoa(len(g.vars))),
		G.WithValue(tensor.New(tensor.WithShape(rows, cols), tensor.WithBacking(backing))),
	)
	g.vars = append(g.vars, v)
	return v
}

// constant adds a matrix with the value f(row, col).
func (g *graph) constant(rows, cols int, f func(i, j int) float64) *G.Node {
	v := g.input(rows, cols)
	for i := range rows {
		for j := range cols {
			v.put(i*cols+j, f(i, j))
		}
	}
	return v.node
}

// full adds a matrix of one value.
func (g *graph) full(rows, cols int, value float64) *G.Node {
	return g.constant(rows, cols, func(int, int) float64 { return value })
}

// one is the column of n ones.
func (g *graph) one(n int) *G.Node {
	if g.ones[n] == nil {
		g.ones[n] = g.full(n, 1, 1)
	}
	return g.ones[n]
}

// selection is the matrix [from, to] that moves the columns of x to those from
// at on: x selection.
func (g *graph) selection(from, to, at int) *G.Node {
	return g.constant(from, to, func(i, j int) float64 {
		if j == at+i {
			return 1
		}
		return 0
	})
}

// weights adds a parameter W [out, in], or a bias [out], as its transpose.
func (g *graph) weights(p *nn.Param, learned bool) *G.Node {
	in := 1
	if len(p.Shape) == 2 {
		in = p.Shape[1]
	}
	v := g.input(in, p.Shape[0])
	v.param, v.learned = p, learned
	return v.node
}

// network is a perceptron in the graph.
type network struct {
	weights, biases []*G.Node // a bias is nil where there is none
	norm            bool
	widths          []int // of the outputs
}

func (g *graph) network(m *nn.MLP, learned bool) *network {
	net := &network{norm: m.Config().LayerNorm}
	for _, p := range m.Params() {
		if len(p.Shape) == 2 {
			net.weights, net.biases = append(net.weights, g.weights(p, learned)), append(net.biases, nil)
			net.widths = append(net.widths, p.Shape[0])
			continue
		}
		net.biases[len(net.biases)-1] = g.weights(p, learned)
	}
	return net
}

// apply is the network for x [n, in].
func (g *graph) apply(net *network, x *G.Node, n int) *G.Node {
	for i, w := range net.weights {
		x = must(G.Mul(x, w))
		if b := net.biases[i]; b != nil {
			x = must(G.Add(x, must(G.Mul(g.one(n), b))))
		}
		if i == len(net.weights)-1 {
			return x
		}
		if net.norm {
			x = g.normalize(x, n, net.widths[i])
		}
		x = must(G.Rectify(x))
	}
	return x
}

// normalize gives every row of x [n, width] mean 0 and variance 1 (eps 1e-5).
func (g *graph) normalize(x *G.Node, n, width int) *G.Node {
	const eps = 1e-5
	mean := g.full(width, width, 1/float64(width)) // x mean has every row's mean in all its columns
	d := must(G.Sub(x, must(G.Mul(x, mean))))
	variance := must(G.Mul(must(G.Square(d)), mean))
	return must(G.HadamardDiv(d, must(G.Sqrt(must(G.Add(variance, g.full(n, width, eps)))))))
}

// differentiate ends the construction.
func (g *graph) differentiate(loss *G.Node) error {
	var wanted G.Nodes
	for _, v := range g.vars {
		if v.learned {
			wanted = append(wanted, v.node)
		}
	}
	if _, err := G.Grad(loss, wanted...); err != nil {
		return fmt.Errorf("gorgonia: differentiate: %w", err)
	}
	g.vm = G.NewTapeMachine(g.g, G.BindDualValues(wanted...), G.WithNaNWatch())
	return nil
}

// run copies the weights in, runs the machine and adds the gradients to the
// parameters'.
func (g *graph) run() error {
	for _, v := range g.vars {
		if v.param != nil {
			v.load()
		}
	}
	g.vm.Reset()
	if err := g.vm.RunAll(); err != nil {
		return fmt.Errorf("gorgonia: %w", err)
	}
	for _, v := range g.vars {
		if !v.learned {
			continue
		}
		grad, err := v.node.Grad()
		if err != nil {
			return fmt.Errorf("gorgonia: gradient of %s: %w", v.param.Name, err)
		}
		v.collect(grad.Data())
	}
	return nil
}

// collect adds a gradient to the parameter's and zeroes it: a machine adds to
// what is there.
func (v *variable) collect(data any) {
	add := func(i int, x float32) { v.param.Grad[i%v.cols*v.rows+i/v.cols] += x }
	switch d := data.(type) {
	case []float32:
		for i, x := range d {
			add(i, x)
		}
		clear(d)
	case []float64:
		for i, x := range d {
			add(i, float32(x))
		}
		clear(d)
	}
}

// values are the numbers of a node that was read.
func values(v G.Value) []float64 {
	switch d := v.Data().(type) {
	case []float64:
		return d
	case []float32:
		out := make([]float64, len(d))
		for i, x := range d {
			out[i] = float64(x)
		}
		return out
	case float64:
		return []float64{d}
	case float32:
		return []float64{float64(d)}
	}
	panic(fmt.Sprintf("gorgonia: values of type %T", v.Data()))
}

func (g *graph) close() error { return g.vm.Close() }
