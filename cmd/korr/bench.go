package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/internal/bench"
	"korr/sim"
)

// benchOptions are what every bench verb shares.
type benchOptions struct {
	*app
	rounds int
}

// benchVerbs lists the verbs under bench in the order of the help.
func benchVerbs(o *benchOptions) []*cobra.Command {
	return []*cobra.Command{
		newCmdBenchBase(o), newCmdBenchControl(o), newCmdBenchTrain(o), newCmdBenchSim(o), newCmdBenchROS(o),
		newCmdBenchSoak(o),
		newCmdBenchQueue(o),
	}
}

func newCmdBench(a *app) *cobra.Command {
	o := &benchOptions{app: a}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "speed and size, each beside a peer in the same run",
		Long: `Measures this build. What is compared runs in turn, round after round, so that a busy machine slows all of it;
values are medians over the rounds and ratios the medians of the rounds' own ratios.`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().IntVar(&o.rounds, "rounds", 5, "times that everything is measured")
	cmd.AddCommand(benchVerbs(o)...)
	return cmd
}

// printBench prints results as a table or one JSON object.
func (o *benchOptions) printBench(results []bench.Result, err error) error {
	if err != nil {
		return err
	}
	r := bench.NewReport(results)
	if o.JSON {
		return o.PrintJSON(r)
	}
	return r.WriteText(o.Out)
}

// peerOptions are the flags of a verb with PyTorch beside it.
type peerOptions struct {
	*benchOptions
	python string
}

func (o *peerOptions) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.python, "python", "/usr/bin/python3", "`interpreter` that imports torch; empty for no peer")
}

// options are what the measurements need.
func (o *peerOptions) options() *bench.Options {
	return &bench.Options{Rounds: o.rounds, Seed: o.Config.Seed, Python: o.python, Log: o.Log}
}

func newCmdBenchControl(b *benchOptions) *cobra.Command {
	o := &peerOptions{benchOptions: b}
	cmd := &cobra.Command{
		Use:   "control",
		Short: "KORR's computation of a control step, beside PyTorch eager and jit",
		Long: `Measures the lift, prediction and residual of one observation with the published widths (observation 58, action
10, latent 256, hidden layers of 256), on one thread: as trained, and folded as after loading, where linear maps in a
row are multiplied out once. The 50th and 99th percentile in microseconds, and the allocations of a step. Where --python
can import torch, the same step runs there in turn with ours, eagerly and as a frozen torch.jit trace.`,
		Example: `  korr bench control --rounds 9 --json`,
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.printBench(bench.Control(cmd.Context(), o.options()))
		},
	}
	o.addFlags(cmd)
	return cmd
}

func newCmdBenchTrain(b *benchOptions) *cobra.Command {
	o := &peerOptions{benchOptions: b}
	var batches, threads []int
	cmd := &cobra.Command{
		Use:   "train",
		Short: "a training step of KORR (PPO and the model's loss), beside PyTorch and gorgonia",
		Long: `Measures one training step of the published networks (observation 58, action 10, latent 256, hidden layers of
256): losses, gradients, clipping and AdamW on batches of 256 and 4096, on one thread and on two, each of which takes
half of the batch. The median of a step in milliseconds. Where --python can import torch, the same step runs there in
turn with ours on as many threads; gorgonia's runs on one.`,
		Example: `  korr bench train --rounds 7 --json`,
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.printBench(bench.Training(cmd.Context(), o.options(), batches, threads))
		},
	}
	o.addFlags(cmd)
	cmd.Flags().IntSliceVar(&batches, "batches", []int{256, 4096}, "batch sizes")
	cmd.Flags().IntSliceVar(&threads, "threads", []int{1, 2}, "numbers of threads")
	return cmd
}

func newCmdBenchSim(o *benchOptions) *cobra.Command {
	var tasks []string
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "environment steps per second beside the bare engine loop, of every task",
		Long: `Records an expert's episode of each task and repeats it: with the environment, with MuJoCo's mj_step alone (the
same model, states and inputs, looped in C), with mj_step behind this simulator's broad phase, and with one environment
per processor at once. A step is a control step of 0.1 s. Then says where a step's time goes, what an environment holds
in memory, and what a step allocates.`,
		Example: `  korr bench sim --rounds 9 --json`,
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p := o.progress("bench sim", "tasks", 1)
			results, err := bench.Simulator(cmd.Context(), tasks, o.rounds, p.Set)
			if err == nil {
				p.Finish("done")
			}
			return o.printBench(results, err)
		},
	}
	cmd.Flags().StringSliceVar(&tasks, "tasks", sim.TaskNames(), "furniture tasks")
	return cmd
}

