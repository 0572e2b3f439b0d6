package layout

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"korr/internal/geom"
)

// TestArmFillsAState: tool, velocities and width are all there is of a state.
func TestArmFillsAState(t *testing.T) {
	want := Arm{
		Tool:     geom.Pose{P: geom.Vec3{0.5, -0.1, 0.2}, Q: geom.RotVec(geom.Vec3{0.3, -0.2, 1})},
		Velocity: geom.Vec3{1, 2, 3}, Spin: geom.Vec3{4, 5, 6}, Width: 0.08,
	}
	row := slices.Repeat([]float32{float32(math.NaN())}, State)
	ToolTo(row, want.Tool)
	copy(Velocity.Of(row), []float32{1, 2, 3})
	copy(Spin.Of(row), []float32{4, 5, 6})
	row[Width] = 0.08
	got := ArmAt(row)
	if d := got.Tool.P.Sub(want.Tool.P).Norm() + got.Tool.Inv().Mul(want.Tool).P.Norm(); d > 1e-6 {
		t.Errorf("tool %v, want %v", got.Tool, want.Tool)
	}
	if q := got.Tool.Q.Inv().Mul(want.Tool.Q); math.Abs(q[3]) < 1-1e-9 {
		t.Errorf("rotation %v, want %v", got.Tool.Q, want.Tool.Q)
	}
	if got.Velocity != want.Velocity || got.Spin != want.Spin || math.Abs(got.Width-0.08) > 1e-8 {
		t.Errorf("%+v, want %+v", got, want)
	}
	if i := slices.IndexFunc(row, func(v float32) bool { return v != v }); i >= 0 {
		t.Errorf("value %d is not written", i)
	}
	if Width != State-1 || Part(0).From != State || Part(5).To != 58 || Observation(6) != 58 {
		t.Errorf("one_leg's observation ends at %d of %d", Part(5).To, Observation(6))
	}
	for width, ok := range map[int]bool{16: true, 58: true, 57: false, 9: false} {
		if n, got := Poses(width); got != ok || ok && Observation(n) != width {
			t.Errorf("%d values: %d poses, %t", width, n, got)
		}
	}
}

// TestInputSpansFollowEachOther: without a gap or an overlap, and as wide as asked for.
func TestInputSpansFollowEachOther(t *testing.T) {
	in := NewInput(Widths{Plain: 16, Features: 13, Action: 10, Detail: 3, Belief: 14, History: 26, Ahead: 52, Truth: 16})
	at := 0
	for i, s := range []Span{
		in.Plain, in.Features, in.Base, in.Lead, in.Phase, in.Detail, in.Belief, in.History, in.Ahead,
		in.Truth,
	} {
		if s.From != at || s.Len() != []int{16, 13, 10, 3, 1, 3, 14, 26, 52, 16}[i] {
			t.Errorf("span %d is %v", i, s)
		}
		at = s.To
	}
	if in.Width() != 154 || in.Observed() != (Span{0, 29}) || in.Pair() != (Span{0, 39}) ||
		in.Present() != (Span{0, 86}) ||
		in.Acting() != (Span{0, 138}) {
		t.Errorf("%+v", in)
	}
	row := make([]float32, in.Width())
	in.Phase.Of(row)[0] = 1
	if row[42] != 1 || cap(in.Phase.Of(row)) != 1 {
		t.Error("a span is not a view of its own values")
	}
}

// TestNoOtherWidths: nothing outside this package declares one of its widths as a number, or cuts a row at them.
func TestNoOtherWidths(t *testing.T) {
	width := regexp.MustCompile(`(?i)(state|pose|obs|act|action|command|measured|tool|quat|6d)(dim|width)s?$`)
	cut := regexp.MustCompile(`\[(3:9|9:12|12:15|9:15|:9|3:7)\]`)
	seen := 0
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		seen++
		rel := filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))
		if strings.HasPrefix(rel, "internal/layout/") || strings.HasPrefix(rel, "internal/geom/") {
			return nil
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for i, name := range n.Names {
					if i < len(n.Values) && width.MatchString(name.Name) {
						if l, ok := n.Values[i].(*ast.BasicLit); ok && slices.Contains([]string{"7", "9", "10", "16", "58"}, l.Value) {
							t.Errorf("%s: %s = %s: take it from internal/layout", files.Position(n.Pos()), name.Name, l.Value)
						}
					}
				}
			case *ast.SliceExpr:
				if text := bounds(n); cut.MatchString(text) && floats(n) {
					t.Errorf("%s: a row is cut at %s: take the span from internal/layout", files.Position(n.Pos()), text)
				}
			}
			return true
		})
		return nil
	})
	if err != nil || seen < 300 {
		t.Errorf("%d files: %v", seen, err)
	}
}

// bounds is a slice expression's bounds as written, if they are numbers.
func bounds(n *ast.SliceExpr) string {
	text := func(e ast.Expr) string {
		switch e := e.(type) {
		case nil:
			return ""
		case *ast.BasicLit:
			return e.Value
		}
		return "?"
	}
	return "[" + text(n.Low) + ":" + text(n.High) + "]"
}

// floats guesses by its name whether what is cut is a row of numbers, not bytes or names.
func floats(n *ast.SliceExpr) bool {
	id, ok := n.X.(*ast.Ident)
	return ok && slices.Contains([]string{"obs", "act", "state", "o", "a", "b", "dst", "canonical", "row", "cmd"}, id.Name)
}
