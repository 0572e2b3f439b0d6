package main

import (
	"strings"
	"testing"

	"korr/cmd/internal/cli"
)

func TestROSArgumentsAreRefusedElsewhere(t *testing.T) {
	o := korr(t, "doctor", "__name:=x")
	if o.code != cli.ExitUsage || !strings.Contains(o.err, "takes no ROS argument") {
		t.Errorf("%+v", o)
	}
	if o := korr(t, "sim", "a:=b"); o.code != cli.ExitUsage || !strings.Contains(o.err, "need --ros") {
		t.Errorf("%+v", o)
	}
	if o := korr(t, "sim", "--ros", "__what:=b"); o.code != cli.ExitUsage || !strings.Contains(o.err, "__what") {
		t.Errorf("%+v", o)
	}
}
