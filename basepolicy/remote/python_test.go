package remote_test

import (
	"bufio"
	"math"
	"math/rand/v2"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"korr/basepolicy"
	"korr/basepolicy/remote"
	"korr/internal/geom"
	"korr/internal/layout"
)

const weights = "../../configs/weights/one_leg/base.safetensors"

// python is an interpreter with what the server needs; "" for none.
func python() string {
	for _, p := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(p, "-c", "import numpy, msgpack, websockets").Run() == nil {
			return p
		}
	}
	return ""
}

// around is a value of dimension i near the middle of its range.
func around(n *basepolicy.Normalizer, i int, rng *rand.Rand) float32 {
	return (n.Min[i]+n.Max[i])/2 + 0.2*float32(rng.NormFloat64())*(n.Max[i]-n.Min[i])
}

// TestPythonServer: examples/python/policy_server.py on the shipped weights answers as they do in process.
func TestPythonServer(t *testing.T) {
	interpreter := python()
	if interpreter == "" {
		t.Skip("no Python with numpy, msgpack and websockets")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	_ = l.Close() // the server takes it
	cmd := exec.CommandContext(t.Context(), interpreter, "../../examples/python/policy_server.py", weights, "--port", port)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill() // it serves until then
		_ = cmd.Wait()
	}()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasPrefix(line, "serving") {
		t.Fatalf("%q, %v", line, err)
	}
	p, rate, err := remote.Open("remote:ws://127.0.0.1:"+port, remote.Options{Task: "one_leg"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	own, err := basepolicy.Load(weights)
	if err != nil {
		t.Fatal(err)
	}
	about := own.About()
	averaged := -1.0
	if e, ok := own.(basepolicy.Ensembled); ok {
		averaged = e.Rate
	}
	if rate != averaged || p.Horizon != about.Horizon || p.Features != about.Features || p.Batch < 2 {
		t.Fatalf("%+v, averaged at %g", p.Config, rate)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	near, far := own.NewChunker(), p.NewChunker()
	want, got := make([]float32, about.Horizon*about.ActDim()), make([]float32, about.Horizon*about.ActDim())
	raw, worst := make([]float32, about.Obs.RawDim()), 0.0
	for range 50 {
		for i := range layout.State { // about the demonstrations, or commands would be far from them too
			raw[i] = around(about.Obs, i, rng)
		}
		for i := layout.State; i < len(raw); i += layout.Pose {
			at := layout.State + (i-layout.State)/layout.Pose*layout.Pose6D
			turn := geom.RotVec(geom.Vec3{rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64()})
			geom.PoseTo(raw[i:], geom.Pose{Q: turn})
			for j := range layout.Vector {
				raw[i+j] = around(about.Obs, at+j, rng)
			}
		}
		x := make([]float32, p.About().InputDim())
		about.Obs.NormalizeObsTo(x[:about.ObsDim()], raw)
		for i := range about.Features {
			x[about.ObsDim()+i] = float32(0.3 * rng.NormFloat64())
		}
		copy(x[about.InputDim():], raw)
		near.Reset(1)
		if err := near.ChunkTo(want, x[:about.InputDim()], basepolicy.Rest{}); err != nil {
			t.Fatal(err)
		}
		if err := far.ChunkTo(got, x, basepolicy.Rest{}); err != nil {
			t.Fatal(err)
		}
		for i, v := range want {
			worst = math.Max(worst, math.Abs(float64(v-got[i])))
		}
	}
	t.Logf("normalised actions differ by %.1g at most", worst)
	if !(worst <= 1e-5) {
		t.Errorf("normalised actions differ by %g, at most 1e-5", worst)
	}
}
