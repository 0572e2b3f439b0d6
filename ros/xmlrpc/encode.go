package xmlrpc

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"math"
	"sort"
	"strconv"
	"time"
)

const header = `<?xml version="1.0"?>`

// EncodeCall returns the document of a method call. Parameters have the types of Call, and []string.
func EncodeCall(method string, params ...any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(header + "<methodCall><methodName>")
	escape(&b, method)
	b.WriteString("</methodName><params>")
	for _, p := range params {
		b.WriteString("<param>")
		if err := encode(&b, p); err != nil {
			return nil, err
		}
		b.WriteString("</param>")
	}
	b.WriteString("</params></methodCall>")
	return b.Bytes(), nil
}

// EncodeResponse returns the document of a response with one value.
func EncodeResponse(v any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(header + "<methodResponse><params><param>")
	if err := encode(&b, v); err != nil {
		return nil, err
	}
	b.WriteString("</param></params></methodResponse>")
	return b.Bytes(), nil
}

// EncodeFault returns the document of a fault.
func EncodeFault(f *Fault) []byte {
	var b bytes.Buffer
	b.WriteString(header + "<methodResponse><fault>")
	_ = encode(&b, map[string]any{"faultCode": f.Code, "faultString": f.Message})
	b.WriteString("</fault></methodResponse>")
	return b.Bytes()
}

func escape(b *bytes.Buffer, s string) { _ = xml.EscapeText(b, []byte(s)) }

// encode writes <value>; no white space, which some readers take for a string.
func encode(b *bytes.Buffer, v any) error {
	b.WriteString("<value>")
	switch x := v.(type) {
	case nil:
		b.WriteString("<nil/>")
	case bool:
		if x {
			b.WriteString("<boolean>1</boolean>")
		} else {
			b.WriteString("<boolean>0</boolean>")
		}
	case int:
		if x < math.MinInt32 || x > math.MaxInt32 {
			return fmt.Errorf("XML-RPC integers have 32 bits: %d", x)
		}
		b.WriteString("<int>" + strconv.Itoa(x) + "</int>")
	case float64:
		b.WriteString("<double>" + strconv.FormatFloat(x, 'g', -1, 64) + "</double>")
	case string:
		b.WriteString("<string>")
		escape(b, x)
		b.WriteString("</string>")
	case []byte:
		b.WriteString("<base64>" + base64.StdEncoding.EncodeToString(x) + "</base64>")
	case time.Time:
		b.WriteString("<dateTime.iso8601>" + x.UTC().Format(timeLayout) + "</dateTime.iso8601>")
	case []string:
		vs := make([]any, len(x))
		for i, s := range x {
			vs[i] = s
		}
		return encodeArray(b, vs)
	case []any:
		return encodeArray(b, x)
	case map[string]any:
		return encodeStruct(b, x)
	default:
		return fmt.Errorf("XML-RPC has no type for %T", v)
	}
	b.WriteString("</value>")
	return nil
}

func encodeArray(b *bytes.Buffer, vs []any) error {
	b.WriteString("<array><data>")
	for _, v := range vs {
		if err := encode(b, v); err != nil {
			return err
		}
	}
	b.WriteString("</data></array></value>")
	return nil
}

func encodeStruct(b *bytes.Buffer, m map[string]any) error {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	b.WriteString("<struct>")
	for _, k := range keys {
		b.WriteString("<member><name>")
		escape(b, k)
		b.WriteString("</name>")
		if err := encode(b, m[k]); err != nil {
			return err
		}
		b.WriteString("</member>")
	}
	b.WriteString("</struct></value>")
	return nil
}
