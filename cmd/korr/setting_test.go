package main

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"korr/configs"
	"korr/internal/setting"
	"korr/internal/settingdoc"
	"korr/train/lab/settings"
)

// TestThereAreFewKeys: a setting that nobody sets is a constant or a field without a key.
func TestThereAreFewKeys(t *testing.T) {
	if n := len(setting.Fields(settings.Defaults())); n > 110 {
		t.Errorf("%d keys, at most 110 are wanted: which of them does anybody set?", n)
	}
}

// overlaid is the edited file of TestASettingHasOneHome, in the process that is built with it: ORIGINAL=EDITED.
var overlaid = flag.String("overlaid", "", "source file that the build replaced, and its replacement: ORIGINAL=EDITED")

// TestASettingHasOneHome adds a throw-away setting to one package's Config, in one file, builds these tests with it,
// and lets TestTheThrowAwaySetting look for it everywhere.
func TestASettingHasOneHome(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the tests anew")
	}
	original, err := filepath.Abs("../../train/collect/collect.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	edited := string(text)
	for _, edit := range [][2]string{
		{"type Config struct {\n", "type Config struct {\n\tThrowAway int `yaml:\"throw_away\"` // m, of a test\n"},
		{"return Config{Episodes: 50,", "return Config{ThrowAway: 7, Episodes: 50,"},
		{"\"collect\", setting.AtLeast(", "\"collect\", setting.AtLeast(\"throw_away\", c.ThrowAway, 3), setting.AtLeast("},
	} {
		if strings.Count(edited, edit[0]) != 1 {
			t.Fatalf("%s no longer has %q", original, edit[0])
		}
		edited = strings.Replace(edited, edit[0], edit[1], 1)
	}
	dir := t.TempDir()
	replacement, overlay := filepath.Join(dir, "collect.go"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {original: replacement}})
	if err != nil {
		t.Fatal(err)
	}
	for path, b := range map[string][]byte{replacement: []byte(edited), overlay: replace} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-overlay", overlay, "-run", "^TestTheThrowAwaySetting$", ".",
		"-overlaid", original+"="+replacement)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestTheThrowAwaySetting finds the setting that the build added in a file, in --set, in the environment, in the
// validation, in the run folder's file and on the reference page.
func TestTheThrowAwaySetting(t *testing.T) {
	original, edited, ok := strings.Cut(*overlaid, "=")
	if !ok {
		t.Skip("runs in the build of TestASettingHasOneHome")
	}
	const key = "collect.throw_away"
	value := func(o configs.Options) any {
		t.Helper()
		c, err := settings.Load(o)
		if err != nil {
			t.Fatal(err)
		}
		return setting.Values(c)[key]
	}
	file := filepath.Join(t.TempDir(), "korr.yaml")
	if err := os.WriteFile(file, []byte("collect:\n  throw_away: 8\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, o := range map[int]configs.Options{
		7: {}, 8: {File: file}, 9: {File: file, Environ: []string{"KORR_COLLECT_THROW_AWAY=9"}},
		10: {Environ: []string{"KORR_COLLECT_THROW_AWAY=9"}, Set: []string{key + "=10"}},
	} {
		if got := value(o); got != want {
			t.Errorf("%+v: %v, want %d", o, got, want)
		}
	}
	_, err := settings.Load(configs.Options{Set: []string{key + "=2"}})
	if want := "config: --set: collect.throw_away: is 2, must be at least 3"; err == nil || err.Error() != want {
		t.Errorf("validation says %v, want %s", err, want)
	}
	c := settings.Defaults()
	folder, err := configs.YAML(c)
	if err != nil || !strings.Contains(string(folder), "throw_away: 7") {
		t.Errorf("%v: the run folder's file lacks it:\n%s", err, folder)
	}
	from := settingdoc.Sources{Root: sources.Root, Main: sources.Main, ReadFile: func(path string) ([]byte, error) {
		if full, err := filepath.Abs(path); err == nil && full == original {
			path = edited
		}
		return os.ReadFile(path)
	}}
	comments, err := from.Comments(c)
	if err != nil {
		t.Fatal(err)
	}
	page, err := configReference(c, comments)
	if want := "| `collect.throw_away` | `7` | m, of a test | `KORR_COLLECT_THROW_AWAY` |"; err != nil ||
		!strings.Contains(page, want) {
		t.Errorf("%v: the reference page lacks %s", err, want)
	}
}
