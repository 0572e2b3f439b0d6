package robotcmd

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/internal/report"
	"korr/internal/tensorfile"
	"korr/koopman"
)

// inspectOptions are the verb's argument and flags.
type inspectOptions struct {
	*App
	name    string
	recover bool
	bag     string
}

// NewInspect is the verb inspect.
func NewInspect(a *App) *cobra.Command {
	o := &inspectOptions{App: a}
	cmd := &cobra.Command{
		Use:   "inspect CHECKPOINT|RECORDING",
		Short: "what is in a checkpoint, a bag or MCAP file, a flight record or a dataset",
		Long: `Lists the tensors of a safetensors file with their shapes and ranges, its metadata, and for every Koopman model
in it the sizes and the spectral radius. CHECKPOINT is a path, the folder of a training, or the name of shipped weights,
such as one_leg/korr or korr.

RECORDING is an MCAP file or a ROS bag (topics, rates), a flight record of korr run --dump (the fault and the ticks
before it) or the folder of a dataset. It is read and checked as a whole; damage is an error that tells where.`,
		Example: a.examples(`  $korr inspect korr
  $korr inspect lab.bag.active --recover
  $korr inspect fault.jsonl --bag fault.bag`),
		Args: cli.OneArg("a checkpoint or a recording"),
		RunE: func(_ *cobra.Command, args []string) error {
			o.name = args[0]
			if kind := kindOf(o.name); kind != noRecording {
				return o.inspectRecording(kind)
			}
			if o.recover || o.bag != "" {
				return cli.UsageErrorf("--recover and --bag are for recordings, and %s is none", o.name)
			}
			return runInspect(o)
		},
	}
	cmd.Flags().BoolVar(&o.recover, "recover", false, "read an unclosed or damaged bag or flight record up to the damage")
	cmd.Flags().StringVar(&o.bag, "bag", "", "write a flight record as an MCAP file or a ROS bag: `FILE.mcap` or FILE.bag")
	return cmd
}

// inspectSchema names the JSON form of the result.
const inspectSchema = "korr.inspect/1"

// InspectResult is what the verb prints of a checkpoint.
type InspectResult struct {
	Schema     string            `json:"schema"`
	Name       string            `json:"name"`
	Parameters int               `json:"parameters"`
	Tensors    []TensorInfo      `json:"tensors"`
	Koopman    []KoopmanInfo     `json:"koopman"`
	Digest     string            `json:"sha256"` // verified; "" of a file that has none
	Metadata   map[string]string `json:"metadata"`
}

// TensorInfo sums up a tensor.
type TensorInfo struct {
	Name  string  `json:"name"`
	Shape []int   `json:"shape"`
	Min   float64 `json:"min"`
	Max   float64 `json:"max"`
	RMS   float64 `json:"rms"`
}

// KoopmanInfo sums up a Koopman model.
type KoopmanInfo struct {
	Prefix         string         `json:"prefix"`
	Config         koopman.Config `json:"config"`
	SpectralRadius float64        `json:"spectral_radius"`
}

func runInspect(o *inspectOptions) error {
	f, err := o.OpenWeights(o.name)
	if err != nil {
		return err
	}
	r, err := inspect(o.name, f)
	if err != nil {
		return err
	}
	if o.JSON {
		return o.PrintJSON(r)
	}
	return o.printInspect(r)
}

func inspect(name string, f *tensorfile.File) (InspectResult, error) {
	r := InspectResult{Schema: inspectSchema, Name: name, Digest: f.Digest, Metadata: f.Meta, Koopman: []KoopmanInfo{}}
	for i := range f.Tensors {
		t := &f.Tensors[i]
		if _, err := f.Get(t.Name); err != nil { // finite?
			return r, err
		}
		r.Parameters += len(t.F32)
		r.Tensors = append(r.Tensors, summarise(t))
		prefix, ok := strings.CutSuffix(t.Name, "A")
		if _, has := f.Meta[prefix+"config"]; !ok || !has {
			continue
		}
		m, err := koopman.LoadFrom(f, prefix)
		if err != nil {
			return r, err
		}
		r.Koopman = append(r.Koopman, KoopmanInfo{prefix, m.Config(), m.SpectralRadius()})
	}
	return r, nil
}

func summarise(t *tensorfile.Tensor) TensorInfo {
	info := TensorInfo{Name: t.Name, Shape: t.Shape}
	if len(t.F32) == 0 {
		return info
	}
	lo, hi := slices.Min(t.F32), slices.Max(t.F32)
	var squares float64
	for _, v := range t.F32 {
		squares += float64(v) * float64(v)
	}
	info.Min, info.Max, info.RMS = float64(lo), float64(hi), math.Sqrt(squares/float64(len(t.F32)))
	return info
}

func (o *inspectOptions) printInspect(r InspectResult) error {
	size := ""
	if st, err := os.Stat(r.Name); err == nil {
		size = fmt.Sprintf(", %.1f MB", float64(st.Size())/1e6)
	}
	if err := o.Printf("%s: %d tensors, %d numbers%s\n", r.Name, len(r.Tensors), r.Parameters, size); err != nil {
		return err
	}
	digest := "none: the file is from before korr wrote digests, or from another program; damage to its numbers would " +
		"go unnoticed"
	if r.Digest != "" {
		digest = r.Digest + ", verified"
	}
	if err := o.Printf("SHA-256: %s\n\n", digest); err != nil {
		return err
	}
	t := &report.Table{Columns: []report.Column{
		{Name: "tensor"},
		{Name: "shape", Right: true},
		{Name: "min", Right: true},
		{Name: "max", Right: true},
		{Name: "rms", Right: true},
	}}
	for _, n := range r.Tensors {
		t.Add(n.Name, strings.Trim(strings.ReplaceAll(fmt.Sprint(n.Shape), " ", " x "), "[]"),
			fmt.Sprintf("%.4g", n.Min), fmt.Sprintf("%.4g", n.Max), fmt.Sprintf("%.4g", n.RMS))
	}
	if err := t.WriteText(o.Out); err != nil {
		return err
	}
	for _, k := range r.Koopman {
		lift := "phi(o)"
		if k.Config.StateInclusive {
			lift = "[o; phi(o)]"
		}
		if err := o.Printf("\nKoopman model %q: z = %s, %d -> %d, %s, actions %d; spectral radius %.6f (bound %g)\n",
			strings.TrimSuffix(k.Prefix, "."), lift, k.Config.ObsDim, k.Config.LatentDim, k.Config.Equation(), k.Config.ActDim,
			k.SpectralRadius, k.Config.SpectralBound); err != nil {
			return err
		}
	}
	return o.printMetadata(r.Metadata)
}

// printMetadata prints the keys sorted, a JSON object's own keys on lines of their own.
func (o *inspectOptions) printMetadata(meta map[string]string) error {
	for _, k := range slices.Sorted(maps.Keys(meta)) {
		text := meta[k]
		var object map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &object) == nil {
			lines := make([]string, 0, len(object))
			for _, name := range slices.Sorted(maps.Keys(object)) {
				lines = append(lines, name+": "+string(object[name]))
			}
			text = strings.Join(lines, "\n  ")
		}
		if err := o.Printf("\n%s\n  %s\n", k, text); err != nil {
			return err
		}
	}
	return nil
}
