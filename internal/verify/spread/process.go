package spread

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// process is a command whose output is kept.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // once done

	mu  sync.Mutex
	out bytes.Buffer // standard output
	log bytes.Buffer // standard error
}

// sink is one of a process's streams.
type sink struct {
	p  *process
	to *bytes.Buffer
}

func (s sink) Write(b []byte) (int, error) {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	return s.to.Write(b)
}

// start runs korr in a process group of its own: an interrupt of this command reaches it by way of stop alone.
func start(dir, korr string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(korr, args...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, sink{p, &p.out}, sink{p, &p.log}
	p.cmd.Env = append(os.Environ(), "OPENBLAS_NUM_THREADS=1")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// end kills the process, wakes it in case it is paused, and waits for it.
func (p *process) end() {
	_ = p.signal(syscall.SIGKILL) // it may be over
	<-p.done
}

// over reports whether the process has ended.
func (p *process) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// says is how often the log holds a text.
func (p *process) says(text string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Count(p.log.Bytes(), []byte(text))
}

// output is what the process printed.
func (p *process) output() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Clone(p.out.Bytes())
}

// failed describes an end that was none, with what the process said last.
func (p *process) failed(what string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := p.log.Bytes()
	return fmt.Errorf("%s: %w: %s", what, p.err, bytes.TrimSpace(text[max(0, len(text)-2000):]))
}
