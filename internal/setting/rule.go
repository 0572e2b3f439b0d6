package setting

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Error tells which setting of a Config is refused, and why.
type Error struct {
	Key     string   // below the Config
	Problem string   // "is 2, must be between 0 and 1"
	Choices []string // that a text may be, where these are all
}

// Error implements error.
func (e *Error) Error() string { return e.Key + " " + e.Problem }

// Rule is what a setting must fulfil.
type Rule struct {
	Key  string
	OK   bool
	Want string // the problem when it is not OK
	// what it may be, where that is a list of texts
	Choices []string
}

// Check returns an *Error for the first rule that is broken, after the name of the package whose Config it is.
func Check(pkg string, rules ...Rule) error {
	for _, r := range rules {
		if !r.OK {
			return fmt.Errorf("%s: %w", pkg, &Error{r.Key, r.Want, r.Choices})
		}
	}
	return nil
}

// Below returns err with a prefix before the key that it names, for a Config inside another.
func Below(prefix string, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	return fmt.Errorf("%w", &Error{prefix + "." + e.Key, e.Problem, e.Choices})
}

type number interface{ ~int | ~float64 }

// finite is false for what is no number or infinite.
func finite[T number](v T) bool { return !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0) }

// AtLeast wants a finite number of lowest or more.
func AtLeast[T number](key string, v, lowest T) Rule {
	return Rule{key, finite(v) && v >= lowest, fmt.Sprintf("is %v, must be at least %v", v, lowest), nil}
}

// Above wants a finite number above lowest.
func Above[T number](key string, v, lowest T) Rule {
	return Rule{key, finite(v) && v > lowest, fmt.Sprintf("is %v, must be above %v", v, lowest), nil}
}

// Within wants a number from low to high.
func Within[T number](key string, v, low, high T) Rule {
	return Rule{key, v >= low && v <= high, fmt.Sprintf("is %v, must be between %v and %v", v, low, high), nil}
}

// AboveUpTo wants a number above low, and at most high.
func AboveUpTo[T number](key string, v, low, high T) Rule {
	return Rule{key, v > low && v <= high, fmt.Sprintf("is %v, must be above %v and at most %v", v, low, high), nil}
}

// FromBelow wants a number of at least low, and below high.
func FromBelow[T number](key string, v, low, high T) Rule {
	return Rule{key, v >= low && v < high, fmt.Sprintf("is %v, must be at least %v and below %v", v, low, high), nil}
}

// OneOf wants one of the choices.
func OneOf[T ~string](key string, v T, choices ...T) Rule {
	names := make([]string, len(choices))
	for i, c := range choices {
		names[i] = string(c)
	}
	want := fmt.Sprintf("is %q, must be one of %s", string(v), strings.Join(names, ", "))
	return Rule{key, slices.Contains(choices, v), want, names}
}

// Given wants a text.
func Given(key, v, what string) Rule { return Rule{key, v != "", "must name " + what, nil} }

// Counts wants a list of whole numbers from 1 to largest, of which there is one at least.
func Counts(key string, v []int, largest int) Rule {
	ok := len(v) > 0
	for _, n := range v {
		ok = ok && n >= 1 && n <= largest
	}
	return Rule{key, ok, fmt.Sprintf("is %v, must be a list of numbers from 1 to %d", v, largest), nil}
}

// MaxWidth bounds the width of a layer that a setting may ask for.
const MaxWidth = 1 << 14

// Widths wants the widths of a network's hidden layers, one at least.
func Widths(key string, v []int) Rule { return Counts(key, v, MaxWidth) }

// Range wants [least, largest] between low and high.
func Range(key string, v [2]float64, low, high float64) Rule {
	ok := v[0] >= low && v[0] <= v[1] && v[1] <= high
	return Rule{key, ok, fmt.Sprintf("is %v, must be [least, largest] between %v and %v", v, low, high), nil}
}

// Refuse returns the *Error of a setting that no rule covers.
func Refuse(pkg, key, problem string) error {
	return fmt.Errorf("%s: %w", pkg, &Error{Key: key, Problem: problem})
}
