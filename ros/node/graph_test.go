package node_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/node"
)

// TestRosout: what a node logs from info on reaches /rosout with its name and level, once, and the node's own logger
// too.
func TestRosout(t *testing.T) {
	m := startMaster(t, "127.0.0.1:0")
	var console bytes.Buffer
	var mu sync.Mutex
	got := map[string]int8{}
	listener := open(t, "listener", m.URI())
	if err := node.Subscribe(listener, msgs.RosoutTopic, func(l *msgs.Log) {
		mu.Lock()
		defer mu.Unlock()
		if l.Name == "/talker" && !strings.HasPrefix(l.Msg, "publisher ") { // which goroslib says of its own
			got[l.Msg] = l.Level
		}
	}); err != nil {
		t.Fatal(err)
	}
	talker := openWith(t, node.Config{Logger: slog.New(slog.NewTextHandler(&console,
		&slog.HandlerOptions{Level: slog.LevelWarn}))}, "talker", m.URI())
	log := talker.Logger().With("arm", 1).WithGroup("g")
	eventually(t, "lines on /rosout", func() bool {
		log.Debug("quiet")
		log.Info("hello", "x", 2)
		log.Error("broken")
		mu.Lock()
		defer mu.Unlock()
		return len(got) >= 2
	})
	mu.Lock()
	defer mu.Unlock()
	if want := map[string]int8{"hello arm=1 g.x=2": 2, "broken arm=1": 8}; !reflect.DeepEqual(got, want) {
		t.Errorf("/rosout has %v, want %v", got, want)
	}
	_ = talker.Close()
	if c := console.String(); !strings.Contains(c, "broken") || strings.Contains(c, "hello") ||
		strings.Count(c, "broken") > 2*strings.Count(c, "arm=1") {
		t.Errorf("the console has %q", c)
	}
}

// TestSimTime: with /use_sim_time a node lives by /clock, also when that jumps back.
func TestSimTime(t *testing.T) {
	m := startMaster(t, "127.0.0.1:0")
	wall := open(t, "wall", m.URI())
	if d := time.Since(wall.Now()); wall.SimTime() || d > time.Second || d < 0 {
		t.Errorf("the wall clock is %v off", d)
	}
	if err := wall.SetParam(context.Background(), "/use_sim_time", true); err != nil {
		t.Fatal(err)
	}
	sim := open(t, "sim", m.URI())
	if !sim.SimTime() || !sim.Now().Equal(time.Unix(0, 0)) {
		t.Errorf("before /clock it is %v", sim.Now())
	}
	clock, err := node.Advertise[msgs.Clock](wall, msgs.ClockTopic, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{1000, 2000, 500} {
		eventually(t, "the time of /clock", func() bool {
			clock.Write(&msgs.Clock{Clock: time.Unix(at, 0)})
			return sim.Now().Unix() == at
		})
	}
}

// TestPrivateParams: the command line's private parameters are set, in their YAML types, beside those of a launch file.
func TestPrivateParams(t *testing.T) {
	m := startMaster(t, "127.0.0.1:0")
	n := open(t, "other", m.URI())
	if err := n.SetParam(context.Background(), "/lab/korr/sim", map[string]any{"task": "lamp"}); err != nil {
		t.Fatal(err)
	}
	getenv := func(k string) string {
		return map[string]string{"ROS_MASTER_URI": m.URI(), "ROS_NAMESPACE": "lab"}[k]
	}
	nm, _, err := names.Parse("korr", []string{
		"_rate:=10", "_gain:=0.5", "_on:=true", "_what:=text", "_list:=[1, 2]",
		"_sim/seed:=3", "_none:=",
	}, getenv)
	if err != nil {
		t.Fatal(err)
	}
	got, err := node.PrivateParams(context.Background(), nm)
	want := map[string]any{
		"rate": 10, "gain": 0.5, "on": true, "what": "text", "list": []any{1, 2}, "none": "",
		"sim": map[string]any{"task": "lamp", "seed": 3},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	empty, _ := names.New("nobody", m.URI())
	if got, err := node.PrivateParams(context.Background(), empty); err != nil || len(got) > 0 {
		t.Errorf("a node without parameters has %v, %v", got, err)
	}
	_ = m.Close()
	var e *node.MasterError
	if _, err := node.PrivateParams(context.Background(), empty); !errors.As(err, &e) {
		t.Errorf("without a master: %v", err)
	}
}
