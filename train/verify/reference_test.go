package verify

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"korr/internal/seed"
	"korr/internal/tensorfile"
)

// The oracle: everything that a policy's file holds, in float64, straight from the definitions, with gradients by
// central differences and AdamW in its textbook form. It shares no code with what is verified.

// oracle is a policy of small, odd sizes and a batch through it.
type oracle struct {
	kind       string
	d, u, l, n int
	names      []string
	shape      map[string][]int
	w          map[string][]float64
	in         map[string][]float64
	logStd     []float64
}

func (o *oracle) layers(rng *rand.Rand, prefix string, bias bool, widths ...int) {
	for i := 1; i < len(widths); i++ {
		name := prefix + strconv.Itoa(2*(i-1))
		o.param(rng, name+".weight", math.Sqrt(2/float64(widths[i-1])), widths[i], widths[i-1])
		if bias || i < len(widths)-1 {
			o.param(rng, name+".bias", 0.2, widths[i])
		}
	}
}

func (o *oracle) param(rng *rand.Rand, name string, scale float64, shape ...int) {
	n := 1
	for _, s := range shape {
		n *= s
	}
	o.names = append(o.names, name)
	o.shape[name], o.w[name] = shape, gaussian(rng, n, scale)
}

// gaussian draws numbers that float32 holds exactly.
func gaussian(rng *rand.Rand, n int, scale float64) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = float64(float32(scale * rng.NormFloat64()))
	}
	return x
}

func newOracle(kind string) *oracle {
	rng := seed.Stream(3, kind, 0)
	o := &oracle{
		kind: kind, d: 7, u: 4, l: 9, n: 11, shape: map[string][]int{}, w: map[string][]float64{},
		in: map[string][]float64{},
	}
	x := o.d + o.u
	switch kind {
	case "resip":
		o.layers(rng, "actor_mean.", false, x, 6, o.u)
		o.layers(rng, "critic.", true, x, 5, 8, 6, 1)
	case "resip_dynamics":
		o.layers(rng, "actor_dyn.", false, x, 6, 5, o.d)
		o.layers(rng, "actor_mean.", true, o.d, 8, 5, o.u)
		o.layers(rng, "critic.", true, x, 5, 1)
	default:
		head := o.l
		if kind == "korr_goal" {
			head *= 2
			o.in["goal_obs"] = gaussian(rng, o.d, 1)
		}
		o.layers(rng, "actor.lift_transform.", false, o.d, 6, 5, o.l)
		o.param(rng, "actor.backbone._g_affine", 0.4, o.l, o.l)
		o.param(rng, "actor.backbone._u_affine", 0.5, o.l, o.u)
		o.layers(rng, "actor.inverse_dynamics.", false, head, 7, 5, o.u)
		o.layers(rng, "critic.backbone.", true, x, 5, 6, 1)
	}
	for name, width := range map[string]int{"obs": x, "next_obs": x, "executed_action": o.u, "advantage": 1, "return": 1} {
		o.in[name] = gaussian(seed.Stream(4, kind+name, 0), o.n*width, 1)
	}
	o.logStd = gaussian(rng, o.u, 0.3)
	for i := range o.n { // sampled from the policy: anything else makes ratios that no single precision resolves
		for j, m := range o.mean(i) {
			o.in["residual_action"] = append(o.in["residual_action"],
				float64(float32(m+math.Exp(o.logStd[j])*rng.NormFloat64())))
		}
	}
	logProb, _ := o.gaussianHead()
	for i := range logProb {
		logProb[i] = float64(float32(logProb[i] + 0.2*rng.NormFloat64()))
	}
	o.in["old_log_prob"] = logProb
	return o
}

// mlp applies the network called prefix to one row.
func (o *oracle) mlp(prefix string, x []float64) []float64 {
	for k := 0; ; k += 2 {
		w, ok := o.w[prefix+strconv.Itoa(k)+".weight"]
		if !ok {
			return x
		}
		if k > 0 {
			x = append([]float64(nil), x...)
			for i := range x {
				x[i] = math.Max(x[i], 0)
			}
		}
		y := product(w, x)
		if b, ok := o.w[prefix+strconv.Itoa(k)+".bias"]; ok {
			for i := range y {
				y[i] += b[i]
			}
		}
		x = y
	}
}

