package torchfile

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// TestTypes reads what PyTorch itself saved of every type, view and container (testdata/make.py).
func TestTypes(t *testing.T) {
	v, err := Read("testdata/types.pt")
	if err != nil {
		t.Fatal(err)
	}
	d := v.(*Dict)
	text, err := os.ReadFile("testdata/types.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]struct {
		DType  string    `json:"dtype"`
		Shape  []int     `json:"shape"`
		Values []float64 `json:"values"`
	}
	if err := json.Unmarshal(text, &want); err != nil || len(want) < 14 {
		t.Fatal(len(want), err)
	}
	for name, w := range want {
		x, ok := d.Get(name)
		got, tensor := x.(*Tensor)
		if !ok || !tensor {
			t.Errorf("%s is a %T", name, x)
			continue
		}
		if got.DType != w.DType || !reflect.DeepEqual(append([]int{}, got.Shape...), w.Shape) ||
			!reflect.DeepEqual(got.Float64(), w.Values) {
			t.Errorf("%s: %s %v %v\nwant %s %v %v", name, got.DType, got.Shape, got.Float64(), w.DType, w.Shape, w.Values)
		}
		for i, v := range got.Float32() {
			if v != float32(w.Values[i]) {
				t.Errorf("%s: %v in single precision", name, v)
			}
		}
	}
	config, _ := d.Get("config")
	plain, err := Plain(config)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(plain)
	if err != nil {
		t.Fatal(err)
	}
	const expect = `{"big":-4294967297,"bytes":"AP9h","flag":true,"half":1.5,"list":[1,[2,"x"]],"none":null,"numpy":{"b":true,"f":0.25,"i":-7},"set":[3],"text":"größe","tuple":[1,2,3,4]}`
	if string(got) != expect {
		t.Errorf("config\n%s\nwant\n%s", got, expect)
	}
}

