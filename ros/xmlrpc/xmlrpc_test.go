package xmlrpc

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

var everyType = []any{
	true, false, 0, -7, math.MaxInt32, 0.1, -1e300, 5e-324, 1e21, "", "a < b && \"c\"\n\té\r", " padded ",
	[]byte{0, 255, 1},
	time.Date(2012, 3, 4, 5, 6, 7, 0, time.UTC), nil,
	[]any{},
	[]any{1, []any{"x"}},
	map[string]any{},
	map[string]any{"a&b": map[string]any{"k": 1.5}, "l": []any{true}},
}

func TestRoundTrip(t *testing.T) {
	doc, err := EncodeCall("setParam", everyType...)
	if err != nil {
		t.Fatal(err)
	}
	c, err := DecodeCall(bytes.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	if c.Method != "setParam" || !reflect.DeepEqual(c.Params, everyType) {
		t.Errorf("got  %#v\nwant %#v", c.Params, everyType)
	}
	for _, v := range everyType {
		doc, err := EncodeResponse(v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeResponse(bytes.NewReader(doc))
		if err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("response %#v came back as %#v, %v", v, got, err)
		}
	}
}

func TestFault(t *testing.T) {
	_, err := DecodeResponse(bytes.NewReader(EncodeFault(&Fault{Code: 3, Message: "no <such> method"})))
	var f *Fault
	if !errors.As(err, &f) || f.Code != 3 || f.Message != "no <such> method" {
		t.Errorf("got %v", err)
	}
}

// TestOtherWriters reads documents as Python's xmlrpc.client, roscpp and the Go library write them.
func TestOtherWriters(t *testing.T) {
	for _, tc := range []struct {
		name, doc string
		want      []any
	}{
		{"python", "<?xml version='1.0'?>\n<methodCall>\n<methodName>setParam</methodName>\n<params>\n<param>\n<value><string>/n</string></value>\n</param>\n<param>\n<value><array><data>\n<value><int>1</int></value>\n<value><double>2.5</double></value>\n</data></array></value>\n</param>\n</params>\n</methodCall>\n", []any{"/n", []any{1, 2.5}}},
		{"roscpp", "<?xml version=\"1.0\"?>\r\n<methodCall><methodName>registerService</methodName>\r\n<params><param><value>/n</value></param><param><value><i4>3</i4></value></param></params></methodCall>\r\n", []any{"/n", 3}},
		{"untyped empty", "<?xml version=\"1.0\"?><methodCall><methodName>m</methodName><params><param><value></value></param></params></methodCall>", []any{""}},
		{"no params", "<methodCall><methodName>m</methodName></methodCall>", nil},
		{"comment", "<methodCall><!-- x --><methodName>m</methodName><params/></methodCall>", nil},
		{"split base64", "<methodCall><methodName>m</methodName><params><param><value><base64>AP\n8B</base64></value></param></params></methodCall>", []any{[]byte{0, 255, 1}}},
	} {
		c, err := DecodeCall(strings.NewReader(tc.doc))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		} else if !reflect.DeepEqual(c.Params, tc.want) {
			t.Errorf("%s: %#v, want %#v", tc.name, c.Params, tc.want)
		}
	}
}

func call(value string) string {
	return "<methodCall><methodName>m</methodName><params><param><value>" + value +
		"</value></param></params></methodCall>"
}

func TestMalformedIsRefused(t *testing.T) {
	docs := map[string]string{
		"empty":               "",
		"not XML":             "GET / HTTP/1.1",
		"binary":              "\x00\x01\x02",
		"other root":          "<methodResponse></methodResponse>",
		"no method":           "<methodCall><methodName></methodName></methodCall>",
		"truncated":           call("<int>1</int>")[:60],
		"trailing":            call("<int>1</int>") + "<x/>",
		"trailing text":       call("<int>1</int>") + "x",
		"two documents":       call("1") + call("1"),
		"wrong nesting":       "<methodCall><methodName>m</methodCall></methodName>",
		"int overflow":        call("<int>2147483648</int>"),
		"int text":            call("<int>one</int>"),
		"bool 2":              call("<boolean>2</boolean>"),
		"double":              call("<double>1.0.0</double>"),
		"base64":              call("<base64>@@</base64>"),
		"time":                call("<dateTime.iso8601>yesterday</dateTime.iso8601>"),
		"unknown type":        call("<float>1</float>"),
		"two types":           call("<int>1</int><int>2</int>"),
		"text then type":      call("x<int>1</int>"),
		"element in scalar":   call("<int><b/>1</int>"),
		"array without data":  call("<array></array>"),
		"struct without name": call("<struct><member><value>1</value></member></struct>"),
		"too deep": call(strings.Repeat("<array><data><value>", 100) + strings.Repeat("</value></data></array>",
			100)),
		"entity bomb": `<!DOCTYPE x [<!ENTITY a "aaaa">]>` + call("&a;"),
		"charset":     `<?xml version="1.0" encoding="utf-7"?>` + call("x"),
	}
	for name, doc := range docs {
		if c, err := DecodeCall(strings.NewReader(doc)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: accepted as %+v, error %v", name, c, err)
		}
	}
	if _, err := DecodeResponse(strings.NewReader("<methodResponse><params></params></methodResponse>")); !errors.Is(err,
		ErrMalformed) {
		t.Errorf("response without a value: %v", err)
	}
}

func TestTooLongIsRefused(t *testing.T) {
	doc := call("<string>" + strings.Repeat("a", MaxBytes) + "</string>")
	if _, err := DecodeCall(strings.NewReader(doc)); !errors.Is(err, ErrMalformed) {
		t.Errorf("%d bytes: %v", len(doc), err)
	}
	many := call("<array><data>" + strings.Repeat("<value/>", maxValues+1) + "</data></array>")
	if _, err := DecodeCall(strings.NewReader(many)); !errors.Is(err, ErrMalformed) {
		t.Errorf("too many values: %v", err)
	}
}

func TestNoTypeIsRefused(t *testing.T) {
	for _, v := range []any{1 << 40, int64(1), struct{}{}, []any{uint8(1)}, map[string]any{"a": 1i}} {
		if doc, err := EncodeResponse(v); err == nil {
			t.Errorf("%T was encoded as %s", v, doc)
		}
	}
}

// FuzzDecode: no input panics, and what is accepted survives another round trip unchanged.
func FuzzDecode(f *testing.F) {
	for _, v := range everyType {
		doc, _ := EncodeCall("m", v)
		f.Add(doc)
		doc, _ = EncodeResponse(v)
		f.Add(doc)
	}
	f.Add(EncodeFault(&Fault{Code: 1, Message: "x"}))
	f.Add([]byte(call("<array><data><value><struct><member><name>a</name><value>")))
	f.Fuzz(func(t *testing.T, doc []byte) {
		_, _ = DecodeResponse(bytes.NewReader(doc))
		c, err := DecodeCall(bytes.NewReader(doc))
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		again, err := EncodeCall(c.Method, c.Params...)
		if err != nil {
			return // an i8 beyond 32 bits, or a time
		}
		d, err := DecodeCall(bytes.NewReader(again))
		if err != nil {
			t.Fatalf("%q decodes but its own encoding %q does not: %v", doc, again, err)
		}
		if fmt.Sprintf("%#v", c) != fmt.Sprintf("%#v", d) {
			t.Fatalf("%#v became %#v", c, d)
		}
	})
}
