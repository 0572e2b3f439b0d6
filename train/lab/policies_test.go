package lab

import "testing"

func TestLabelsAreShortAndDistinct(t *testing.T) {
	names := []string{
		"base", "runs/a/checkpoints/policy.safetensors", "runs/b/checkpoints/policy.safetensors",
		"x/b.safetensors", "w/one.safetensors",
	}
	want := []string{"base", "a", "runs/b/checkpoints/policy.safetensors", "x/b.safetensors", "one"}
	for i, n := range names {
		if got := Label(n, names); got != want[i] {
			t.Errorf("%s: %q, want %q", n, got, want[i])
		}
	}
}
