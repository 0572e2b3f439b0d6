package dataset

import (
	"fmt"
	"slices"

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
	DType string `json:"dtype"`
	Shape []int  `json:"shape"`
	Names names  `json:"names"` // null for scalars
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

// envNames are the columns of the environment's state.
func (i Info) envNames() (env []string) {
	for _, p := range i.PartNames {
		for _, s := range poseSuffixes {
			env = append(env, p+s)
		}
	}
	return env
}

// features is what info.json declares for a dataset of this kind.
func (i Info) features() features {
	one := []int{1}
	return features{
		featState:        {"float32", []int{i.StateDim()}, stateNames},
		featEnv:          {"float32", []int{i.EnvDim()}, i.envNames()},
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

// checkFeatures compares what a folder declares with what this package reads;
// further features are ignored. It returns how the columns of each feature are put in order.
func checkFeatures(got features, task string) (Info, map[string]order, error) {
	env, ok := got[featEnv]
	if !ok {
		return Info{}, nil, fmt.Errorf("feature %q is missing: these are not demonstrations with part poses", featEnv)
	}
	orders := map[string]order{}
	var err error
	info := Info{Task: task}
	if info.PartNames, orders[featEnv], err = partsOf(env, task); err != nil {
		return Info{}, nil, err
	}
	want := info.features()
	for _, name := range featureNames() {
		g, ok := got[name]
		switch {
		case !ok:
			return Info{}, nil, fmt.Errorf("feature %q is missing", name)
		case g.DType != want[name].DType || !slices.Equal(g.Shape, want[name].Shape):
			return Info{}, nil, fmt.Errorf("feature %q is %s %v, want %s %v", name, g.DType, g.Shape, want[name].DType,
				want[name].Shape)
		}
		if orders[name] == nil && !g.scalar() && name != featEnv {
			if orders[name], err = orderOf(name, g.Names, want[name].Names); err != nil {
				return Info{}, nil, err
			}
		}
	}
	return info, orders, nil
}
