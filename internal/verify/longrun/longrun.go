package longrun

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"korr/residual/loop"
	"korr/ros/robot"
)

// Config says how long to run, and what.
type Config struct {
	Simulator []string        // command line that runs the simulator's node, with a master, or over ROS 2
	Control   []string        // command line that runs the control node and prints its report as JSON
	LockStep  bool            // as fast as the simulator can, and watch memory; otherwise in real time
	Minutes   float64         // of real time
	Ticks     int             // commands in lock step
	Growth    float64         // of memory that is allowed, a fraction
	RateHz    float64         // control steps per second
	Progress  func(s, of int) // seconds; of is 0 in lock step
}

// Report is what a long run showed.
type Report struct {
	Schema   string        `json:"schema"` // korr.loop/1
	Seconds  float64       `json:"seconds"`
	Commands int           `json:"commands"`
	Expected int           `json:"expected"` // commands, at the rate
	Missed   int           `json:"missed_deadlines"`
	InARow   int           `json:"missed_in_a_row"` // of those, at most
	Chunks   *robot.Chunks `json:"chunks,omitempty"`
	Jitter   *loop.Millis  `json:"jitter,omitempty"`
	Latency  loop.Millis   `json:"latency"`
	Memory   []Residency   `json:"memory"`
	Growth   float64       `json:"memory_growth"`    // resident, last third over second
	Heap     float64       `json:"heap_growth"`      // the same of the Go heap
	Routines float64       `json:"goroutine_growth"` // and of goroutines
	Passed   bool          `json:"passed"`
	Failures []string      `json:"-"` // why it did not pass
}

// Residency is what the control node holds at one time, by its own metrics.
type Residency struct {
	Seconds    float64 `json:"seconds"`
	Resident   float64 `json:"resident_bytes"`
	Heap       float64 `json:"heap_bytes"`
	Threads    float64 `json:"threads"`
	Goroutines float64 `json:"goroutines"`
}

// episodeTicks is how long an episode lasts at least, about; it bounds the number of episodes asked for.
const episodeTicks = 200

// Run starts the simulator's node and the control node as processes, and judges what the control node reports and
// holds.
func Run(ctx context.Context, c Config) (*Report, error) {
	addrs, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	uri, domain := "http://"+addrs[0], fmt.Sprint("ROS_DOMAIN_ID=", 1+rand.IntN(100)) // one of them is used
	simulator, run := slices.Clone(c.Simulator), append(slices.Clone(c.Control), "--metrics", addrs[1])
	if c.LockStep {
		episodes := strconv.Itoa(c.Ticks/episodeTicks + 1)
		simulator, run = append(simulator, "--lock-step"), append(run, "--lock-step", "--episodes", episodes)
	}
	node := func(args []string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "ROS_MASTER_URI="+uri, "ROS_IP=127.0.0.1", domain, "ROS_LOCALHOST_ONLY=1")
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
		cmd.WaitDelay = 10 * time.Second
		return cmd
	}
	arm, control := node(simulator), node(run)
	var out, complaint bytes.Buffer
	control.Stdout, control.Stderr = &out, &complaint
	if err := arm.Start(); err != nil {
		return nil, err
	}
	defer func() {
		_ = arm.Process.Signal(syscall.SIGINT)
		_ = arm.Wait()
	}()
	if err := control.Start(); err != nil {
		return nil, err
	}
	r := &Report{Schema: "korr.loop/1"}
	err = c.watch(ctx, control, addrs[1], r)
	var said robot.Report
	if e := json.Unmarshal(out.Bytes(), &said); e != nil {
		why := strings.TrimSpace(complaint.String())
		return nil, errors.Join(err, fmt.Errorf("the control node gave no result: %w: %s", e, why))
	}
	r.Commands, r.Missed, r.InARow, r.Jitter, r.Latency, r.Chunks = said.Ticks, said.Missed, said.InARow, said.Jitter,
		said.Latency, said.Chunks
	c.judge(r, strings.TrimSpace(complaint.String()))
	return r, nil
}

