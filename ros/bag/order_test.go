package bag

import (
	"encoding/binary"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestMessagesComeByRecordTime: whatever order they were written in, over many chunks, equal times in the order of the
// file.
func TestMessagesComeByRecordTime(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, span := range []int{1, 3, 50} { // how far messages are from their place
		path := filepath.Join(t.TempDir(), "a.bag")
		w, err := Create(path, WriterOptions{ChunkBytes: 300})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := w.Connect(Connection{
			Topic: "/a", Type: "std_msgs/String", MD5: "992ce8a1687cec8c8bd883ec73ca41d1",
			Definition: "string data\n",
		})
		if err != nil {
			t.Fatal(err)
		}
		type message struct{ time, n int }
		var want []message
		for n := range 200 {
			m := message{n/2 + rng.IntN(span), n}
			want = append(want, m)
			if err := w.Write(conn, time.Unix(int64(m.time), 0), binary.LittleEndian.AppendUint32(nil, uint32(n))); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		slices.SortStableFunc(want, func(a, b message) int { return a.time - b.time })
		r, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for range 2 { // a reader reads again
			var got []message
			for m, err := range r.Messages() {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, message{int(m.Time.Unix()), int(binary.LittleEndian.Uint32(m.Data))})
			}
			if !slices.Equal(got, want) {
				t.Errorf("span %d: %v, want %v", span, got, want)
			}
		}
	}
}

// TestForeignFields: a field of another program's own means nothing; one that is nearly the format's is damage.
func TestForeignFields(t *testing.T) {
	for name, ok := range map[string]bool{
		"writer": true, "crc": true, "compressed": true, "x": true, "conn_x": false, "cont": false, "\x01\x02": false,
		"topid": false, "tropic": true,
	} {
		h := header{fieldOp: []byte{opConnection}, "conn": make([]byte, 4), "topic": []byte("/a"), name: []byte("1")}
		if err := h.known("conn", "topic"); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}
