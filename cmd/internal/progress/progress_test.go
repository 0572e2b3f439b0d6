package progress

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestProgressWithoutATerminal(t *testing.T) {
	var b bytes.Buffer
	p := New(&b, false, "collect", "episodes", 50)
	clock := p.start
	p.now = func() time.Time { return clock }
	for i := range 50 {
		clock = clock.Add(time.Second)
		p.Set(i+1, 50, "2 failed")
	}
	took := p.Finish("50 episodes")
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 11 || took != 50*time.Second {
		t.Fatalf("%d lines, %v:\n%s", len(lines), took, b.String())
	}
	if lines[0] != "collect: 5/50, 2 failed (5s)" || lines[10] != "collect: 50 episodes in 50s" {
		t.Errorf("first %q, last %q", lines[0], lines[10])
	}
	if strings.Contains(b.String(), "\r") || strings.Contains(b.String(), "\x1b") {
		t.Error("a log file got control characters")
	}
}

func TestProgressWhenQuiet(t *testing.T) {
	var b bytes.Buffer
	p := New(&b, true, "collect", "episodes", 2)
	p.now = func() time.Time { return p.start.Add(time.Hour) }
	p.Set(1, 2, "")
	p.Finish("done")
	if b.Len() > 0 {
		t.Errorf("printed %q", b.String())
	}
}
