package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"korr/cmd/internal/cli"
	"korr/cmd/internal/robotcmd"
	"korr/internal/seed"
	"korr/internal/tensorfile"
	"korr/koopman"
)

func koopmanFile(t *testing.T) string {
	t.Helper()
	m, err := koopman.New(koopman.Config{ObsDim: 3, ActDim: 2, LatentDim: 5, Hidden: []int{4}, StateInclusive: true},
		seed.Stream(1, "test", 0))
	if err != nil {
		t.Fatal(err)
	}
	clear(m.A.Data)
	for i := range 5 {
		m.A.Data[i*5+i] = 0.25 * float32(i) // eigenvalues 0 .. 1
	}
	path := filepath.Join(t.TempDir(), "koopman.safetensors")
	if err := m.Save(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestInspectShowsShapesAndSpectralRadius(t *testing.T) {
	path := koopmanFile(t)
	o := korr(t, "inspect", path)
	if o.code != cli.ExitOK {
		t.Fatalf("%+v", o)
	}
	for _, want := range []string{
		"koopman.A             5 x 5        0       1  0.2739\n", "Koopman model \"koopman\": z = [o; phi(o)], 3 -> 5, z' " +
			"= A z + B u, actions 2; spectral radius 1.000000 (bound 1)",
		"\nkoopman.config\n  act_dim: 2\n  first_weight: 1\n  hidden: [4]\n",
	} {
		if !strings.Contains(o.out, want) {
			t.Errorf("lacks %q:\n%s", want, o.out)
		}
	}
	var r robotcmd.InspectResult
	o = korr(t, "inspect", "--json", path)
	decodeOne(t, o.out, &r)
	if r.Schema != "korr.inspect/1" || len(r.Koopman) != 1 || r.Koopman[0].SpectralRadius != 1 ||
		r.Koopman[0].Config.LatentDim != 5 {
		t.Errorf("%+v", r)
	}
}

func TestInspectRefuses(t *testing.T) {
	path := koopmanFile(t)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.safetensors")
	if err := os.WriteFile(cut, b[:len(b)-7], 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"inspect"}, cli.ExitUsage, "wants one argument"},
		{[]string{"inspect", "a", "b"}, cli.ExitUsage, "wants one argument"},
		{[]string{"inspect", cut}, cli.ExitFailure, tensorfile.ErrMalformed.Error()},
		{[]string{"inspect", "nothing.safetensors"}, cli.ExitFailure, "no such file"},
		{[]string{"inspect", "one_leg/nothing"}, cli.ExitUsage, "no shipped weights of that name"},
	} {
		o := korr(t, c.args...)
		if o.code != c.code || !strings.Contains(o.err, c.want) || o.out != "" {
			t.Errorf("%v: %+v", c.args, o)
		}
	}
}
