package throttle

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestFloodIsBounded(t *testing.T) {
	var out bytes.Buffer
	l := Logger(slog.New(slog.NewTextHandler(&out, nil)))
	clock := time.Unix(100, 0)
	l.Handler().(*handler).now = func() time.Time { return clock }
	sub := l.With("peer", "x").WithGroup("g")
	for i := range 1000 {
		sub.Warn("nonsense", "text", fmt.Sprint(i)+strings.Repeat("y", 1<<16))
		l.Error("worse", "err", errors.New(strings.Repeat("z", 1<<16)))
	}
	if n := strings.Count(out.String(), "\n"); n != 2*burst || out.Len() > 2*burst*2*maxText {
		t.Errorf("%d lines, %d bytes", n, out.Len())
	}
	out.Reset()
	clock = clock.Add(time.Second)
	sub.Warn("nonsense", "text", "once more")
	sub.Warn("nonsense", "text", "and again")
	l.Info("something else")
	got := out.String()
	if want := fmt.Sprintf("left_out=%d", 1000-burst); strings.Count(got, want) != 1 || strings.Count(got,
		"left_out") != 1 || strings.Count(got, "\n") != 3 {
		t.Errorf("later: %s", got)
	}
}

// TestManyMessages: messages made of what comes from outside do not grow the memory either.
func TestManyMessages(t *testing.T) {
	var out bytes.Buffer
	l := Logger(slog.New(slog.NewTextHandler(&out, nil)))
	for i := range 1000 {
		l.Warn(fmt.Sprintf("message %d", i))
	}
	if n := strings.Count(out.String(), "\n"); n > kinds+2*burst {
		t.Errorf("%d lines", n)
	}
	if n := len(l.Handler().(*handler).seen); n > kinds+1 {
		t.Errorf("%d kinds are kept", n)
	}
	if Logger(l) != l {
		t.Error("a throttled logger is throttled again")
	}
}
