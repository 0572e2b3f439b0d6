package master_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"korr/ros/xmlrpc"
)

// TestBrowsersAreRefused: a web page can neither register nor unregister nor read anything.
func TestBrowsersAreRefused(t *testing.T) {
	m, c := start(t)
	body, err := xmlrpc.EncodeCall("setParam", "/page", "/owned", true)
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []struct{ origin, kind, host string }{
		{"http://evil.example", "text/plain", ""},
		{"http://evil.example", "text/xml", ""},
		{"null", "text/xml", ""},
		{"", "text/plain", ""},
		{"", "text/plain; a=text/xml", ""},
		{"", "application/x-www-form-urlencoded", ""},
		{"", "", ""},
		{"", "text/xml", "evil.example"},
	} {
		req, err := http.NewRequest(http.MethodPost, m.URI()+"RPC2", strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = page.host
		req.Header.Set("Content-Type", page.kind)
		if page.origin != "" {
			req.Header.Set("Origin", page.origin)
		}
		res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode/100 != 4 {
			t.Errorf("%+v: status %d", page, res.StatusCode)
		}
	}
	if v := do(t, c, "hasParam", "/n", "/owned"); v != false {
		t.Error("a web page set a parameter")
	}
}

// TestDeepKeysAreRefused: a name of millions of levels, however it comes, neither ends the process nor costs its
// memory.
func TestDeepKeysAreRefused(t *testing.T) {
	_, c := start(t)
	deep := strings.Repeat("/a", 3_000_000)
	for _, levels := range []string{deep, strings.Repeat("/a", 40_000), strings.Repeat("/a", 100), "/" +
		strings.Repeat("x", 5000)} {
		for _, call := range [][]any{
			{"setParam", "/n", levels, 1},
			{"setParam", levels, "b", 1},
			{"setParam", "/n", levels, map[string]any{"a": 1}},
			{"setParam", "/n", "/s", map[string]any{strings.Repeat("x", 5000): 1}},
			{"getParam", "/n", levels},
			{"hasParam", "/n", levels},
			{"deleteParam", "/n", levels},
			{"searchParam", levels, "a"},
			{"searchParam", "/n", levels[1:]},
			{"subscribeParam", "/n", "http://127.0.0.1:1", levels},
			{"registerPublisher", "/n", levels, "std_msgs/Bool", "http://127.0.0.1:1"},
			{"registerSubscriber", levels, "/t", "*", "http://127.0.0.1:1"},
			{"registerService", "/n", levels, "rosrpc://127.0.0.1:1", "http://127.0.0.1:1"},
		} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _, err := c.CallROS(context.Background(), call[0].(string), call[1:]...)
			runtime.ReadMemStats(&after)
			var re *xmlrpc.ROSError
			if !errors.As(err, &re) || re.Code != -1 {
				t.Errorf("%s with %d bytes: %v", call[0], len(levels), err)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 160<<20 { // the message itself is copied some times
				t.Errorf("%s with %d bytes cost %d MiB", call[0], len(levels), grown>>20)
			}
		}
	}
	// the same tree, grown in small steps
	key := ""
	for range 1000 {
		key += "/a/a/a/a"
		_, _, _ = c.CallROS(context.Background(), "setParam", "/n", key, map[string]any{"a": map[string]any{"a": 1}})
	}
	do(t, c, "getParamNames", "/n")
	do(t, c, "getParam", "/n", "/")
}

// TestWhatIsKeptIsBounded: nobody fills the master's memory, in however many calls, and what was there stays usable.
func TestWhatIsKeptIsBounded(t *testing.T) {
	_, c := start(t)
	do(t, c, "setParam", "/n", "/robot_description", strings.Repeat("x", 3<<20))
	refused := false
	for i := range 40 {
		_, _, err := c.CallROS(context.Background(), "setParam", "/n", fmt.Sprintf("/big/%d", i), strings.Repeat("x", 4<<20))
		refused = refused || err != nil
	}
	if !refused {
		t.Error("160 MiB of parameters were taken")
	}
	do(t, c, "deleteParam", "/n", "/big")
	do(t, c, "setParam", "/n", "/big", strings.Repeat("x", 4<<20)) // room again
	refused = false
	for i := range 300 { // in big structs, because calls are slow
		tree := map[string]any{}
		for j := range 2000 {
			tree[fmt.Sprint(j)] = 1
		}
		if _, _, err := c.CallROS(context.Background(), "setParam", "/n", fmt.Sprintf("/many/%d", i), tree); err != nil {
			refused = true
			break
		}
	}
	if !refused {
		t.Error("600,000 parameters were taken")
	}
	refused = false
	for i := range 12_000 {
		if _, _, err := c.CallROS(context.Background(), "registerSubscriber", fmt.Sprintf("/n%d", i), "/t", "*",
			"http://127.0.0.1:1"); err != nil {
			refused = true
			break
		}
	}
	if !refused {
		t.Error("12,000 registrations were taken")
	}
	if v := do(t, c, "hasParam", "/n", "/robot_description"); v != true {
		t.Error("what was there is lost")
	}
}
