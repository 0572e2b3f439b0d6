package rosbridge

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"korr/ros/msgs"
)

// TestBareNumbers: what Python's json writes for numbers that are not finite is read as NaN; text is left alone.
func TestBareNumbers(t *testing.T) {
	const joints = `{"header":{"stamp":{"sec":1,"nanosec":5},"frame_id":"NaN \" NaN"},"name":["Infinity"],` +
		`"position":[0.5, NaN],"velocity":[-Infinity],"effort":[NaN,Infinity,-1e-9]}`
	var m msgs.JointState
	if err := Unmarshal(withoutBare([]byte(joints)), &m); err != nil {
		t.Fatal(err)
	}
	if m.Header.FrameId != `NaN " NaN` || m.Name[0] != "Infinity" || m.Position[0] != 0.5 || m.Effort[2] != -1e-9 {
		t.Errorf("%+v", m)
	}
	for _, v := range []float64{m.Position[1], m.Velocity[0], m.Effort[0], m.Effort[1]} {
		if !math.IsNaN(v) {
			t.Errorf("%g of %+v", v, m)
		}
	}
	plain := []byte(`{"op":"publish"}`)
	if got := withoutBare(plain); &got[0] != &plain[0] {
		t.Error("a message without bare numbers was copied")
	}
}

// FuzzWithoutBare: JSON stays the JSON it was, and text without such numbers stays as it is.
func FuzzWithoutBare(f *testing.F) {
	f.Add(`{"a":"NaN\\","b":[1,-2e-9]}`)
	f.Add(`[NaN,"\"NaN",-Infinity]`)
	f.Fuzz(func(t *testing.T, text string) {
		got := string(withoutBare([]byte(text)))
		if json.Valid([]byte(text)) && got != text {
			t.Fatalf("%q became %q", text, got)
		}
		if !strings.Contains(text, "NaN") && !strings.Contains(text, "Infinity") && got != text {
			t.Fatalf("%q became %q", text, got)
		}
	})
}
