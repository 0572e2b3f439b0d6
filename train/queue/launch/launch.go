package launch

import (
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"korr/internal/usage"
)

// Workers says what is started.
type Workers struct {
	Name     string // of the job; lower-case letters, digits and dashes
	Count    int    // workers
	Cores    int    // of each
	MemoryMB int    // of each
	Limit    time.Duration
	Idle     time.Duration // without a unit after which a worker ends
	Korr     string        // the command, on every machine
	Join     string        // path of join.json, on every machine (Slurm), or on this one (Kubernetes)
	Work     string        // folder of units under way and of inputs, on every machine (Slurm); empty: the user's cache

	Partition, Account string // of Slurm; empty: its defaults
	Image, Namespace   string // of Kubernetes
}

// grace is how long a worker that is told to end may take to store its checkpoint, in seconds.
const grace = 120

// names are what Kubernetes takes for one, which Slurm takes too.
var names = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,50}[a-z0-9])?$`)

func (w *Workers) check() error {
	switch {
	case !names.MatchString(w.Name):
		return usage.Errorf("--name %q: want lower-case letters, digits and dashes, a letter first", w.Name)
	case w.Count < 1, w.Cores < 1, w.MemoryMB < 1:
		return usage.Errorf("--workers %d --cores %d --memory %d: want at least one of each", w.Count, w.Cores, w.MemoryMB)
	case w.Limit < time.Minute:
		return usage.Errorf("--time %s: want at least a minute", w.Limit)
	case w.Idle < time.Second:
		return usage.Errorf("--idle %s: want at least a second: a worker that never ends holds its place for ever", w.Idle)
	case strings.ContainsAny(w.Korr+w.Join+w.Work+w.Partition+w.Account+w.Image+w.Namespace, "\n\r\x00"):
		return usage.Errorf("a path or name with a line break")
	}
	return nil
}

// Slurm writes the script of an array job: sbatch FILE submits it.
func (w *Workers) Slurm(to io.Writer) error {
	if err := w.check(); err != nil {
		return err
	}
	if !filepath.IsAbs(w.Join) || !filepath.IsAbs(w.Korr) {
		return usage.Errorf("--join %s --korr %s: want absolute paths, which every node sees", w.Join, w.Korr)
	}
	var b strings.Builder
	b.WriteString("#!/bin/bash\n")
	for _, o := range [][2]string{
		{"job-name", w.Name},
		{"array", fmt.Sprintf("1-%d", w.Count)},
		{"ntasks", "1"},
		{"cpus-per-task", fmt.Sprint(w.Cores)},
		{"mem", fmt.Sprintf("%dM", w.MemoryMB)},
		{"time", slurmTime(w.Limit)},
		{"partition", w.Partition},
		{"account", w.Account},
		{"output", w.Name + "-%A_%a.log"},
		{"open-mode", "append"},
		{"signal", fmt.Sprintf("B:TERM@%d", grace)},
	} {
		if o[1] != "" {
			fmt.Fprintf(&b, "#SBATCH --%s=%s\n", o[0], o[1])
		}
	}
	// A node that fails or is preempted has its task started again; the unit it had is with another worker by then.
	b.WriteString("#SBATCH --requeue\n\n")
	b.WriteString("export OPENBLAS_NUM_THREADS=1 GOMAXPROCS=\"${SLURM_CPUS_PER_TASK:-" + fmt.Sprint(w.Cores) + "}\"\n")
	b.WriteString("name=\"" + w.Name + "-${SLURM_ARRAY_JOB_ID:-0}-${SLURM_ARRAY_TASK_ID:-0}-${SLURM_RESTART_COUNT:-0}\"\n")
	words := []string{
		w.Korr, "worker", "--join", w.Join, "--cores", fmt.Sprint(w.Cores), "--idle", w.Idle.String(),
		"--log-format", "json",
	}
	if w.Work != "" {
		words = append(words, "--dir", w.Work)
	}
	// exec: the signal before the time is over reaches the worker itself, which then gives its unit back.
	b.WriteString("exec")
	for _, word := range words {
		b.WriteString(" " + quote(word))
	}
	b.WriteString(" --name \"$name\"\n")
	_, err := io.WriteString(to, b.String())
	return err
}

// slurmTime is a duration as days-hours:minutes:seconds.
func slurmTime(d time.Duration) string {
	s := int(d.Seconds())
	return fmt.Sprintf("%d-%02d:%02d:%02d", s/86400, s/3600%24, s/60%60, s%60)
}

// quote makes a word of a shell command of any text.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// Where a pod finds join.json and its room.
const (
	secretPath = "/run/korr"
	workPath   = "/work"
)

// SecretName is the Secret that a Kubernetes Job reads join.json from.
func (w *Workers) SecretName() string { return w.Name + "-join" }

// Kubernetes writes the manifest of a Job. Its Secret is made beforehand, by the command that the manifest's first
// lines say, because a manifest is shared and a token is not.
func (w *Workers) Kubernetes(to io.Writer) error {
	if err := w.check(); err != nil {
		return err
	}
	if w.Image == "" {
		return usage.Errorf("--image is missing: an image that holds korr and what it links")
	}
	var b strings.Builder
	b.WriteString("# kubectl create secret generic " + w.SecretName() + " --from-file=join.json=" + quote(w.Join))
	if w.Namespace != "" {
		b.WriteString(" --namespace " + w.Namespace)
	}
	b.WriteString("\n# kubectl apply --filename THIS_FILE\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(w.job()); err != nil {
		return err
	}
	_, err := io.WriteString(to, b.String())
	return err
}

// The parts of a manifest that are used.
type (
	manifest struct {
		APIVersion string  `yaml:"apiVersion"`
		Kind       string  `yaml:"kind"`
		Metadata   meta    `yaml:"metadata"`
		Spec       jobSpec `yaml:"spec"`
	}
	meta struct {
		Name      string            `yaml:"name,omitempty"`
		Namespace string            `yaml:"namespace,omitempty"`
		Labels    map[string]string `yaml:"labels"`
	}
	// jobSpec without completions is a work queue: the job is over when a pod ended well and none is left.
	jobSpec struct {
		Parallelism           int      `yaml:"parallelism"`
		BackoffLimit          int      `yaml:"backoffLimit"`
		ActiveDeadlineSeconds int      `yaml:"activeDeadlineSeconds"`
		TTL                   int      `yaml:"ttlSecondsAfterFinished"`
		Template              template `yaml:"template"`
	}
	template struct {
		Metadata meta    `yaml:"metadata"`
		Spec     podSpec `yaml:"spec"`
	}
	podSpec struct {
		RestartPolicy string      `yaml:"restartPolicy"`
		Grace         int         `yaml:"terminationGracePeriodSeconds"`
		Token         bool        `yaml:"automountServiceAccountToken"`
		Containers    []container `yaml:"containers"`
		Volumes       []volume    `yaml:"volumes"`
	}
	container struct {
		Name      string            `yaml:"name"`
		Image     string            `yaml:"image"`
		Command   []string          `yaml:"command"`
		Env       []variable        `yaml:"env"`
		Resources map[string]limits `yaml:"resources"`
		Mounts    []mount           `yaml:"volumeMounts"`
	}
	variable struct {
		Name  string    `yaml:"name"`
		Value string    `yaml:"value,omitempty"`
		From  *fromPart `yaml:"valueFrom,omitempty"`
	}
	fromPart struct {
		Field fieldRef `yaml:"fieldRef"`
	}
	fieldRef struct {
		Path string `yaml:"fieldPath"`
	}
	limits struct {
		CPU    string `yaml:"cpu"`
		Memory string `yaml:"memory"`
	}
	mount struct {
		Name     string `yaml:"name"`
		Path     string `yaml:"mountPath"`
		ReadOnly bool   `yaml:"readOnly,omitempty"`
	}
	volume struct {
		Name   string    `yaml:"name"`
		Secret *secret   `yaml:"secret,omitempty"`
		Empty  *struct{} `yaml:"emptyDir,omitempty"`
	}
	secret struct {
		Name string `yaml:"secretName"`
	}
)

// triesPerWorker is how many pods may fail, for each worker, before Kubernetes gives the job up.
const triesPerWorker = 3

// keepSeconds is how long the ended job can be looked at.
const keepSeconds = 86400

func (w *Workers) job() manifest {
	labels := map[string]string{
		"app.kubernetes.io/name": "korr", "app.kubernetes.io/component": "worker",
		"app.kubernetes.io/instance": w.Name,
	}
	room := limits{fmt.Sprint(w.Cores), fmt.Sprintf("%dMi", w.MemoryMB)}
	return manifest{
		APIVersion: "batch/v1", Kind: "Job", Metadata: meta{w.Name, w.Namespace, labels},
		Spec: jobSpec{
			Parallelism: w.Count, BackoffLimit: triesPerWorker * w.Count, ActiveDeadlineSeconds: int(w.Limit.Seconds()),
			TTL: keepSeconds,
			Template: template{meta{Labels: labels}, podSpec{
				RestartPolicy: "Never", Grace: grace,
				Containers: []container{{
					Name: "worker", Image: w.Image,
					Command: []string{
						w.Korr, "worker", "--join", secretPath + "/join.json", "--dir", workPath, "--cores", fmt.Sprint(w.Cores),
						"--idle", w.Idle.String(),
						"--log-format", "json", "--name", "$(POD_NAME)",
					},
					Resources: map[string]limits{"requests": room, "limits": room},
					Mounts:    []mount{{"join", secretPath, true}, {"work", workPath, false}},
					Env: []variable{
						{Name: "POD_NAME", From: &fromPart{fieldRef{"metadata.name"}}},
						{Name: "OPENBLAS_NUM_THREADS", Value: "1"},
						{Name: "GOMAXPROCS", Value: fmt.Sprint(w.Cores)},
					},
				}},
				Volumes: []volume{{Name: "join", Secret: &secret{w.SecretName()}}, {Name: "work", Empty: &struct{}{}}},
			}},
		},
	}
}
