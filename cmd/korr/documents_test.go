package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/configs"
	"korr/train/lab/settings"
)

// TestDocumentedCommands parses every command line of this program that a document, a line of docs/results.jsonl or an
// example of the help shows, up to the point where the verb would begin to work: verbs, flags, keys, presets and values
// have to exist. A code span that begins with a flag has to fit some verb, and one that looks like a key has to be one.
func TestDocumentedCommands(t *testing.T) {
	all := documents(t)
	walk(newRoot(&cli.App{Name: "korr"}), func(c *cobra.Command) {
		if c.Example != "" {
			all["the help of "+c.CommandPath()] = "```\n" + c.Example + "\n```\n"
		}
	})
	keys := configs.Keys(settings.Defaults())
	lines, flags, named := 0, 0, 0
	for path, text := range all {
		for _, code := range codeOf(path, text) {
			for _, args := range commandsOf(code) {
				switch m := key.FindStringSubmatch(code); {
				case args[0] == "korr" || args[0] == "korr-robot":
					lines++
					if problem := parse(args[1:]); problem != "" {
						t.Errorf("%s: %s\n\t%s", path, strings.Join(args, " "), problem)
					}
				case strings.HasPrefix(args[0], "--"):
					flags++
					if !fitsSomeVerb(args) {
						t.Errorf("%s: no verb takes %s", path, strings.Join(args, " "))
					}
				case m != nil && !slices.Contains([]string{".safetensors", ".png"}, filepath.Ext(m[1])):
					named++
					if !slices.Contains(keys, m[1]) {
						t.Errorf("%s: there is no key %s", path, m[1])
					}
				}
			}
		}
	}
	if lines < 100 || flags < 20 || named < 30 {
		t.Errorf("found only %d command lines, %d spans of flags, %d keys: are they still recognised?", lines, flags, named)
	}
}

