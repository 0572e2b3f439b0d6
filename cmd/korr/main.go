// Command korr trains, evaluates and runs Koopman-guided residual policies for furniture assembly: simulator, ROS nodes and
// robot loop in one binary. `korr demo` shows the whole story; `korr --help` lists the verbs.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"korr/residual/loop"
)

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupts
		signal.Stop(interrupts) // a second one ends the process at once
		cancel(errInterrupted)
	}()
	os.Exit(execute(ctx, os.Args[1:], &streams{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ()}))
}

// execute runs one command line, reports its error on the error stream and returns the exit code.
func execute(ctx context.Context, args []string, io *streams) int {
	a := &app{streams: io}
	a.rosArgs, args = splitROS(args)
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(io.in)
	root.SetOut(io.out)
	root.SetErr(io.err)
	err := root.ExecuteContext(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errInterrupted) && loop.LastStates(err) == nil { // a fault outlives the interrupt
		err = errors.Join(errInterrupted, err)
	}
	a.report(err)
	return exitCode(err)
}
