package pyjson

import (
	"encoding/json"
	"testing"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		`{"a": NaN, "b": [Infinity, -Infinity, 1]}`: `{"a": null, "b": [null, null, 1]}`,
		`{"NaN": "NaN \" Infinity"}`:                `{"NaN": "NaN \" Infinity"}`,
		`{"a\\": NaN}`:                              `{"a\\": null}`,
		`"NaN`:                                      `"NaN`,
		`{"a": 1}`:                                  `{"a": 1}`,
	} {
		if got := string(Clean([]byte(in))); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}

// FuzzClean: what is JSON stays what it is.
func FuzzClean(f *testing.F) {
	f.Add([]byte(`{"a": NaN, "b": "Infinity\\"}`))
	f.Add([]byte(`["NaN", 1]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		got := Clean(b)
		if json.Valid(b) && string(got) != string(b) {
			t.Errorf("%s became %s", b, got)
		}
	})
}
