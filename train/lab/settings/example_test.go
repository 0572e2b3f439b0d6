package settings_test

import (
	"fmt"

	"korr/configs"
	"korr/train/lab/settings"
)

// Later layers win: a preset, a file, variables, single keys.
func ExampleLoad() {
	c, err := settings.Load(configs.Options{
		Environ: []string{"KORR_EVAL_EPISODES=30", "KORR_SIM_TASK=lamp"}, Set: []string{"eval.episodes=40"},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(c.Sim.Task, c.Eval.Episodes)
	// Output: lamp 40
}
