package xmlrpc

import (
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// timeLayout is the only form of dateTime.iso8601 that the specification shows.
const timeLayout = "20060102T15:04:05"

// decoder reads tokens and counts values.
type decoder struct {
	xml    *xml.Decoder
	limit  *io.LimitedReader
	values int
}

func newDecoder(r io.Reader) *decoder {
	l := &io.LimitedReader{R: r, N: MaxBytes + 1}
	return &decoder{xml: xml.NewDecoder(l), limit: l}
}

// DecodeCall reads a methodCall. Errors wrap ErrMalformed.
func DecodeCall(r io.Reader) (*Call, error) {
	d := newDecoder(r)
	if err := d.open("methodCall"); err != nil {
		return nil, err
	}
	if err := d.open("methodName"); err != nil {
		return nil, err
	}
	name, err := d.text("methodName")
	if err != nil {
		return nil, err
	}
	c := &Call{Method: strings.TrimSpace(name)}
	if c.Method == "" {
		return nil, malformed("empty methodName")
	}
	end, err := d.openOrClose("params", "methodCall")
	if err != nil {
		return nil, err
	}
	if !end {
		if c.Params, err = d.params(); err != nil {
			return nil, err
		}
		if err := d.close("methodCall"); err != nil {
			return nil, err
		}
	}
	return c, d.eof()
}

// DecodeResponse reads a methodResponse and returns its only value; a fault is returned as a *Fault. Other errors wrap
// ErrMalformed.
func DecodeResponse(r io.Reader) (any, error) {
	d := newDecoder(r)
	if err := d.open("methodResponse"); err != nil {
		return nil, err
	}
	start, err := d.next()
	if err != nil {
		return nil, err
	}
	el, ok := start.(xml.StartElement)
	if !ok {
		return nil, malformed("methodResponse is empty")
	}
	switch el.Name.Local {
	case "params":
		ps, err := d.params()
		if err != nil {
			return nil, err
		}
		if len(ps) != 1 {
			return nil, malformed("a response has one value, this has %d", len(ps))
		}
		return ps[0], errors.Join(d.close("methodResponse"), d.eof())
	case "fault":
		if err := d.open("value"); err != nil {
			return nil, err
		}
		v, err := d.value(0)
		if err != nil {
			return nil, err
		}
		return nil, faultOf(v)
	}
	return nil, malformed("<%s> in methodResponse", el.Name.Local)
}

// faultOf turns the struct of a fault into an error.
func faultOf(v any) error {
	m, _ := v.(map[string]any)
	code, okC := m["faultCode"].(int)
	text, okS := m["faultString"].(string)
	if !okC || !okS {
		return malformed("fault without faultCode and faultString")
	}
	return &Fault{Code: code, Message: text}
}

// token reads one token; comments, directives and processing instructions are skipped.
func (d *decoder) token() (xml.Token, error) {
	for {
		t, err := d.xml.Token()
		if d.limit.N <= 0 {
			return nil, malformed("longer than %d bytes", MaxBytes)
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil, malformed("ends too early")
			}
			return nil, malformed("%v", err)
		}
		switch t.(type) {
		case xml.StartElement, xml.EndElement, xml.CharData:
			return t, nil
		}
	}
}

// next reads the next start or end element; only white space may stand before it.
func (d *decoder) next() (xml.Token, error) {
	for {
		t, err := d.token()
		if err != nil {
			return nil, err
		}
		c, ok := t.(xml.CharData)
		if !ok {
			return t, nil
		}
		if strings.TrimSpace(string(c)) != "" {
			return nil, malformed("text %.20q between elements", string(c))
		}
	}
}

func (d *decoder) open(name string) error {
	t, err := d.next()
	if err != nil {
		return err
	}
	if s, ok := t.(xml.StartElement); !ok || s.Name.Local != name {
		return malformed("want <%s>, got %s", name, tokenName(t))
	}
	return nil
}

// openOrClose reads <start> (false) or </end> (true).
func (d *decoder) openOrClose(start, end string) (bool, error) {
	t, err := d.next()
	if err != nil {
		return false, err
	}
	switch e := t.(type) {
	case xml.StartElement:
		if e.Name.Local == start {
			return false, nil
		}
	case xml.EndElement:
		if e.Name.Local == end {
			return true, nil
		}
	}
	return false, malformed("want <%s> or </%s>, got %s", start, end, tokenName(t))
}

func (d *decoder) close(name string) error {
	t, err := d.next()
	if err != nil {
		return err
	}
	if e, ok := t.(xml.EndElement); !ok || e.Name.Local != name {
		return malformed("want </%s>, got %s", name, tokenName(t))
	}
	return nil
}

