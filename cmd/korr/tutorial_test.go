//go:build mujoco

package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"korr/cmd/internal/cli"
)

// TestTutorialRuns types every korr line of docs/tutorial.md, in its order, in one folder, at small sizes. make, export and
// kill are the shell's; a line that ends in & goes on beside the next ones; --view is interrupted once it has begun.
func TestTutorialRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("trains and plays")
	}
	text, err := os.ReadFile(filepath.Join(sources.Root, "docs", "tutorial.md"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	environ := []string{"HOME=" + t.TempDir(), "ROS_MASTER_URI=http://" + freeAddress(t)}
	ran := 0
	for _, m := range fenced.FindAllStringSubmatch(string(text), -1) {
		for line := range strings.Lines(strings.ReplaceAll(m[1], "\\\n", " ")) {
			for _, args := range commandsOf(strings.TrimSpace(line)) {
				if args[0] != "korr" {
					continue
				}
				ran++
				typed(t, environ, strings.HasSuffix(strings.TrimSpace(line), "&"), small(args[1:]))
			}
		}
	}
	if ran < 15 {
		t.Errorf("only %d lines of the tutorial ran: are they still recognised?", ran)
	}
}

// typed runs one line; beside says that the test's end ends it.
func typed(t *testing.T, environ []string, beside bool, args []string) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background()) // the test's own ends before its cleanup
	done := make(chan output, 1)
	go func() { done <- korrIn(ctx, environ, args...) }()
	end := func() {
		cancel(cli.ErrInterrupted)
		if o := <-done; o.code != cli.ExitInterrupted && o.code != cli.ExitOK {
			t.Errorf("korr %s: code %d\n%s", strings.Join(args, " "), o.code, o.err)
		}
	}
	switch {
	case beside:
		t.Cleanup(end)
		time.Sleep(3 * time.Second) // as long as a reader needs for the next line
	case slices.Contains(args, "--view"):
		time.Sleep(3 * time.Second)
		end()
	default:
		o := <-done
		cancel(nil)
		if o.code != cli.ExitOK && !(args[0] == "doctor" && o.code == cli.ExitGate) { // what this machine lacks
			t.Fatalf("korr %s: code %d\n%s%s", strings.Join(args, " "), o.code, o.out, o.err)
		}
	}
}

// small is a line at sizes under which nothing is learned and everything runs.
func small(args []string) []string {
	args = slices.Clone(args)
	sizes := map[string]string{"--episodes": "1", "--steps": "160"}
	if args[0] == "collect" {
		sizes["--episodes"] = "3" // one is held out
	}
	if len(args) > 1 && args[0] == "train" && args[1] != "residual" {
		sizes["--steps"] = "200"
	}
	for i := range args[:len(args)-1] {
		if n, ok := sizes[args[i]]; ok {
			args[i+1] = n
		}
	}
	if i := slices.Index(args, "--view"); i >= 0 {
		args[i+1] = "127.0.0.1:0"
	}
	switch args[0] {
	case "train":
		return append(args, tiny[6:]...)
	case "sim", "eval":
		return append(args, "--set", "sim.max_steps=30")
	}
	return args
}
