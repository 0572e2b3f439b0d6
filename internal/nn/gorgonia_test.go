package nn

import (
	"math"
	"strconv"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"korr/internal/seed"
)

// oracle is a gorgonia graph that weighs the outputs of a layer with r and
// differentiates the sum.
type oracle struct {
	*testing.T
	g      *gorgonia.ExprGraph
	inputs gorgonia.Nodes
}

func newOracle(t *testing.T) *oracle { return &oracle{T: t, g: gorgonia.NewGraph()} }

// input is a variable with those values. Without a name of its own it would be
// taken for another of its shape.
func (o *oracle) input(values []float32, shape ...int) *gorgonia.Node {
	x := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(append([]float32(nil), values...)))
	n := gorgonia.NewTensor(o.g, tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithValue(x),
		gorgonia.WithName(strconv.Itoa(len(o.inputs))))
	o.inputs = append(o.inputs, n)
	return n
}

// node unwraps a gorgonia result.
func (o *oracle) node(n *gorgonia.Node, err error) *gorgonia.Node {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
	return n
}

// run returns the output, which is the gradient of its weights, and the gradients
// of the inputs asked for.
func (o *oracle) run(y *gorgonia.Node, r []float32, of ...*gorgonia.Node) (out []float32, grads [][]float32) {
	o.Helper()
	weights := o.input(r, y.Shape()...)
	of = append(of, weights)
	cost := o.node(gorgonia.Sum(o.node(gorgonia.HadamardProd(y, weights))))
	if _, err := gorgonia.Grad(cost, of...); err != nil {
		o.Fatal(err)
	}
	vm := gorgonia.NewTapeMachine(o.g, gorgonia.BindDualValues(of...))
	defer func() {
		if err := vm.Close(); err != nil {
			o.Error(err)
		}
	}()
	if err := vm.RunAll(); err != nil {
		o.Fatal(err)
	}
	for _, n := range of {
		g, err := n.Grad()
		if err != nil {
			o.Fatal(err)
		}
		grads = append(grads, append([]float32(nil), g.Data().([]float32)...))
	}
	return grads[len(grads)-1], grads
}

func (o *oracle) agree(what string, got, want []float32) {
	o.Helper()
	if len(got) != len(want) {
		o.Fatalf("%s: %d values, gorgonia has %d", what, len(got), len(want))
	}
	var diff, scale float64
	for i, w := range want {
		diff, scale = math.Max(diff, math.Abs(float64(got[i]-w))), math.Max(scale, math.Abs(float64(w)))
	}
	if !(diff <= 1e-5*scale) {
		o.Errorf("%s: relative error %.2g", what, diff/scale)
	}
}

// swapped turns sequences [n, rows, width] into [n, width, rows] and back.
func swapped(x []float32, n, rows, width int) []float32 {
	y := make([]float32, len(x))
	swapLast(y, x, n, rows, width)
	return y
}

func TestConvAgainstGorgonia(t *testing.T) {
	for _, c := range []struct{ length, in, out, kernel, stride, pad int }{
		{7, 3, 5, 5, 1, 2},
		{8, 4, 6, 3, 2, 1},
		{6, 3, 7, 1, 1, 0},
	} {
		const n = 2
		rng := seed.Stream(1, "gorgonia/conv", uint64(c.kernel))
		var b Builder
		l := NewConv1d(&b, "conv", c.in, c.out, c.kernel, c.stride, c.pad)
		b.Build(rng)
		x := gaussian(rng, n*c.length*c.in)
		var ws Workspace
		p, act := l.NewPass(n, c.length, &ws), Activation(Mish).NewPass(n*l.OutLen(c.length)*c.out)
		y := append([]float32(nil), act.Forward(p.Forward(x, n))...)
		r := gaussian(rng, len(y))
		dx := p.Backward(act.Backward(append([]float32(nil), r...)))

		o := newOracle(t)
		gx := o.input(swapped(x, n, c.length, c.in), n, c.in, 1, c.length)
		gw := o.input(l.W.Published(l.W.Data), c.out, c.in, 1, c.kernel)
		bias := make([]float32, 0, len(y))
		for range n {
			for _, v := range l.B.Data {
				for range l.OutLen(c.length) {
					bias = append(bias, v)
				}
			}
		}
		shape := []int{n, c.out, 1, l.OutLen(c.length)}
		gb := o.input(bias, shape...)
		z := o.node(gorgonia.Conv2d(gx, gw, tensor.Shape{1, c.kernel}, []int{0, c.pad}, []int{1, c.stride}, []int{1, 1}))
		z = o.node(gorgonia.Add(z, gb))
		m := o.node(gorgonia.HadamardProd(z, o.node(gorgonia.Tanh(o.node(gorgonia.Softplus(z))))))
		out, grads := o.run(m, swapped(r, n, l.OutLen(c.length), c.out), gx, gw)
		o.agree("convolution and mish", swapped(y, n, l.OutLen(c.length), c.out), out)
		o.agree("gradient of x", swapped(dx, n, c.length, c.in), grads[0])
		o.agree("gradient of W", l.W.Published(l.W.Grad), grads[1])
	}
}