func product(w, x []float64) []float64 {
	y := make([]float64, len(w)/len(x))
	for i := range y {
		for j, v := range x {
			y[i] += w[i*len(x)+j] * v
		}
	}
	return y
}

func row(x []float64, i, width int) []float64 { return x[i*width : (i+1)*width : (i+1)*width] }

func (o *oracle) lift(obs []float64) []float64 { return o.mlp("actor.lift_transform.", obs) }

func (o *oracle) predict(obs, u []float64) []float64 {
	if o.kind == "resip_dynamics" {
		return o.mlp("actor_dyn.", append(append([]float64(nil), obs...), u...))
	}
	z := product(o.w["actor.backbone._g_affine"], o.lift(obs))
	for i, v := range product(o.w["actor.backbone._u_affine"], u) {
		z[i] += v
	}
	return z
}

func (o *oracle) mean(i int) []float64 {
	x := row(o.in["obs"], i, o.d+o.u)
	switch o.kind {
	case "resip":
		return o.mlp("actor_mean.", x)
	case "resip_dynamics":
		return o.mlp("actor_mean.", o.predict(x[:o.d], x[o.d:]))
	}
	z := o.predict(x[:o.d], x[o.d:])
	if o.kind == "korr_goal" {
		z = append(z, o.lift(o.in["goal_obs"])...)
	}
	return o.mlp("actor.inverse_dynamics.", z)
}

func (o *oracle) value(i int) float64 {
	prefix := "critic.backbone."
	if strings.HasPrefix(o.kind, "resip") {
		prefix = "critic."
	}
	return o.mlp(prefix, row(o.in["obs"], i, o.d+o.u))[0]
}

func (o *oracle) gaussianHead() (logProb, entropy []float64) {
	for i := range o.n {
		lp, h := 0.0, 0.0
		for j, m := range o.mean(i) {
			sigma := math.Exp(o.logStd[j])
			a := o.in["residual_action"][i*o.u+j]
			lp += math.Log(math.Exp(-(a-m)*(a-m)/(2*sigma*sigma)) / (sigma * math.Sqrt(2*math.Pi)))
			h += math.Log(sigma * math.Sqrt(2*math.Pi*math.E))
		}
		logProb, entropy = append(logProb, lp), append(entropy, h)
	}
	return logProb, entropy
}

// losses returns policy, value and model loss, and the KL estimate.
func (o *oracle) losses() (policy, value, model, kl float64) {
	logProb, _ := o.gaussianHead()
	n := float64(o.n)
	mean, variance := 0.0, 0.0
	for _, a := range o.in["advantage"] {
		mean += a / n
	}
	for _, a := range o.in["advantage"] {
		variance += (a - mean) * (a - mean) / (n - 1)
	}
	for i := range o.n {
		ratio := math.Exp(logProb[i] - o.in["old_log_prob"][i])
		a := (o.in["advantage"][i] - mean) / (math.Sqrt(variance) + 1e-8)
		policy -= math.Min(a*ratio, a*math.Min(math.Max(ratio, 0.8), 1.2)) / n
		kl += (ratio - 1 - math.Log(ratio)) / n
		e := o.value(i) - o.in["return"][i]
		value += e * e / 2 / n
		model += o.modelError(i) / n
	}
	return policy, value, model, kl
}

func (o *oracle) modelError(i int) float64 {
	if o.kind == "resip" {
		return 0
	}
	want := row(o.in["next_obs"], i, o.d+o.u)[:o.d]
	if o.kind != "resip_dynamics" {
		want = o.lift(want)
	}
	sum := 0.0
	for j, v := range o.predict(row(o.in["obs"], i, o.d+o.u)[:o.d], row(o.in["executed_action"], i, o.u)) {
		sum += (v - want[j]) * (v - want[j]) / float64(len(want))
	}
	return sum
}

func (o *oracle) total() float64 {
	p, v, m, _ := o.losses()
	return p + v + m
}

// gradient differentiates the total loss by every weight.
func (o *oracle) gradient() map[string][]float64 {
	const h = 1e-6
	g := map[string][]float64{}
	for _, name := range o.names {
		w := o.w[name]
		g[name] = make([]float64, len(w))
		for i, old := range w {
			w[i] = old + h
			up := o.total()
			w[i] = old - h
			g[name][i] = (up - o.total()) / (2 * h)
			w[i] = old
		}
	}
	return g
}