// watch samples the control node's memory until it has ended, or is told to.
func (c *Config) watch(ctx context.Context, control *exec.Cmd, metrics string, r *Report) error {
	begun, ended := time.Now(), make(chan error, 1)
	go func() { ended <- control.Wait() }()
	every := time.NewTicker(time.Second)
	defer every.Stop()
	var stop <-chan time.Time
	if !c.LockStep {
		stop = time.After(time.Duration(c.Minutes * float64(time.Minute)))
	}
	total := int(60 * c.Minutes)
	if c.LockStep {
		total = 0 // as long as it takes
	}
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
			if c.Progress != nil {
				c.Progress(int(time.Since(begun).Seconds()), total)
			}
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
func holdings(addr string) (Residency, error) {
	client := http.Client{Timeout: time.Second}
	res, err := client.Get("http://" + addr + "/metrics")
	if err != nil {
		return Residency{}, err
	}
	defer func() { _ = res.Body.Close() }()
	var r Residency
	wanted := map[string]*float64{
		"process_resident_memory_bytes": &r.Resident, "go_memstats_heap_alloc_bytes": &r.Heap, "go_threads": &r.Threads,
		"go_goroutines": &r.Goroutines,
	}
	for lines := bufio.NewScanner(res.Body); lines.Scan(); { // NAME VALUE
		name, text, _ := strings.Cut(lines.Text(), " ")
		to := wanted[name]
		if to == nil {
			continue
		}
		if *to, err = strconv.ParseFloat(text, 64); err != nil {
			return r, err
		}
		delete(wanted, name)
	}
	for name := range wanted {
		return r, fmt.Errorf("the control node's metrics lack %s", name)
	}
	return r, nil
}

// growth is the least that was held in the last third over the least in the second; the first is start-up. The least,
// because a heap swings with its collections.
func growth(m []Residency, of func(Residency) float64) float64 {
	n := len(m) / 3
	least := func(m []Residency) float64 {
		low := math.Inf(1)
		for _, x := range m {
			low = min(low, of(x))
		}
		return low
	}
	return least(m[2*n:])/least(m[n:2*n]) - 1
}

// judge says whether the result is good enough; complaint is what the control node warned of.
func (c *Config) judge(r *Report, complaint string) {
	var why []string
	for _, held := range []struct {
		name   string
		of     func(Residency) float64
		growth *float64
	}{
		{"resident memory", func(m Residency) float64 { return m.Resident }, &r.Growth},
		{"heap", func(m Residency) float64 { return m.Heap }, &r.Heap},
		{"number of goroutines", func(m Residency) float64 { return m.Goroutines }, &r.Routines},
	} {
		if len(r.Memory) < 3 {
			break
		}
		*held.growth = growth(r.Memory, held.of)
		if c.LockStep && *held.growth > c.Growth {
			why = append(why, fmt.Sprintf("%s grew by %.1f %%", held.name, 100**held.growth))
		}
	}
	if c.LockStep {
		r.Expected = c.Ticks
		if len(r.Memory) < 3 {
			why = append(why, "too short a run to see memory grow")
		}
	} else {
		const start = 10 // s, until the first command at the latest
		r.Expected = int((60*c.Minutes - start) * c.RateHz)
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
	r.Passed, r.Failures = len(why) == 0, why
}

// Verdict lists what failed; empty when nothing did.
func (r *Report) Verdict() string { return strings.Join(r.Failures, "; ") }

// WriteText prints the report in a few lines.
func (r *Report) WriteText(w io.Writer) error {
	if r.Jitter != nil {
		if _, err := fmt.Fprintf(w, "jitter   p50/p99/max  %v\n", *r.Jitter); err != nil {
			return err
		}
	}
	if err := r.Chunks.WriteText(w); err != nil {
		return err
	}
	var most Residency
	for _, m := range r.Memory {
		most.Resident, most.Heap = max(most.Resident, m.Resident), max(most.Heap, m.Heap)
		most.Threads, most.Goroutines = max(most.Threads, m.Threads), max(most.Goroutines, m.Goroutines)
	}
	_, err := fmt.Fprintf(w, "latency  p50/p99/max  %v\n%d commands in %.0f s (at least %d), %d deadlines missed, at "+
		"most %d in a row\n"+
		"at most %.0f MiB resident (growth %.1f %%), %.1f MiB heap (%.1f %%), %.0f goroutines (%.1f %%), %.0f threads\n",
		r.Latency, r.Commands, r.Seconds, r.Expected, r.Missed, r.InARow, most.Resident/(1<<20), 100*r.Growth,
		most.Heap/(1<<20), 100*r.Heap,
		most.Goroutines, 100*r.Routines, most.Threads)
	return err
}
