package realtime

import (
	"errors"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

func TestParseCPUs(t *testing.T) {
	for text, want := range map[string][]int{"": nil, "2": {2}, "0, 3": {0, 3}, "1-3,7": {1, 2, 3, 7}} {
		if got, err := ParseCPUs(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"x", "-1", "3-1", "1-", "2000", "1;2"} {
		if got, err := ParseCPUs(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, o := range []Options{{CPUs: []int{-1}}, {Priority: 100}, {Priority: -1}, {MemoryLimitMB: -1}, {GCPercent: -1}} {
		if o.Validate() == nil {
			t.Errorf("accepted %+v", o)
		}
	}
	o := Options{CPUs: []int{0}, Priority: 50, GCPercent: -1, MemoryLimitMB: 1 << 10}
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
}

// TestProcess: the collector's settings are applied and undone; locked memory is granted or refused with a hint.
func TestProcess(t *testing.T) {
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	o := Options{GCPercent: 300, MemoryLimitMB: 1 << 13, Priority: 1}
	refusals, restore := o.Process()
	if got := debug.SetGCPercent(300); got != 300 {
		t.Errorf("GC percent %d", got)
	}
	if got := debug.SetMemoryLimit(-1); got != 1<<33 {
		t.Errorf("memory limit %d", got)
	}
	for _, r := range refusals {
		if !strings.Contains(r.Error(), "memlock") || errors.Unwrap(r) == nil {
			t.Error(r)
		}
	}
	t.Log("refused:", refusals)
	restore()
	if got := debug.SetGCPercent(77); got != 77 {
		t.Errorf("GC percent %d after restoring", got)
	}
	if got := debug.SetMemoryLimit(-1); got != math.MaxInt64 {
		t.Errorf("memory limit %d after restoring", got)
	}
}

// TestThread: an existing core is granted on Linux, one that does not exist is refused; priority is granted or refused.
func TestThread(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("threads are bound on Linux only")
	}
	run := func(o Options) []*Refusal {
		got := make(chan []*Refusal)
		go func() { got <- o.Thread() }() // the thread ends with the goroutine
		return <-got
	}
	if r := run(Options{}); r != nil {
		t.Errorf("nothing asked, refused %v", r)
	}
	if r := run(Options{CPUs: []int{1023}}); len(r) != 1 || !strings.Contains(r[0].Error(), "taskset") {
		t.Errorf("core 1023: %v", r)
	}
	granted := false
	for c := range 64 {
		granted = granted || len(run(Options{CPUs: []int{c}})) == 0
	}
	if !granted {
		t.Error("no core was granted")
	}
	for _, r := range run(Options{Priority: 10}) {
		if !strings.Contains(r.Error(), "CAP_SYS_NICE") {
			t.Error(r)
		}
	}
}
