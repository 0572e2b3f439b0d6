package loop

import (
	"testing"
	"time"

	"korr/residual"
)

// TestTimes: ages count from the present on the clock, and from the arm's stamp in lock step; steps are the time that
// the arm's stamps say has passed since the stepper was told last.
func TestTimes(t *testing.T) {
	const ms = time.Millisecond
	start := time.Unix(1000, 0)
	for name, tc := range map[string]struct {
		cfg      Config
		measured [][]time.Duration // of the arm and one part, after start; nil: nobody tells
		now      []time.Duration
		want     []residual.When
	}{
		"on the clock": {
			Config{Period: 100 * ms},
			[][]time.Duration{{0, -200 * ms}, {110 * ms, -50 * ms}, {110 * ms, 90 * ms}, {600 * ms, 100 * ms}},
			[]time.Duration{10 * ms, 115 * ms, 215 * ms, 620 * ms},
			[]residual.When{
				{Steps: 1, Ages: []float64{0.1, 2.1}},
				{Steps: 1.1, Ages: []float64{0.05, 1.65}},
				{Steps: 0, Ages: []float64{1.05, 1.25}},
				{Steps: 4.9, Ages: []float64{0.2, 5.2}},
			},
		},
		"in lock step": {
			Config{LockStep: true, Step: 100 * ms},
			[][]time.Duration{{0, 0}, {100 * ms, -200 * ms}, {200 * ms, 0}},
			[]time.Duration{time.Hour, time.Hour, time.Hour},
			[]residual.When{
				{Steps: 1, Ages: []float64{0, 0}},
				{Steps: 1, Ages: []float64{0, 3}},
				{Steps: 1, Ages: []float64{0, 2}},
			},
		},
		"nobody tells": {
			Config{Period: 100 * ms},
			[][]time.Duration{nil, nil},
			[]time.Duration{0, 300 * ms},
			[]residual.When{{Steps: 1}, {Steps: 1}},
		},
		"lock step without a step": {
			Config{LockStep: true},
			[][]time.Duration{{0, -100 * ms}},
			[]time.Duration{0},
			[]residual.When{{Steps: 1}},
		},
	} {
		var now time.Time
		tc.cfg.StampNow = func() time.Time { return now }
		l, err := New(&simRobot{}, &fakeStepper{}, tc.cfg)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range tc.measured {
			now, l.sample.Measured = start.Add(tc.now[i]), l.sample.Measured[:0]
			for _, d := range m {
				l.sample.Measured = append(l.sample.Measured, start.Add(d))
			}
			got := l.times()
			if want := tc.want[i]; !near(got.Steps, want.Steps) || len(got.Ages) != len(want.Ages) {
				t.Errorf("%s, sample %d: %+v, want %+v", name, i, got, want)
				continue
			}
			for k, a := range tc.want[i].Ages {
				if !near(got.Ages[k], a) {
					t.Errorf("%s, sample %d: ages %v, want %v", name, i, got.Ages, tc.want[i].Ages)
				}
			}
		}
	}
}

func near(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 }
