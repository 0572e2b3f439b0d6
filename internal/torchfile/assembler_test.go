package torchfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"testing"
)

// archive makes a file of torch.save's form from a pickle and storages.
func archive(t testing.TB, pickle []byte, storages map[string][]byte) []byte {
	t.Helper()
	entries := map[string][]byte{"a/data.pkl": pickle}
	for k, v := range storages {
		entries["a/data/"+k] = v
	}
	return pack(t, entries, zip.Store)
}

func pack(t testing.TB, entries map[string][]byte, method uint16) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, data := range entries {
		h := &zip.FileHeader{
			Name: name, Method: method, CRC32: crc32.ChecksumIEEE(data),
			UncompressedSize64: uint64(len(data)), CompressedSize64: uint64(len(data)),
		}
		create := w.CreateHeader
		if method == zip.Store {
			create = w.CreateRaw
		}
		f, err := create(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// assembler writes pickles.
type assembler struct{ bytes.Buffer }

func (a *assembler) op(codes string) *assembler { a.WriteString(codes); return a }

func (a *assembler) text(s string) *assembler {
	a.WriteByte('X')
	a.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(s))))
	a.WriteString(s)
	return a
}

func (a *assembler) int(v int64) *assembler {
	a.WriteString("\x8a\x08")
	a.Write(binary.LittleEndian.AppendUint64(nil, uint64(v)))
	return a
}

func (a *assembler) global(module, name string) *assembler {
	return a.op("c" + module + "\n" + name + "\n")
}

func (a *assembler) ints(v []int64) *assembler {
	a.op("(")
	for _, x := range v {
		a.int(x)
	}
	return a.op("t")
}

// tensor adds torch._utils._rebuild_tensor_v2 over the storage "0".
func (a *assembler) tensor(class string, count, offset int64, shape, strides []int64) *assembler {
	a.global("torch._utils", "_rebuild_tensor_v2").op("((").text("storage").global("torch",
		class).text("0").text("cpu").int(count).op("tQ")
	a.int(offset).ints(shape).ints(strides)
	return a.op("\x89").global("collections", "OrderedDict").op(")RtR")
}

func start() *assembler { return (&assembler{}).op("\x80\x02") }

func floats(v ...float32) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}
