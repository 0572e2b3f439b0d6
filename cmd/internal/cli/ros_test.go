package cli

import (
	"reflect"
	"testing"
)

func TestROSArgumentsAreSplitOff(t *testing.T) {
	ros, rest := splitROS([]string{"run", "__name:=arm", "--yes", "a:=b", "--set", "x=1", "--dump=a:=b"})
	if !reflect.DeepEqual(ros, []string{"__name:=arm", "a:=b"}) || !reflect.DeepEqual(rest,
		[]string{"run", "--yes", "--set", "x=1", "--dump=a:=b"}) {
		t.Errorf("%q %q", ros, rest)
	}
}
