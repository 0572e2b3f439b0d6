package serve

import (
	"fmt"
	"net"
	"slices"
	"testing"

	"korr/internal/seed"
	"korr/sim"
)

// FuzzRequests: whatever decodes is what would be sent for it.
func FuzzRequests(f *testing.F) {
	f.Add(hello{version: Version, envs: 3}.append(nil)[4:])
	f.Add(reset([]bool{true, false}, []uint64{1, 1 << 63})[4:])
	f.Add(step([]bool{true, false}, make([]float32, 6))[4:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		if h, err := decodeHello(body); err == nil && !slices.Equal(h.append(nil)[5:], body) {
			t.Errorf("hello %+v of % x", h, body)
		}
		active, seeds, act := make([]bool, 2), make([]uint64, 2), make([]float32, 6)
		if decodeReset(active, seeds, body) == nil && !slices.Equal(reset(active, seeds)[5:], body) {
			t.Errorf("reset %v %v of % x", active, seeds, body)
		}
		if decodeStep(active, act, body) == nil && len(body) != 2+24 {
			t.Errorf("step of %d bytes", len(body))
		}
		if s, err := decodeSpace(body); err == nil {
			if _, err := s.append(nil); err != nil {
				t.Error(err)
			}
		}
		_, _, _ = text(body)
	})
}

// FuzzConnection sends bytes to a server: it answers with frames of the protocol or ends the connection, and serves
// another client meanwhile.
func FuzzConnection(f *testing.F) {
	r := serveToys(f, "", nil)
	hi := hello{version: Version, envs: 2}.append(nil)
	f.Add(hi)
	f.Add(slices.Concat(hi, reset([]bool{true, true}, []uint64{1, 2}), step([]bool{true, true}, make([]float32, 20)),
		sealed(frame(nil, kindClose))))
	f.Add(slices.Concat(hi, []byte{255, 0, 0, 0, 2}))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	rng := seed.Stream(1, "fuzz", 0)
	for range 20 { // random seeds, for runs without -fuzz: a hello and noise behind it
		b := slices.Clone(hi)
		for range rng.IntN(60) {
			b = append(b, byte(rng.UintN(6)))
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		c := r.raw(t)
		defer c.Close()
		_, _ = c.Write(sent)
		_ = c.(*net.UnixConn).CloseWrite()
		var buf []byte
		for {
			kind, _, err := readFrame(c, &buf, largest, nil)
			if err != nil {
				break
			}
			switch kind {
			case kindHello | reply, kindReset | reply, kindStep | reply, kindClose | reply, kindError:
			default:
				t.Fatalf("a reply of kind %#x", kind)
			}
		}
		beside := r.dial(t)
		obs := make([]float32, beside.Spec().ObsDim)
		if err := beside.Reset(obs, 1); err != nil {
			t.Fatalf("another client: %v", err)
		}
		if err := beside.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzSpace: what a client takes for a server's description is of a size that it has room for, and is written and read
// again the same.
func FuzzSpace(f *testing.F) {
	s := Space{
		Spec: newToy(0, nil).Spec(), Form: "6d", Low: make([]float32, sim.ActDim),
		High: make([]float32, sim.ActDim), Fingerprint: "toy-1", Envs: 3,
	}
	b, err := s.append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[5:])
	f.Add(b[5 : len(b)-3])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := decodeSpace(body)
		if err != nil {
			return
		}
		if len(s.Low) != s.Spec.ActDim || len(s.High) != s.Spec.ActDim || s.Spec.ObsDim < 1 ||
			s.Envs*s.Spec.ObsDim > largest/8 {
			t.Fatalf("accepted %+v", s)
		}
		b, err := s.append(nil)
		if err != nil {
			return // a text that is no UTF-8 grows
		}
		again, err := decodeSpace(b[5:])
		if err != nil || fmt.Sprint(*s) != fmt.Sprint(*again) {
			t.Errorf("%+v became %+v, %v", s, again, err)
		}
	})
}