// TestOmegaConf reads a configuration whose classes are not known to Go, as its content.
func TestOmegaConf(t *testing.T) {
	node := func(a *assembler, v string) {
		a.global("omegaconf.nodes", "AnyNode").op(")\x81}(").text("_val").text(v).text("_metadata").op("Nub")
	}
	a := start().global("omegaconf.dictconfig", "DictConfig").op(")\x81}(").text("_content").op("}(").text("task")
	node(a, "lamp")
	a.op("u").text("_parent").op("Nub.")
	v, err := Decode(archive(t, a.Bytes(), nil))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Plain(v); err != nil || !reflect.DeepEqual(got, map[string]any{"task": "lamp"}) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestHostile refuses files that would run code, allocate or read outside, and says why.
func TestHostile(t *testing.T) {
	data := map[string][]byte{"0": floats(1, 2, 3, 4, 5, 6)}
	tensor := func(count, offset int64, shape, strides []int64) []byte {
		return start().tensor("FloatStorage", count, offset, shape, strides).op(".").Bytes()
	}
	huge := int64(1) << 62
	for name, c := range map[string]struct {
		pickle []byte
		want   string
		is     error
	}{
		"os.system":    {start().global("os", "system").text("true").op("\x85R.").Bytes(), `"os.system"`, ErrGlobal},
		"posix.system": {start().text("posix").text("system").op("\x93)R.").Bytes(), `"posix.system"`, ErrGlobal},
		"eval": {
			start().global("__builtin__", "eval").text("1").op("\x85R.").Bytes(), `"builtins.eval"`,
			ErrGlobal,
		},
		"getattr": {start().global("builtins", "getattr").op(".").Bytes(), `"builtins.getattr"`, ErrGlobal},
		"dotted": {
			start().text("collections").text("OrderedDict.__init__").op("\x93.").Bytes(),
			"OrderedDict.__init__", ErrGlobal,
		},
		"load from bytes": {
			start().global("torch.storage", "_load_from_bytes").op(".").Bytes(), "_load_from_bytes",
			ErrGlobal,
		},
		"instance of int":  {start().global("builtins", "int").op(")\x81.").Bytes(), "builtins.int", ErrGlobal},
		"a text is called": {start().text("os.system").op(")R.").Bytes(), "a string is called", ErrMalformed},
		"extension":        {start().op("\x82\x01.").Bytes(), "0x82", ErrMalformed},
		"persistent text":  {start().op("Px\n.").Bytes(), "0x50", ErrMalformed},
		"instance opcode":  {start().op("(ios\nsystem\n.").Bytes(), "0x69", ErrMalformed},

		"text of 4 GB":    {start().op("X\xff\xff\xff\xff.").Bytes(), "4294967295 bytes", ErrMalformed},
		"bytes of 2^63":   {start().op("\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.").Bytes(), "bytes are wanted", ErrMalformed},
		"number of 2 GB":  {start().op("\x8b\xff\xff\xff\x7f.").Bytes(), "bytes are wanted", ErrMalformed},
		"memo":            {start().op("j\xff\xff\xff\xff.").Bytes(), "remembered as 4294967295", ErrMalformed},
		"no mark":         {start().op("t.").Bytes(), "no mark", ErrMalformed},
		"below the mark":  {start().op("N(a.").Bytes(), "stack is empty", ErrMalformed},
		"empty stack":     {start().op("0.").Bytes(), "stack is empty", ErrMalformed},
		"two objects":     {start().op("NN.").Bytes(), "2 objects", ErrMalformed},
		"open mark":       {start().op("N(.").Bytes(), "leaves 1 objects", ErrMalformed},
		"no end":          {start().op("N").Bytes(), "without a result", ErrMalformed},
		"protocol 0":      {[]byte("I1\n."), "0x49", ErrMalformed},
		"protocol 77":     {[]byte("\x80\x4dN."), "protocol 77", ErrMalformed},
		"odd dictionary":  {start().op("}(Nu.").Bytes(), "1 keys and values", ErrMalformed},
		"key is a list":   {start().op("}(]Nu.").Bytes(), "key is a *torchfile.List", ErrMalformed},
		"state of a text": {start().text("x").op("Nb.").Bytes(), "is given a state", ErrMalformed},
		"bad UTF-8":       {start().op("X\x01\x00\x00\x00\xff.").Bytes(), "UTF-8", ErrMalformed},

		"another count":        {tensor(7, 0, []int64{6}, []int64{1}), "declared are 7 elements", ErrMalformed},
		"count that overflows": {tensor(huge, 0, []int64{6}, []int64{1}), "declared are", ErrMalformed},
		"negative count":       {tensor(-1, 0, []int64{6}, []int64{1}), "a storage of", ErrMalformed},
		"shape beyond":         {tensor(6, 0, []int64{7}, []int64{1}), "reaches element 6 of 6", ErrMalformed},
		"offset beyond":        {tensor(6, 1, []int64{2, 3}, []int64{3, 1}), "reaches element 6 of 6", ErrMalformed},
		"stride beyond":        {tensor(6, 0, []int64{2, 3}, []int64{4, 1}), "reaches element 6 of 6", ErrMalformed},
		"negative stride":      {tensor(6, 5, []int64{6}, []int64{-1}), "strides [-1]", ErrMalformed},
		"negative offset":      {tensor(6, -1, []int64{1}, []int64{1}), "from element -1", ErrMalformed},
		"negative size":        {tensor(6, 0, []int64{-2, -3}, []int64{3, 1}), "shape [-2 -3]", ErrMalformed},
		"expanded to 2^60":     {tensor(6, 0, []int64{1 << 30, 1 << 30}, []int64{0, 0}), "shape", ErrMalformed},
		"product overflows":    {tensor(6, 0, []int64{huge, 4}, []int64{0, 0}), "shape", ErrMalformed},
		"empty but huge":       {tensor(6, 0, []int64{0, huge}, []int64{1, 1}), "shape", ErrMalformed},
		"stride overflows":     {tensor(6, 0, []int64{3}, []int64{huge}), "strides", ErrMalformed},
		"17 dimensions":        {tensor(6, 0, make([]int64, 17), make([]int64, 17)), "16 dimensions", ErrMalformed},
		"no such storage": {
			bytes.ReplaceAll(tensor(6, 0, []int64{6}, []int64{1}), []byte("X\x01\x00\x00\x000"), []byte("X\x01\x00\x00\x009")),
			"not in the archive", ErrMalformed,
		},
		"path as storage": {start().op("(").text("storage").global("torch",
			"FloatStorage").text("../data.pkl").text("cpu").int(1).op("tQ.").Bytes(), "not in the archive", ErrMalformed},
		"two types of one storage": {
			start().op("(").tensor("FloatStorage", 6, 0, []int64{6}, []int64{1}).tensor("IntStorage", 6, 0, []int64{6},
				[]int64{1}).op("t.").Bytes(),
			"float32 and int32", ErrMalformed,
		},
	} {
		v, err := Decode(archive(t, c.pickle, data))
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, c.is) {
			t.Errorf("%s: %v (%v), want %q", name, err, v, c.want)
		}
	}
}

