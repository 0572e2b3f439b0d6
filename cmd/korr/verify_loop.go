package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// loopOptions are the flags of verify loop.
type loopOptions struct {
	*app
	minutes  float64
	lockStep bool
	ticks    int
	growth   float64
}

func newCmdVerifyLoop(a *app) *cobra.Command {
	o := &loopOptions{app: a}
	cmd := &cobra.Command{
		Use:   "loop",
		Short: "deadlines in real time, or memory over an hour of control in lock step",
		Long: `Starts the simulator's node and the control node, with the policy, rate and real-time settings run.*, as processes of their own. In real
time it counts missed deadlines and exits with 3 when there was one. With --lock-step it runs whole episodes until --ticks commands were sent,
and exits with 3 when the control node's resident memory grew by more than --growth (the mean of the last third over the second).`,
		Example: `  korr verify loop --minutes 10
  korr verify loop --lock-step --ticks 36000 --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runVerifyLoop(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.Float64Var(&o.minutes, "minutes", 10, "of real time")
	f.BoolVar(&o.lockStep, "lock-step", false, "as fast as the simulator can, and watch memory")
	f.IntVar(&o.ticks, "ticks", 36000, "commands in lock step; 36000 are an hour at 10 Hz")
	f.Float64Var(&o.growth, "growth", 0.05, "of memory that is allowed, a fraction")
	return cmd
}

// loopResult is what the verb prints.
type loopResult struct {
	Schema   string      `json:"schema"` // korr.loop/1
	Seconds  float64     `json:"seconds"`
	Commands int         `json:"commands"`
	Expected int         `json:"expected"` // commands, at the rate
	Missed   int         `json:"missed_in_a_row"`
	Jitter   *spread     `json:"jitter,omitempty"`
	Latency  spread      `json:"latency"`
	Memory   []residency `json:"memory"`
	Growth   float64     `json:"memory_growth"` // last third over second
	Passed   bool        `json:"passed"`
}

// residency is the control node's memory at one time.
type residency struct {
	Seconds  float64 `json:"seconds"`
	Resident int64   `json:"resident_bytes"`
	Threads  int     `json:"threads"`
}

// episodeTicks is how long an episode lasts at least, about; it bounds the number of episodes asked for.
const episodeTicks = 200

func runVerifyLoop(ctx context.Context, o *loopOptions) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	uri := "http://" + ln.Addr().String()
	_ = ln.Close()
	common := []string{"--quiet"}
	for _, kv := range o.overrides {
		common = append(common, "--set", kv)
	}
	simulator, run := []string{"sim", "--ros", "--master"}, []string{"run", "--yes", "--wait", "--json"}
	if o.lockStep {
		simulator, run = append(simulator, "--lock-step"), append(run, "--lock-step", "--episodes", strconv.Itoa(o.ticks/episodeTicks+1))
	}
	node := func(args []string) *exec.Cmd {
		c := exec.CommandContext(ctx, self, append(args, common...)...)
		c.Env = append(os.Environ(), "ROS_MASTER_URI="+uri, "ROS_IP=127.0.0.1")
		c.Cancel = func() error { return c.Process.Signal(syscall.SIGINT) }
		c.WaitDelay = 10 * time.Second
		return c
	}
	arm, control := node(simulator), node(run)
	var out, complaint bytes.Buffer
	control.Stdout, control.Stderr = &out, &complaint
	if err := arm.Start(); err != nil {
		return err
	}
	defer func() {
		_ = arm.Process.Signal(syscall.SIGINT)
		_ = arm.Wait()
	}()
	if err := control.Start(); err != nil {
		return err
	}
	r := loopResult{Schema: "korr.loop/1"}
	err = o.watchLoop(ctx, control, &r)
	var parsed runResult
	if e := json.Unmarshal(out.Bytes(), &parsed); e != nil {
		return errors.Join(err, fmt.Errorf("the control node gave no result: %w: %s", e, strings.TrimSpace(complaint.String())))
	}
	r.Commands, r.Missed, r.Jitter, r.Latency = parsed.Ticks, parsed.Missed, parsed.Jitter, parsed.Latency
	return o.judgeLoop(&r)
}

// watchLoop samples the control node's memory until it has ended, or is told to.
func (o *loopOptions) watchLoop(ctx context.Context, control *exec.Cmd, r *loopResult) error {
	begun, ended := time.Now(), make(chan error, 1)
	go func() { ended <- control.Wait() }()
	every := time.NewTicker(time.Second)
	defer every.Stop()
	var stop <-chan time.Time
	if !o.lockStep {
		stop = time.After(time.Duration(o.minutes * float64(time.Minute)))
	}
	total := int(60 * o.minutes)
	if o.lockStep {
		total = 0 // as long as it takes
	}
	p := o.progress("loop", "s", total)
	for {
		select {
		case err := <-ended:
			r.Seconds = time.Since(begun).Seconds()
			return errors.Join(err, ctx.Err())
		case <-stop:
			_ = control.Process.Signal(syscall.SIGINT)
		case <-every.C:
			if m, err := residentOf(control.Process.Pid); err == nil {
				m.Seconds = time.Since(begun).Seconds()
				r.Memory = append(r.Memory, m)
			}
			p.set(int(time.Since(begun).Seconds()), total, "")
		}
	}
}

// residentOf reads a process's memory and threads.
func residentOf(pid int) (m residency, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return m, err
	}
	for l := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(l, ":")
		n, _, _ := strings.Cut(strings.TrimSpace(value), " ")
		switch key {
		case "VmRSS":
			kb, _ := strconv.ParseInt(n, 10, 64)
			m.Resident = kb << 10
		case "Threads":
			m.Threads, _ = strconv.Atoi(n)
		}
	}
	return m, nil
}

// judgeLoop prints the result and says whether it is good enough.
func (o *loopOptions) judgeLoop(r *loopResult) error {
	mean := func(m []residency) (sum float64) {
		for _, x := range m {
			sum += float64(x.Resident) / float64(len(m))
		}
		return sum
	}
	if n := len(r.Memory) / 3; n > 0 { // the first third is start-up
		r.Growth = mean(r.Memory[2*n:])/mean(r.Memory[n:2*n]) - 1
	}
	var why []string
	if o.lockStep {
		r.Expected = o.ticks
		if r.Growth > o.growth {
			why = append(why, fmt.Sprintf("memory grew by %.1f %%", 100*r.Growth))
		}
	} else {
		const start = 10 // s, until the first command at the latest
		r.Expected = int((60*o.minutes - start) * o.cfg.Run.RateHz)
		if r.Missed > 0 {
			why = append(why, fmt.Sprintf("%d deadlines in a row were missed", r.Missed))
		}
	}
	if r.Commands < r.Expected {
		why = append(why, fmt.Sprintf("%d commands instead of %d", r.Commands, r.Expected))
	}
	r.Passed = len(why) == 0
	if err := o.printLoop(r); err != nil || r.Passed {
		return err
	}
	return gateErrorf("verify loop: %s", strings.Join(why, "; "))
}

func (o *loopOptions) printLoop(r *loopResult) error {
	if o.json {
		return o.printJSON(r)
	}
	if r.Jitter != nil {
		if err := o.printf("jitter   p50/p99/max  %v\n", *r.Jitter); err != nil {
			return err
		}
	}
	most := residency{}
	if len(r.Memory) > 0 {
		most = slices.MaxFunc(r.Memory, func(a, b residency) int { return int(a.Resident - b.Resident) })
	}
	return o.printf("latency  p50/p99/max  %v\n%d commands in %.0f s (at least %d), at most %d deadlines missed in a row\n%d MiB resident at most, %d threads, growth %.1f %%\n",
		r.Latency, r.Commands, r.Seconds, r.Expected, r.Missed, most.Resident>>20, most.Threads, 100*r.Growth)
}
