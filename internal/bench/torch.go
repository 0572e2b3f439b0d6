package bench

import (
	"bufio"
	"context"
	_ "embed" // for the peers' scripts
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// measureFor is how long one round of one case takes.
const measureFor = 300 * time.Millisecond

var (
	//go:embed peers/torch_diffusion.py
	torchDiffusion string
	//go:embed peers/torch_korr.py
	torchKORR string
)

// openMP is where Debian keeps the OpenBLAS whose threads are PyTorch's own. With the other one, two threads of PyTorch
// compete with two of OpenBLAS: no fair peer.
const openMP = "/usr/lib/x86_64-linux-gnu/openblas-openmp"

// torchPeer is a script in a process of its own.
type torchPeer struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
	version string
}

// peer starts the script in o.Python. Without an interpreter that imports torch there is none, which is no error.
func (o *Options) peer(ctx context.Context, script string) *torchPeer {
	if o.Python == "" {
		return nil
	}
	p, err := startTorch(ctx, o.Python, script)
	if err != nil {
		o.Log.Warn("no peer: PyTorch does not start", "python", o.Python, "err", err)
		return nil
	}
	o.Log.Info("peer", "torch", p.version)
	return p
}

func startTorch(ctx context.Context, python, script string) (*torchPeer, error) {
	cmd := exec.CommandContext(ctx, python, "-c", script)
	if _, err := os.Stat(openMP); err == nil {
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+openMP+":"+os.Getenv("LD_LIBRARY_PATH"))
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var complaint strings.Builder
	cmd.Stderr = &complaint
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &torchPeer{cmd: cmd, in: in, out: bufio.NewScanner(out)}
	if !p.out.Scan() {
		err := p.close()
		lines := strings.Split(strings.TrimSpace(complaint.String()), "\n")
		return nil, fmt.Errorf("%s: %w", lines[len(lines)-1], err)
	}
	p.version = p.out.Text()
	return p, nil
}

// measure asks for a measurement of measureFor and returns what the script answers.
func (p *torchPeer) measure(what ...any) ([]float64, error) {
	if _, err := fmt.Fprintln(p.in, append(what, measureFor.Seconds())...); err != nil {
		return nil, err
	}
	if !p.out.Scan() {
		return nil, fmt.Errorf("PyTorch ended while measuring %v", what)
	}
	var values []float64
	for word := range strings.FieldsSeq(p.out.Text()) {
		v, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	if len(values) == 0 {
		return nil, fmt.Errorf("PyTorch answered nothing to %v", what)
	}
	return values, nil
}

func (p *torchPeer) close() error {
	if p == nil {
		return nil
	}
	return errors.Join(p.in.Close(), p.cmd.Wait())
}
