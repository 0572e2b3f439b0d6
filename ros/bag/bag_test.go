package bag

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// told is a message as tests compare it.
type told struct {
	Topic string
	Time  time.Time
	Data  string
}

// sample writes a bag of a few chunks and returns its path and what is in it.
func sample(t testing.TB, opts WriterOptions, n int) (string, []told) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sub", "a.bag")
	w, err := Create(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	want := fill(t, w, n)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path, want
}

func fill(t testing.TB, w *Writer, n int) (want []told) {
	t.Helper()
	text := Connection{
		Topic: "/text", Type: "std_msgs/String", MD5: "992ce8a1687cec8c8bd883ec73ca41d1",
		Definition: "string data\n", Latching: true, Caller: "/me",
	}
	clock := Connection{
		Topic: "/clock", Type: "rosgraph_msgs/Clock", MD5: "a9c97c1d230cfc112e270351a944ee47",
		Definition: "time clock\n",
	}
	var conns []*Connection
	for _, c := range []Connection{text, clock, {Topic: "/silent", Type: "a/B", MD5: "0"}} {
		got, err := w.Connect(c)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, got)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		c := conns[i%2]
		at := time.Unix(1000+int64(i), int64(rng.IntN(1e9))).UTC()
		data := fmt.Sprintf("%d %s", i, strings.Repeat("x", rng.IntN(40)))
		if err := w.Write(c, at, []byte(data)); err != nil {
			t.Fatal(err)
		}
		want = append(want, told{c.Topic, at, data})
	}
	return want
}

// all reads a bag in memory.
func all(b []byte, opts Options) (got []told, r *Reader, err error) {
	if r, err = newReader(bytes.NewReader(b), int64(len(b)), "t.bag", opts); err != nil {
		return nil, r, err
	}
	for m, err := range r.Messages() {
		if err != nil {
			return got, r, err
		}
		got = append(got, told{m.Conn.Topic, m.Time, string(m.Data)})
	}
	return got, r, nil
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	for _, kind := range []string{None, LZ4} {
		path, want := sample(t, WriterOptions{Compression: kind, ChunkBytes: 1000}, 200)
		r, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var got []told
		for m, err := range r.Messages() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, told{m.Conn.Topic, m.Time, string(m.Data)})
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d messages, want %d, or they differ", kind, len(got), len(want))
		}
		conns := r.Connections()
		if len(conns) != 2 || conns[0].Caller != "/me" || !conns[0].Latching || conns[1].Definition != "time clock\n" {
			t.Errorf("connections %+v", conns)
		}
		if s := r.Stats(); s.Chunks < 5 || s.Compressions[kind] != s.Chunks {
			t.Errorf("stats %+v", s)
		}
		n := 0
		for m := range r.Messages("/clock") {
			if n++; m.Conn.Topic != "/clock" {
				t.Error(m.Conn.Topic)
			}
		}
		if n != 100 {
			t.Errorf("%d messages on /clock", n)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(path + activeSuffix); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the working file stayed: %v", err)
		}
		if _, err := Create(path, WriterOptions{}); !errors.Is(err, os.ErrExist) {
			t.Errorf("an existing bag was overwritten: %v", err)
		}
	}
	if _, err := Create(filepath.Join(t.TempDir(), "x.bag"), WriterOptions{Compression: BZ2}); err == nil {
		t.Error("bz2 cannot be written")
	}
}

// full fails once it has taken a number of bytes, as a full disk does.
type full struct {
	*os.File
	left int
}

func (f *full) Write(b []byte) (int, error) {
	if len(b) > f.left {
		n, _ := f.File.Write(b[:f.left])
		f.left = 0
		return n, syscall.ENOSPC
	}
	f.left -= len(b)
	return f.File.Write(b)
}

// TestDiskFull: the error says so and stays; what was written can be recovered.
func TestDiskFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.bag")
	f, err := os.Create(path + activeSuffix)
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWriter(&full{f, 8000}, path, WriterOptions{Compression: None, ChunkBytes: 500})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := w.Connect(Connection{Topic: "/a", Type: "a/B", MD5: "0"})
	n := 0
	for err == nil && n < 1000 {
		err = w.Write(c, time.Unix(int64(n), 0), make([]byte, 50))
		n++
	}
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "byte ") || !strings.Contains(err.Error(),
		path+activeSuffix) {
		t.Fatalf("after %d messages: %v", n, err)
	}
	if again := w.Write(c, time.Unix(0, 0), nil); !errors.Is(again, syscall.ENOSPC) {
		t.Errorf("the error did not stay: %v", again)
	}
	if err := w.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Close: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("an incomplete bag has the final name")
	}
	got, r, err := all(readFile(t, path+activeSuffix), Options{Recover: true})
	if err != nil || r.Damage() == nil || len(got) < n/2 {
		t.Errorf("recovered %d of %d messages, damage %v, %v", len(got), n, r.Damage(), err)
	}
}

