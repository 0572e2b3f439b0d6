package simnode_test

import (
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"korr/ros/master"
	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/node"
	"korr/ros/simnode"
	"korr/ros/toyarm"
	"korr/sim/disturb"
)

// TestTracker: in real time the parts come at the tracker's own rate and late by their stamps, the arm stays fresh at
// its own rate, and /tf has a frame for every part that was seen, with the stamp of its measurement, and for no other.
func TestTracker(t *testing.T) {
	const hz, dropout = 15., 0.3
	cfg := disturb.Config{Parts: disturb.Parts{Position: 0.001, Rotation: 0.01, Delay: 2, Dropout: dropout}}
	b := serve(t, "", simnode.Config{Env: toyarm.New(math.MaxInt), Hz: 100, PartsHz: hz, Sensing: cfg})
	listener := listen(t, b.uri)
	var arm, parts heard
	var mu sync.Mutex
	seen := map[string][]time.Time{}
	sub := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	sub(node.Subscribe(listener, msgs.StateTopic, func(m *msgs.FrankaState) { arm.add(m.Header.Stamp) }))
	sub(node.Subscribe(listener, msgs.PartsTopic, func(m *msgs.PoseArray) { parts.add(m.Header.Stamp) }))
	sub(node.Subscribe(listener, msgs.TFTopic, func(m *msgs.TFMessage) {
		mu.Lock()
		defer mu.Unlock()
		for _, x := range m.Transforms {
			if strings.HasPrefix(x.ChildFrameId, "furniture/") {
				seen[x.ChildFrameId] = append(seen[x.ChildFrameId], x.Header.Stamp)
			}
		}
	}))
	within(t, "three seconds of frames", func() bool {
		parts.mu.Lock()
		defer parts.mu.Unlock()
		return len(parts.stamps) > 45
	})
	mu.Lock()
	defer mu.Unlock()
	if got := parts.rate(); math.Abs(got-hz) > 1 {
		t.Errorf("the parts come at %.1f Hz, want %g", got, hz)
	}
	if got := arm.rate(); math.Abs(got-100) > 4 {
		t.Errorf("the arm comes at %.1f Hz, want 100", got)
	}
	parts.mu.Lock()
	defer parts.mu.Unlock()
	ages := slices.Clone(parts.ages)
	slices.Sort(ages)
	if ages[0] < 145*time.Millisecond { // 2 control steps less half of one; the longest depend on this machine
		t.Errorf("a frame is %v old, at least 150 ms are asked for", ages[0])
	}
	if ages[0] == ages[len(ages)-1] || ages[len(ages)/2] < 170*time.Millisecond {
		t.Errorf("frames are %v to %v old, %v in the middle: where is the jitter about 200 ms?", ages[0], ages[len(ages)-1],
			ages[len(ages)/2])
	}
	if !slices.IsSortedFunc(parts.stamps, time.Time.Compare) {
		t.Error("frames come out of order")
	}
	if len(seen) != len(toyarm.New(1).Spec().PartNames) {
		t.Errorf("/tf has %d parts", len(seen))
	}
	for name, stamps := range seen {
		share := float64(len(stamps)) / float64(len(parts.stamps))
		if math.Abs(share-(1-dropout)) > 5*math.Sqrt(dropout*(1-dropout)/45) {
			t.Errorf("%s is in %.2f of the frames, want %.2f", name, share, 1-dropout)
		}
		for i, s := range stamps {
			if i > 0 && !s.After(stamps[i-1]) {
				t.Fatalf("%s comes twice with the stamp %v", name, s)
			}
			if s.After(parts.stamps[0]) && s.Before(parts.stamps[len(parts.stamps)-1]) && !slices.ContainsFunc(parts.stamps,
				s.Equal) {
				t.Fatalf("%s was measured at %v, which no frame was", name, s)
			}
		}
	}
}

// TestSensingIsChecked: what cannot be served is refused with what to do instead.
func TestSensingIsChecked(t *testing.T) {
	m, err := master.Start(master.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	n, err := names.New(msgs.SimNode, m.URI())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		cfg  simnode.Config
		want string
	}{
		{simnode.Config{Sensing: disturb.Config{Robot: disturb.Robot{Delay: 1}}}, "lock step"},
		{simnode.Config{Sensing: disturb.Config{Parts: disturb.Parts{Dropout: 2}}}, "dropout"},
		{simnode.Config{PartsHz: 1000}, "Hz"},
	} {
		c.cfg.Names, c.cfg.Env = n, toyarm.New(10)
		if _, err := simnode.New(t.Context(), c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.cfg.Sensing, err)
		}
	}
}
