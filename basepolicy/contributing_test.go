package basepolicy_test

import (
	"os"
	"strings"
	"testing"
)

// TestContributingShowsTheExample: the code in CONTRIBUTING.md is that of kind_example_test.go, which compiles and
// runs.
func TestContributingShowsTheExample(t *testing.T) {
	page, err := os.ReadFile("../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("kind_example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "## To add a kind of base policy")
	_, rest, fenced := strings.Cut(rest, "```go\n")
	code, _, closed := strings.Cut(rest, "\n```")
	if !found || !fenced || !closed || strings.Count(code, "\n") < 30 || !strings.Contains(string(source), code) {
		t.Error("the example in CONTRIBUTING.md is not the one in basepolicy/kind_example_test.go")
	}
}