func newCmdBenchROS(b *benchOptions) *cobra.Command {
	var c bench.ROSConfig
	cmd := &cobra.Command{
		Use:   "ros",
		Short: "round trip of a state and its command through a node, beside rospy, roscpp and Cyclone DDS in C",
		Long: `Publishes states of an arm (as large as a FrankaState) and poses of parts at 100 Hz, and measures the time
until the pose comes back with which a node answers each: nodes of this build over ROS 1 (the embedded master) and ROS 2
and, where they are installed, one in rospy, one in roscpp and one in C on Cyclone DDS, in turn. On the way each node
computes KORR's published networks: ours folded, as korr run does, rospy's as a frozen torch.jit trace, those in C and
C++ in plain loops; with --transport none does. The measuring end of ROS 1 waits on bare sockets, that of ROS 2 is a
program in C on Cyclone DDS, so that the time is the node's and the system's. Exits with 3 when the p99 is more than 0.7
times rospy's, or over ROS 2 more than 1.2 times that of the node in C.`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runBenchROS(cmd.Context(), b, c) },
	}
	cmd.Flags().Float64Var(&c.Seconds, "seconds", 10, "of every measurement")
	cmd.Flags().BoolVar(&c.Transport, "transport", false, "messages alone, without the networks")
	ros2 := false
	part := &cobra.Command{
		Use: "node", Short: "the node that is measured", Hidden: true, Args: cli.NoArgs, Annotations: cli.ROSAnnotation,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runBenchROSNode(cmd.Context(), b.app, c.Transport, ros2)
		},
	}
	part.Flags().BoolVar(&c.Transport, "transport", false, "messages alone, without the networks")
	part.Flags().BoolVar(&ros2, "ros2", false, "over ROS 2")
	cmd.AddCommand(part)
	return cmd
}

func runBenchROS(ctx context.Context, o *benchOptions, c bench.ROSConfig) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c.Rounds, c.Log, c.Node = o.rounds, o.Log, []string{self, "bench", "ros", "node", "--quiet"}
	results, err := bench.ROS(ctx, c)
	if err := o.printBench(results, err); err != nil {
		return err
	}
	if slow := bench.TooSlow(results); slow != "" {
		return cli.GateErrorf("bench ros: %s", slow)
	}
	return nil
}

// runBenchROSNode is the node, in a process that collects garbage as korr run does.
func runBenchROSNode(ctx context.Context, a *app, transport, ros2 bool) error {
	_, restore := a.Config.Run.Realtime.Process()
	defer restore()
	if ros2 {
		n, err := a.ROS2Names("peer")
		if err != nil {
			return err
		}
		return bench.ServeROS2Node(ctx, n, a.Config.Seed, transport, a.Log)
	}
	n, err := a.rosNames("peer")
	if err != nil {
		return err
	}
	return bench.ServeROSNode(ctx, n, a.Config.Seed, transport, a.Log)
}

func newCmdBenchQueue(b *benchOptions) *cobra.Command {
	o := bench.QueueOptions{}
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "what a queue costs beside the work: a unit that does nothing, and many that wait",
		Long: `Serves a queue as a process of its own and measures the time of a unit that does nothing, from the worker's
asking for it to its answer, the server's share of it, what waiting units take of the server's memory and disk, and how
long a training's state (70 MB) is on its way to the server and back. With --episodes it measures an evaluation (shipped
korr, low, no pushes) by one worker and by two in alternating rounds, each worker on a core of its own. All else is
measured once.`,
		Example: `  korr bench queue --queued 10000 --json
  korr bench queue --episodes 200 --rounds 3`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Queued < 1 || o.Done < 2 || o.Episodes < 0 {
				return cli.UsageErrorf("--queued %d --done %d --episodes %d: want at least one, two and none", o.Queued,
					o.Done, o.Episodes)
			}
			var err error
			if o.Korr, err = os.Executable(); err != nil {
				return err
			}
			o.Rounds, o.Log = b.rounds, slog.New(slog.DiscardHandler)
			return b.printBench(bench.Queue(cmd.Context(), o))
		},
	}
	cmd.Flags().IntVar(&o.Queued, "queued", 10_000, "units that wait at once")
	cmd.Flags().IntVar(&o.Done, "done", 1000, "units that are done one after the other")
	cmd.Flags().IntVar(&o.Episodes, "episodes", 0, "of an evaluation by one worker and by two; 0 = not measured")
	return cmd
}
