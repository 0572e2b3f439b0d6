package main

import (
	"reflect"
	"strings"
	"testing"
)

func TestROSArgumentsAreSplitOff(t *testing.T) {
	ros, rest := splitROS([]string{"run", "__name:=arm", "--yes", "a:=b", "--set", "x=1", "--dump=a:=b"})
	if !reflect.DeepEqual(ros, []string{"__name:=arm", "a:=b"}) || !reflect.DeepEqual(rest, []string{"run", "--yes", "--set", "x=1", "--dump=a:=b"}) {
		t.Errorf("%q %q", ros, rest)
	}
}

func TestROSArgumentsAreRefusedElsewhere(t *testing.T) {
	o := korr(t, "doctor", "__name:=x")
	if o.code != exitUsage || !strings.Contains(o.err, "takes no ROS argument") {
		t.Errorf("%+v", o)
	}
	if o := korr(t, "sim", "a:=b"); o.code != exitUsage || !strings.Contains(o.err, "need --ros") {
		t.Errorf("%+v", o)
	}
	if o := korr(t, "sim", "--ros", "__what:=b"); o.code != exitUsage || !strings.Contains(o.err, "__what") {
		t.Errorf("%+v", o)
	}
}
