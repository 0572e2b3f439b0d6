package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"korr/configs"
)

// Values is what a shell may put in the place of a value: by key of the settings, which serves --set and every flag
// that sets that key, and by a flag's name with its dashes, "--policy", where the flag sets none. Where files are
// possible too, shells offer them as soon as no value fits.
type Values struct {
	Keys []string
	Of   map[string][]string
}

// ValuesOf are those that the settings' own checks name, and more that only the command knows.
func ValuesOf(defaults any, more map[string][]string) Values {
	v := Values{configs.Keys(defaults), configs.Choices(defaults)}
	for name, values := range more {
		v.Of[name] = values
	}
	v.Of["--preset"] = configs.Presets()
	v.Of["--log-level"] = []string{"debug", "info", "warn", "error"}
	v.Of["--log-format"] = []string{"text", "json"}
	return v
}

// completeValues lets shells complete the values of every flag below a command.
func (a *App) completeValues(c *cobra.Command) {
	if a.Values == nil {
		return
	}
	register := func(f *pflag.Flag) {
		complete := a.completeValue(f)
		_ = c.RegisterFlagCompletionFunc(f.Name, func(_ *cobra.Command, _ []string, begun string) ([]string,
			cobra.ShellCompDirective,
		) {
			return complete(begun)
		}) // one that has a function already keeps it
	}
	c.PersistentFlags().VisitAll(register)
	c.LocalFlags().VisitAll(register)
	for _, sub := range c.Commands() {
		a.completeValues(sub)
	}
}

// completeValue completes the values of one flag, of a list the last one.
func (a *App) completeValue(f *pflag.Flag) func(begun string) ([]string, cobra.ShellCompDirective) {
	if f.Name == "set" {
		return func(begun string) ([]string, cobra.ShellCompDirective) { return a.Values().setting(begun) }
	}
	name := "--" + f.Name
	if key := f.Annotations[KeyOf]; len(key) > 0 {
		name = key[0]
	}
	list := strings.HasSuffix(f.Value.Type(), "Slice")
	return func(begun string) ([]string, cobra.ShellCompDirective) {
		if !list {
			return after("", a.Values().Of[name]), cobra.ShellCompDirectiveDefault
		}
		return after(before(begun), a.Values().Of[name]), cobra.ShellCompDirectiveDefault
	}
}

// setting completes key=value.
func (v Values) setting(begun string) ([]string, cobra.ShellCompDirective) {
	key, value, named := strings.Cut(begun, "=")
	if !named {
		keys := slices.Clone(v.Keys)
		for i := range keys {
			keys[i] += "="
		}
		return keys, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	}
	return after(key+"="+before(value), v.Of[key]), cobra.ShellCompDirectiveDefault
}

// before is what stands in a list before its last element.
func before(list string) string { return list[:strings.LastIndex(list, ",")+1] }

func after(begun string, values []string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = begun + v
	}
	return out
}
