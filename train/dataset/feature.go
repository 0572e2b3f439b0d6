package dataset

import (
	"fmt"
	"slices"
	"strings"

	"korr/sim"
)

// Feature names; those of LeRobot where it has one.
const (
	featState        = "observation.state"
	featEnv          = "observation.environment_state"
	featAction       = "action"
	featExecuted     = "action.executed"
	featReward       = "next.reward"
	featDone         = "next.done"
	featSuccess      = "next.success"
	featTimestamp    = "timestamp"
	featFrameIndex   = "frame_index"
	featEpisodeIndex = "episode_index"
	featIndex        = "index"
	featTaskIndex    = "task_index"
)

// feature is one entry of "features" in info.json.
type feature struct {
	DType string   `json:"dtype"`
	Shape []int    `json:"shape"`
	Names []string `json:"names"` // null for scalars
}

// scalar features are stored as plain columns, vectors as lists.
func (f feature) scalar() bool { return len(f.Shape) == 1 && f.Shape[0] == 1 }

var (
	stateNames = []string{
		"ee_x", "ee_y", "ee_z", "ee_r11", "ee_r12", "ee_r13", "ee_r21", "ee_r22", "ee_r23",
		"ee_vx", "ee_vy", "ee_vz", "ee_wx", "ee_wy", "ee_wz", "gripper_width",
	}
	actionNames  = []string{"x", "y", "z", "r11", "r12", "r13", "r21", "r22", "r23", "gripper"}
	poseSuffixes = []string{"_x", "_y", "_z", "_qx", "_qy", "_qz", "_qw"}
)

// featureNames lists the features in the order of the columns.
func featureNames() []string {
	return []string{
		featState, featEnv, featAction, featExecuted, featReward, featDone, featSuccess,
		featTimestamp, featFrameIndex, featEpisodeIndex, featIndex, featTaskIndex,
	}
}

// features is what info.json declares for a dataset of this kind.
func (i Info) features() map[string]feature {
	var env []string
	for _, p := range i.PartNames {
		for _, s := range poseSuffixes {
			env = append(env, p+s)
		}
	}
	one := []int{1}
	return map[string]feature{
		featState:        {"float32", []int{i.StateDim()}, stateNames},
		featEnv:          {"float32", []int{i.EnvDim()}, env},
		featAction:       {"float32", []int{sim.ActDim}, actionNames},
		featExecuted:     {"float32", []int{sim.ActDim}, actionNames},
		featReward:       {"float32", one, nil},
		featDone:         {"bool", one, nil},
		featSuccess:      {"bool", one, nil},
		featTimestamp:    {"float32", one, nil},
		featFrameIndex:   {"int64", one, nil},
		featEpisodeIndex: {"int64", one, nil},
		featIndex:        {"int64", one, nil},
		featTaskIndex:    {"int64", one, nil},
	}
}

// maxParts bounds what a foreign or damaged info.json can ask for.
const maxParts = 1000

// partNames recovers the part names from the names of the environment state.
func partNames(env feature) ([]string, error) {
	if len(env.Shape) != 1 || env.Shape[0] < sim.PoseDim || env.Shape[0] > maxParts*sim.PoseDim || env.Shape[0]%sim.PoseDim != 0 {
		return nil, fmt.Errorf("feature %q has shape %v, want 1 to %d poses of %d values", featEnv, env.Shape, maxParts, sim.PoseDim)
	}
	var parts []string
	for k := range env.Shape[0] / sim.PoseDim {
		p := fmt.Sprintf("part%d", k)
		if len(env.Names) == env.Shape[0] {
			p = strings.TrimSuffix(env.Names[k*sim.PoseDim], poseSuffixes[0])
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// checkFeatures compares what a folder declares with what this package reads;
// further features are ignored.
func checkFeatures(got map[string]feature) (Info, error) {
	env, ok := got[featEnv]
	if !ok {
		return Info{}, fmt.Errorf("feature %q is missing: these are not demonstrations with part poses", featEnv)
	}
	parts, err := partNames(env)
	if err != nil {
		return Info{}, err
	}
	info := Info{PartNames: parts}
	want := info.features()
	for _, name := range featureNames() {
		g, ok := got[name]
		switch {
		case !ok:
			return Info{}, fmt.Errorf("feature %q is missing", name)
		case g.DType != want[name].DType || !slices.Equal(g.Shape, want[name].Shape):
			return Info{}, fmt.Errorf("feature %q is %s %v, want %s %v", name, g.DType, g.Shape, want[name].DType, want[name].Shape)
		}
	}
	return info, nil
}
