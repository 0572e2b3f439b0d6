package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/residual/loop"
	"korr/ros/robot"
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
time it counts missed deadlines, and control steps without an action because a chunk was late, and exits with 3 when there was one. With
--lock-step it runs whole episodes until --ticks commands were sent, and exits with 3 when the control node's resident memory, heap or
number of goroutines grew by more than --growth (the least of the last third over the least of the second).`,
		Example: `  korr verify loop --minutes 10
  korr verify loop --lock-step --ticks 36000 --json`,
		Args: cli.NoArgs,
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
	Schema   string        `json:"schema"` // korr.loop/1
	Seconds  float64       `json:"seconds"`
	Commands int           `json:"commands"`
	Expected int           `json:"expected"` // commands, at the rate
	Missed   int           `json:"missed_deadlines"`
	InARow   int           `json:"missed_in_a_row"` // of those, at most
	Chunks   *robot.Chunks `json:"chunks,omitempty"`
	Jitter   *loop.Millis  `json:"jitter,omitempty"`
	Latency  loop.Millis   `json:"latency"`
	Memory   []residency   `json:"memory"`
	Growth   float64       `json:"memory_growth"`    // resident, last third over second
	Heap     float64       `json:"heap_growth"`      // the same of the Go heap
	Routines float64       `json:"goroutine_growth"` // and of goroutines
	Passed   bool          `json:"passed"`
}

// residency is what the control node holds at one time, by its own metrics.
type residency struct {
	Seconds    float64 `json:"seconds"`
	Resident   float64 `json:"resident_bytes"`
	Heap       float64 `json:"heap_bytes"`
	Threads    float64 `json:"threads"`
	Goroutines float64 `json:"goroutines"`
}

// episodeTicks is how long an episode lasts at least, about; it bounds the number of episodes asked for.
const episodeTicks = 200

func runVerifyLoop(ctx context.Context, o *loopOptions) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	addrs, err := freePorts(2)
	if err != nil {
		return err
	}
	uri := "http://" + addrs[0]
	common := []string{"--quiet"}
	for _, kv := range o.Overrides {
		common = append(common, "--set", kv)
	}
	simulator, run := []string{"sim", "--ros", "--master"}, []string{"run", "--yes", "--wait", "--json", "--metrics", addrs[1]}
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
	err = o.watchLoop(ctx, control, addrs[1], &r)
	var parsed robot.Report
	if e := json.Unmarshal(out.Bytes(), &parsed); e != nil {
		return errors.Join(err, fmt.Errorf("the control node gave no result: %w: %s", e, strings.TrimSpace(complaint.String())))
	}
	r.Commands, r.Missed, r.InARow, r.Jitter, r.Latency, r.Chunks = parsed.Ticks, parsed.Missed, parsed.InARow, parsed.Jitter, parsed.Latency, parsed.Chunks
	return o.judgeLoop(&r, strings.TrimSpace(complaint.String()))
}

// watchLoop samples the control node's memory until it has ended, or is told to.
func (o *loopOptions) watchLoop(ctx context.Context, control *exec.Cmd, metrics string, r *loopResult) error {
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
			if m, err := holdings(metrics); err == nil { // not while it starts or ends
				m.Seconds = time.Since(begun).Seconds()
				r.Memory = append(r.Memory, m)
			}
			p.set(int(time.Since(begun).Seconds()), total, "")
		}
	}
}

// freePorts returns addresses of the loopback interface that nothing listened to.
func freePorts(n int) (addrs []string, err error) {
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = ln.Close() }()
		addrs = append(addrs, ln.Addr().String())
	}
	return addrs, nil
}

// holdings asks the metrics at addr what their process holds.
func holdings(addr string) (residency, error) {
	client := http.Client{Timeout: time.Second}
	res, err := client.Get("http://" + addr + "/metrics")
	if err != nil {
		return residency{}, err
	}
	defer func() { _ = res.Body.Close() }()
	var p expfmt.TextParser
	m, err := p.TextToMetricFamilies(res.Body)
	if err != nil {
		return residency{}, err
	}
	var r residency
	for name, to := range map[string]*float64{
		"process_resident_memory_bytes": &r.Resident, "go_memstats_heap_alloc_bytes": &r.Heap, "go_threads": &r.Threads, "go_goroutines": &r.Goroutines,
	} {
		f := m[name]
		if f == nil || len(f.GetMetric()) != 1 {
			return r, fmt.Errorf("the control node's metrics lack %s", name)
		}
		*to = f.GetMetric()[0].GetGauge().GetValue()
	}
	return r, nil
}

// growth is the least that was held in the last third over the least in the second; the first is start-up. The least, because a
// heap swings with its collections.
func growth(m []residency, of func(residency) float64) float64 {
	n := len(m) / 3
	least := func(m []residency) float64 {
		low := math.Inf(1)
		for _, x := range m {
			low = min(low, of(x))
		}
		return low
	}
	return least(m[2*n:])/least(m[n:2*n]) - 1
}

// judgeLoop prints the result and says whether it is good enough; complaint is what the control node warned of.
func (o *loopOptions) judgeLoop(r *loopResult, complaint string) error {
	var why []string
	for _, held := range []struct {
		name   string
		of     func(residency) float64
		growth *float64
	}{
		{"resident memory", func(m residency) float64 { return m.Resident }, &r.Growth},
		{"heap", func(m residency) float64 { return m.Heap }, &r.Heap},
		{"number of goroutines", func(m residency) float64 { return m.Goroutines }, &r.Routines},
	} {
		if len(r.Memory) < 3 {
			break
		}
		*held.growth = growth(r.Memory, held.of)
		if o.lockStep && *held.growth > o.growth {
			why = append(why, fmt.Sprintf("%s grew by %.1f %%", held.name, 100**held.growth))
		}
	}
	if o.lockStep {
		r.Expected = o.ticks
		if len(r.Memory) < 3 {
			why = append(why, "too short a run to see memory grow")
		}
	} else {
		const start = 10 // s, until the first command at the latest
		r.Expected = int((60*o.minutes - start) * o.Config.Run.RateHz)
		if r.Missed > 0 {
			why = append(why, fmt.Sprintf("%d deadlines were missed, at most %d in a row", r.Missed, r.InARow))
		}
		if r.Chunks != nil && r.Chunks.Late > 0 {
			why = append(why, fmt.Sprintf("%d control steps had no action", r.Chunks.Late))
		}
	}
	if r.Commands < r.Expected {
		why = append(why, fmt.Sprintf("%d commands instead of %d", r.Commands, r.Expected))
		if complaint != "" {
			why = append(why, "the control node said: "+complaint)
		}
	}
	r.Passed = len(why) == 0
	if err := o.printLoop(r); err != nil || r.Passed {
		return err
	}
	return cli.GateErrorf("verify loop: %s", strings.Join(why, "; "))
}

func (o *loopOptions) printLoop(r *loopResult) error {
	if o.JSON {
		return o.PrintJSON(r)
	}
	if r.Jitter != nil {
		if err := o.Printf("jitter   p50/p99/max  %v\n", *r.Jitter); err != nil {
			return err
		}
	}
	if err := r.Chunks.WriteText(o.Out); err != nil {
		return err
	}
	var most residency
	for _, m := range r.Memory {
		most.Resident, most.Heap = max(most.Resident, m.Resident), max(most.Heap, m.Heap)
		most.Threads, most.Goroutines = max(most.Threads, m.Threads), max(most.Goroutines, m.Goroutines)
	}
	return o.Printf("latency  p50/p99/max  %v\n%d commands in %.0f s (at least %d), %d deadlines missed, at most %d in a row\n"+
		"at most %.0f MiB resident (growth %.1f %%), %.1f MiB heap (%.1f %%), %.0f goroutines (%.1f %%), %.0f threads\n",
		r.Latency, r.Commands, r.Seconds, r.Expected, r.Missed, r.InARow, most.Resident/(1<<20), 100*r.Growth, most.Heap/(1<<20), 100*r.Heap,
		most.Goroutines, 100*r.Routines, most.Threads)
}
