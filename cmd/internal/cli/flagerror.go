package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"korr/internal/usage"
)

// flagError says what is wrong with a flag's value in the words of a user, and which flag was meant instead of one that
// the command does not have.
func flagError(cmd *cobra.Command, err error) error {
	var value *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &value):
		f := value.GetFlag()
		return UsageErrorf("--%s %q: %s", f.Name, value.GetValue(), wanted(f, value.Unwrap()))
	case errors.As(err, &unknown):
		if near := nearFlag(cmd, unknown.GetSpecifiedName()); near != "" {
			return UsageErrorf("%s has no flag --%s; did you mean --%s?", cmd.CommandPath(), unknown.GetSpecifiedName(), near)
		}
		return UsageErrorf("%s has no flag %s", cmd.CommandPath(), dashed(unknown.GetSpecifiedName()))
	}
	return Usage(err)
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// wanted says what a flag's value has to be, and cause where that tells more.
func wanted(f *pflag.Flag, cause error) string {
	what, known := map[string]string{
		"int": "a whole number", "uint64": "a whole number, 0 or more", "float64": "a number",
		"float64Slice": "numbers, as in 0,1",
		"bool":         "true or false", "duration": "a time with its unit, as 500ms or 3s",
	}[f.Value.Type()]
	var number *strconv.NumError
	switch {
	case known && errors.As(cause, &number) && errors.Is(number.Err, strconv.ErrRange):
		return "is too large, want " + what
	case known:
		return "want " + what
	}
	return fmt.Sprint(cause)
}

// nearFlag is the flag of the command whose name is closest to a wrong one; empty when none is close.
func nearFlag(cmd *cobra.Command, name string) string {
	best, found := min(3, len(name)/2+1), ""
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		d := usage.Distance(name, f.Name)
		if strings.HasPrefix(f.Name, name) && len(name) > 1 {
			d = 1
		}
		if !f.Hidden && d < best {
			best, found = d, f.Name
		}
	})
	return found
}
