package robot

import (
	"os"
	"testing"
)

// FuzzParseArm: no description of an arm panics, and one that is accepted has limits that a shield takes.
func FuzzParseArm(f *testing.F) {
	for _, name := range []string{"testdata/panda_joints.yaml"} {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("chain: {urdf: /dev/zero, base: a, tip: b}"))
	f.Add([]byte("a: &a [*a]"))
	dir := f.TempDir() // one for all: making a folder takes longer than reading a description
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := ParseArm(data, dir)
		if err != nil {
			return
		}
		if a.Limits == nil { // those of the real Franka
			return
		}
		if err := a.Limits.Shield().Validate(); err != nil {
			t.Errorf("accepted with limits that are none: %v", err)
		}
	})
}
