package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"korr/cmd/internal/cli"
	"korr/internal/tensorfile"
	"korr/train/verify"
)

// references copies the two smallest reference files into a new folder.
func references(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, path := range []string{
		"../../train/verify/testdata/gae.safetensors",
		"../../koopman/testdata/lqr.safetensors",
	} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestVerify(t *testing.T) {
	dir := references(t)
	o := korr(t, "verify", dir)
	if o.code != cli.ExitOK || !strings.HasSuffix(o.out, "All 36 checks passed.\n") || !strings.Contains(o.err,
		"korr.safetensors") {
		t.Fatalf("code %d, stderr %q, stdout\n%s", o.code, o.err, o.out)
	}
	path := filepath.Join(dir, "gae.safetensors")
	f, err := tensorfile.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	x, _ := f.Get("returns")
	x[7] += 0.01
	if err := tensorfile.Write(path, f); err != nil {
		t.Fatal(err)
	}
	if o := korr(t, "verify", "--quiet", dir); o.code != cli.ExitGate || !strings.Contains(o.err,
		"1 of 36 checks failed") || !strings.Contains(o.out, "FAILED") {
		t.Errorf("a wrong number: code %d, stderr %q, stdout\n%s", o.code, o.err, o.out)
	}
	o = korr(t, "verify", "--json", dir)
	var r verify.Report
	decodeOne(t, o.out, &r)
	if o.code != cli.ExitGate || r.Schema != "korr.verify/1" || r.Passed || len(r.Checks) != 36 {
		t.Errorf("code %d, %+v", o.code, r)
	}
	for _, c := range r.Checks {
		if want := c.Quantity != "returns"; c.OK != want || c.Error == nil || (*c.Error <= c.Tolerance) != want {
			t.Errorf("%+v", c)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"verify"}, cli.ExitUsage, "wants one argument"},
		{[]string{"verify", "nowhere"}, cli.ExitFailure, "no such file"},
		{[]string{"verify", t.TempDir()}, cli.ExitFailure, "no reference files"},
	} {
		if o := korr(t, c.args...); o.code != c.code || !strings.Contains(o.err, c.want) || o.out != "" {
			t.Errorf("%v: %+v", c.args, o)
		}
	}
}
