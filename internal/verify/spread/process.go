package spread

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// process is a command whose output goes into files.
type process struct {
	name     string
	cmd      *exec.Cmd
	done     chan struct{}
	err      error  // once done
	out, log string // paths of what it prints and of what it logs
}

// logDir is the folder, below that of a run, of what the processes printed and logged.
const logDir = "log"

// start runs korr in a process group of its own: an interrupt of this command reaches it by way of stop alone. Its files
// are named by its number and its name.
func start(dir string, number int, name, korr string, args ...string) (*process, error) {
	at := filepath.Join(dir, logDir, fmt.Sprintf("%02d-%s", number, name))
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return nil, err
	}
	p := &process{
		name: name, cmd: exec.Command(korr, args...), done: make(chan struct{}), out: at + ".out", log: at + ".log",
	}
	out, err := os.Create(p.out)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, out, log
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

// end kills the process, also a paused one, and waits for it.
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
	b, err := os.ReadFile(p.log)
	if err != nil {
		return 0
	}
	return bytes.Count(b, []byte(text))
}

// failed describes an end that was none, with what the process said last.
func (p *process) failed(what string) error {
	text, err := os.ReadFile(p.log)
	return errors.Join(fmt.Errorf("%s: %w: %s", what, p.err, bytes.TrimSpace(text[max(0, len(text)-2000):])), err)
}
