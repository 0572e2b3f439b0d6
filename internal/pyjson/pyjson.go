// Package pyjson reads JSON as Python's json module writes it: with NaN, Infinity and -Infinity for numbers that JSON
// has no form for.
package pyjson

import (
	"bytes"
	"encoding/json"
)

// Clean replaces NaN, Infinity and -Infinity outside of texts by null and leaves everything else, so that what a reader
// does not use may hold them. A reader refuses null where it needs a number. b is returned itself when it holds none of
// them.
func Clean(b []byte) []byte {
	if !bytes.Contains(b, []byte("NaN")) && !bytes.Contains(b, []byte("Infinity")) {
		return b
	}
	out := make([]byte, 0, len(b))
	for at := 0; at < len(b); {
		if b[at] == '"' {
			end := endOfText(b, at)
			out = append(out, b[at:end]...)
			at = end
			continue
		}
		if n := special(b[at:]); n > 0 {
			out = append(out, "null"...)
			at += n
			continue
		}
		out = append(out, b[at])
		at++
	}
	return out
}

// endOfText is the place behind the text that begins at a quote.
func endOfText(b []byte, at int) int {
	for i := at + 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// special is the length of one of the three at the beginning of b, else 0.
func special(b []byte) int {
	for _, s := range []string{"NaN", "Infinity", "-Infinity"} {
		if bytes.HasPrefix(b, []byte(s)) {
			return len(s)
		}
	}
	return 0
}

// Unmarshal is json.Unmarshal of cleaned JSON.
func Unmarshal(b []byte, v any) error { return json.Unmarshal(Clean(b), v) }
