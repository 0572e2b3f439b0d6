//go:build mujoco

package main

import (
	"os"
	"testing"

	"korr/internal/faults"
)

// TestFaults runs three rows of the matrix; the others take minutes: korr verify faults.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes: not run under -short")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(asKorr, "1")
	part := func(name string) []string { return []string{self, "verify", "faults", name, "--log-format", "json"} }
	for only, link := range map[string]string{
		"a part's pose NaN": faults.Embedded, "publisher frozen": faults.Embedded,
		"rosbridge server killed": faults.Rosbridge,
	} {
		r, err := faults.Run(t.Context(), faults.Config{
			Korr: []string{self}, Arm: part("arm"), Relay: part("relay"), Bridge: part("bridge"), Rate: 10, Trials: 1,
			Only: only, Links: []string{link},
		})
		if err != nil {
			t.Fatal(err)
		}
		if row := r.Rows[0]; !r.Passed || row.Poses < 5 || row.Message == "" || len(row.Periods) != 1 {
			t.Errorf("%+v", row)
		}
	}
}
