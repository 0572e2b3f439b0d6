package dataset

import (
	"reflect"
	"strings"
	"testing"
)

func TestReadAll(t *testing.T) {
	a, b := testDataset(3, 4), testDataset(5)
	d, err := ReadAll(write(t, a), write(t, b))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(d.Episodes, append(a.Episodes, b.Episodes...)) || !reflect.DeepEqual(d.Info, testInfo) ||
		d.Frames() != 12 {
		t.Errorf("%d episodes of %d frames", len(d.Episodes), d.Frames())
	}
	b.Info.FPS = 20
	if _, err := ReadAll(write(t, a), write(t, b)); err == nil || !strings.Contains(err.Error(), "20 Hz") {
		t.Errorf("another rate: %v", err)
	}
	if _, err := ReadAll(write(t, a), t.TempDir()); err == nil {
		t.Error("an empty folder was read")
	}
}
