package domain

import (
	"fmt"
	"slices"
	"strings"
)

// Nominal is the profile that draws nothing.
const Nominal = "nominal"

// profiles are the physics that policies are measured under.
var profiles = []struct {
	name   string
	ranges Ranges
}{
	{Nominal, Ranges{}},
	{"D1", Ranges{Mass: [2]float64{0.7, 1.3}, Friction: [2]float64{0.6, 1.4}, Gain: [2]float64{0.7, 1.1}}},
}

// Profiles lists the names of profiles.
func Profiles() []string {
	var names []string
	for _, p := range profiles {
		names = append(names, p.name)
	}
	return names
}

// Profile is the named setting of an episode's physics; the error lists the names.
func Profile(name string) (Ranges, error) {
	i := slices.Index(Profiles(), name)
	if i < 0 {
		return Ranges{}, fmt.Errorf("physics %q is not known: use %s", name, strings.Join(Profiles(), ", "))
	}
	return profiles[i].ranges, nil
}
