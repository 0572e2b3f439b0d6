package remote_test

import (
	"encoding/hex"
	"errors"
	"math"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"korr/basepolicy"
	"korr/basepolicy/remote"
	"korr/basepolicy/remote/fake"
)

const (
	horizon = 4
	rawDim  = 30 // the arm's state and two poses
)

func unit(n int, lo, hi float32) *basepolicy.Normalizer {
	m := &basepolicy.Normalizer{Min: make([]float32, n), Max: make([]float32, n)}
	for i := range n {
		m.Min[i], m.Max[i] = lo, hi
	}
	return m
}

// newServer serves actions that are the state's first ten values, plus the row / 10.
func newServer(t *testing.T, batch int) *fake.Server {
	t.Helper()
	s := &fake.Server{Rows: horizon, Width: 10, Batch: batch}
	s.Infer = func(n int, state, _, _ []float64) []float32 {
		out := make([]float32, 0, n*horizon*10)
		for i := range n {
			for r := range horizon {
				for j := range 10 {
					out = append(out, float32(state[i*16+j])+float32(r)/10)
				}
			}
		}
		return out
	}
	s.Start()
	t.Cleanup(s.Kill)
	return s
}

func open(t *testing.T, s *fake.Server, query string) *remote.Policy {
	t.Helper()
	p, rate, err := remote.Open(s.Address()+query, remote.Options{
		Task: "one_leg", Obs: unit(rawDim, -2, 2),
		Act: unit(10, -2, 2),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	if p.Horizon != horizon || rate >= 0 {
		t.Fatalf("a horizon of %d, averaged at %g", p.Horizon, rate)
	}
	return p
}

// observed is what the policy reads of a raw observation whose first value is v.
func observed(p *remote.Policy, v float32) []float32 {
	x := make([]float32, p.About().InputDim())
	x[p.Obs.Dim()] = v
	return x
}

// TestOnTheWire: messages are byte for byte those of openpi's Python client, and its answers are read.
func TestOnTheWire(t *testing.T) {
	got, err := remote.Marshal(map[string]any{"observation.state": []float32{1, -2.5}, "prompt": "one_leg"},
		[]string{"observation.state", "prompt"})
	if err != nil {
		t.Fatal(err)
	}
	// msgpack.packb({"observation.state": np.array([1, -2.5], np.float32), "prompt": "one_leg"}, default=pack)
	want := "82b16f62736572766174696f6e2e737461746584c40b5f5f6e6461727261795f5fc3c40464617461c4080000803f000020c0c4056474797065a3" +
		"3c6634c40573686170659102a670726f6d7074a76f6e655f6c6567"
	if hex.EncodeToString(got) != want {
		t.Errorf("%x\nwant %s", got, want)
	}
	// {"actions": np.array([[0.5, -1.0]]), "server_timing": {"infer_ms": 1.5}, "n": np.int64(3), "l": [None, True, "x"]}
	answer, _ := hex.DecodeString("84a7616374696f6e7384c40b5f5f6e6461727261795f5fc3c40464617461c410000000000000e03f000000000000f0bf" +
		"c4056474797065a33c6638c4057368617065920102ad7365727665725f74696d696e6781a8696e6665725f6d73cb3ff8000000000000a16e83c40d" +
		"5f5f6e7067656e657269635f5fc3c4046461746103c4056474797065a33c6938a16c93c0c3a178")
	d, err := remote.Unmarshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := d["actions"].(*remote.Array)
	list, _ := d["l"].([]any)
	if a == nil || len(a.Shape) != 2 || a.Shape[1] != 2 || a.Data[0] != 0.5 || a.Data[1] != -1 || d["n"] != int64(3) ||
		len(list) != 3 || list[2] != "x" {
		t.Errorf("%v", d)
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add(fake.Answer([]float32{1, 2}, 1, 2))
	f.Add([]byte(strings.Repeat("\x91", 1000)))
	f.Add([]byte("\xdf\xff\xff\xff\xff"))
	f.Add([]byte("\x81\xa1a\xc6\xff\xff\xff\xff"))
	f.Add([]byte("\x81\xc6\xff\x1f\x81\x00\xff\xa1"))
	f.Fuzz(func(t *testing.T, frame []byte) {
		d, err := remote.Unmarshal(frame)
		if err != nil && !errors.Is(err, remote.ErrAnswer) {
			t.Errorf("%v is not told to be the answer's fault", err)
		}
		for _, v := range d {
			if a, ok := v.(*remote.Array); ok && len(a.Data) > 8*len(frame) {
				t.Errorf("%d bytes became %d numbers", len(frame), len(a.Data))
			}
		}
	})
}

// TestLengthsMakeNoRoom: what a frame says is in it, and is not, is refused before there is memory for it.
func TestLengthsMakeNoRoom(t *testing.T) {
	for _, frame := range []string{
		"\x81\xc6\xff\x1f\x81\x00\xff\xa1", "\x81\xa1a\xc6\xff\xff\xff\xff",
		"\x81\xa1a\xdb\xff\xff\xff\xff",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := remote.Unmarshal([]byte(frame))
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, remote.ErrAnswer) || grown > 1<<20 {
			t.Errorf("%q: %d bytes of memory, %v", frame, grown, err)
		}
	}
}

// TestChunk: what the server says is the chunk, normalised; it reads the raw observation.
func TestChunk(t *testing.T) {
	p := open(t, newServer(t, 0), "")
	chunk := make([]float32, horizon*10)
	if err := p.NewChunker().ChunkTo(chunk, observed(p, 1.5), basepolicy.Rest{}); err != nil {
		t.Fatal(err)
	}
	for i, v := range chunk {
		want := float32(i/10) / 20
		if i%10 == 0 {
			want += 0.75
		}
		if math.Abs(float64(v-want)) > 1e-6 {
			t.Fatalf("value %d: %g, want %g", i, v, want)
		}
	}
}

// TestTogether: requests of many goroutines share messages, and everybody gets an answer of its own.
func TestTogether(t *testing.T) {
	s := newServer(t, 8)
	p := open(t, s, "")
	const many = 32
	var wg sync.WaitGroup
	got := make([]float32, many)
	for i := range many {
		c := p.NewChunker()
		wg.Go(func() {
			chunk := make([]float32, horizon*10)
			if err := c.ChunkTo(chunk, observed(p, float32(i)/20), basepolicy.Rest{}); err != nil {
				t.Error(err)
			}
			got[i] = chunk[0]
		})
	}
	wg.Wait()
	for i, v := range got {
		if want := float32(i) / 40; math.Abs(float64(v-want)) > 1e-6 {
			t.Errorf("request %d got %g, want %g", i, v, want)
		}
	}
	if messages, rows := s.Asked(); rows != many+1 || messages > many/2 || messages < 1+many/8 {
		t.Errorf("%d observations in %d messages", rows, messages)
	}
}

// TestRefusals: nothing that cannot be a chunk becomes one, and the next answer is taken again.
func TestRefusals(t *testing.T) {
	s := newServer(t, 0)
	p := open(t, s, "?timeout=5s")
	c, chunk := p.NewChunker(), make([]float32, horizon*10)
	full := func(v float32) []float32 {
		x := make([]float32, horizon*10)
		x[17] = v
		return x
	}
	for name, frame := range map[string][]byte{
		"a row less": fake.Answer(full(0)[:30], 3, 10), "flat": fake.Answer(full(0), 40),
		"narrow":       fake.Answer(full(0), 8, 5),
		"not a number": fake.Answer(full(float32(math.NaN())), horizon, 10),
		"infinite":     fake.Answer(full(float32(math.Inf(-1))), horizon, 10),
		"far away":     fake.Answer(full(1e6), horizon, 10), "lies about its shape": fake.Answer(full(0), horizon, 11),
		"garbage": []byte("\xc1\xff\x00garbage"), "empty": {}, "no actions": {0x80}, "a list": {0x90},
		"nested": []byte(strings.Repeat("\x91", 100)),
	} {
		s.Spoil(frame)
		if err := c.ChunkTo(chunk, observed(p, 0), basepolicy.Rest{}); !errors.Is(err, remote.ErrAnswer) ||
			errors.Is(err, basepolicy.ErrLate) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.Spoil(nil)
	s.Complain("out of memory")
	if err := c.ChunkTo(chunk, observed(p, 0), basepolicy.Rest{}); err == nil || !strings.Contains(err.Error(),
		"out of memory") {
		t.Errorf("the server's own error: %v", err)
	}
	s.Complain("")
	if err := c.ChunkTo(chunk, observed(p, 0), basepolicy.Rest{}); err != nil {
		t.Errorf("after it recovered: %v", err)
	}
}

// TestGone: a server that is slow or away is late, and one that was started again answers.
func TestGone(t *testing.T) {
	s := newServer(t, 0)
	p := open(t, s, "?timeout=300ms")
	c, chunk := p.NewChunker(), make([]float32, horizon*10)
	ask := func() error { return c.ChunkTo(chunk, observed(p, 0.5), basepolicy.Rest{}) }
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	s.Drop()
	if err := ask(); err != nil {
		t.Errorf("a connection that broke was not made anew: %v", err)
	}
	s.Freeze()
	begin := time.Now()
	if err := ask(); !errors.Is(err, basepolicy.ErrLate) || time.Since(begin) > 10*time.Second {
		t.Errorf("frozen: %v after %v", err, time.Since(begin))
	}
	s.Thaw()
	clear(chunk)
	if err := ask(); err != nil || chunk[0] != 0.25 {
		t.Errorf("after it thawed: %v, %g", err, chunk[0])
	}
	s.Kill()
	if err := ask(); !errors.Is(err, basepolicy.ErrLate) || !strings.Contains(err.Error(), "start it again") {
		t.Errorf("killed: %v", err)
	}
}

// TestCheckpoint: a checkpoint holds the address and the ranges, and connects when it is used.
func TestCheckpoint(t *testing.T) {
	s := newServer(t, 8)
	p := open(t, s, "?timeout=7s")
	path := filepath.Join(t.TempDir(), "p.safetensors")
	if err := basepolicy.Save(path, p); err != nil {
		t.Fatal(err)
	}
	q, err := basepolicy.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	r, ok := q.(*remote.Policy)
	if !ok || r.Config != p.Config || r.About().InputDim() != p.About().InputDim() {
		t.Fatalf("%+v came back as %+v", p, q)
	}
	chunk := make([]float32, horizon*10)
	if err := r.NewChunker().ChunkTo(chunk, observed(r, 0.5), basepolicy.Rest{}); err != nil || chunk[0] != 0.25 {
		t.Errorf("%v, %g", err, chunk[0])
	}
	_ = r.Close()
}

func TestAddresses(t *testing.T) {
	for _, text := range []string{
		"", "http://a:1", "ws://", "remote:8000", "ws://a:1?timeout=x", "ws://a:1?timeout=-1s", "ws://a:1?speed=2",
		"ws://a b:1",
	} {
		if a, err := remote.ParseAddress(text); err == nil {
			t.Errorf("%q became %+v", text, a)
		}
	}
	a, err := remote.ParseAddress("remote:ws://host:8000?timeout=500ms")
	if err != nil || a.URL != "ws://host:8000" || a.Timeout != 500*time.Millisecond ||
		a.String() != "remote:ws://host:8000?timeout=500ms" {
		t.Errorf("%+v, %v", a, err)
	}
	if _, _, err := remote.Open("ws://127.0.0.1:1", remote.Options{}); !errors.Is(err, basepolicy.ErrLate) {
		t.Errorf("nobody there: %v", err)
	}
}
