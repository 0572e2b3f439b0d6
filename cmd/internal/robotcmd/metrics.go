package robotcmd

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"korr/basepolicy"
	"korr/cmd/internal/cli"
	"korr/internal/metrics"
	"korr/internal/regular"
	"korr/residual/loop"
	"korr/ros/robot"
)

// serveMetrics serves the loop's numbers, if that is asked for; planned may be nil.
func (o *runOptions) serveMetrics(r *robot.Robot, planned func() basepolicy.AheadStats) (func() error, error) {
	run := o.run()
	if run.Metrics == "" {
		return func() error { return nil }, nil
	}
	var token string
	if run.MetricsTokenFile != "" {
		data, err := regular.Read(run.MetricsTokenFile, regular.Text)
		if err != nil {
			return nil, fmt.Errorf("run.metrics_token_file: %w", err)
		}
		if token = strings.TrimSpace(string(data)); token == "" {
			return nil, cli.UsageErrorf("run.metrics_token_file: %s is empty", run.MetricsTokenFile)
		}
	}
	s, err := metrics.Start(loopMetrics(r.Status, planned), metrics.Config{Addr: run.Metrics, Token: token, Logger: o.Log})
	if errors.Is(err, metrics.ErrToken) {
		return nil, cli.UsageErrorf("--metrics %s: %w; name a file with --set run.metrics_token_file=FILE, or serve "+
			"127.0.0.1", run.Metrics, err)
	}
	if err != nil {
		return nil, err
	}
	o.Log.Info("metrics", "url", "http://"+s.Addr()+"/metrics")
	return s.Close, nil
}

// loopMetrics are the numbers of a control loop.
func loopMetrics(status func() loop.Status, planned func() basepolicy.AheadStats) *metrics.Set {
	m := metrics.New()
	for _, s := range []loop.State{loop.StateInit, loop.StateReady, loop.StateRun, loop.StateHold, loop.StateFault} {
		m.Gauge("korr_loop_state", "1 for the state that the control loop is in.", func() float64 {
			if status().State == s {
				return 1
			}
			return 0
		}, "state", s.String())
	}
	for _, c := range []struct {
		name, help string
		of         func(*loop.Status) uint64
	}{
		{"ticks", "Wake-ups of the control loop.", func(s *loop.Status) uint64 { return s.Ticks }},
		{"commands", "Commands handed over.", func(s *loop.Status) uint64 { return s.Sent }},
		{
			"withdrawn_commands", "Of those, not out by the next control step.",
			func(s *loop.Status) uint64 { return s.Withdrawn },
		},
		{"missed_deadlines", "Deadlines missed.", func(s *loop.Status) uint64 { return s.Misses }},
		{"holds", "Times that HOLD was entered.", func(s *loop.Status) uint64 { return s.Holds }},
		{
			"residual_fallbacks", "Control steps whose residual was not finite.",
			func(s *loop.Status) uint64 { return s.Fallbacks },
		},
		{
			"late_chunks", "Control steps that held because the next chunk was late.",
			func(s *loop.Status) uint64 { return s.Late },
		},
		{"clamped_commands", "Commands that the shield changed.", func(s *loop.Status) uint64 { return s.Clamped }},
	} {
		m.Counter("korr_loop_"+c.name+"_total", c.help, func() float64 { s := status(); return float64(c.of(&s)) })
	}
	m.Gauge("korr_loop_observation_age_seconds", "Age of the newest observation by its stamp.",
		func() float64 { return status().Age.Seconds() })
	distribution(m, "korr_loop_jitter_seconds", "Deviation of the time between control steps from the period.",
		func() loop.Spread { return status().Jitter })
	distribution(m, "korr_loop_latency_seconds", "From waking up to the command's hand-over.",
		func() loop.Spread { return status().Latency })
	if planned != nil {
		m.Counter("korr_chunks_planned_total", "Chunks planned beside the loop and begun.",
			func() float64 { return float64(planned().Planned) })
		m.Counter("korr_chunks_bridged_actions_total", "Actions of an old chunk executed because the next was late.",
			func() float64 { return float64(planned().Bridged) })
		m.Counter("korr_chunks_network_calls_total", "Network calls for the chunks begun, parts of one counted as such.",
			func() float64 { return planned().Calls })
		m.Counter("korr_chunks_forecasts_total", "Forecasts in place of network calls.",
			func() float64 { return float64(planned().Accepted) }, "verdict", "accepted")
		m.Counter("korr_chunks_forecasts_total", "Forecasts in place of network calls.",
			func() float64 { return float64(planned().Rejected) }, "verdict", "rejected")
		m.Gauge("korr_chunks_forecast_error", "Mean relative L2 error of the forecasts of the chunk begun last.",
			func() float64 { return planned().ForecastError })
		m.Counter("korr_chunks_shortened_total", "Chunks executed for fewer steps because their forecasts were off.",
			func() float64 { return float64(planned().Shortened) })
		m.Gauge("korr_chunks_longest_seconds", "Longest time that planning a chunk took.",
			func() float64 { return planned().Longest.Seconds() })
	}
	return m
}

// distribution adds a distribution since the start: quantiles 0.5, 0.99 and 1.
func distribution(m *metrics.Set, name, help string, of func() loop.Spread) {
	for q, f := range map[string]func(loop.Spread) time.Duration{
		"0.5":  func(s loop.Spread) time.Duration { return s.P50 },
		"0.99": func(s loop.Spread) time.Duration { return s.P99 },
		"1":    func(s loop.Spread) time.Duration { return s.Max },
	} {
		m.Gauge(name, help, func() float64 { return f(of()).Seconds() }, "quantile", q)
	}
}
