package main

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"korr/cmd/internal/cli"
	"korr/configs"
)

var updateReferences = flag.Bool("update", false, "write docs/cli.md and docs/config.md")

// TestReferences holds docs/cli.md against the commands and docs/config.md against the keys and their defaults.
// After a change: go test ./cmd/korr -run Reference -update
func TestReferences(t *testing.T) {
	defaults, err := os.ReadFile("../../configs/presets/default.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config, err := configReference(string(defaults))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"../../docs/cli.md": cliReference(newRoot(&cli.App{Name: "korr"})), "../../docs/config.md": config} {
		if *updateReferences {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, []byte(want)) {
			t.Errorf("%s is out of date: run go test ./cmd/korr -run Reference -update", path)
		}
	}
}

// TestConfigReferenceNamesEveryKey: an undocumented, unknown or missing key is an error.
func TestConfigReferenceNamesEveryKey(t *testing.T) {
	defaults, err := os.ReadFile("../../configs/presets/default.yaml")
	if err != nil {
		t.Fatal(err)
	}
	good := string(defaults)
	for _, bad := range []string{
		regexp.MustCompile(`(?m)^(seed: 1).*$`).ReplaceAllString(good, "$1"),      // no meaning
		regexp.MustCompile(`(?m)^seed: 1.*\n`).ReplaceAllString(good, ""),         // no line
		strings.Replace(good, "\nsim:\n", "\nsim:\n  nothing: 1  # of ours\n", 1), // no such key
	} {
		if bad == good {
			t.Fatal("the preset no longer has the line that this test changes")
		}
		if _, err := configReference(bad); err == nil {
			t.Errorf("no error; the preset starts %.300q", bad)
		}
	}
}

// TestFlagsShowTheDefaultsOfTheirKeys: what --help says is what happens without the flag.
func TestFlagsShowTheDefaultsOfTheirKeys(t *testing.T) {
	preset, err := os.ReadFile("../../configs/presets/default.yaml")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := readKeys(string(preset))
	if err != nil {
		t.Fatal(err)
	}
	defaults := map[string]string{}
	for _, k := range keys {
		defaults[k.path()] = strings.ReplaceAll(strings.Trim(k.value, `"`), ", ", ",")
	}
	seen := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			key := f.Annotations[cli.KeyOf]
			if len(key) == 0 {
				return
			}
			seen++
			if want, ok := defaults[key[0]]; !ok || f.DefValue != want {
				t.Errorf("%s --%s shows %q; %s is %q", c.CommandPath(), f.Name, f.DefValue, key[0], want)
			}
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(&cli.App{Name: "korr"}))
	if seen == 0 {
		t.Error("no flag stands for a key")
	}
}

// cliReference lists every visible command with its flags.
func cliReference(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# Commands\n\nGenerated from the commands by `go test ./cmd/korr -run Reference -update`; `korr VERB --help` says the same.\n")
	b.WriteString("A flag with a key sets that [configuration key](config.md).\n\n")
	fmt.Fprintf(&b, "```\n%s\n```\n\n## Flags of every command\n\n", root.Long)
	writeFlags(&b, root.PersistentFlags())
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			return
		}
		if c != root {
			writeCommand(&b, c)
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	return b.String()
}

func writeCommand(b *strings.Builder, c *cobra.Command) {
	about := cmp.Or(c.Long, c.Short)
	fmt.Fprintf(b, "\n## %s\n\n%s\n", c.CommandPath(), strings.ToUpper(about[:1])+about[1:])
	if c.HasSubCommands() && !c.LocalNonPersistentFlags().HasFlags() {
		return
	}
	fmt.Fprintf(b, "\n```\n%s\n```\n", c.UseLine())
	if c.Example != "" {
		fmt.Fprintf(b, "\n```\n%s\n```\n", unindent(c.Example))
	}
	if c.LocalNonPersistentFlags().HasFlags() {
		b.WriteByte('\n')
		writeFlags(b, c.LocalNonPersistentFlags())
	}
}

