package launch

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"korr/internal/usage"
	"korr/train/queue"
)

// Target is what starts workers.
type Target struct {
	write   func(*Workers, io.Writer) error
	mode    os.FileMode // of the file
	command []string    // that submits what it reads
}

// Slurm and Kubernetes are the targets.
var (
	Slurm      = Target{(*Workers).Slurm, 0o755, []string{"sbatch", "--parsable"}}
	Kubernetes = Target{(*Workers).Kubernetes, 0o644, []string{"kubectl", "apply", "--filename", "-"}}
)

// Start writes what starts the workers into the file out, or, where it is empty and nothing is submitted, to print; with
// submit it has the target's command submit it, and prints what that said.
func (w *Workers) Start(ctx context.Context, to Target, out string, submit bool, print io.Writer) error {
	if err := w.findJoin(); err != nil {
		return err
	}
	var text bytes.Buffer
	if err := to.write(w, &text); err != nil {
		return err
	}
	if out != "" {
		if err := os.WriteFile(out, text.Bytes(), to.mode); err != nil {
			return err
		}
	} else if !submit {
		_, err := print.Write(text.Bytes())
		return err
	}
	if !submit {
		return nil
	}
	cmd := exec.CommandContext(ctx, to.command[0], to.command[1:]...)
	var answer, wrong bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &text, &answer, &wrong
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", to.command[0], err, bytes.TrimSpace(wrong.Bytes()))
	}
	_, err := print.Write(answer.Bytes())
	return err
}

// findJoin makes Join the absolute path of join.json, which is read once to see that it is one.
func (w *Workers) findJoin() error {
	if _, err := queue.ParseAddress(w.Join); err != nil {
		return err
	}
	info, err := os.Stat(w.Join)
	if err != nil {
		return usage.Errorf("--join %s: want the file %s or its folder: a URL on a command line is read by everybody",
			w.Join, queue.JoinName)
	}
	if info.IsDir() {
		w.Join = filepath.Join(w.Join, queue.JoinName)
	}
	w.Join, err = filepath.Abs(w.Join)
	return err
}
