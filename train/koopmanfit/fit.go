package koopmanfit

import (
	"context"
	"fmt"
	"math"
	"slices"

	"korr/internal/plot"
	"korr/internal/report"
	"korr/internal/seed"
	"korr/koopman"
	"korr/residual"
	"korr/sim"
	"korr/train/dataset"
)

// Data is the demonstrations as the Koopman model reads them, split by episode.
type Data struct {
	train, heldOut []koopman.Episode
	// heldOutRollouts are episodes of the base policy (see AddRollouts).
	heldOutRollouts []koopman.Episode
	obsDim, actDim  int
	robot           int // of koopman.Config
	plain           int // leading coordinates that are the normalised observation, before the features
	rolled          int // control steps of the base policy's episodes
}

// RolloutSteps is how many control steps AddRollouts played.
func (k *Data) RolloutSteps() int { return k.rolled }

// NewData encodes observations and executed actions with the base policy's encoder, with or without the task's
// features, and holds out a seeded choice of the episodes.
func NewData(d *dataset.Dataset, base *residual.Policy, features bool, c *Config, runSeed uint64) (*Data, error) {
	enc, err := taskEncoder(base, features)
	if err != nil {
		return nil, err
	}
	if d.Info.ObsDim() != enc.RawDim() {
		return nil, fmt.Errorf("the demonstrations hold observations of %d values, the base policy reads %d", d.Info.ObsDim(),
			enc.RawDim())
	}
	k := &Data{obsDim: enc.Dim(), actDim: enc.ActDim(), plain: enc.ObsDim()}
	if c.Focus {
		k.robot, k.plain = sim.StateDim, sim.StateDim
		k.obsDim = enc.PartDim(k.robot)
	}
	n := len(d.Episodes)
	held := int(math.Ceil(c.HeldOut * float64(n)))
	if held >= n {
		return nil, fmt.Errorf("%d episodes, %d of them held out: none to train on", n, held)
	}
	order := seed.Stream(runSeed, "koopman/split", 0).Perm(n)
	raw, xo := make([]float32, enc.RawDim()), make([]float32, enc.Dim())
	for i := range n {
		e := &d.Episodes[i]
		out := koopman.Episode{Obs: make([]float32, e.Len()*k.obsDim), Act: make([]float32, e.Len()*k.actDim), T: e.Len()}
		for t := range e.Len() {
			e.ObsTo(raw, t)
			enc.EncodeTo(xo, raw)
			enc.PartTo(out.Obs[t*k.obsDim:(t+1)*k.obsDim], xo, k.robot)
			enc.NormalizeActionTo(out.Act[t*k.actDim:(t+1)*k.actDim], e.ExecutedAt(t))
		}
		if slices.Contains(order[:held], i) {
			k.heldOut = append(k.heldOut, out)
		} else {
			k.train = append(k.train, out)
		}
	}
	return k, nil
}

// taskEncoder is the encoder of a policy with or without the task's features.
func taskEncoder(p *residual.Policy, features bool) (*residual.Encoder, error) {
	task, err := sim.TaskByName(p.Task)
	if err != nil {
		return nil, err
	}
	q := *p
	q.Features = features
	return q.Encoder(task.NewFeatures())
}

func training(c *Config, runSeed uint64, progress func(int, float64)) koopman.TrainConfig {
	t := c.Training
	t.Seed, t.Progress = runSeed, progress
	return t
}

// fit trains a new model on the training episodes.
func fit(ctx context.Context, k *Data, c *Config, runSeed uint64, progress func(int, float64)) (*koopman.Model, error) {
	model := c.Model
	model.ObsDim, model.State, model.ActDim = k.obsDim, k.robot, k.actDim
	m, err := koopman.New(model, seed.Stream(runSeed, "koopman/init", 0))
	if err != nil {
		return nil, err
	}
	return m, koopman.Train(ctx, m, k.train, training(c, runSeed, progress))
}

// rivals are what the model is compared with: a nonlinear network trained the same way, DMDc and persistence.
type rivals struct {
	nonlinear *koopman.Dynamics
	dmdc      *koopman.DMDc
}

func fitRivals(ctx context.Context, k *Data, c *Config, runSeed uint64) (r rivals, err error) {
	if r.dmdc, err = koopman.FitDMDc(k.train, k.obsDim, k.actDim, c.Training.Ridge); err != nil {
		return r, err
	}
	r.nonlinear, err = koopman.TrainDynamics(ctx, k.train, k.obsDim, k.actDim, c.Model.Hidden, training(c, runSeed, nil))
	return r, err
}

