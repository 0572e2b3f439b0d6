package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOutputsAreCheckedBeforeTheWork(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "there.csv")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"":                                     "",
		file:                                   "",
		filepath.Join(dir, "new.csv"):          "",
		os.DevNull:                             "has to end in .csv",
		filepath.Join(dir, "new.txt"):          "has to end in .csv",
		filepath.Join(dir, "no", "new.csv"):    "there is no folder",
		filepath.Join(file, "new.csv"):         "there.csv",
		"/proc/new.csv":                        "nothing can be written in /proc",
		filepath.Join(dir, "a", "b", "x.json"): "has to end in .csv",
	} {
		err := CheckOutput("--csv", path, ".csv")
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) ||
			ExitCode(err) != ExitUsage) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if err := CheckOutput("--csv", dir); err == nil || !strings.Contains(err.Error(), "folder of that name") {
		t.Errorf("a folder: %v", err)
	}
	if err := CheckOutput("--csv", os.DevNull); err != nil {
		t.Errorf("a device: %v", err)
	}
	for path, want := range map[string]string{
		dir: "", filepath.Join(dir, "a", "b"): "", file: "is a file", filepath.Join(file, "a"): "file",
		"/proc/a/b": "nothing can be written",
	} {
		err := CheckFolder("--out", path)
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) &&
			!strings.Contains(err.Error(), "not a directory")) {
			t.Errorf("folder %s: %v, want %q", path, err, want)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, ".korr-check-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
