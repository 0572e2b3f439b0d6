package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
		d := distance(name, f.Name)
		if strings.HasPrefix(f.Name, name) && len(name) > 1 {
			d = 1
		}
		if !f.Hidden && d < best {
			best, found = d, f.Name
		}
	})
	return found
}

// distance is how many letters have to be added, left out or replaced to make b of a (Levenshtein 1966).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