func tokenName(t xml.Token) string {
	switch e := t.(type) {
	case xml.StartElement:
		return "<" + e.Name.Local + ">"
	case xml.EndElement:
		return "</" + e.Name.Local + ">"
	}
	return "text"
}

// eof accepts only white space and comments until the end.
func (d *decoder) eof() error {
	for {
		t, err := d.xml.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return malformed("%v", err)
		}
		switch c := t.(type) {
		case xml.StartElement, xml.EndElement:
			return malformed("%s after the document", tokenName(t))
		case xml.CharData:
			if strings.TrimSpace(string(c)) != "" {
				return malformed("text after the document")
			}
		}
	}
}

// text reads character data up to </name>.
func (d *decoder) text(name string) (string, error) {
	var b strings.Builder
	for {
		t, err := d.token()
		if err != nil {
			return "", err
		}
		switch e := t.(type) {
		case xml.CharData:
			b.Write(e)
		case xml.EndElement:
			return b.String(), nil
		default:
			return "", malformed("%s inside <%s>", tokenName(t), name)
		}
	}
}

// params reads <param>s up to </params>.
func (d *decoder) params() ([]any, error) {
	var ps []any
	for {
		end, err := d.openOrClose("param", "params")
		if err != nil || end {
			return ps, err
		}
		if err := d.open("value"); err != nil {
			return nil, err
		}
		v, err := d.value(0)
		if err != nil {
			return nil, err
		}
		if err := d.close("param"); err != nil {
			return nil, err
		}
		ps = append(ps, v)
	}
}

// value reads up to and including </value>; <value> has been read.
func (d *decoder) value(depth int) (any, error) {
	if d.values++; d.values > maxValues {
		return nil, malformed("more than %d values", maxValues)
	}
	if depth > maxDepth {
		return nil, malformed("nested deeper than %d", maxDepth)
	}
	var bare strings.Builder // a value without a type is a string
	for {
		t, err := d.token()
		if err != nil {
			return nil, err
		}
		switch e := t.(type) {
		case xml.CharData:
			bare.Write(e)
		case xml.EndElement:
			return bare.String(), nil
		case xml.StartElement:
			if strings.TrimSpace(bare.String()) != "" {
				return nil, malformed("text before <%s>", e.Name.Local)
			}
			v, err := d.typed(e.Name.Local, depth)
			if err != nil {
				return nil, err
			}
			return v, d.close("value")
		}
	}
}

// typed reads the content and the end of an element of the given type.
func (d *decoder) typed(kind string, depth int) (any, error) {
	switch kind {
	case "array":
		return d.array(depth)
	case "struct":
		return d.structure(depth)
	}
	s, err := d.text(kind)
	if err != nil {
		return nil, err
	}
	v, err := scalar(kind, s)
	if err != nil {
		return nil, malformed("<%s>: %v", kind, err)
	}
	return v, nil
}

func scalar(kind, s string) (any, error) {
	t := strings.TrimSpace(s)
	switch kind {
	case "string":
		return s, nil
	case "i4", "int":
		n, err := strconv.ParseInt(t, 10, 32)
		return int(n), err
	case "i8":
		n, err := strconv.ParseInt(t, 10, 64)
		return int(n), err
	case "double":
		return strconv.ParseFloat(t, 64)
	case "boolean":
		if t != "0" && t != "1" {
			return nil, errors.New("is neither 0 nor 1")
		}
		return t == "1", nil
	case "base64":
		return base64.StdEncoding.DecodeString(strings.NewReplacer("\n", "", "\r", "", " ", "", "\t", "").Replace(s))
	case "dateTime.iso8601":
		return time.ParseInLocation(timeLayout, t, time.UTC)
	case "nil":
		return nil, nil
	}
	return nil, errors.New("unknown type")
}

func (d *decoder) array(depth int) (any, error) {
	if err := d.open("data"); err != nil {
		return nil, err
	}
	vs := []any{}
	for {
		end, err := d.openOrClose("value", "data")
		if err != nil {
			return nil, err
		}
		if end {
			return vs, d.close("array")
		}
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		vs = append(vs, v)
	}
}

func (d *decoder) structure(depth int) (any, error) {
	m := map[string]any{}
	for {
		end, err := d.openOrClose("member", "struct")
		if err != nil || end {
			return m, err
		}
		if err := d.open("name"); err != nil {
			return nil, err
		}
		name, err := d.text("name")
		if err != nil {
			return nil, err
		}
		if err := d.open("value"); err != nil {
			return nil, err
		}
		if m[name], err = d.value(depth + 1); err != nil {
			return nil, err
		}
		if err := d.close("member"); err != nil {
			return nil, err
		}
	}
}