// Fit trains the model and its rivals at the same time and scores them on the held-out episodes. Without held-out
// episodes there are no rivals and no scores.
func Fit(ctx context.Context, k *Data, c *Config, runSeed uint64, progress func(int, float64)) (*koopman.Model,
	[]koopman.Score, error,
) {
	if len(k.heldOut) == 0 {
		m, err := fit(ctx, k, c, runSeed, progress)
		if err != nil {
			return nil, nil, err
		}
		return m, []koopman.Score{}, m.Calibrate(k.train, calibrated)
	}
	type answer struct {
		rivals rivals
		err    error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	fitted := make(chan answer, 1)
	go func() {
		r, err := fitRivals(ctx, k, c, runSeed)
		fitted <- answer{r, err}
	}()
	m, err := fit(ctx, k, c, runSeed, progress)
	if err != nil {
		cancel()
	}
	other := <-fitted
	if err != nil {
		return nil, nil, err // the rivals' error follows from it, or does not matter any more
	}
	if other.err != nil {
		return nil, nil, other.err
	}
	if err := m.Calibrate(append(slices.Clone(k.heldOut), k.heldOutRollouts...), calibrated); err != nil {
		return nil, nil, err
	}
	reader, err := koopman.NewReader(m, k.train)
	if err != nil {
		return nil, nil, err
	}
	forecasters := []koopman.Forecaster{reader, other.rivals.nonlinear, other.rivals.dmdc, koopman.Persistence{}}
	if c.Model.StateInclusive {
		disturbed, err := koopman.NewDisturbed(m, observerGain)
		if err != nil {
			return nil, nil, err
		}
		forecasters = append(forecasters, disturbed)
	}
	scores, err := k.score(forecasters)
	return m, scores, err
}

// Scoring is what a table of prediction errors is about.
type Scoring struct {
	data     string // in koopman.Score
	rollouts bool   // of the base policy, not demonstrations
	features bool   // beside the normalised observation
	Caption  string
}

var (
	OnDemonstrations = Scoring{"", false, false, "RMSE of the normalised observation on held-out demonstrations"}
	Scorings         = []Scoring{
		OnDemonstrations,
		{"rollouts", true, false, "RMSE of the normalised observation on held-out episodes of the base policy with " +
			"exploration noise"},
		{"features", false, true, "RMSE of observation and features on held-out demonstrations"},
		{"rollouts features", true, true, "RMSE of observation and features on held-out episodes of the base policy with " +
			"exploration noise"},
	}
)

// observerGain is that of the observer in the table: the largest that helped on held-out demonstrations at 10 steps.
const observerGain = 0.02

// calibrated is the share of held-out steps below the innovation's limit.
const calibrated = 0.999

// horizons are the control steps ahead at which the forecasts are measured.
var horizons = []int{1, 5, 10, 50}

// within drops the horizons for which no episode is long enough.
func within(horizons []int, episodes []koopman.Episode) []int {
	longest := 0
	for _, e := range episodes {
		longest = max(longest, e.T)
	}
	return slices.DeleteFunc(slices.Clone(horizons), func(h int) bool { return h >= longest })
}

// score measures the forecasters on the held-out episodes there are: over the normalised observation, and with the
// features that a residual reads.
func (k *Data) score(fs []koopman.Forecaster) (all []koopman.Score, err error) {
	for _, s := range Scorings {
		episodes, dims := k.heldOut, k.plain
		if s.rollouts {
			episodes = k.heldOutRollouts
		}
		if s.features {
			dims = k.obsDim
		}
		if len(episodes) == 0 || s.features && k.obsDim == k.plain {
			continue
		}
		scores, err := koopman.Evaluate(fs, episodes, k.obsDim, k.actDim, koopman.EvalConfig{Horizons: within(horizons,
			episodes), Dims: dims})
		if err != nil {
			return nil, err
		}
		for i := range scores {
			scores[i].Data = s.data
		}
		all = append(all, scores...)
	}
	return all, nil
}

// Of picks the scores that a table is about.
func (on Scoring) Of(scores []koopman.Score) (out []koopman.Score) {
	for _, s := range scores {
		if s.Data == on.data {
			out = append(out, s)
		}
	}
	return out
}

// Table has a row for each model, a column for each horizon and the time of the longest forecast.
func Table(scores []koopman.Score) *report.Table {
	t := &report.Table{Columns: []report.Column{{Name: "model"}}}
	for _, s := range scores {
		if s.Model == scores[0].Model {
			t.Columns = append(t.Columns, report.Column{Name: fmt.Sprintf("%d-step", s.Horizon), Right: true})
		}
	}
	t.Columns = append(t.Columns, report.Column{Name: "µs", Right: true})
	for i, s := range scores {
		if i == 0 || s.Model != scores[i-1].Model {
			t.Rows = append(t.Rows, []string{s.Model})
		}
		last := &t.Rows[len(t.Rows)-1]
		*last = append(*last, fmt.Sprintf("%.4f", s.RMSE))
		if i == len(scores)-1 || s.Model != scores[i+1].Model {
			*last = append(*last, fmt.Sprintf("%.1f", s.Micros))
		}
	}
	return t
}

// Figure draws the error of every model over the horizon.
func Figure(scores []koopman.Score) (*plot.Figure, error) {
	var series []plot.Series
	for _, s := range scores {
		if len(series) == 0 || series[len(series)-1].Name != s.Model {
			series = append(series, plot.Series{Name: s.Model, Main: s.Model == "koopman"})
		}
		last := &series[len(series)-1]
		last.X, last.Y = append(last.X, float64(s.Horizon)), append(last.Y, s.RMSE)
	}
	return plot.Lines("n-step prediction error on held-out episodes",
		plot.Axes{X: "horizon (control steps of 0.1 s)", Y: "RMSE (normalised)", LogX: true, LogY: true, Markers: true},
		series)
}