// TestGroupNormAgainstGorgonia builds the norm from means: one group of one
// sequence is a row of the graph's matrix.
func TestGroupNormAgainstGorgonia(t *testing.T) {
	const rows, width, groups = 5, 12, 3
	rng := seed.Stream(1, "gorgonia/norm", 0)
	l := &GroupNorm{Groups: groups, Channels: width}
	p, x := l.NewPass(1, rows), gaussian(rng, rows*width)
	y := append([]float32(nil), p.Forward(x, 1)...)
	r := gaussian(rng, len(y))
	dx := p.Backward(append([]float32(nil), r...))

	o := newOracle(t)
	grouped := func(x []float32) []float32 { return swapped(x, 1, rows, width) } // [width, rows]: groups are neighbours
	gx := o.input(grouped(x), groups, width/groups*rows)
	mean := o.node(gorgonia.Mean(gx, 1))
	d := o.node(gorgonia.BroadcastSub(gx, mean, nil, []byte{1}))
	variance := o.node(gorgonia.Mean(o.node(gorgonia.Square(d)), 1))
	std := o.node(gorgonia.Sqrt(o.node(gorgonia.Add(variance, o.input([]float32{normEps, normEps, normEps}, groups)))))
	out, grads := o.run(o.node(gorgonia.BroadcastHadamardDiv(d, std, nil, []byte{1})), grouped(r), gx)
	o.agree("group norm", grouped(y), out)
	o.agree("gradient of x", grouped(dx), grads[0])
}

// TestAttentionAgainstGorgonia compares a single head on one sequence.
func TestAttentionAgainstGorgonia(t *testing.T) {
	const rows, width = 5, 6
	rng := seed.Stream(1, "gorgonia/attention", 0)
	var b Builder
	l := NewAttention(&b, "attention", width, 1)
	b.Build(rng)
	clear(l.QKV.B.Data)
	clear(l.Out.B.Data)
	p, x := l.NewPass(1, rows), gaussian(rng, rows*width)
	y := append([]float32(nil), p.Forward(x, 1)...)
	r := gaussian(rng, len(y))
	dx := p.Backward(r)

	o := newOracle(t)
	gx := o.input(x, rows, width)
	part := func(i int) *gorgonia.Node { // the transpose of a third of the input map, as its own variable
		return o.input(swapped(l.QKV.W.Data[i*width*width:(i+1)*width*width], 1, width, width), width, width)
	}
	wq, wk, wv := part(0), part(1), part(2)
	wo := o.input(swapped(l.Out.W.Data, 1, width, width), width, width)
	q, k, v := o.node(gorgonia.Mul(gx, wq)), o.node(gorgonia.Mul(gx, wk)), o.node(gorgonia.Mul(gx, wv))
	score := o.node(gorgonia.Mul(q, o.node(gorgonia.Transpose(k))))
	scale := make([]float32, rows*rows)
	for i := range scale {
		scale[i] = float32(1 / math.Sqrt(width))
	}
	weights := o.node(gorgonia.SoftMax(o.node(gorgonia.HadamardProd(score, o.input(scale, rows, rows))), 1))
	out, grads := o.run(o.node(gorgonia.Mul(o.node(gorgonia.Mul(weights, v)), wo)), r, gx, wq, wk, wv, wo)
	o.agree("attention", y, out)
	o.agree("gradient of x", dx, grads[0])
	for i := range 3 {
		o.agree("gradient of an input map", swapped(l.QKV.W.Grad[i*width*width:(i+1)*width*width], 1, width, width),
			grads[1+i])
	}
	o.agree("gradient of the output map", swapped(l.Out.W.Grad, 1, width, width), grads[4])
}
