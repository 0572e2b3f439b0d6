package bag_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"korr/ros/bag"
	"korr/ros/master"
	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/node"
)

// ros runs a program of ROS.
func ros(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Env = append(append(os.Environ(), "ROS_HOME="+t.TempDir(), "ROS_IP=127.0.0.1"), env...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func needRosbag(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds: Python starts often")
	}
	if _, err := os.Stat("/usr/bin/rosbag"); err != nil {
		t.Skip("rosbag is not installed (python3-rosbag)")
	}
	if err := exec.Command("/usr/bin/python3", "-c", "import rosbag, roslz4, std_msgs, geometry_msgs").Run(); err != nil {
		t.Skip("Python has no rosbag with lz4 and messages (python3-rosbag, python3-std-msgs, python3-geometry-msgs)")
	}
}

// connect adds a topic of a message type of ours.
func connect(t *testing.T, w *bag.Writer, topic string, message any) *bag.Connection {
	t.Helper()
	kind, md5, err := node.Signature(message)
	if err != nil {
		t.Fatal(err)
	}
	def, err := node.Definition(message)
	if err != nil {
		t.Fatal(err)
	}
	c, err := w.Connect(bag.Connection{Topic: topic, Type: kind, MD5: md5, Definition: def, Latching: topic == "/names"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ours writes a bag for rosbag and returns what python must print of it.
func ours(t *testing.T, path, kind string) string {
	t.Helper()
	w, err := bag.Create(path, bag.WriterOptions{Compression: kind, ChunkBytes: 3000})
	if err != nil {
		t.Fatal(err)
	}
	names, poses, arm := connect(t, w, "/names", msgs.String{}), connect(t, w, "/pose", msgs.PoseStamped{}),
		connect(t, w, "/arm", msgs.FrankaState{})
	var want strings.Builder
	put := func(c *bag.Connection, at time.Time, m any) {
		b, err := node.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(c, at, b); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&want, "%s %s %d %s\n", c.Topic, c.Type, at.UnixNano(), hex.EncodeToString(b))
	}
	put(names, time.Unix(5, 0), &msgs.String{Data: "top,leg"})
	for i := range 40 {
		at := time.Unix(5, 0).Add(time.Duration(i) * 20 * time.Millisecond)
		put(poses, at, &msgs.PoseStamped{
			Header: msgs.Header{Seq: uint32(i), Stamp: at, FrameId: "base"},
			Pose:   msgs.Pose{Position: msgs.Point{X: 1.0 / 3}},
		})
		put(arm, at, &msgs.FrankaState{Header: msgs.Header{Stamp: at}, RobotMode: msgs.RobotModeMove, Q: [7]float64{1, 2, 3}})
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return want.String()
}

// dump prints every message of a bag, decoded by the definition in the bag and serialised again.
const dump = `
import sys, io, rosbag
with rosbag.Bag(sys.argv[1]) as b:
    for topic, m, t in b.read_messages():
        s = io.BytesIO(); m.serialize(s)
        print(topic, m._type, t.to_nsec(), s.getvalue().hex())
`

// TestRosbagReadsOurs: rosbag info, check, python's rosbag and rosbag reindex take a bag written here.
func TestRosbagReadsOurs(t *testing.T) {
	needRosbag(t)
	for _, kind := range []string{bag.None, bag.LZ4} {
		path := filepath.Join(t.TempDir(), kind+".bag")
		want := ours(t, path, kind)
		if got := ros(t, nil, "/usr/bin/python3", "-c", dump, path); got != want {
			t.Errorf("%s: python's rosbag reads\n%.300s\nwant\n%.300s", kind, got, want)
		}
		info := ros(t, nil, "/usr/bin/rosbag", "info", "--yaml", path)
		for _, s := range []string{
			"version: 2.0", "messages: 81", "indexed: True", "compression: " + kind,
			"type: franka_msgs/FrankaState", "md5: 431567d5df6caf4e4dd7385f25cb71ee",
		} {
			if !strings.Contains(info, s) {
				t.Errorf("%s: rosbag info lacks %q:\n%s", kind, s, info)
			}
		}
		if out := ros(t, nil, "/usr/bin/rosbag", "reindex", "--output-dir", t.TempDir(),
			path); strings.Contains(strings.ToLower(out), "error") {
			t.Errorf("%s: rosbag reindex: %s", kind, out)
		}
	}
}

// TestRosbagCheck: rosbag check finds every type of ours equal to the installed one by MD5 sum; it compares the
// definitions' text too, comments included, which are not kept here.
func TestRosbagCheck(t *testing.T) {
	needRosbag(t)
	for topic, m := range map[string]any{"/text": &msgs.String{}, "/pose": &msgs.PoseStamped{}} {
		path := filepath.Join(t.TempDir(), "standard.bag")
		w, err := bag.Create(path, bag.WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := node.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(connect(t, w, topic, reflect.ValueOf(m).Elem().Interface()), time.Unix(1, 0), b); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"/text": "does not need any migrations", "/pose": "All rules defined"}[topic]
		if out := ros(t, nil, "/usr/bin/rosbag", "check", path); !strings.Contains(out, want) {
			t.Errorf("%s: rosbag check: %s", topic, out)
		}
	}
}

// TestRosbagPlaysOurs: the C++ player publishes a bag written here, and a node hears it.
func TestRosbagPlaysOurs(t *testing.T) {
	needRosbag(t)
	for _, kind := range []string{bag.None, bag.LZ4} {
		path := filepath.Join(t.TempDir(), kind+".bag")
		ours(t, path, kind)
		m, err := master.Start(master.Config{Addr: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		nm, _ := names.New("listener", m.URI())
		n, err := node.Open(context.Background(), node.Config{Names: nm})
		if err != nil {
			t.Fatal(err)
		}
		var last atomic.Pointer[msgs.FrankaState]
		var text atomic.Pointer[msgs.String]
		if err := node.Subscribe(n, "/arm", last.Store); err != nil {
			t.Fatal(err)
		}
		if err := node.Subscribe(n, "/names", text.Store); err != nil {
			t.Fatal(err)
		}
		ros(t, []string{"ROS_MASTER_URI=" + strings.TrimSuffix(m.URI(), "/")}, "/usr/bin/rosbag", "play", "-q", "-d",
			"1", path)
		if a, s := last.Load(), text.Load(); a == nil || a.Q != [7]float64{1, 2, 3} || s == nil || s.Data != "top,leg" {
			t.Errorf("%s: heard %v, %v", kind, a, s)
		}
		_ = n.Close()
		_ = m.Close()
	}
}

// theirs writes a bag with python's rosbag and prints its messages as raw bytes.
const theirs = `
import sys, io, rosbag, rospy
from std_msgs.msg import String
from geometry_msgs.msg import PoseStamped
kind, path = sys.argv[1:]
with rosbag.Bag(path, 'w', compression=kind, chunk_threshold=2000) as b:
    for i in range(200):
        t = rospy.Time(100 + i // 10, (i * 7919) % 1000000000)
        m = String(data='m%d' % i) if i % 3 else PoseStamped()
        b.write('/s' if i % 3 else '/p', m, t)
        s = io.BytesIO(); m.serialize(s)
        print('/s' if i % 3 else '/p', m._type, t.to_nsec(), s.getvalue().hex())
`

// TestWeReadRosbags: a bag written by python's rosbag, in each of its compressions.
func TestWeReadRosbags(t *testing.T) {
	needRosbag(t)
	for _, kind := range []string{"none", "bz2", "lz4"} {
		path := filepath.Join(t.TempDir(), kind+".bag")
		want := ros(t, nil, "/usr/bin/python3", "-c", theirs, kind, path)
		r, err := bag.Open(path, bag.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for m, err := range r.Messages() {
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&got, "%s %s %d %s\n", m.Conn.Topic, m.Conn.Type, m.Time.UnixNano(), hex.EncodeToString(m.Data))
			if _, md5, _ := node.Signature(msgs.String{}); m.Conn.Topic == "/s" && (m.Conn.MD5 != md5 ||
				m.Conn.Definition == "") {
				t.Fatalf("%+v", m.Conn)
			}
		}
		if got.String() != want {
			t.Errorf("%s: read\n%.300s\nwant\n%.300s", kind, got.String(), want)
		}
		if s := r.Stats(); s.Chunks < 3 || s.Compressions[kind] != s.Chunks {
			t.Errorf("%s: %+v", kind, s)
		}
		_ = r.Close()
	}
}

// TestWeReadRecorded: a bag that the C++ recorder made, which we also find closed although the recorder was
// interrupted.
func TestWeReadRecorded(t *testing.T) {
	needRosbag(t)
	m, err := master.Start(master.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	nm, _ := names.New("talker", m.URI())
	n, err := node.Open(context.Background(), node.Config{Names: nm})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	pub, err := node.Advertise[msgs.FrankaState](n, "/arm", false)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			case <-time.After(10 * time.Millisecond):
				pub.Write(&msgs.FrankaState{Header: msgs.Header{Seq: uint32(i)}})
			}
		}
	}()
	path := filepath.Join(t.TempDir(), "r.bag")
	ros(t, []string{"ROS_MASTER_URI=" + strings.TrimSuffix(m.URI(), "/")}, "/usr/bin/rosbag", "record", "-q", "--lz4",
		"--duration=2", "-O", path, "/arm")
	r, err := bag.Open(path, bag.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	count := 0
	for m, err := range r.Messages() {
		if err != nil {
			t.Fatal(err)
		}
		var s msgs.FrankaState
		if err := node.Decode(m.Data, &s); err != nil {
			t.Fatal(err)
		}
		again, err := node.Encode(&s)
		if err != nil || !bytes.Equal(again, m.Data) {
			t.Fatalf("%v", err)
		}
		count++
	}
	if count < 10 {
		t.Errorf("%d messages in two seconds of 100 Hz", count)
	}
}
