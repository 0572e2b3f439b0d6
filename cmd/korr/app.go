package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"korr/configs"
)

// streams are the process's surroundings, so that tests can run a command in process.
type streams struct {
	in      io.Reader
	out     io.Writer // results
	err     io.Writer // logs and progress
	environ []string
}

// app is what every verb is given: the streams, the global flags, and, once they are parsed, configuration and logger.
type app struct {
	*streams
	configFile string
	preset     string
	set        []string
	seed       uint64
	logLevel   string
	logFormat  string
	json       bool
	quiet      bool
	rosArgs    []string // name:=value
	overrides  []string // key=value of --set and of the verb's flags, in the order they apply

	layers configs.Options // that cfg was loaded from
	cfg    *configs.Config
	log    *slog.Logger
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "korr",
		Short: "Koopman-guided online residual refinement: train, evaluate and run assembly policies",
		Long: `korr learns a base policy from demonstrations, a linear (Koopman) model of the task, and a small residual that
corrects the base at every control step; it measures them in simulation and runs them over ROS.

Start with:  korr demo
Settings:    --preset and --config name files, --set residual.alpha=0.05 and KORR_RESIDUAL_ALPHA=0.05 single keys.
Exit codes:  0 ok, 1 failure, 2 usage or configuration, 3 a gate was missed, 4 safety stop, 5 robot or ROS master
             unreachable, 130 interrupted.`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArgs,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return a.setUp(cmd)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f := root.PersistentFlags()
	f.StringVar(&a.configFile, "config", "", "YAML file with settings")
	f.StringVar(&a.preset, "preset", "", "embedded settings to start from: "+strings.Join(configs.Presets(), ", "))
	f.StringArrayVar(&a.set, "set", nil, "one setting, `key=value`; may be repeated")
	f.Uint64Var(&a.seed, "seed", 1, "seed of everything drawn")
	f.StringVar(&a.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&a.logFormat, "log-format", "text", "text or json")
	f.BoolVar(&a.json, "json", false, "print the result as one JSON object")
	f.BoolVar(&a.quiet, "quiet", false, "no progress, warnings only")
	setKey(f, "seed", "seed")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &codedError{exitUsage, err} })
	root.AddCommand(verbs(a)...)
	root.CompletionOptions.HiddenDefaultCmd = true
	return root
}

// version is the module's version and commit, as far as the build recorded them.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v += " " + s.Value
		}
	}
	return v + ", " + info.GoVersion
}

// quickPreset names a preset, and the flag by which some verbs start from it.
const quickPreset = "quick"

// keyOf is the annotation that ties a flag to a configuration key.
const keyOf = "korr_config_key"

// setKey makes a flag, when it is given, override a configuration key.
func setKey(f *pflag.FlagSet, flag, key string) {
	if err := f.SetAnnotation(flag, keyOf, []string{key}); err != nil {
		panic(err) // the flag was not declared
	}
}

// setUp resolves configuration and logger once the flags are parsed.
func (a *app) setUp(cmd *cobra.Command) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(a.logLevel)); err != nil {
		return usageErrorf("--log-level %s: use debug, info, warn or error", a.logLevel)
	}
	if a.quiet {
		level = max(level, slog.LevelWarn)
	}
	options := &slog.HandlerOptions{Level: level}
	switch a.logFormat {
	case "text":
		a.log = slog.New(slog.NewTextHandler(a.err, options))
	case "json":
		a.log = slog.New(slog.NewJSONHandler(a.err, options))
	default:
		return usageErrorf("--log-format %s: use text or json", a.logFormat)
	}
	if len(a.rosArgs) > 0 && cmd.Annotations[takesROS] == "" {
		return usageErrorf("%s takes no ROS argument %q", cmd.CommandPath(), a.rosArgs[0])
	}
	a.overrides = append([]string(nil), a.set...)
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if key := f.Annotations[keyOf]; len(key) > 0 {
			a.overrides = append(a.overrides, key[0]+"="+f.Value.String())
		}
	})
	var err error
	preset := a.preset
	if f := cmd.Flags().Lookup(quickPreset); f != nil && f.Changed && preset == "" {
		preset = quickPreset
	}
	a.layers = configs.Options{Preset: preset, File: a.configFile, Set: a.overrides, Environ: a.environ}
	a.cfg, err = configs.Load(a.layers)
	return err
}

// noArgs refuses arguments with the usage exit code, which cobra's own checks lack.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasSubCommands() {
		return usageErrorf("%s has no verb %q; see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())
	}
	return usageErrorf("%s takes no argument %q", cmd.CommandPath(), args[0])
}

// oneArg wants exactly one argument.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageErrorf("%s wants one argument, %s", cmd.CommandPath(), what)
		}
		return nil
	}
}

// report prints the error, if there is one, on the error stream.
func (a *app) report(err error) {
	if err == nil {
		return
	}
	if errors.Is(err, errInterrupted) {
		fmt.Fprintln(a.err, "korr: interrupted")
		return
	}
	if a.log != nil && a.logFormat == "json" {
		a.log.Error(err.Error(), "exit_code", exitCode(err))
		return
	}
	fmt.Fprintln(a.err, "korr:", err)
	if exitCode(err) == exitUsage {
		fmt.Fprintln(a.err, "See korr --help.")
	}
}

// printJSON prints one object on the result stream.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printf prints on the result stream; the error of a closed pipe surfaces at the verb's last print at the latest.
func (a *app) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(a.out, format, args...)
	return err
}

// onTerminal reports whether a stream is a terminal.
func onTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
