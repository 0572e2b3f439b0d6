package imitation

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// TestTrainCARP: tokeniser and transformer get better on a demonstrator of points that reach a goal.
func TestTrainCARP(t *testing.T) {
	d := reaching(20, 30)
	cfg := Config{
		Arch: ArchCARP, Hidden: []int{16, 16}, Horizon: 8, Steps: 60, Batch: 16, LR: 3e-3, WarmUp: 10, WeightDecay: 1e-4,
		ValFraction: 0.2, Seed: 5, Shards: 1, ReportEvery: 30,
	}
	var reports []Report
	cfg.Progress = func(r Report) { reports = append(reports, r) }
	p, err := Train(context.Background(), d, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if len(reports) != 4 {
		t.Fatalf("%d reports", len(reports))
	}
	if a, b := reports[0], reports[1]; !(b.Loss < a.Loss && b.TokenRMSE < a.TokenRMSE && b.TokenRMSE > 0) {
		t.Errorf("the tokeniser went from %+v to %+v", a, b)
	}
	if a, b := reports[2], reports[3]; b.Step != 120 || !(b.Loss < a.Loss) || b.ValL1 <= 0 {
		t.Errorf("the transformer went from %+v to %+v", a, b)
	}
	if o := p.About().Origin; o.Task != "reach" || !strings.Contains(o.Training, `"arch":"carp"`) {
		t.Errorf("origin %+v", o)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cfg.Progress = func(Report) { cancel() }
	if _, err := Train(ctx, d, cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for key, change := range map[string]func(*Config){
		"horizon": func(c *Config) { c.Horizon = 10 }, "hidden": func(c *Config) { c.Hidden = []int{16, 8} },
	} {
		c := cfg
		if change(&c); c.Validate() == nil || !strings.Contains(c.Validate().Error(), key) {
			t.Errorf("%s: %v", key, c.Validate())
		}
	}
}
