package verify

import (
	"fmt"
	"math"
	"strconv"

	"gonum.org/v1/gonum/mat"

	"korr/internal/geom"
	"korr/koopman"
	"korr/train/ppo"
)

// number reads a number from the metadata; absent, it is the published one.
func (c *file) number(key string, published float64) (float64, error) {
	text, ok := c.f.Meta[key]
	if !ok {
		return published, nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v-v != 0 {
		return 0, fmt.Errorf("metadata: %s is %q, want a number", key, text)
	}
	return v, nil
}

// checkLQR checks regulation to zero and tracking of a goal.
func checkLQR(c *file) error {
	shape, err := c.shape("B", 2)
	if err != nil {
		return err
	}
	l, u := shape[0], shape[1]
	given := map[string][]float64{}
	for _, w := range []wanted{
		{nil, "A", []int{l, l}},
		{nil, "B", shape},
		{nil, "q_log", []int{l}},
		{nil, "r_log", []int{u}},
		{nil, "goal", nil},
	} {
		if given[w.name], err = c.input64(w.name, w.shape...); err != nil {
			return err
		}
	}
	horizon := 0
	for ; ; horizon++ {
		if _, ok := c.f.Lookup(fmt.Sprintf("regulate.K.%d", horizon)); !ok {
			break
		}
	}
	h, err := c.number("horizon", float64(horizon))
	if err != nil {
		return err
	}
	if h != float64(horizon) {
		return fmt.Errorf("metadata: horizon is %g, the file holds %d gains", h, horizon)
	}
	cost := koopman.DiagonalCost(exponentials(given["q_log"]), exponentials(given["r_log"]))
	a, b := mat.NewDense(l, l, given["A"]), mat.NewDense(l, u, given["B"])
	regulate, err := koopman.FiniteLQR(a, b, cost, horizon, nil)
	if err != nil {
		return err
	}
	c.compareRegulator("regulate", regulate, l, u)
	track, err := koopman.FiniteLQR(a, b, cost, horizon, given["goal"])
	if err != nil {
		return err
	}
	c.compareRegulator("track", track, l, u)
	return nil
}

func (c *file) compareRegulator(name string, s *koopman.Regulator, l, u int) {
	one := func(what string, t int, got []float64, shape ...int) {
		tensor := fmt.Sprintf("%s.%s.%d", name, what, t)
		c.compare64(tensor, tensor, got, Forward, shape...)
	}
	for t := range s.V {
		one("V", t, mat.DenseCopyOf(s.V[t]).RawMatrix().Data, l, l)
		if s.Linear != nil {
			one("v", t, s.Linear[t].RawVector().Data, l)
		}
	}
	for t := range s.K {
		one("K", t, s.K[t].RawMatrix().Data, u, l)
		if s.FeedForward != nil {
			one("k", t, s.FeedForward[t].RawVector().Data, u)
		}
	}
}

func exponentials(logs []float64) []float64 {
	x := make([]float64, len(logs))
	for i, v := range logs {
		x[i] = math.Exp(v)
	}
	return x
}

// checkGAE checks advantages, returns and the reward normaliser.
func checkGAE(c *file) error {
	shape, err := c.shape("rewards", 2)
	if err != nil {
		return err
	}
	steps, envs := shape[0], shape[1]
	gamma, err := c.number("gamma", ppo.DefaultConfig().Gamma)
	if err != nil {
		return err
	}
	lambda, err := c.number("gae_lambda", ppo.DefaultConfig().GAELambda)
	if err != nil {
		return err
	}
	var rewards, values, dones, nextValue, nextDone []float32
	if err := c.inputs(
		wanted{&rewards, "rewards", shape}, wanted{&values, "values", shape}, wanted{&dones, "dones", shape},
		wanted{&nextValue, "next_value", []int{1, envs}}, wanted{&nextDone, "next_done", []int{envs}},
	); err != nil {
		return err
	}
	adv, ret := make([]float32, len(rewards)), make([]float32, len(rewards))
	ppo.GAE(adv, ret, rewards, values, dones, nextValue, nextDone, envs, gamma, lambda)
	c.compare("advantages", adv, Forward, shape...)
	c.compare("returns", ret, Forward, shape...)

	normal, out := ppo.NewRewardNormalizer(ppo.DefaultConfig().ClipReward), make([]float32, len(rewards))
	for t := range steps {
		normal.NormalizeTo(out[t*envs:(t+1)*envs], rewards[t*envs:(t+1)*envs])
	}
	c.compare("normalised_rewards", out, Forward, shape...)
	return nil
}

// checkGeometry checks rotations and the robot state's conversion.
func checkGeometry(c *file) error {
	shape, err := c.shape("quat_xyzw", 2)
	if err != nil {
		return err
	}
	n := shape[0]
	var quat, rot6d, noisy, state14, vectors []float32
	if err := c.inputs(
		wanted{&quat, "quat_xyzw", []int{n, 4}}, wanted{&rot6d, "rot6d", []int{n, 6}},
		wanted{&noisy, "noisy_rot6d", []int{n, 6}}, wanted{&state14, "robot_state_14", []int{n, 14}},
		wanted{&vectors, "noisy_axis_angle", []int{n, 3}},
	); err != nil {
		return err
	}
	sixD, state16 := make([]float32, 6*n), make([]float32, 16*n)
	var matrix, noisyMatrix, axisAngle, exact []float64
	for i := range n {
		geom.Rot6DTo(sixD[6*i:], geom.QuatAt(quat[4*i:]))
		geom.State16To(state16[16*i:], state14[14*i:])
		m, d := geom.Rot6DAt(rot6d[6*i:]).Mat(), geom.Rot6DAt(noisy[6*i:]).Mat()
		q := d.Quat()
		e, v := q.RotVec(), asPrecise(q, geom.VecAt(vectors[3*i:]))
		matrix, noisyMatrix = append(matrix, m[:]...), append(noisyMatrix, d[:]...)
		exact, axisAngle = append(exact, e[:]...), append(axisAngle, v[:]...)
	}
	c.compare("rot6d", sixD, Forward, n, 6)
	c.compare64("matrix", "matrix", matrix, Forward, n, 3, 3)
	c.compare64("noisy_matrix", "noisy_matrix", noisyMatrix, Forward, n, 3, 3)
	c.compare64("noisy_axis_angle", "noisy_axis_angle", axisAngle, Forward, n, 3)
	c.note(fmt.Sprintf("%.1e with the reference's own rounding", relativeError(exact, wide(vectors), nil)))
	c.compare("robot_state_16", state16, Forward, n, 16)
	return nil
}

// squareRounding bounds the rounding of 1 + m00 - m11 - m22 and its like in
// single precision.
const squareRounding = 1.0 / (1 << 21)

// asPrecise returns the rotation vector of q, moved towards the reference's by
// no more than the reference's own rounding. The published code takes every
// part of the quaternion from its square, 4 x^2 = 1 + m00 - m11 - m22, in single
// precision: a part near zero keeps few digits, where ours keeps all.
func asPrecise(q geom.Quat, reference geom.Vec3) geom.Vec3 {
	v := q.RotVec()
	angle := v.Norm()
	if angle < 1e-6 {
		return v
	}
	blur := func(part float64) float64 {
		low := math.Sqrt(math.Max(0, part*part-squareRounding/4))
		return math.Max(math.Sqrt(part*part+squareRounding/4)-math.Abs(part), math.Abs(part)-low)
	}
	for i := range v {
		slack := blur(q[i])*angle/math.Sin(angle/2) + 2*blur(q[3])*math.Abs(v[i])/angle
		v[i] = math.Max(v[i]-slack, math.Min(v[i]+slack, reference[i]))
	}
	return v
}
