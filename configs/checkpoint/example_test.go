package checkpoint_test

import (
	"fmt"

	"korr/configs/checkpoint"
)

// The names of shipped weights are theirs, whatever else is called so.
func ExampleOpen() {
	f, err := checkpoint.Open("korr", "one_leg")
	if err != nil {
		panic(err)
	}
	path, err := checkpoint.Path("korr")
	fmt.Println(len(f.Tensors) > 0, path == "", err)
	// Output: true true <nil>
}
