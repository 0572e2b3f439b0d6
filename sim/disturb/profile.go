package disturb

import (
	"fmt"
	"slices"
	"strings"
)

// Clean is the profile that disturbs nothing.
const Clean = "clean"

// profiles are the trackers that policies are measured with. The robot's state stays fresh in all of them.
var profiles = []struct {
	name  string
	parts Parts
}{
	{Clean, Parts{}},
	{"T1", Parts{Position: 0.0005, Rotation: 0.005, Delay: 1, Dropout: 0.1}},
	{"T2", Parts{Position: 0.001, Rotation: 0.01, Delay: 2, Dropout: 0.3}},
	{"T3", Parts{
		Position: 0.002, Rotation: 0.02, Delay: 4, Dropout: 0.3,
		Occlusion: 5, OcclusionChance: 0.1, OcclusionReach: 0.06,
	}},
}

// Profiles lists the names of profiles, from the best tracker to the worst.
func Profiles() []string {
	var names []string
	for _, p := range profiles {
		names = append(names, p.name)
	}
	return names
}

// Profile is the named setting of a tracker; the error lists the names.
func Profile(name string) (Config, error) {
	i := slices.Index(Profiles(), name)
	if i < 0 {
		return Config{}, fmt.Errorf("sensing %q is not known: use %s", name, strings.Join(Profiles(), ", "))
	}
	return Config{Parts: profiles[i].parts}, nil
}