// TestViewsAreBounded: many views of one storage do not add up to more than a multiple of the file.
func TestViewsAreBounded(t *testing.T) {
	a := start().op("(")
	for range 400 {
		a.tensor("FloatStorage", 50000, 0, []int64{50000}, []int64{1})
	}
	if _, err := Decode(archive(t, a.op("t.").Bytes(), map[string][]byte{"0": make([]byte, 200000)})); err == nil ||
		!strings.Contains(err.Error(), "together") {
		t.Errorf("400 views: %v", err)
	}
}

// TestCircles: an object that holds itself, and one that holds another twice, 40 times over, end in Plain with an
// error.
func TestCircles(t *testing.T) {
	self := start().op("]q\x00h\x00a.")
	doubled := start().op("]q\x00")
	for i := range 40 {
		doubled.op("0]q" + string(rune(i+1)) + "(h" + string(rune(i)) + "h" + string(rune(i)) + "e")
	}
	for name, a := range map[string]*assembler{"itself": self, "doubled": doubled.op(".")} {
		v, err := Decode(archive(t, a.Bytes(), nil))
		if err != nil {
			t.Fatal(name, err)
		}
		if _, err := Plain(v); !errors.Is(err, errPlain) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestArchive refuses archives that torch.save does not write.
func TestArchive(t *testing.T) {
	none := start().op("N.").Bytes()
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"compressed": {
			pack(t, map[string][]byte{"a/data.pkl": bytes.Repeat([]byte("N"), 10000)}, zip.Deflate),
			"compressed",
		},
		"parent":      {pack(t, map[string][]byte{"../data.pkl": none}, zip.Store), "one folder"},
		"absolute":    {pack(t, map[string][]byte{"/data.pkl": none}, zip.Store), "one folder"},
		"inner climb": {pack(t, map[string][]byte{"a/../../data.pkl": none}, zip.Store), "one folder"},
		"backslash":   {pack(t, map[string][]byte{`a/..\data.pkl`: none}, zip.Store), "one folder"},
		"two folders": {pack(t, map[string][]byte{"a/data.pkl": none, "b/data/0": none}, zip.Store), "one folder"},
		"no pickle":   {pack(t, map[string][]byte{"a/version": none}, zip.Store), "no data.pkl"},
		"big-endian": {
			pack(t, map[string][]byte{"a/data.pkl": none, "a/byteorder": []byte("big")}, zip.Store),
			"byte order",
		},
		"old format":  {append([]byte("\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."), none...), "before 1.6"},
		"no zip":      {[]byte("hello"), "no zip archive"},
		"empty":       {nil, "no zip archive"},
		"long pickle": {pack(t, map[string][]byte{"a/data.pkl": make([]byte, MaxPickleBytes+1)}, zip.Store), "at most"},
	} {
		if _, err := Decode(c.b); err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	var twice bytes.Buffer
	w := zip.NewWriter(&twice)
	for range 2 {
		f, err := w.CreateRaw(&zip.FileHeader{
			Name: "a/data.pkl", UncompressedSize64: uint64(len(none)),
			CompressedSize64: uint64(len(none)), CRC32: crc32.ChecksumIEEE(none),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(none); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Decode(twice.Bytes()); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("two pickles: %v", err)
	}
}

// TestDamage cuts a checkpoint at many lengths and changes bytes all over it: the tensors never change unnoticed, and
// little is allocated.
func TestDamage(t *testing.T) {
	good, err := os.ReadFile("testdata/types.pt")
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(good); n += 1 + len(good)/400 {
		if _, err := Decode(good[:n]); !errors.Is(err, ErrMalformed) {
			t.Fatalf("cut to %d of %d bytes: %v", n, len(good), err)
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	want, err := Decode(good)
	if err != nil {
		t.Fatal(err)
	}
	tries, accepted := 0, 0
	for i := 0; i < len(good); i += 1 + len(good)/1500 {
		b := bytes.Clone(good)
		b[i] ^= 1 << (i % 8)
		tries++
		v, err := Decode(b)
		if err != nil {
			continue
		}
		accepted++ // padding, times and the like
		for k, key := range want.(*Dict).Keys {
			if x, ok := want.(*Dict).Values[k].(*Tensor); ok {
				got, _ := v.(*Dict).Get(key.(string))
				if !reflect.DeepEqual(got.(*Tensor).Float64(), x.Float64()) {
					t.Fatalf("byte %d changed %v and nothing noticed", i, key)
				}
			}
		}
	}
	runtime.ReadMemStats(&after)
	if per := int(after.TotalAlloc-before.TotalAlloc) / tries; per > 20*len(good) {
		t.Errorf("%d bytes allocated for each file of %d", per, len(good))
	}
	t.Logf("%d changed bytes, %d in padding or descriptions that nothing reads", tries, accepted)
}

func TestReadRefuses(t *testing.T) {
	if _, err := Read(filepath.Join(t.TempDir(), "absent.pt")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if _, err := Read(t.TempDir()); !errors.Is(err, ErrMalformed) {
		t.Errorf("a folder: %v", err)
	}
}

// FuzzDecode: no bytes make the reader panic, hang or touch what is not theirs.
func FuzzDecode(f *testing.F) {
	if b, err := os.ReadFile("testdata/types.pt"); err == nil {
		f.Add(b)
	}
	f.Add(archive(f, start().tensor("FloatStorage", 6, 0, []int64{2, 3}, []int64{3, 1}).op(".").Bytes(),
		map[string][]byte{"0": floats(1, 2, 3, 4, 5, 6)}))
	f.Fuzz(func(_ *testing.T, b []byte) { walk(Decode(b)) })
}

// FuzzPickle fuzzes the machine behind an intact archive, which checksums would hide.
func FuzzPickle(f *testing.F) {
	if b, err := os.ReadFile("testdata/types.pt"); err == nil {
		if entries, err := unzip(b); err == nil {
			f.Add(entries["data.pkl"])
		}
	}
	f.Add(start().tensor("FloatStorage", 6, 0, []int64{2, 3}, []int64{3, 1}).op(".").Bytes())
	f.Add(start().op("]q\x00h\x00a.").Bytes())
	data := map[string]*storage{}
	entries := map[string][]byte{"data/0": floats(1, 2, 3, 4, 5, 6)}
	f.Fuzz(func(_ *testing.T, b []byte) {
		clear(data)
		m := &machine{b: b, elements: 1000, persistent: func(id any) (any, error) { return load(entries, data, id) }}
		walk(m.run())
	})
}

func walk(v any, err error) {
	if err != nil {
		return
	}
	_, _ = Plain(v)
	d, ok := v.(*Dict)
	if !ok {
		return
	}
	for _, x := range d.Values {
		if t, ok := x.(*Tensor); ok {
			t.Float32()
		}
	}
}
