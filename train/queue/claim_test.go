package queue

import (
	"errors"
	"strings"
	"testing"

	"korr/train/unit"
)

// TestLateOutcomesAreDropped: a worker whose lease ran out while it was silent cannot store what it did, nor a
// checkpoint or a failure, once another has the unit.
func TestLateOutcomesAreDropped(t *testing.T) {
	s := serve(t, t.TempDir())
	st := dial(t, s.Join)
	q := &queued{ID: "0123456789abcdef0123456789abcdef", Unit: unit.Unit{Kind: "k", Name: "n"}}
	first, _, err := st.claim(t.Context(), q, "lane", "first")
	if err != nil {
		t.Fatal(err)
	}
	if err := first.held(t.Context()); err != nil {
		t.Fatal(err)
	}
	second, _, err := st.claim(t.Context(), q, "lane", "second")
	if err != nil || second.state.Epoch != 2 {
		t.Fatalf("%+v, %v", second, err)
	}
	_, failErr := first.fail(t.Context(), errors.New("no"))
	for what, err := range map[string]error{
		"held": first.held(t.Context()), "finish": first.finish(t.Context(), &unit.Result{Value: []byte("1")}),
		"release": first.release(t.Context()), "fail": failErr, "save": first.save(t.Context(), t.TempDir(), nil),
	} {
		if !errors.Is(err, errLate) {
			t.Errorf("%s of the late one: %v", what, err)
		}
	}
	if err := second.finish(t.Context(), &unit.Result{Value: []byte("2")}); err != nil {
		t.Fatal(err)
	}
	third, settled, err := st.claim(t.Context(), q, "lane", "third")
	if err != nil || third != nil || settled.Phase != Done || string(settled.Result.Value) != "2" {
		t.Errorf("%+v, %+v, %v", third, settled, err)
	}
}

// TestSilentWorkersLoseTheirUnits: a unit that workers take down with them is parked; one that got further in between
// is not.
func TestSilentWorkersLoseTheirUnits(t *testing.T) {
	s := serve(t, t.TempDir())
	st := dial(t, s.Join)
	take := func(id unit.ID) (*claim, *State) {
		t.Helper()
		c, settled, err := st.claim(t.Context(), &queued{ID: id}, "lane", "w")
		if err != nil {
			t.Fatal(err)
		}
		return c, settled
	}
	for range MaxTries {
		if c, _ := take("a"); c == nil {
			t.Fatal("parked too early")
		}
	}
	if _, settled := take("a"); settled == nil || settled.Phase != Parked || !strings.Contains(settled.Error, "gone") {
		t.Errorf("%+v", settled)
	}
	for range 2 * MaxTries {
		c, _ := take("b")
		if c == nil {
			t.Fatal("parked although it got further")
		}
		if err := c.save(t.Context(), t.TempDir(), nil); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLateWorkersTookNothingDown: workers that lose a unit because they were slow, and come back, have not been taken
// down by it: however often that happens the unit is not parked, and who has it meanwhile keeps it.
func TestLateWorkersTookNothingDown(t *testing.T) {
	s := serve(t, t.TempDir())
	st := dial(t, s.Join)
	q := &queued{ID: "c", Unit: unit.Unit{Kind: "k", Name: "n"}}
	var owner *claim
	for n := range 3 * MaxTries {
		next, settled, err := st.claim(t.Context(), q, "lane", "w")
		if err != nil || next == nil {
			t.Fatalf("claim %d: settled as %+v, %v", n, settled, err)
		}
		if owner != nil {
			if err := owner.held(t.Context()); !errors.Is(err, errLate) {
				t.Fatalf("the late one: %v", err)
			}
			if err := st.spare(t.Context(), q.ID); err != nil {
				t.Fatal(err)
			}
			if err := next.held(t.Context()); err != nil {
				t.Fatalf("the one that has it: %v", err)
			}
		}
		owner = next
	}
	if err := st.spare(t.Context(), q.ID); err != nil {
		t.Fatal(err)
	}
	if err := owner.finish(t.Context(), &unit.Result{Value: []byte("1")}); err != nil {
		t.Error(err)
	}
}
