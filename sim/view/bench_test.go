//go:build mujoco

package view

import (
	"context"
	"syscall"
	"testing"

	"korr/sim"
	"korr/sim/disturb"
	"korr/sim/expert"
	"korr/sim/mujoco"
)

// silent is the scripted expert without advice.
type silent struct{ *expert.Expert }

func (s silent) ActTo(act, obs []float32) (Advice, error) {
	return Advice{Residual: nan, Innovation: nan}, s.Expert.ActTo(act, obs)
}

func livePlayer(tb testing.TB) Player {
	tb.Helper()
	task, err := sim.TaskByName("one_leg")
	if err != nil {
		tb.Fatal(err)
	}
	e, err := expert.New(task, expert.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	p, err := NewLive(mujoco.Config{Task: "one_leg"}, disturb.Config{}, silent{e}, "expert")
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// TestLiveEpisode: the whole episode of the expert, through the session: solved, with every sample of it.
func TestLiveEpisode(t *testing.T) {
	s, err := NewSession(Config{Live: livePlayer(t), Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.show(s.cfg.Live); err != nil {
		t.Fatal(err)
	}
	s.speed = 0
	for s.running() {
		s.advance(context.Background())
	}
	if s.status() != "assembled" || s.last.Reward != 1 || s.last.Phase != "assembled" ||
		len(s.board.samples) != (s.last.Step+1)*sampleSize {
		t.Errorf("%s after %d steps, reward %g, phase %s, %d bytes of samples", s.status(), s.last.Step, s.last.Reward,
			s.last.Phase, len(s.board.samples))
	}
}

// BenchmarkStep is a control step of one_leg as fast as it goes: the environment alone, the session without viewers,
// and with one that takes frames and contacts as fast as they come.
func BenchmarkStep(b *testing.B) {
	b.Run("environment", func(b *testing.B) {
		l := livePlayer(b).(*live)
		defer l.Close()
		reset := func() {
			if _, err := l.Reset(1); err != nil {
				b.Fatal(err)
			}
		}
		reset()
		cpu := processorTime(b)
		for b.Loop() {
			if _, err := l.policy.ActTo(l.act, l.obs); err != nil {
				b.Fatal(err)
			}
			res, err := l.env.Step(l.obs, l.act)
			if err != nil {
				b.Fatal(err)
			}
			if res.Terminated || res.Truncated {
				reset()
			}
		}
		b.ReportMetric(float64(processorTime(b)-cpu)/float64(b.N), "cpu-ns/op")
	})
	for name, viewers := range map[string]int{"session": 0, "viewer": 1} {
		b.Run(name, func(b *testing.B) {
			s, err := NewSession(Config{Live: livePlayer(b), Seed: 1})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			if err := s.show(s.cfg.Live); err != nil {
				b.Fatal(err)
			}
			s.speed = 0
			bytes, stop := watchBoard(s.board, viewers)
			cpu := processorTime(b)
			for b.Loop() {
				if !s.running() {
					if err := s.reset(1); err != nil {
						b.Fatal(err)
					}
				}
				s.advance(context.Background())
			}
			stop()
			b.ReportMetric(float64(processorTime(b)-cpu)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(*bytes)/float64(b.N), "B/step")
		})
	}
}

// processorTime is what this process has used, ns: unlike wall time it does not count what else the machine does.
func processorTime(b *testing.B) int64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// watchBoard takes messages as viewers' connections do, and counts their bytes.
func watchBoard(board *board, viewers int) (bytes *int, stop func()) {
	bytes = new(int)
	if viewers == 0 {
		return bytes, func() {}
	}
	board.join(1)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		at := seen{contacts: true}
		for ctx.Err() == nil {
			news, changed := board.news(&at)
			for _, m := range news {
				*bytes += len(m.data)
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	}()
	return bytes, func() { cancel(); <-done }
}
