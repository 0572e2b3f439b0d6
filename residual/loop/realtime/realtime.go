package realtime

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// Options are what to ask for; the zero value asks for nothing.
type Options struct {
	CPUs        []int // cores the loop's thread may run on
	Priority    int   // SCHED_FIFO priority 1..99 of the loop's thread; 0 = leave it
	LockMemory  bool  // mlockall
	GCPercent   int   // as GOGC; 0 = leave it, negative = collect only at the memory limit
	MemoryLimit int64 // bytes, as GOMEMLIMIT; 0 = leave it
}

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
	for _, c := range o.CPUs {
		if c < 0 || c > 1023 {
			return fmt.Errorf("realtime: core %d: want 0..1023", c)
		}
	}
	if o.Priority < 0 || o.Priority > 99 {
		return fmt.Errorf("realtime: priority %d: want 1..99, or 0 for none", o.Priority)
	}
	if o.MemoryLimit < 0 {
		return fmt.Errorf("realtime: memory limit %d: want bytes above 0, or 0 for none", o.MemoryLimit)
	}
	if o.GCPercent < 0 && o.MemoryLimit == 0 {
		return errors.New("realtime: a garbage collector that is off needs a memory limit")
	}
	return nil
}

// Process applies what concerns the whole process: the garbage collector and locked memory. restore undoes it.
func (o *Options) Process() (refusals []*Refusal, restore func()) {
	gc, limit, locked := 0, int64(math.MaxInt64), false
	if o.GCPercent != 0 {
		gc = debug.SetGCPercent(o.GCPercent)
	}
	if o.MemoryLimit > 0 {
		limit = debug.SetMemoryLimit(o.MemoryLimit)
	}
	if o.LockMemory {
		if err := lockMemory(); err != nil {
			refusals = append(refusals, &Refusal{"lock memory", err, "raise the memlock limit (ulimit -l unlimited, or LimitMEMLOCK=infinity) or grant CAP_IPC_LOCK"})
		} else {
			locked = true
		}
	}
	return refusals, func() {
		if o.GCPercent != 0 {
			debug.SetGCPercent(gc)
		}
		if o.MemoryLimit > 0 {
			debug.SetMemoryLimit(limit)
		}
		if locked {
			_ = unlockMemory()
		}
	}
}

// Thread ties the calling goroutine to a thread of its own and applies what concerns that thread. The goroutine must end
// without unlocking it when something was applied, so that the thread ends with it.
func (o *Options) Thread() (refusals []*Refusal) {
	if len(o.CPUs) == 0 && o.Priority == 0 {
		return nil
	}
	runtime.LockOSThread()
	if len(o.CPUs) > 0 {
		if err := setAffinity(o.CPUs); err != nil {
			refusals = append(refusals, &Refusal{fmt.Sprintf("run on cores %v", o.CPUs), err, "name cores this process may use (taskset -p $$ shows them)"})
		}
	}
	if o.Priority > 0 {
		if err := setFIFO(o.Priority); err != nil {
			refusals = append(refusals, &Refusal{fmt.Sprintf("SCHED_FIFO priority %d", o.Priority), err, "grant CAP_SYS_NICE, or raise the rtprio limit (ulimit -r, LimitRTPRIO=)"})
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
		if err != nil || a < 0 || b < a || b > 1023 {
			return nil, fmt.Errorf("realtime: cores %q: want numbers like 2,3 or 2-5", list)
		}
		for c := a; c <= b; c++ {
			cpus = append(cpus, c)
		}
	}
	return cpus, nil
}
