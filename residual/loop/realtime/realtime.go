package realtime

import (
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"korr/internal/setting"
)

// Options are what to ask for; the zero value asks for nothing.
type Options struct {
	CPUs CPUs `yaml:"cpus"` // processor cores of the loop's thread, such as 2,3 or 2-5; empty = any
	// SCHED_FIFO priority of the loop's thread, 1..99; with one the process is kept in memory, too (mlockall); 0 = none
	Priority int `yaml:"priority"`
	// growth of the heap between garbage collections (messages are garbage), as GOGC; 0 = Go's own
	GCPercent     int `yaml:"gc_percent"`
	MemoryLimitMB int // MB at which the garbage collector works harder, as GOMEMLIMIT; 0 = none
}

// DefaultOptions ask for what every process is granted.
func DefaultOptions() Options { return Options{GCPercent: 400} }

// CPUs are processor cores by number; their text is what ParseCPUs reads.
type CPUs []int

// MarshalText implements encoding.TextMarshaler.
func (c CPUs) MarshalText() ([]byte, error) {
	names := make([]string, len(c))
	for i, n := range c {
		names[i] = strconv.Itoa(n)
	}
	return []byte(strings.Join(names, ",")), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *CPUs) UnmarshalText(text []byte) (err error) {
	*c, err = ParseCPUs(string(text))
	return err
}

// largestCPU is the last core that a thread can be tied to.
const largestCPU = 1023

// Refusal is something the operating system did not grant.
type Refusal struct {
	What string // the option
	Err  error
	Hint string // what would grant it
}

// Error implements error.
func (r *Refusal) Error() string { return fmt.Sprintf("%s: %v; %s", r.What, r.Err, r.Hint) }

// Unwrap returns the system's error.
func (r *Refusal) Unwrap() error { return r.Err }

// Validate refuses options that no system grants.
func (o *Options) Validate() error {
	known := true
	for _, c := range o.CPUs {
		known = known && c >= 0 && c <= largestCPU
	}
	return setting.Check(
		"realtime",
		setting.Rule{Key: "cpus", OK: known, Want: fmt.Sprintf("is %v, must be numbers from 0 to %d", o.CPUs, largestCPU)},
		setting.Within("priority", o.Priority, 0, 99),
		setting.AtLeast("memory_limit_mb", o.MemoryLimitMB, 0),
		setting.Rule{
			Key: "gc_percent", OK: o.GCPercent >= 0 || o.MemoryLimitMB > 0,
			Want: "is negative: a garbage collector that is off needs a memory limit",
		},
	)
}

// Process applies what concerns the whole process: the garbage collector and locked memory. restore undoes it.
func (o *Options) Process() (refusals []*Refusal, restore func()) {
	gc, limit, locked := 0, int64(math.MaxInt64), false
	if o.GCPercent != 0 {
		gc = debug.SetGCPercent(o.GCPercent)
	}
	if o.MemoryLimitMB > 0 {
		limit = debug.SetMemoryLimit(int64(o.MemoryLimitMB) << 20)
	}
	if o.Priority > 0 { // a thread that waits for a page keeps no time, whatever its priority
		if err := lockMemory(); err != nil {
			refusals = append(refusals, &Refusal{"lock memory", err, "raise the memlock limit (ulimit -l unlimited, or " +
				"LimitMEMLOCK=infinity) or grant CAP_IPC_LOCK"})
		} else {
			locked = true
		}
	}
	return refusals, func() {
		if o.GCPercent != 0 {
			debug.SetGCPercent(gc)
		}
		if o.MemoryLimitMB > 0 {
			debug.SetMemoryLimit(limit)
		}
		if locked {
			_ = unlockMemory()
		}
	}
}

// Thread ties the calling goroutine to a thread of its own and applies what concerns that thread. The goroutine must
// end without unlocking it when something was applied, so that the thread ends with it.
func (o *Options) Thread() (refusals []*Refusal) {
	if len(o.CPUs) == 0 && o.Priority == 0 {
		return nil
	}
	runtime.LockOSThread()
	if len(o.CPUs) > 0 {
		if err := setAffinity(o.CPUs); err != nil {
			refusals = append(refusals, &Refusal{
				fmt.Sprintf("run on cores %v", o.CPUs), err,
				"name cores this process may use (taskset -p $$ shows them)",
			})
		}
	}
	if o.Priority > 0 {
		if err := setFIFO(o.Priority); err != nil {
			refusals = append(refusals, &Refusal{
				fmt.Sprintf("SCHED_FIFO priority %d", o.Priority), err,
				"grant CAP_SYS_NICE, or raise the rtprio limit (ulimit -r, LimitRTPRIO=)",
			})
		}
	}
	return refusals
}

// ParseCPUs reads a list of cores, "2" or "2,3" or "2-5"; "" is none.
func ParseCPUs(list string) ([]int, error) {
	var cpus []int
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		first, last, ranged := strings.Cut(part, "-")
		a, err := strconv.Atoi(first)
		b := a
		if err == nil && ranged {
			b, err = strconv.Atoi(last)
		}
		if err != nil || a < 0 || b < a || b > largestCPU {
			return nil, fmt.Errorf("realtime: cores %q: want numbers like 2,3 or 2-5", list)
		}
		for c := a; c <= b; c++ {
			cpus = append(cpus, c)
		}
	}
	return cpus, nil
}
