//go:build mujoco

package mujoco

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// boundsTable is the table of docs/simulator.md, made from the constants that the tests compare with.
func boundsTable() []string {
	mm := func(m float64) string { return fmt.Sprintf("%.3g mm", 1e3*m) }
	degrees := func(rad float64) string { return fmt.Sprintf("%.3g degrees", rad*180/math.Pi) }
	percent := func(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }
	return []string{
		fmt.Sprintf("| a held part creeps in %d s | %s, %g rad | TestGrasp |", creepTime, mm(creep), creepTurn),
		fmt.Sprintf("| contact depth at rest, held, closing and over an expert's whole episode | %s | TestRest, TestGrasp, "+
			"TestExperts, TestExpertAssembles |", mm(heldDepth)),
		fmt.Sprintf("| a part at rest moves in %d s | %s, %s | TestRest |", restTime, mm(restMove), degrees(restTurn)),
		fmt.Sprintf("| the tool holds a reachable pose | %s, %s | TestTracking |", mm(trackMove), degrees(trackTurn)),
		"| joint velocity and torque, at every physics step of a violent motion | the Panda's limits | TestArmLimits |",
		fmt.Sprintf("| joint position | the Panda's limits + %g rad (soft stops) | TestArmLimits |", stopYield),
		fmt.Sprintf("| a push moves and turns a free part as momentum and friction predict (leg, table top, lamp base) | "+
			"within %s and %s | TestPushDistance |", percent(pushSlack), percent(turnSlack)),
		"| unaligned insertion | stopped on the rim | TestThreadsNeedAlignment |",
		"| a part let go before the thread engages | falls over | TestReleasedTooEarly |",
		"| screwing and unscrewing | to the seat, and out | TestScrewAndUnscrew |",
		fmt.Sprintf("| a part after a control step; beyond, the episode ends as unstable | within %g m of the base, %g m "+
			"under the table, %g m/s, %g rad/s | TestImplausible |", partReach, partBelow, partSpeed, partSpin),
		"| masses and sizes of every task, and the obstacle | as published | TestPublishedParts, TestObstacle |",
		"| workers, processes, snapshots (with one and two threads engaged) | bit for bit | TestWorkers, TestProcesses, " +
			"TestSnapshot, TestSnapshotThreads, TestOneLegUnchanged |",
		"| actions and models of any bits | an error; other environments go on bit for bit | FuzzStep, FuzzModel |",
	}
}

// TestDocumentedBounds: the page's table is the one that the tests hold, row for row, and names tests that exist.
func TestDocumentedBounds(t *testing.T) {
	data, err := os.ReadFile("../../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(data), "| what | bound | test |\n| --- | --- | --- |\n")
	table, _, _ := strings.Cut(rest, "\n\n")
	if got := strings.Split(table, "\n"); !found || !slices.Equal(got, boundsTable()) {
		t.Errorf("docs/simulator.md's table should be\n%s", strings.Join(boundsTable(), "\n"))
	}
	if want := fmt.Sprintf("%g m/s each and press with %d N", fingerSpeed, fingerForce); !strings.Contains(string(data),
		want) {
		t.Errorf("docs/simulator.md does not say %q", want)
	}
	var source strings.Builder
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), "_test.go") {
			text, err := os.ReadFile(f.Name())
			if err != nil {
				t.Fatal(err)
			}
			source.Write(text)
		}
	}
	for _, name := range regexp.MustCompile(`\b(Test|Fuzz)[A-Z]\w+`).FindAllString(table, -1) {
		if !strings.Contains(source.String(), "func "+name+"(") {
			t.Errorf("docs/simulator.md names %s, which does not exist here", name)
		}
	}
}