// TestDocumentedTests looks for what the documented runs of go test name: packages, and tests or benchmarks in them.
func TestDocumentedTests(t *testing.T) {
	seen := 0
	for path, text := range documents(t) {
		for _, code := range codeOf(path, text) {
			for _, args := range commandsOf(code) {
				if len(args) < 3 || args[0] != "go" || args[1] != "test" {
					continue
				}
				seen++
				for _, name := range missingTests(t, args[2:]) {
					t.Errorf("%s: %s: there is no %s", path, strings.Join(args, " "), name)
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("found only %d runs of go test: are they still recognised?", seen)
	}
}

// documents are the texts to check, by path from the repository's root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	generated := []string{"docs/cli.md", "docs/config.md"}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/results.jsonl", "configs/weights/*.md"} {
		paths, err := filepath.Glob(filepath.Join(sources.Root, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %v, %d files", pattern, err, len(paths))
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			rel, err := filepath.Rel(sources.Root, path)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(generated, rel) {
				out[rel] = string(text)
			}
		}
	}
	return out
}

var (
	fenced   = regexp.MustCompile("(?ms)^```[a-z]*\n(.*?)^```$")
	indented = regexp.MustCompile(`(?m)^ {4,}(?:korr|go test) (?:.*\\\n)*.*`)
	span     = regexp.MustCompile("(?s)`([^`]+)`")
	recorded = regexp.MustCompile(`"(?:training|evaluation)": "((?:[^"\\]|\\.)*)"`)
	key      = regexp.MustCompile(`^((?:sim|disturb|domain|collect|base|koopman|residual|ppo|eval|run)\.[a-z_.]+)(?:[=:].*)?$`)
	// What stands for a number or a name: --seed S, --set residual.filter=...
	placeholder = regexp.MustCompile(`^[A-Z]$|(=)([A-Z]|\.\.\.)$`)
)

// codeOf is the code of a document: blocks with their continued lines joined, and spans.
func codeOf(path, text string) (out []string) {
	if strings.HasSuffix(path, ".jsonl") {
		for _, m := range recorded.FindAllStringSubmatch(text, -1) {
			out = append(out, strings.Split(m[1], "; ")...)
		}
		return out
	}
	block := func(s string) { out = append(out, strings.Split(strings.ReplaceAll(s, "\\\n", " "), "\n")...) }
	for _, m := range fenced.FindAllStringSubmatch(text, -1) {
		block(m[1])
	}
	text = fenced.ReplaceAllString(text, "")
	for _, m := range indented.FindAllString(text, -1) {
		block(m)
	}
	for _, m := range span.FindAllStringSubmatch(text, -1) {
		out = append(out, strings.ReplaceAll(m[1], `\|`, "|"))
	}
	return out
}

// commandsOf splits a line of shell into commands of words, without comments and variables in front.
func commandsOf(line string) (out [][]string) {
	var words []string
	end := func() {
		for len(words) > 0 && regexp.MustCompile(`^[A-Z_]+=`).MatchString(words[0]) {
			words = words[1:]
		}
		if len(words) > 0 {
			words[0] = strings.TrimPrefix(words[0], "bin/")
			out = append(out, words)
		}
		words = nil
	}
	for _, m := range regexp.MustCompile(`(?:[^\s"']|"[^"]*"|'[^']*')+`).FindAllString(line, -1) {
		if m == "#" {
			break
		}
		if slices.Contains([]string{"|", "&&", "&", ">"}, m) {
			end()
			continue
		}
		words = append(words, strings.NewReplacer(`"`, "", "'", "").Replace(m))
	}
	end()
	return out
}

// parse runs a command line whose verbs do nothing and returns what it complains of. A verb that is only named may lack
// arguments.
func parse(args []string) string {
	if _, rest, err := newRoot(&cli.App{Name: "korr"}).Find(args); err == nil && len(rest) == 0 {
		return ""
	}
	quiet := func(a *cli.App) *cobra.Command {
		root := newRoot(a)
		walk(root, func(c *cobra.Command) {
			if c.RunE != nil {
				c.RunE = func(*cobra.Command, []string) error { return nil }
			}
		})
		return root
	}
	args = slices.Clone(args)
	for i := range args {
		args[i] = placeholder.ReplaceAllString(args[i], "${1}1")
	}
	var problem bytes.Buffer
	if cli.Execute(context.Background(), "korr", quiet, args, &cli.Streams{Out: io.Discard, Err: &problem}) == cli.ExitOK {
		return ""
	}
	return problem.String()
}

func walk(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		walk(sub, visit)
	}
}

// fitsSomeVerb tries flags on every verb; a single flag has to exist alone.
func fitsSomeVerb(flags []string) (fits bool) {
	walk(newRoot(&cli.App{Name: "korr"}), func(c *cobra.Command) {
		switch name, _, _ := strings.Cut(strings.TrimPrefix(flags[0], "--"), "="); {
		case fits || c.RunE == nil:
		case len(flags) == 1:
			fits = c.InheritedFlags().Lookup(name) != nil || c.LocalFlags().Lookup(name) != nil
		default:
			args := append(strings.Fields(c.CommandPath())[1:], flags...)
			fits = parse(args) == "" || parse(append(args, "FILE")) == ""
		}
	})
	return fits
}

// missingTests are the packages and tests among the arguments of go test that do not exist.
func missingTests(t *testing.T, args []string) (missing []string) {
	t.Helper()
	var packages []string
	wanted := map[string]string{} // pattern by kind of function
	for i, arg := range args {
		switch {
		case strings.HasPrefix(arg, "./") && !strings.HasSuffix(arg, "..."):
			packages = append(packages, arg)
		case arg == "-run" && args[i+1] != "xxx" && args[i+1] != "XXX":
			wanted["(?:Test|Fuzz|Example)"] = args[i+1]
		case arg == "-bench":
			wanted["Benchmark"] = args[i+1]
		}
	}
	functions := ""
	for _, p := range packages {
		files, err := filepath.Glob(filepath.Join(sources.Root, p, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 0 {
			missing = append(missing, "test in "+p)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			functions += string(text)
		}
	}
	for kind, pattern := range wanted {
		for _, one := range strings.Split(pattern, "|") {
			one, _, _ = strings.Cut(one, "/")
			wanted := regexp.MustCompile(one)
			names := regexp.MustCompile(`(?m)^func (`+kind+`\w*)\(`).FindAllStringSubmatch(functions, -1)
			if len(packages) > 0 && !slices.ContainsFunc(names, func(m []string) bool { return wanted.MatchString(m[1]) }) {
				missing = append(missing, one)
			}
		}
	}
	return missing
}
