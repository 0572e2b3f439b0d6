//go:build ros2 && cgo

package ros2

import (
	"bufio"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"korr/ros/msgs"
	"korr/ros/names"
)

// network makes a network of the test's own, with one interface that takes multicast, and runs the test there.
const network = `ip link set lo up && ip link add d0 type veth peer name d1 && ip link set d1 up && ip addr add 10.77.0.1/24 dev d0 && ip link set d0 up multicast on &&
ip route add 224.0.0.0/4 dev d0 && exec "$0" "$@"`

const inNetwork = "KORR_TEST_NETWORK"

// TestFastDDSPeer: messages cross to the other vendor, ROS 2's default, and back unchanged, of either reliability and
// larger than a datagram.
func TestFastDDSPeer(t *testing.T) {
	if os.Getenv(inNetwork) == "" {
		peer := buildPeer(t)
		for _, how := range []string{"reliable", "best_effort"} {
			t.Run(how, func(t *testing.T) {
				cmd := exec.Command("unshare", "--net", "sh", "-c", network, os.Args[0], "-test.run=^TestFastDDSPeer$", "-test.v", "-test.timeout=4m")
				cmd.Env = append(os.Environ(), inNetwork+"="+peer, "KORR_TEST_HOW="+how)
				out, err := cmd.CombinedOutput()
				if !strings.Contains(string(out), "=== RUN") { // the network could not be made
					t.Skipf("no network of its own: %s", out)
				}
				t.Logf("%s", out)
				if err != nil || !strings.Contains(string(out), "--- PASS: TestFastDDSPeer") {
					t.Errorf("in a network of its own: %v", err)
				}
			})
		}
		return
	}
	how := os.Getenv("KORR_TEST_HOW")
	peer := exec.Command(os.Getenv(inNetwork), "77", "geometry_msgs::msg::dds_::PoseArray_", how)
	in, err := peer.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := peer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	peer.Stderr = os.Stderr
	if err := peer.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = peer.Wait()
	})
	if line, err := bufio.NewReader(said).ReadString('\n'); line != "up\n" {
		t.Fatalf("the peer says %q, %v", line, err)
	}
	n := open(t, names.ROS2{Domain: 77}, "korr", Config{})
	profile := Command
	if how == "best_effort" {
		profile = Clock
	}
	ping, err := Advertise[msgs.PoseArray](n, "/ping", profile)
	if err != nil {
		t.Fatal(err)
	}
	pong := make(chan *msgs.PoseArray, 100)
	if err := Subscribe(n, "/pong", profile, func(m *msgs.PoseArray) { pong <- m }); err != nil {
		t.Fatal(err)
	}
	for i, poses := range []int{1, 30, 2000} { // of 56 bytes: the last one is cut into fragments
		m := &msgs.PoseArray{Header: msgs.Header{Stamp: time.Unix(int64(i+1), 5).UTC(), FrameId: "tag"}}
		for k := range poses {
			m.Poses = append(m.Poses, msgs.Pose{Position: msgs.Point{X: math.Sqrt(float64(k)), Y: -1e-300}, Orientation: msgs.Quaternion{W: 1}})
		}
		deadline := time.After(time.Minute)
		for came := false; !came; {
			ping.Write(m) // again until the two know each other
			select {
			case back := <-pong:
				if back.Header.Stamp.Equal(m.Header.Stamp) {
					if came = true; !reflect.DeepEqual(back, m) {
						t.Errorf("%d poses came back as %d others", poses, len(back.Poses))
					}
				}
			case <-time.After(200 * time.Millisecond):
			case <-deadline:
				t.Fatalf("%d poses did not come back", poses)
			}
		}
	}
}

// buildPeer compiles the peer, or skips the test where that cannot be.
func buildPeer(t *testing.T) string {
	t.Helper()
	for _, header := range []string{"/usr/include/fastdds", "/usr/include/fastcdr"} {
		if _, err := os.Stat(header); err != nil {
			t.Skip("Fast DDS is missing: install libfastrtps-dev and libfastcdr-dev (.ci/deps test)")
		}
	}
	for _, tool := range []string{"g++", "unshare", "ip"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	out := filepath.Join(t.TempDir(), "fastdds_peer")
	if built := os.Getenv("KORR_FASTDDS_PEER"); built != "" {
		return built
	}
	cmd := exec.Command("g++", "-O0", "-o", out, "testdata/fastdds_peer.cpp", "-lfastrtps", "-lfastcdr")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}
