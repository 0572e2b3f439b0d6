package robotcmd

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"korr/configs"
)

// checks lists what the control loop needs.
func (a *App) checks() []Check {
	return []Check{
		{"shipped weights", true, true, a.checkWeights},
		{"cores", false, true, checkCores},
		{"clock", true, true, checkClock},
		{"network", true, true, checkLoopback},
		{"output folder", true, true, checkOutput},
	}
}

func (a *App) checkWeights(context.Context) Finding {
	task := a.Sections().Task
	var have, lack []string
	for _, name := range []string{"base", "resip", "korr"} {
		if slices.Contains(configs.ShippedWeights(), task+"/"+name) {
			have = append(have, name)
		} else {
			lack = append(lack, name)
		}
	}
	if len(lack) > 0 {
		return Finding{
			false, task + " lacks " + strings.Join(lack, ", "),
			"use a complete checkout (configs/weights) and rebuild, or train: korr collect, korr train base, koopman, residual",
		}
	}
	return Found(task + ": " + strings.Join(have, ", "))
}

func checkCores(context.Context) Finding {
	n := runtime.GOMAXPROCS(0)
	f := Finding{n >= 2, fmt.Sprintf("%d usable", n), ""}
	if !f.OK {
		f.Fix = "two cores keep the control loop apart from everything else; on a shared machine raise the quota"
	}
	return f
}

// checkClock measures how late a sleeping goroutine wakes, which bounds the jitter of the control loop.
func checkClock(ctx context.Context) Finding {
	const (
		ticks  = 60
		period = 5 * time.Millisecond
		bound  = 10 * time.Millisecond // a tenth of the control period
	)
	late := make([]time.Duration, 0, ticks)
	next := time.Now()
	for range ticks {
		next = next.Add(period)
		select {
		case <-time.After(time.Until(next)):
		case <-ctx.Done():
			return Missing("interrupted", "")
		}
		late = append(late, time.Since(next))
	}
	slices.Sort(late)
	p99 := late[len(late)*99/100]
	return Finding{
		p99 < bound, fmt.Sprintf("wakes %v late (median), %v (99 %%)", late[len(late)/2].Round(time.Microsecond),
			p99.Round(time.Microsecond)),
		"the machine is overloaded or a slow virtual one: end other work, pin korr to a core, use a low-latency kernel",
	}
}

func checkLoopback(context.Context) Finding {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return Missing(err.Error(), "ROS nodes talk over TCP: allow listening on 127.0.0.1")
	}
	defer l.Close()
	return Found("can listen on 127.0.0.1")
}

func checkOutput(context.Context) Finding {
	f, err := os.CreateTemp(".", ".korr-doctor-*")
	if err != nil {
		return Missing(err.Error(), "run korr in a folder you may write to, or name one with --out")
	}
	defer os.Remove(f.Name())
	defer f.Close()
	return Found("writable")
}
