package lab_test

import (
	"fmt"
	"log/slog"

	"korr/configs"
	"korr/train/lab"
	"korr/train/lab/settings"
)

// A Lab is what some settings describe: its policies are found by the names that the command line takes.
func ExampleLab() {
	c, err := settings.Load(configs.Options{Set: []string{"eval.randomness=low,high", "eval.perturb=off"}})
	if err != nil {
		panic(err)
	}
	l := &lab.Lab{Config: c, Logger: slog.New(slog.DiscardHandler)}
	policies, err := l.Policies([]string{"expert", "korr"})
	if err != nil {
		panic(err)
	}
	for _, p := range policies {
		fmt.Println(p.Name)
	}
	for _, at := range l.Conditions() {
		fmt.Println(at.Task, at.Randomness, at.Perturb)
	}
	// Output:
	// expert
	// korr
	// one_leg low 0
	// one_leg high 0
}
