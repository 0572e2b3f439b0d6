package ppo

import "korr/internal/nn"

// A goal does not change in a run, and no nonlinearity lies between a learned dynamics network and the head that
// reads its prediction. Policies of both kinds are therefore stored, and act, as plain ones with these constants and
// products multiplied out; they compute the same but for rounding.

// absorb returns the network of the first inputs alone, the others of head being fixed: their products join the first
// layer's bias. The head must have a hidden layer.
func absorb(head *nn.MLP, fixed []float32) *nn.MLP {
	cfg := head.Config()
	wide := cfg.In
	cfg.In -= len(fixed)
	m := nn.NewMLP(cfg, nil)
	for i, p := range m.Params()[1:] {
		copy(p.Data, head.Params()[i+1].Data)
	}
	from, to, bias := head.Params()[0].Data, m.Params()[0].Data, m.Params()[1].Data
	for i := range bias {
		row := from[i*wide : (i+1)*wide]
		copy(to[i*cfg.In:(i+1)*cfg.In], row)
		bias[i] += float32(dot(row[cfg.In:], fixed))
	}
	return m
}

// join returns head after model as one network of rows x [in], of which the model reads the beginning. The model's last
// layer and the head's first become one.
func join(model, head *nn.MLP, in int) *nn.MLP {
	mc, hc := model.Config(), head.Config()
	m := nn.NewMLP(nn.MLPConfig{
		In: in, Hidden: append(mc.Hidden, hc.Hidden...), Out: hc.Out,
		OutputBias: hc.OutputBias,
	}, nil)
	to, last := m.Params(), 2*len(mc.Hidden)
	for i := range mc.Hidden[0] {
		copy(to[0].Data[i*in:], model.Params()[0].Data[i*mc.In:(i+1)*mc.In])
	}
	for i := 1; i < last; i++ {
		copy(to[i].Data, model.Params()[i].Data)
	}
	w, first, bias := model.Params()[last], head.Params()[0], head.Params()[1]
	nn.MatMul(to[last].Data, first.Data, w.Data, hc.Hidden[0], hc.In, mc.Hidden[len(mc.Hidden)-1], 0)
	for i, b := range bias.Data {
		if mc.OutputBias {
			b += float32(dot(first.Data[i*hc.In:(i+1)*hc.In], model.Params()[last+1].Data))
		}
		to[last+1].Data[i] = b
	}
	for i, p := range head.Params()[2:] {
		copy(to[last+2+i].Data, p.Data)
	}
	return m
}

func dot(a, b []float32) (s float64) {
	for i, v := range a {
		s += float64(v) * float64(b[i])
	}
	return s
}
