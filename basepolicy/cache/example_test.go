package cache_test

import (
	"fmt"

	"korr/basepolicy/cache"
)

// A method and its settings are one line of text, completed with the defaults.
func ExampleParse() {
	cfg, err := cache.Parse("reuse:n=3")
	fmt.Println(cfg.On(), err)
	_, err = cache.Parse("reuse:n=never")
	fmt.Println(err != nil)
	// Output:
	// true <nil>
	// true
}
