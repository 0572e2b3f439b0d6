package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"korr/cmd/internal/cli"
	"korr/internal/tensorfile"
	"korr/train/dataset"
	"korr/train/published"
)

const publishedCheckpoint = "../../train/published/testdata/golden/published_layout_actor_chkpt.pt"

// TestImportExport: a published checkpoint becomes a policy that other verbs read, and comes back.
func TestImportExport(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "runs", "p.safetensors"), filepath.Join(dir, "out.safetensors")
	o := korr(t, "import", publishedCheckpoint, "--out", in, "--json")
	var r published.ImportedCheckpoint
	decodeOne(t, o.out, &r)
	if o.code != cli.ExitOK || r.Schema != "korr.import/1" || r.Class != "korr" || r.Task != "one_leg" || r.Obs != 58 ||
		r.Horizon != 32 || len(r.Kept) < 10 {
		t.Fatalf("code %d, %+v, %s", o.code, r, o.err)
	}
	if o := korr(t, "inspect", in); o.code != cli.ExitOK || !strings.Contains(o.out, "Koopman model") {
		t.Errorf("inspect: code %d, %s %s", o.code, o.out, o.err)
	}
	if o := korr(t, "export", in, "--out", out); o.code != cli.ExitOK || !strings.Contains(o.out, "178 tensors") {
		t.Errorf("export: code %d, %s %s", o.code, o.out, o.err)
	}
	f, err := tensorfile.Read(out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Get("residual_policy.critic.backbone.4.bias", 1); err != nil || !strings.Contains(f.Meta["config"],
		"KPMResidualPolicyWOGoal") {
		t.Errorf("%v, %s", err, f.Meta["config"])
	}
}

// TestImportLeavesNothing: what is refused leaves no file behind, and says what is wrong.
func TestImportLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	good, err := os.ReadFile(publishedCheckpoint)
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cut := put("cut.pt", good[:len(good)/2])
	whole := put("good.pt", good)
	hdf5 := put("x.hdf5", []byte("\x89HDF\r\n\x1a\n and more"))
	out := filepath.Join(dir, "out")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{cut, "--out", out + ".safetensors"}, cli.ExitFailure, "truncated"},
		{
			[]string{whole, "--out", out + ".safetensors", "--task", "lamp"},
			cli.ExitFailure,
			"observations of 58 values, task lamp has 44",
		},
		{[]string{whole, "--out", out + ".safetensors", "--task", "chair"}, cli.ExitUsage, "chair"},
		{[]string{whole, "--out", out}, cli.ExitUsage, ".safetensors"},
		{[]string{whole}, cli.ExitUsage, "--out"},
		{[]string{hdf5, "--out", out}, cli.ExitUsage, "robomimic_to_zarr.py"},
		{[]string{dir, "--out", out}, cli.ExitFailure, "no zarr v2 store"},
		{[]string{filepath.Join(dir, "absent"), "--out", out}, cli.ExitFailure, "no such file"},
	} {
		o := korr(t, append([]string{"import"}, c.args...)...)
		if o.code != c.code || !strings.Contains(o.err, c.want) {
			t.Errorf("%v: code %d, %s", c.args, o.code, o.err)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*out*"))
	if hidden, _ := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 || len(hidden) > 0 {
		t.Errorf("left behind: %v %v", left, hidden)
	}
	if o := korr(t, "export", "korr", "--out", out+".safetensors"); o.code != cli.ExitFailure ||
		!strings.Contains(o.err, "not a diffusion unet") {
		t.Errorf("export of the shipped policy: code %d, %s", o.code, o.err)
	}
}

// TestImportDemonstrations: zarr becomes a dataset; a bad episode leaves nothing.
func TestImportDemonstrations(t *testing.T) {
	const zarr = "../../train/published/testdata/demos.zarr"
	dir := t.TempDir()
	out := filepath.Join(dir, "demos")
	o := korr(t, "import", zarr, "--out", out)
	if o.code != cli.ExitOK || !strings.Contains(o.out, "task one_leg, 3 episodes, 12 frames; 2 of 3 recorded episodes "+
		"succeeded") {
		t.Fatalf("code %d, %s %s", o.code, o.out, o.err)
	}
	d, err := dataset.Read(out)
	if err != nil || len(d.Episodes) != 3 || !d.Episodes[2].Success || d.Episodes[1].Success {
		t.Fatal(err)
	}
	if o := korr(t, "import", zarr, "--out", out); o.code == cli.ExitOK || !strings.Contains(o.err,
		"choose another path") {
		t.Errorf("a second time: code %d, %s", o.code, o.err)
	}
	if o := korr(t, "import", zarr, "--out", out+"2", "--only-success", "--json"); o.code != cli.ExitOK ||
		!strings.Contains(o.out, `"episodes": 2`) {
		t.Errorf("code %d, %s", o.code, o.out)
	}
	bad := filepath.Join(dir, "bad.zarr")
	if err := os.CopyFS(bad, os.DirFS(zarr)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(bad, "action", "pos", "2.0") // uncompressed: frames 8 to 11
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(b[40:], []byte{0, 0, 0xc0, 0x7f}) // NaN
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	o = korr(t, "import", bad, "--out", out+"3")
	if left, _ := filepath.Glob(filepath.Join(dir, ".demos3*")); o.code != cli.ExitFailure || len(left) > 0 ||
		!strings.Contains(o.err, "episode 2 (sim/one_leg/2.pkl): action is NaN at frame 2, element 0") {
		t.Errorf("code %d, left %v, %s", o.code, left, o.err)
	}
	if _, err := os.Stat(out + "3"); err == nil {
		t.Error("a dataset with a bad episode was left")
	}
}
