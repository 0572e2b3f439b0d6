package unit

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var here = Platform{Build: "b", Simulator: "s", Arithmetic: "a"}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func sealed(t *testing.T, p Platform, units ...Unit) []ID {
	t.Helper()
	_, ids, err := (&Job{Units: units}).Sealed(p)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// TestIdentityIsContent: what decides the outcome changes a unit's identity, and nothing else does.
func TestIdentityIsContent(t *testing.T) {
	dir := t.TempDir()
	a, same := write(t, filepath.Join(dir, "a", "x"), "one"), write(t, filepath.Join(dir, "b", "x"), "one")
	other := write(t, filepath.Join(dir, "c", "x"), "two")
	make := func(change func(*Unit)) Unit {
		u := Unit{Kind: "k", Name: "n", Spec: Encode(1), Inputs: map[string]Input{"in": {Path: a}}, Outputs: []string{"out"}}
		if change != nil {
			change(&u)
		}
		return u
	}
	want := sealed(t, here, make(nil))[0]
	for name, c := range map[string]struct {
		change func(*Unit)
		same   bool
	}{
		"name":         {func(u *Unit) { u.Name = "m" }, true},
		"dir":          {func(u *Unit) { u.Dir, u.Begun = "elsewhere", true }, true},
		"copied input": {func(u *Unit) { u.Inputs["in"] = Input{Path: same} }, true},
		"kind":         {func(u *Unit) { u.Kind = "l" }, false},
		"spec":         {func(u *Unit) { u.Spec = Encode(2) }, false},
		"input":        {func(u *Unit) { u.Inputs["in"] = Input{Path: other} }, false},
		"file's name":  {func(u *Unit) { u.Inputs["in"] = Input{Path: a, As: "y"} }, false},
		"input's name": {func(u *Unit) { u.Inputs = map[string]Input{"on": {Path: a}} }, false},
		"outputs":      {func(u *Unit) { u.Outputs = nil }, false},
	} {
		if got := sealed(t, here, make(c.change))[0]; (got == want) != c.same {
			t.Errorf("%s: identity %s, before %s", name, got, want)
		}
	}
	for _, p := range []Platform{{"c", "s", "a"}, {"b", "t", "a"}, {"b", "s", "b"}} {
		if sealed(t, p, make(nil))[0] == want || p.Lane() == here.Lane() || here.Differs(p) == "" {
			t.Errorf("platform %+v is like %+v", p, here)
		}
	}
}

// TestIdentityFollowsTheChain: a unit changes with what the units before it read.
func TestIdentityFollowsTheChain(t *testing.T) {
	chain := func(data string) []Unit {
		return []Unit{
			{Kind: "k", Name: "first", Inputs: map[string]Input{"in": {Data: []byte(data)}}, Outputs: []string{"out"}},
			{Kind: "k", Name: "second", Inputs: map[string]Input{"in": {From: "first", Output: "out/file"}}},
		}
	}
	a, b := sealed(t, here, chain("1")...), sealed(t, here, chain("2")...)
	if a[0] == b[0] || a[1] == b[1] {
		t.Errorf("%v and %v", a, b)
	}
}

func TestJobsAreChecked(t *testing.T) {
	first := Unit{Kind: "k", Name: "first", Outputs: []string{"out"}}
	for want, u := range map[string]Unit{
		"unique":            {Kind: "k", Name: "first"},
		"kind":              {Kind: "unknown", Name: "second"},
		"not below":         {Kind: "k", Name: "second", Outputs: []string{"../out"}},
		"no output":         {Kind: "k", Name: "second", Inputs: map[string]Input{"in": {From: "first", Output: "outer"}}},
		"no earlier unit":   {Kind: "k", Name: "second", Inputs: map[string]Input{"in": {From: "third", Output: "out"}}},
		"one of path, data": {Kind: "k", Name: "second", Inputs: map[string]Input{"in": {Path: "x", From: "first"}}},
	} {
		l := Local{Handlers: Handlers{"k": {Do: func(context.Context, *Task) (any, error) { return nil, nil }}}}
		err := l.Do(t.Context(), &Job{Units: []Unit{first, u}}, func(int, *Result) error { return nil })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestLocalDoesAChain: units see their inputs, one of them made by another, and leave outputs and values.
func TestLocalDoesAChain(t *testing.T) {
	dir := t.TempDir()
	l := Local{Handlers: Handlers{"join": {Do: func(_ context.Context, task *Task) (any, error) {
		var with string
		if err := task.Decode(&with); err != nil {
			return nil, err
		}
		path, err := task.Input("in")
		if err != nil {
			return nil, err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		task.Report(1, 2)
		return len(b), os.WriteFile(filepath.Join(task.Dir, "out"), append(b, with...), 0o600)
	}}}}
	var reports int
	j := &Job{Progress: func(done, total int) { reports += done * total }, Units: []Unit{
		{
			Kind: "join", Name: "a", Spec: Encode("b"), Dir: t.TempDir(), Inputs: map[string]Input{"in": {Data: []byte("a")}},
			Outputs: []string{"out"},
		},
		{
			Kind: "join", Name: "b", Spec: Encode("c"), Dir: dir, Inputs: map[string]Input{"in": {From: "a", Output: "out"}},
			Outputs: []string{"out"},
		},
	}}
	var values []string
	err := l.Do(t.Context(), j, func(i int, r *Result) error {
		values = append(values, j.Units[i].Name+string(r.Value))
		return nil
	})
	if err != nil || strings.Join(values, " ") != "a1 b2" || reports != 4 {
		t.Fatalf("values %q, %d reports, %v", values, reports, err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "out")); err != nil || string(b) != "abc" {
		t.Errorf("%q, %v", b, err)
	}
}

// TestHandlersFail: a panic is an error that names its place, so is an output that is not there, and a wrong input.
func TestHandlersFail(t *testing.T) {
	var asked error
	h := Handlers{
		"panics": {Do: func(context.Context, *Task) (any, error) { panic("so") }},
		"lazy": {Do: func(_ context.Context, task *Task) (any, error) {
			_, asked = task.Input("nothing")
			return nil, nil
		}},
	}
	var p *PanicError
	if _, err := h.Do(t.Context(), &Task{Unit: &Unit{Kind: "panics"}}, ""); !errors.As(err, &p) ||
		!strings.Contains(err.Error(), "unit_test.go") {
		t.Errorf("a panic: %v", err)
	}
	if _, err := h.Do(t.Context(), &Task{Unit: &Unit{Kind: "lazy", Outputs: []string{"x"}}, Dir: t.TempDir()},
		""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing output: %v", err)
	}
	if !errors.Is(asked, ErrMissingInput) {
		t.Errorf("an unknown input: %v", asked)
	}
}

// TestFoldersTravel: what Pack writes depends on names and contents alone, Unpack gives them back, and half-written
// files stay behind.
func TestFoldersTravel(t *testing.T) {
	a, b, c := t.TempDir(), t.TempDir(), t.TempDir()
	for _, dir := range []string{a, b} {
		write(t, filepath.Join(dir, "z"), "last")
		write(t, filepath.Join(dir, "sub", "x"), "middle")
	}
	write(t, filepath.Join(b, ".x.tmp-1"), "half")
	write(t, filepath.Join(b, ".sub", "x"), "half")
	da, err := Digest(a)
	if err != nil {
		t.Fatal(err)
	}
	if db, err := Digest(b); err != nil || da != db {
		t.Errorf("digests %s and %s, %v", da, db, err)
	}
	var packed bytes.Buffer
	if err := Pack(&packed, a, []string{"z", "gone"}); err != nil {
		t.Fatal(err)
	}
	if err := Unpack(&packed, c); err != nil {
		t.Fatal(err)
	}
	if dc, err := Digest(c); err != nil || dc != da {
		t.Errorf("digest %s after the journey, %s before, %v", dc, da, err)
	}
}

func TestUnpackStaysBelow(t *testing.T) {
	for _, h := range []tar.Header{
		{Name: "../x", Typeflag: tar.TypeReg},
		{Name: "/x", Typeflag: tar.TypeReg},
		{Name: "a/../../x", Typeflag: tar.TypeReg},
		{Name: "x", Typeflag: tar.TypeSymlink, Linkname: "/etc"},
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := errors.Join(w.WriteHeader(&h), w.Close()); err != nil {
			t.Fatal(err)
		}
		if err := Unpack(&b, t.TempDir()); err == nil || !strings.Contains(err.Error(), "no file below") {
			t.Errorf("%+v: %v", h, err)
		}
	}
}
