package nn

import "math"

// EMA keeps an exponential moving average of parameters. Its decay rises with
// the steps n taken, 1 - (1 + n)^-Power, up to Max, so that early averages forget
// the random start.
type EMA struct {
	// Params are the averages.
	Params []*Param
	// Power and Max set the decay: 0.75 and 0.9999 are common.
	Power, Max float64
	// Steps counts the updates.
	Steps int
}

// NewEMA returns an average that takes the place of params, whose values it
// starts from.
func NewEMA(params []*Param, power, maximum float64) *EMA {
	specs := make([]Param, len(params))
	for i, p := range params {
		specs[i] = Param{Name: p.Name, Shape: p.Shape, Taps: p.Taps}
	}
	e := &EMA{Params: NewParams(specs...), Power: power, Max: maximum}
	CopyParams(e.Params, params)
	return e
}

// Update moves the average towards params.
func (e *EMA) Update(params []*Param) {
	e.Steps++
	decay := math.Min(e.Max, 1-math.Pow(1+float64(e.Steps), -e.Power))
	Polyak(e.Params, params, float32(1-decay))
}
