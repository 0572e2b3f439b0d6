package curves

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"korr/train/run"
)

// TestCurvesJoinSeeds: runs of several seeds are one curve, their mean in the band of their range, at the steps that
// all have.
func TestCurvesJoinSeeds(t *testing.T) {
	dirs := []string{"runs/small-1", "runs/large-1", "runs/small-2", "runs/plain"}
	groups := bySeed(dirs)
	if len(groups) != 3 || groups[0].name != "small" || !slices.Equal(groups[0].runs, []int{0, 2}) ||
		groups[1].name != "large-1" || groups[2].name != "plain" {
		t.Fatalf("groups %+v", groups)
	}
	pairs := bySeed([]string{
		"a/pair-1/member-1", "a/pair-1/member-2", "a/pair-2/member-1", "b/one/member-1",
		"b/one/member-2", "c/one",
	})
	if len(pairs) != 3 || pairs[0].name != "pair" || len(pairs[0].runs) != 3 || pairs[1].name != "one" ||
		len(pairs[1].runs) != 2 || len(pairs[2].runs) != 1 {
		t.Fatalf("groups of members %+v", pairs)
	}
	record := func(step int, wall, v float64) run.Record {
		return run.Record{Step: step, WallS: wall, Values: map[string]float64{"success": v}}
	}
	records := [][]run.Record{
		{record(0, 3600, 0.2), record(10, 7200, 0.4), record(20, 9000, 0.6)},
		nil,
		{record(0, 0, 0.4), record(10, 3600, 0.8)},
		nil,
	}
	s := curve(groups[0], records, "success", false)
	if !slices.Equal(s.X, []float64{0, 10}) || math.Abs(s.Y[1]-0.6) > 1e-12 || !slices.Equal(s.Lo, []float64{0.2, 0.4}) ||
		!slices.Equal(s.Hi, []float64{0.4, 0.8}) {
		t.Errorf("%+v", s)
	}
	if s := curve(groups[0], records, "success", true); !slices.Equal(s.X, []float64{0.5, 1.5}) {
		t.Errorf("hours %v", s.X)
	}
	if s := curve(runGroup{"small-1", []int{0}}, records, "success", false); len(s.X) != 3 || s.Lo != nil {
		t.Errorf("one run: %+v", s)
	}
}

// TestAFolderOfRuns: in the place of a sweep's folder come its runs, in the place of a run its members; what the folder
// is called is no pattern.
func TestAFolderOfRuns(t *testing.T) {
	sweep := filepath.Join(t.TempDir(), "sweep[1]*")
	for _, name := range []string{"one-1", "one-2", "two-1/member-1", "two-1/member-2", "."} {
		dir := filepath.Join(sweep, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if name == "." {
			continue
		}
		for ; dir != sweep; dir = filepath.Dir(dir) {
			for _, file := range []string{run.ConfigName, run.MetricsName} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(`{"step":1,"wall_s":1,"loss_of_a_kind":2}`+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	want := []string{"one-1", "one-2", "two-1/member-1", "two-1/member-2"}
	for i := range want {
		want[i] = filepath.Join(sweep, want[i])
	}
	if got := withMembers([]string{sweep}); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if f, without, err := Draw([]string{sweep}, "loss_of_a_kind", false); err != nil || f == nil || len(without) > 0 {
		t.Errorf("%v, without %v", err, without)
	}
	_, _, err := Draw([]string{sweep}, "", false)
	if err == nil || !strings.Contains(err.Error(), "--metric draws another: loss_of_a_kind") || !Empty(err) {
		t.Errorf("no metric was asked for: %v", err)
	}
}