func norm(g map[string][]float64) float64 {
	sum := 0.0
	for _, x := range g {
		for _, v := range x {
			sum += v * v
		}
	}
	return math.Sqrt(sum)
}

// descend takes the steps of AdamW with clipped gradients.
func (o *oracle) descend(steps int) {
	m, v := map[string][]float64{}, map[string][]float64{}
	for t := 1; t <= steps; t++ {
		g := o.gradient()
		clip := math.Min(1, 1/(norm(g)+1e-6))
		for _, name := range o.names {
			rate := 3e-4
			if strings.HasPrefix(name, "critic") {
				rate = 5e-3
			}
			if t == 1 {
				m[name], v[name] = make([]float64, len(g[name])), make([]float64, len(g[name]))
			}
			for i, d := range g[name] {
				d *= clip
				o.w[name][i] *= 1 - rate*1e-6
				m[name][i] = 0.9*m[name][i] + 0.1*d
				v[name][i] = 0.999*v[name][i] + 0.001*d*d
				mh, vh := m[name][i]/(1-math.Pow(0.9, float64(t))), v[name][i]/(1-math.Pow(0.999, float64(t)))
				o.w[name][i] -= rate * mh / (math.Sqrt(vh) + 1e-5)
			}
		}
	}
}

func narrow(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

// file writes out everything there is.
func (o *oracle) file() *tensorfile.File {
	f := &tensorfile.File{}
	f.SetMeta("kind", o.kind)
	add := func(name string, x []float64, shape ...int) { f.Add(name, narrow(x), shape...) }
	scalar := func(name string, v float64) {
		f.Tensors = append(f.Tensors, tensorfile.Tensor{Name: name, Shape: []int{}, F32: []float32{float32(v)}})
	}
	for name, x := range o.in {
		switch len(x) {
		case o.n:
			add("in."+name, x, o.n)
		case o.d:
			add("in."+name, x, 1, o.d)
		default:
			add("in."+name, x, o.n, len(x)/o.n)
		}
	}
	var mean, scaled, value, z, next []float64
	for i := range o.n {
		x := row(o.in["obs"], i, o.d+o.u)
		mean, value = append(mean, o.mean(i)...), append(value, o.value(i))
		if strings.HasPrefix(o.kind, "korr") {
			z, next = append(z, o.lift(x[:o.d])...), append(next, o.predict(x[:o.d], x[o.d:])...)
		}
	}
	for _, v := range mean {
		scaled = append(scaled, 0.1*v)
	}
	logProb, entropy := o.gaussianHead()
	add("out.residual_mean", mean, o.n, o.u)
	add("out.scaled_residual", scaled, o.n, o.u)
	add("out.value", value, o.n, 1)
	add("out.log_prob", logProb, o.n)
	add("out.entropy", entropy, o.n)
	if z != nil {
		add("out.z", z, o.n, o.l)
		add("out.z_next", next, o.n, o.l)
	}
	if o.kind == "korr_goal" {
		add("out.z_goal", o.lift(o.in["goal_obs"]), 1, o.l)
	}
	policy, v, model, kl := o.losses()
	g := o.gradient()
	for name, x := range map[string]float64{
		"policy_loss": policy, "value_loss": v, "model_loss": model,
		"total_loss": policy + v + model, "approx_kl": kl, "grad_norm": norm(g),
	} {
		scalar("out."+name, x)
	}
	add("param.actor_logstd", o.logStd, 1, o.u)
	add("param_after3.actor_logstd", o.logStd, 1, o.u)
	for _, name := range o.names {
		add("param."+name, o.w[name], o.shape[name]...)
		add("grad."+name, g[name], o.shape[name]...)
	}
	o.descend(3)
	for _, name := range o.names {
		add("param_after3."+name, o.w[name], o.shape[name]...)
	}
	return f
}

// TestOtherSizes: networks of other depths and widths against the oracle.
func TestOtherSizes(t *testing.T) {
	dir := t.TempDir()
	kinds := []string{"korr", "korr_goal", "resip", "resip_dynamics"}
	for _, kind := range kinds {
		if err := tensorfile.Write(filepath.Join(dir, kind+".safetensors"), newOracle(kind).file()); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Run(dir)
	if err != nil {
		t.Fatal(err)
	}
	mustPass(t, r)
	if len(r.Absent) != len(references)-len(kinds) {
		t.Errorf("absent %v", r.Absent)
	}
}
