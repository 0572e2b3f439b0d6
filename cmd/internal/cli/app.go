package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"korr/configs"
)

// Streams are the process's surroundings, so that tests can run a command in process.
type Streams struct {
	In      io.Reader
	Out     io.Writer // results
	Err     io.Writer // logs and progress
	Environ []string
}

// App is what every verb is given: the streams, the global flags, and, once they are parsed, the logger. The settings
// belong to the command, which fills them when it is told to.
type App struct {
	*Streams
	Name       string // of the command, before every message
	ConfigFile string
	Preset     string
	Set        []string
	Seed       uint64
	LogLevel   string
	LogFormat  string
	JSON       bool
	Quiet      bool
	ROSArgs    []string // name:=value
	ROS2Args   []string // what followed --ros-args
	Overrides  []string // key=value of --set and of the verb's flags, in the order they apply

	Fill   func(configs.Options) error // fills the command's settings
	Values func() Values               // what shells complete
	Layers configs.Options             // that they were filled from
	Log    *slog.Logger
}

// NewRoot is the command above the verbs: the global flags, and the set-up that every verb relies on.
func (a *App) NewRoot(short, long string, verbs ...*cobra.Command) *cobra.Command {
	root := &cobra.Command{
		Use: a.Name, Short: short, Long: long, Version: version(), SilenceUsage: true, SilenceErrors: true, Args: NoArgs,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return a.setUp(cmd)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f := root.PersistentFlags()
	f.StringVar(&a.ConfigFile, "config", "", "YAML file with settings")
	f.StringVar(&a.Preset, "preset", "", "embedded settings to start from: "+strings.Join(configs.Presets(), ", "))
	f.StringArrayVar(&a.Set, "set", nil, "one setting, `key=value`; may be repeated")
	f.Uint64Var(&a.Seed, "seed", 1, "seed of everything drawn")
	f.StringVar(&a.LogLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&a.LogFormat, "log-format", "text", "text or json")
	f.BoolVar(&a.JSON, "json", false, "print the result as one JSON object")
	f.BoolVar(&a.Quiet, "quiet", false, "no progress, warnings only")
	SetKey(f, "seed", "seed")
	root.SetFlagErrorFunc(flagError)
	for _, v := range verbs {
		if v.GroupID != "" && !root.ContainsGroup(v.GroupID) {
			root.AddGroup(&cobra.Group{ID: v.GroupID, Title: v.GroupID})
		}
	}
	root.AddCommand(verbs...)
	root.CompletionOptions.HiddenDefaultCmd = true
	a.completeValues(root)
	return root
}

// QuickPreset names a preset, and the flag by which some verbs start from it.
const QuickPreset = "quick"

// KeyOf is the annotation that ties a flag to a configuration key.
const KeyOf = "korr_config_key"

// Group puts verbs under a heading of the help.
func Group(heading string, verbs ...*cobra.Command) []*cobra.Command {
	for _, v := range verbs {
		v.GroupID = heading
	}
	return verbs
}

// SetKey makes a flag, when it is given, override a configuration key.
func SetKey(f *pflag.FlagSet, flag, key string) {
	if err := f.SetAnnotation(flag, KeyOf, []string{key}); err != nil {
		panic(err) // the flag was not declared
	}
}

// setUp resolves configuration and logger once the flags are parsed.
func (a *App) setUp(cmd *cobra.Command) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(a.LogLevel)); err != nil {
		return UsageErrorf("--log-level %s: use debug, info, warn or error", a.LogLevel)
	}
	if a.Quiet {
		level = max(level, slog.LevelWarn)
	}
	options := &slog.HandlerOptions{Level: level}
	switch a.LogFormat {
	case "text":
		a.Log = slog.New(slog.NewTextHandler(a.Err, options))
	case "json":
		a.Log = slog.New(slog.NewJSONHandler(a.Err, options))
	default:
		return UsageErrorf("--log-format %s: use text or json", a.LogFormat)
	}
	if len(a.ROS2Args) > 0 && cmd.Annotations[takesROS] == "" {
		return UsageErrorf("%s takes no --ros-args", cmd.CommandPath())
	}
	if len(a.ROSArgs) > 0 && cmd.Annotations[takesROS] == "" {
		return UsageErrorf("%s takes no ROS argument %q", cmd.CommandPath(), a.ROSArgs[0])
	}
	a.Overrides = append([]string(nil), a.Set...)
	flags := map[string]string{}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if key := f.Annotations[KeyOf]; len(key) > 0 {
			a.Overrides = append(a.Overrides, key[0]+"="+f.Value.String())
			flags[key[0]] = "--" + f.Name
		}
	})
	preset := a.Preset
	if f := cmd.Flags().Lookup(QuickPreset); f != nil && f.Changed && preset == "" {
		preset = QuickPreset
	}
	a.Layers = configs.Options{Preset: preset, File: a.ConfigFile, Set: a.Overrides, Flags: flags, Environ: a.Environ}
	return a.Fill(a.Layers)
}

