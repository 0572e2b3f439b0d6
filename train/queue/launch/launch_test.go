package launch

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

func workers() *Workers {
	return &Workers{
		Name: "korr-worker", Count: 3, Cores: 2, MemoryMB: 2048, Limit: 25*time.Hour + time.Second, Idle: 5 * time.Minute,
		Korr: "/opt/korr's/korr", Join: "/shared/queue/join.json", Partition: "short", Image: "lab/korr:1",
		Namespace: "robots",
	}
}

// TestSlurmScript: bash reads the script as what was meant, also with an awkward path, and says to the worker who it
// is.
func TestSlurmScript(t *testing.T) {
	dir := t.TempDir()
	w := workers()
	w.Korr = filepath.Join(dir, "korr's")
	if err := os.WriteFile(w.Korr, []byte("#!/bin/bash\nprintf '%s\\n' \"$@\" \"$GOMAXPROCS\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	var script bytes.Buffer
	if err := w.Slurm(&script); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"--array=1-3\n", "--cpus-per-task=2\n", "--mem=2048M\n", "--time=1-01:00:01\n",
		"--partition=short\n", "--signal=B:TERM@120\n",
	} {
		if !strings.Contains(script.String(), "#SBATCH "+want) {
			t.Errorf("no %q in\n%s", want, &script)
		}
	}
	if strings.Contains(script.String(), "account") {
		t.Error("an account nobody named")
	}
	cmd := exec.Command("bash")
	cmd.Stdin = &script
	cmd.Env = append(os.Environ(), "SLURM_ARRAY_JOB_ID=7", "SLURM_ARRAY_TASK_ID=2", "SLURM_CPUS_PER_TASK=2")
	out, err := cmd.Output()
	want := "worker --join /shared/queue/join.json --cores 2 --idle 5m0s --log-format json --name korr-worker-7-2-0 2"
	if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

// TestKubernetesJob: the manifest is a batch/v1 Job by the schema of the API, with no field that the schema does not
// know. A changed one is not.
func TestKubernetesJob(t *testing.T) {
	var text bytes.Buffer
	if err := workers().Kubernetes(&text); err != nil {
		t.Fatal(err)
	}
	schema := jobSchema(t)
	if err := schema.Validate(asJSON(t, text.Bytes())); err != nil {
		t.Errorf("%v\n%s", err, &text)
	}
	for _, change := range [][2]string{
		{"parallelism: 3", "parallelism: three"},
		{"parallelism: 3", "paralellism: 3"},
		{"emptyDir: {}", "emptyDirectory: {}"},
		{"image: lab/korr:1", "image: 5"},
		{"mountPath: /work", "path: /work"},
	} {
		wrong := strings.Replace(text.String(), change[0], change[1], 1)
		if wrong == text.String() {
			t.Fatalf("no %q in\n%s", change[0], &text)
		}
		if schema.Validate(asJSON(t, []byte(wrong))) == nil {
			t.Errorf("%s passes for %s", change[1], change[0])
		}
	}
	if strings.Contains(text.String(), "token:") || !strings.Contains(text.String(),
		"create secret generic korr-worker-join") {
		t.Errorf("the secret:\n%s", &text)
	}
}

func asJSON(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	v, err = jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// jobSchema is that of the Kubernetes API (testdata/README.md), whose objects take no other properties than it names.
func jobSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	s, err := c.Compile("testdata/job.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWorkersAreChecked(t *testing.T) {
	for want, change := range map[string]func(*Workers){
		"--name":     func(w *Workers) { w.Name = "Korr Worker" },
		"at least":   func(w *Workers) { w.Count = 0 },
		"--time":     func(w *Workers) { w.Limit = time.Second },
		"--idle":     func(w *Workers) { w.Idle = 0 },
		"line break": func(w *Workers) { w.Partition = "a\n#SBATCH --uid=0" },
		"absolute":   func(w *Workers) { w.Join = "runs/queue/join.json" },
	} {
		w := workers()
		change(w)
		if err := w.Slurm(&bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	w := workers()
	w.Image = ""
	if err := w.Kubernetes(&bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "--image") {
		t.Errorf("no image: %v", err)
	}
}
