package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"korr/residual/loop"
	"korr/ros/names"
)

// Command makes a command's root for an app whose streams, name and ROS arguments are set.
type Command func(*App) *cobra.Command

// Main runs the process's command line and ends the process with its exit code.
func Main(name string, newRoot Command) {
	ctx, cancel := context.WithCancelCause(context.Background())
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupts
		signal.Stop(interrupts) // a second one ends the process at once
		cancel(ErrInterrupted)
	}()
	s := &Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Environ: os.Environ()}
	os.Exit(Execute(ctx, name, newRoot, os.Args[1:], s))
}

// Execute runs one command line, reports its error on the error stream and returns the exit code.
func Execute(ctx context.Context, name string, newRoot Command, args []string, io *Streams) int {
	a := &App{Streams: io, Name: name}
	a.ROS2Args, args = names.SplitROS2(args)
	a.ROSArgs, args = splitROS(args)
	root := newRoot(a)
	root.SetArgs(append([]string{}, args...)) // nil would be those of the process
	root.SetIn(io.In)
	root.SetOut(io.Out)
	root.SetErr(io.Err)
	command, err := root.ExecuteContextC(ctx)
	interrupted := err != nil && errors.Is(context.Cause(ctx), ErrInterrupted)
	if interrupted && loop.LastStates(err) == nil { // a fault outlives the interrupt
		err = errors.Join(ErrInterrupted, err)
	}
	a.report(command.CommandPath(), err)
	return ExitCode(err)
}