func unindent(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(l, "  ")
	}
	return strings.Join(lines, "\n")
}

func writeFlags(b *strings.Builder, flags *pflag.FlagSet) {
	b.WriteString("| flag | default | meaning | key |\n| --- | --- | --- | --- |\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		kind, usage := pflag.UnquoteUsage(f)
		key, value := "", f.DefValue
		if k := f.Annotations[cli.KeyOf]; len(k) > 0 {
			key = code(k[0])
		}
		if value == "[]" {
			value = ""
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", code(strings.TrimSpace("--"+f.Name+" "+kind)), code(value), escape(usage), key)
	})
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + escape(s) + "`"
}

func escape(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// A preset's lines: a section, a key with its default and meaning, and the continuation of a meaning.
var (
	sectionLine  = regexp.MustCompile(`^(\w+):(?:\s+# (.*))?$`)
	keyLine      = regexp.MustCompile(`^(  )?(\w+): (.*?)(?:\s+# (.*))?$`)
	continueLine = regexp.MustCompile(`^ +# (.*)$`)
)

// configKey is one row of the reference.
type configKey struct{ section, title, name, value, meaning string }

// path is the dotted key.
func (k configKey) path() string {
	if k.section == "" {
		return k.name
	}
	return k.section + "." + k.name
}

// configReference lists every key of the default preset, and fails when one is unknown, missing or without a meaning.
func configReference(defaults string) (string, error) {
	keys, err := readKeys(defaults)
	if err != nil {
		return "", err
	}
	var paths []string
	for _, k := range keys {
		if k.meaning == "" {
			return "", fmt.Errorf("default.yaml: %s has no comment that says what it means", k.path())
		}
		paths = append(paths, k.path())
	}
	slices.Sort(paths)
	if known := configs.Keys(); !slices.Equal(paths, known) {
		return "", fmt.Errorf("default.yaml names %q, the configuration has %q", paths, known)
	}
	return renderKeys(keys), nil
}

// readKeys lists the keys of a preset in its order.
func readKeys(preset string) ([]configKey, error) {
	var keys []configKey
	section, title := "", ""
	for _, line := range strings.Split(preset, "\n") {
		if m := sectionLine.FindStringSubmatch(line); m != nil {
			section, title = m[1], m[2]
		} else if m := keyLine.FindStringSubmatch(line); m != nil {
			k := configKey{section, title, m[2], m[3], m[4]}
			if m[1] == "" {
				k.section, k.title = "", ""
			}
			keys = append(keys, k)
		} else if m := continueLine.FindStringSubmatch(line); m != nil && len(keys) > 0 {
			keys[len(keys)-1].meaning += " " + m[1]
		} else if line != "" && !strings.HasPrefix(line, "#") {
			return nil, fmt.Errorf("default.yaml: cannot read %q", line)
		}
	}
	return keys, nil
}

func renderKeys(keys []configKey) string {
	var b strings.Builder
	b.WriteString("# Configuration\n\nGenerated from `configs/presets/default.yaml` by `go test ./cmd/korr -run Reference -update`.\n\n")
	b.WriteString("Later layers win: the defaults below, `--preset` (" + strings.Join(configs.Presets(), ", ") + "), the YAML file of `--config`, the\n")
	b.WriteString("environment, `--set key=value`, the verb's own [flags](cli.md). An unknown key is an error. A list in a variable or in\n")
	b.WriteString("`--set` is written `a,b`. The resolved configuration is written into every run folder.\n")
	for i, k := range keys {
		if i == 0 || k.section != keys[i-1].section {
			if k.section != "" {
				fmt.Fprintf(&b, "\n## %s\n", k.section)
			}
			if k.title != "" {
				fmt.Fprintf(&b, "\n%s\n", k.title)
			}
			b.WriteString("\n| key | default | meaning | variable |\n| --- | --- | --- | --- |\n")
		}
		variable := "KORR_" + strings.ToUpper(strings.ReplaceAll(k.path(), ".", "_"))
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", code(k.path()), code(k.value), escape(k.meaning), code(variable))
	}
	return b.String()
}
