package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNoticeNamesEveryModule: whatever the binaries link stands in NOTICE, and nothing that they do not.
func TestNoticeNamesEveryModule(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-tags", "mujoco openblas", "-f",
		"{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}",
		"./cmd/korr", "./cmd/korr-robot")
	cmd.Dir = sources.Root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := strings.Fields(string(out))
	slices.Sort(linked)
	linked = slices.Compact(linked)
	text, err := os.ReadFile(filepath.Join(sources.Root, "NOTICE"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, found := strings.Cut(string(text), "Linked into the binaries from Go modules")
	if !found || len(linked) < 20 {
		t.Fatalf("NOTICE has no list of modules, or only %d are linked", len(linked))
	}
	var named []string
	for line := range strings.Lines(list) {
		if path, _, ok := strings.Cut(strings.TrimSpace(line), "  "); ok && strings.Contains(path, ".") &&
			!strings.Contains(path, " ") {
			named = append(named, path)
		}
	}
	for _, path := range linked {
		if !slices.Contains(named, path) {
			t.Errorf("NOTICE lacks %s, which is linked: add it with its licence", path)
		}
	}
	for _, path := range named {
		if !slices.Contains(linked, path) {
			t.Errorf("NOTICE names %s, which is not linked", path)
		}
	}
}
