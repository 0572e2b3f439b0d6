package lab

import "testing"

// TestPlatformIsStable: the probe of the arithmetic says the same twice.
func TestPlatformIsStable(t *testing.T) {
	a, err := Platform()
	if err != nil {
		t.Fatal(err)
	}
	b, err := Platform()
	if err != nil || a != b || a.Build == "" || a.Arithmetic == "" {
		t.Errorf("%+v and %+v, %v", a, b, err)
	}
}
