package names

import (
	"errors"
	"reflect"
	"testing"
)

func env(kv map[string]string) func(string) string { return func(k string) string { return kv[k] } }

func TestResolve(t *testing.T) {
	n, _, err := Parse("korr", []string{
		"__ns:=/lab/arm", "cmd:=/other/cmd", "~estop:=stop", "/a:=/b", "/b:=/a",
		"deep/x:=y",
	}, env(nil))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"cmd":            "/other/cmd",
		"/lab/arm/cmd":   "/other/cmd",
		"/cmd":           "/cmd",
		"state":          "/lab/arm/state",
		"~estop":         "/lab/arm/stop",
		"~status":        "/lab/arm/korr/status",
		"/a":             "/b", // once: a swap must not swap back
		"/b":             "/a",
		"deep/x":         "/lab/arm/y",
		"deep//z/":       "/lab/arm/deep/z",
		"/franka/states": "/franka/states",
		"/":              "/",
	} {
		if got, err := n.Resolve(name); err != nil || got != want {
			t.Errorf("%s resolves to %s, %v; want %s", name, got, err, want)
		}
	}
	for _, bad := range []string{"", "~", "1st", "_x", "a b", "a-b", "a:=b", "é", "a~b"} {
		if got, err := n.Resolve(bad); !errors.Is(err, ErrName) {
			t.Errorf("%q resolves to %q, %v", bad, got, err)
		}
	}
}

func TestParse(t *testing.T) {
	e := map[string]string{"ROS_MASTER_URI": "http://10.0.0.1:11311/", "ROS_IP": "10.0.0.2", "ROS_NAMESPACE": "left"}
	n, rest, err := Parse("korr", []string{
		"run", "__name:=ctl", "--preset", "x", "_rate:=10", "_robot/name:=fr3", "--set",
		"a:=b", "__log:=/tmp/x.log",
	}, env(e))
	if err != nil {
		t.Fatal(err)
	}
	// a value that follows --set is still a remapping: ROS arguments carry no dashes and come in any place
	if want := []string{"run", "--preset", "x", "--set"}; !reflect.DeepEqual(rest, want) {
		t.Errorf("rest %v, want %v", rest, want)
	}
	if n.Node != "/left/ctl" || n.Host != "10.0.0.2" || n.MasterURI != "http://10.0.0.1:11311/" {
		t.Errorf("%+v", n)
	}
	if n.Params["rate"] != "10" || n.Params["robot/name"] != "fr3" {
		t.Errorf("params %v", n.Params)
	}
	e["ROS_HOSTNAME"] = "arm.local" // wins over ROS_IP
	if n, _, _ := Parse("korr", nil, env(e)); n.Host != "arm.local" {
		t.Errorf("host %q", n.Host)
	}
	if n, _, _ := Parse("korr", []string{"__ns:=/"}, env(e)); n.Node != "/korr" {
		t.Errorf("__ns:=/ gives %s", n.Node)
	}
	if n, _, _ := Parse("korr", nil, env(nil)); n.MasterURI != DefaultMaster || n.Host != "" {
		t.Errorf("without environment: %+v", n)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"__name:=a/b"},
		{"__name:="},
		{"__ns:=~x"},
		{"__ns:=a b"},
		{"__nope:=1"},
		{"a b:=c"},
		{"a:=b c"},
		{"_1:=2"},
		{"__master:=tcp://x"},
		{"__master:=localhost:11311"},
		{"__master:=http://h/path"},
	} {
		if n, _, err := Parse("korr", args, env(nil)); err == nil {
			t.Errorf("%v accepted: %+v", args, n)
		}
	}
}

func TestMasterAddress(t *testing.T) {
	for uri, want := range map[string]string{"http://h:1": "h:1", "http://h": "h:11311", "http://h:2/": "h:2"} {
		if got, err := MasterAddress(uri); err != nil || got != want {
			t.Errorf("%s: %s, %v", uri, got, err)
		}
	}
}

func FuzzResolve(f *testing.F) {
	f.Add("~a/b")
	f.Add("//x")
	n, _ := New("korr", "")
	f.Fuzz(func(t *testing.T, s string) {
		abs, err := n.Resolve(s)
		if err != nil {
			return
		}
		if abs[0] != '/' {
			t.Fatalf("%q resolves to the relative %q", s, abs)
		}
		if again, err := n.Resolve(abs); err != nil || again != abs {
			t.Fatalf("%q is not stable: %q, %v", abs, again, err)
		}
	})
}