// Repeat is the command line that runs a verb under the settings of this one, from wherever they came: variables,
// preset, file and flags. Settings whose keys begin with one of without are left out.
func (a *App) Repeat(verb string, without ...string) string {
	words := append([]string{a.Name}, strings.Fields(verb)...)
	for _, o := range [][2]string{{"--preset", a.Layers.Preset}, {"--config", a.Layers.File}} {
		if o[1] != "" {
			words = append(words, o[0], o[1])
		}
	}
	for _, kv := range a.Layers.Set {
		if slices.ContainsFunc(without, func(prefix string) bool { return strings.HasPrefix(kv, prefix) }) {
			continue
		}
		words = append(words, "--set", kv)
	}
	words = append(configs.Variables(a.Layers.Environ), words...)
	for i, w := range words {
		if strings.Trim(w, shellSafe) != "" {
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

// shellSafe are the characters that no shell reads as anything else.
const shellSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:/@%"

// NoArgs refuses arguments with the usage exit code, which cobra's own checks lack.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasSubCommands() {
		cmd.SuggestionsMinimumDistance = 2
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			return UsageErrorf("%s has no verb %q; did you mean %s?", cmd.CommandPath(), args[0], strings.Join(near, " or "))
		}
		return UsageErrorf("%s has no verb %q", cmd.CommandPath(), args[0])
	}
	return UsageErrorf("%s takes no argument %q", cmd.CommandPath(), args[0])
}

// OneArg wants exactly one argument.
func OneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return UsageErrorf("%s wants one argument, %s", cmd.CommandPath(), what)
		}
		return nil
	}
}

// report prints the error of a command, if there is one, on the error stream.
func (a *App) report(command string, err error) {
	if err == nil {
		return
	}
	if errors.Is(err, ErrInterrupted) {
		fmt.Fprintln(a.Err, a.Name+": interrupted")
		return
	}
	if a.Log != nil && a.LogFormat == "json" {
		a.Log.Error(err.Error(), "exit_code", ExitCode(err))
		return
	}
	fmt.Fprintln(a.Err, a.Name+":", err)
	if ExitCode(err) == ExitUsage {
		fmt.Fprintf(a.Err, "See %s --help.\n", command)
	}
}

// PrintJSON prints one object on the result stream.
func (a *App) PrintJSON(v any) error {
	e := json.NewEncoder(a.Out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// Printf prints on the result stream; the error of a closed pipe surfaces at the verb's last print at the latest.
func (a *App) Printf(format string, args ...any) error {
	_, err := fmt.Fprintf(a.Out, format, args...)
	return err
}

// OnTerminal reports whether a stream is a terminal.
func OnTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Texter is a result that can be read.
type Texter interface {
	WriteText(w io.Writer) error
}

// Print prints a result: one JSON object with --json, else its text.
func (a *App) Print(r Texter) error {
	if a.JSON {
		return a.PrintJSON(r)
	}
	return r.WriteText(a.Out)
}

// Judged is a result that may not be good enough.
type Judged interface {
	Texter
	Verdict() string // what is wrong; empty when it passed
}

// Judge prints a result; the error is that of a gate when it did not pass.
func (a *App) Judge(what string, r Judged) error {
	if err := a.Print(r); err != nil {
		return err
	}
	if wrong := r.Verdict(); wrong != "" {
		return GateErrorf("%s: %s", what, wrong)
	}
	return nil
}
