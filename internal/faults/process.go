package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// line is one line of a process's log.
type line struct {
	Time  time.Time `json:"time"`
	Msg   string    `json:"msg"`
	From  string    `json:"from"`
	To    string    `json:"to"`
	Cause string    `json:"cause"`
	Tick  uint64    `json:"tick"` // of the control loop, as it changed its state
	Text  string    `json:"-"`
}

// process is a program whose log is read as it comes.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // once done

	mu    sync.Mutex
	rest  []byte
	lines []line
}

func start(env []string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(args[0], args[1:]...), done: make(chan struct{})}
	p.cmd.Env, p.cmd.Stderr = env, p
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Write implements io.Writer.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rest = append(p.rest, b...)
	for {
		text, rest, ok := bytes.Cut(p.rest, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		l := line{Text: string(text)}
		if json.Unmarshal(text, &l) != nil {
			l.Time = time.Now()
		}
		p.lines, p.rest = append(p.lines, l), rest
	}
}

// count is how many lines there are.
func (p *process) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.lines)
}

// after waits for a line from number n on.
func (p *process) after(n int, limit time.Duration, is func(*line) bool) (line, error) {
	for end := time.Now().Add(limit); ; time.Sleep(2 * time.Millisecond) {
		p.mu.Lock()
		for ; n < len(p.lines); n++ {
			if l := p.lines[n]; is(&l) {
				p.mu.Unlock()
				return l, nil
			}
		}
		p.mu.Unlock()
		if time.Now().After(end) {
			return line{}, fmt.Errorf("%s did not say so within %v; it said last:\n%s", strings.Join(p.cmd.Args, " "), limit,
				p.tail())
		}
	}
}

// moves is the tick at which the control loop moves again after the stop that followed line n, math.MaxUint64 if it
// does not.
func (p *process) moves(n int) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	stopped := false
	for _, l := range p.lines[n:] {
		if stopped && l.To == "RUN" {
			return l.Tick
		}
		stopped = stopped || l.To == hold || l.To == fault
	}
	return math.MaxUint64
}

// state is the newest state of the control loop.
func (p *process) state() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.lines) - 1; i >= 0; i-- {
		if p.lines[i].To != "" {
			return p.lines[i].To
		}
	}
	return ""
}

func (p *process) tail() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	for _, l := range p.lines[max(len(p.lines)-8, 0):] {
		b.WriteString("  " + l.Text + "\n")
	}
	return b.String()
}

func (p *process) signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// kill ends the process at once and waits for it.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// ended waits for the process's own end.
func (p *process) ended(limit time.Duration) error {
	select {
	case <-p.done:
		return nil
	case <-time.After(limit):
		return fmt.Errorf("%s goes on after %v", strings.Join(p.cmd.Args, " "), limit)
	}
}
