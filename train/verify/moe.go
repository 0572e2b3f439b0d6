package verify

import (
	"fmt"
	"math"

	"korr/basepolicy/moe"
	"korr/internal/nn"
)

// checkMoE checks a layer of experts behind a router that reads the noise level: its choice, output, losses and every
// gradient.
func checkMoE(c *file) error {
	shape, err := c.shape("input.x", 3)
	if err != nil {
		return err
	}
	n, rows, w := shape[0], shape[1], shape[2]
	var cfg moe.Config
	cfg.Width = w
	sizes := map[string]float64{"experts": 4, "top_k": 2, "balance_weight": 0.01, "z_weight": 0.001}
	for key, published := range sizes {
		if sizes[key], err = c.number(key, published); err != nil {
			return err
		}
	}
	cfg.Experts, cfg.Top = int(sizes["experts"]), int(sizes["top_k"])
	if cfg.Top < 1 || cfg.Top > cfg.Experts || cfg.Experts > 1024 {
		return fmt.Errorf("metadata: top %d of %d experts", cfg.Top, cfg.Experts)
	}
	b := &nn.Builder{}
	level, linear := nn.NewLinear(b, "sigma_emb", 1, w), b.Add("sigma_linear.weight", nil, w, w)
	layer := moe.New(b, "block.", cfg)
	ps := b.Build(nil)
	if err := c.weights("param.", ps); err != nil {
		return err
	}
	var sigma, x, target []float32
	if err := c.inputs(
		wanted{&sigma, "input.sigma", []int{n}}, wanted{&x, "input.x", shape}, wanted{&target, "input.target", shape},
	); err != nil {
		return err
	}
	logs := make([]float32, n)
	for i, v := range sigma {
		logs[i] = float32(math.Log(float64(v)) / 4)
	}
	embed, pass := level.NewPass(n), layer.NewPass(n, rows)
	embedded, cond := embed.Forward(logs, n), make([]float32, n*w)
	nn.MatMulT(cond, embedded, linear.Data, n, w, w, 0)
	c.compare("cond", cond, Forward, n, w)
	y := pass.Forward(x, cond, n)
	c.compare("normed", pass.Normed, Forward, shape...)
	c.compare("router.probs", pass.Probs, Forward, n, cfg.Experts)
	c.compare("router.weights", pass.Weights, Forward, n, cfg.Experts)
	c.compare("router.shifted_logits", pass.Shifted, Forward, n, cfg.Experts)
	var top []int
	for _, chosen := range pass.Chosen {
		top = append(top, chosen...)
	}
	c.compare("router.top", singles(top), 0, n, cfg.Top)
	c.compare("output", y, Forward, shape...)
	mse, dy := 0.0, make([]float32, len(y))
	for i, v := range y {
		e := float64(v - target[i])
		mse += e * e / float64(len(y))
		dy[i] = float32(2 * e / float64(len(y)))
	}
	balance, z := pass.Losses()
	c.scalar("loss.mse", mse, Forward)
	c.scalar("loss.balance", balance, Forward)
	c.scalar("loss.z", z, Forward)
	c.scalar("loss.total", mse+sizes["balance_weight"]*balance+sizes["z_weight"]*z, Forward)
	_, dcond := pass.Backward(dy, sizes["balance_weight"], sizes["z_weight"])
	nn.MatTMul(linear.Grad, dcond, embedded, w, n, w, 1)
	dlevel := make([]float32, n*w)
	nn.MatMul(dlevel, dcond, linear.Data, n, w, w, 0)
	embed.BackwardParams(dlevel)
	for _, p := range ps {
		c.compare("grad."+p.Name, p.Published(p.Grad), Gradient, p.Shape...)
	}
	return nil
}