func TestRefusals(t *testing.T) {
	path, _ := sample(t, WriterOptions{}, 4)
	good := readFile(t, path)
	swap := func(old, new string) []byte { return bytes.Replace(slices.Clone(good), []byte(old), []byte(new), 1) }
	for _, tc := range []struct {
		name string
		b    []byte
		want string
	}{
		{"empty", nil, "not a ROS bag"},
		{"text", []byte("hello, this is not a bag at all"), "not a ROS bag"},
		{"old", []byte("#ROSBAG V1.2\n" + strings.Repeat("x", 50)), "rosbag fix"},
		{"compression", swap("compression=lz4", "compression=lz5"), "lz5"},
		{"trailing", append(slices.Clone(good), 1, 2, 3), "behind the index"},
		{"encrypted", append([]byte(magic), appendRecord(nil, nil, u8(fieldOp, opBag), u64("index_pos", 0),
			text("encryptor", "rosbag/AesCbcEncryptor"))...), "rosbag decrypt"},
	} {
		_, _, err := all(tc.b, Options{})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	if _, _, err := all(good, Options{MaxChunk: 10}); err == nil {
		t.Error("a chunk above the bound was read")
	}
	if _, err := Open(t.TempDir(), Options{}); err == nil {
		t.Error("a folder was opened")
	}
	w, err := Create(filepath.Join(t.TempDir(), "b.bag"), WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := w.Connect(Connection{Topic: "/a", Type: "a/B", MD5: "0"})
	for _, at := range []time.Time{{}, time.Unix(-1, 0), time.Unix(1<<32, 0)} {
		if err := w.Write(c, at, nil); err == nil {
			t.Errorf("time %v was written", at)
		}
	}
	if err := w.Write(&Connection{}, time.Unix(1, 0), nil); err == nil {
		t.Error("a foreign connection was written")
	}
	if err := w.Close(); err != nil { // nothing in it, and still a bag
		t.Fatal(err)
	}
	if got, _, err := all(readFile(t, w.path), Options{}); err != nil || len(got) != 0 {
		t.Errorf("an empty bag: %v, %v", got, err)
	}
}

func TestConnectionFields(t *testing.T) {
	want := Connection{ID: 7, Topic: "/a", Type: "a/B", MD5: "d", Definition: "x=y\n", Caller: "/n", Latching: true}
	h, data, n, err := parseRecord(want.appendTo(nil))
	if err != nil || n != len(want.appendTo(nil)) {
		t.Fatal(n, err)
	}
	got, err := parseConnection(h, data)
	if err != nil {
		t.Fatal(err)
	}
	got.sum = 0
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// FuzzReader: no input makes the reader panic, loop or hand out more than there is.
func FuzzReader(f *testing.F) {
	for _, kind := range []string{None, LZ4} {
		path, _ := sample(f, WriterOptions{Compression: kind, ChunkBytes: 300}, 12)
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, false)
		f.Add(b[:len(b)/2], true)
	}
	path := filepath.Join(f.TempDir(), "plain.bag")
	w, err := Create(path, WriterOptions{Compression: None, ChunkBytes: 300})
	if err != nil {
		f.Fatal(err)
	}
	w.plain = true
	fill(f, w, 12)
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(readFile(f, path), false)
	f.Add(readFile(f, path), true)
	f.Fuzz(func(t *testing.T, b []byte, rescue bool) {
		got, r, err := all(b, Options{Recover: rescue, MaxChunk: 1 << 20})
		var fe *FormatError
		if err != nil && !errors.As(err, &fe) {
			t.Fatalf("an error without a position: %v", err)
		}
		if r != nil && err == nil && r.Stats().Raw < int64(len(got)) {
			t.Fatalf("%d messages from %d bytes", len(got), r.Stats().Raw)
		}
	})
}

// TestBomb: a chunk that claims little and decompresses to a lot is read no further than its claim.
func TestBomb(t *testing.T) {
	pack, err := newCompressor(LZ4)
	if err != nil {
		t.Fatal(err)
	}
	b, err := pack.compress(make([]byte, 64<<20))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decompress(LZ4, b, 1000); err == nil || len(got) > 1001 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := decompress(BZ2, b, 1000); err == nil {
		t.Error("lz4 data were read as bz2")
	}
	if _, err := io.ReadAll(bzip2.NewReader(bytes.NewReader(b))); err == nil {
		t.Error("lz4 data are bz2 data")
	}
}
