package master

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"korr/ros/xmlrpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T) (*Master, *xmlrpc.Client) {
	t.Helper()
	m, err := Start(Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m, xmlrpc.NewClient(m.URI(), 5*time.Second)
}

// do calls a ROS method and returns its value; an error ends the test.
func do(t *testing.T, c *xmlrpc.Client, method string, params ...any) any {
	t.Helper()
	_, v, err := c.CallROS(context.Background(), method, params...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestParameters(t *testing.T) {
	_, c := start(t)
	robot := map[string]any{"name": "fr3", "limits": map[string]any{"z": 0.4}, "q": []any{1, 2.5}}
	do(t, c, "setParam", "/lab/korr", "/robot", robot)
	do(t, c, "setParam", "/lab/korr", "~rate", 10)
	do(t, c, "setParam", "/lab/korr", "here", true)
	for _, tc := range []struct {
		key  string
		want any
	}{
		{"/robot", robot},
		{"/robot/limits/z", 0.4},
		{"/robot/q", []any{1, 2.5}},
		{"/lab/korr/rate", 10},
		{"~rate", 10},
		{"here", true},
		{"/lab", map[string]any{"korr": map[string]any{"rate": 10}, "here": true}},
	} {
		if v := do(t, c, "getParam", "/lab/korr", tc.key); !reflect.DeepEqual(v, tc.want) {
			t.Errorf("%s = %#v, want %#v", tc.key, v, tc.want)
		}
	}
	if _, _, err := c.CallROS(context.Background(), "getParam", "/n", "/nope"); err == nil {
		t.Error("a missing parameter was found")
	}
	msg, has, err := c.CallROS(context.Background(), "hasParam", "/n", "/robot/name")
	if err != nil || has != true || msg != "/robot/name" {
		t.Errorf("hasParam: %q %v %v; the status text must be the key", msg, has, err)
	}
	if v := do(t, c, "searchParam", "/lab/korr", "robot/name"); v != "/robot/name" {
		t.Errorf("searchParam found %v", v)
	}
	names := do(t, c, "getParamNames", "/n")
	want := []any{"/lab/here", "/lab/korr/rate", "/robot/limits/z", "/robot/name", "/robot/q"}
	if !reflect.DeepEqual(names, want) {
		t.Errorf("names %v", names)
	}
	do(t, c, "deleteParam", "/n", "/robot/limits")
	if v := do(t, c, "hasParam", "/n", "/robot/limits/z"); v != false {
		t.Error("a deleted parameter is still there")
	}
	if _, _, err := c.CallROS(context.Background(), "deleteParam", "/n", "/nope"); err == nil {
		t.Error("deleting what is not there succeeded")
	}
}

// slave is a node's own API that records what the master tells it.
type slave struct {
	*httptest.Server
	mu    sync.Mutex
	calls []string
}

func newSlave(t *testing.T) *slave {
	s := &slave{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := xmlrpc.DecodeCall(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		var args []string
		for _, p := range c.Params {
			switch x := p.(type) {
			case string:
				args = append(args, x)
			case []any:
				for _, e := range x {
					args = append(args, e.(string))
				}
			}
		}
		s.mu.Lock()
		s.calls = append(s.calls, c.Method+" "+strings.Join(args, " "))
		s.mu.Unlock()
		doc, _ := xmlrpc.EncodeResponse([]any{1, "", 0})
		_, _ = w.Write(doc)
	}))
	t.Cleanup(s.Close)
	return s
}

// waitFor fails unless the newest call becomes want within a second.
func (s *slave) waitFor(t *testing.T, want string) {
	t.Helper()
	var last string
	for range 200 {
		s.mu.Lock()
		if len(s.calls) > 0 {
			last = s.calls[len(s.calls)-1]
		}
		s.mu.Unlock()
		if last == want {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("the node was told %q last, want %q", last, want)
}

func TestRegistrationAndUpdates(t *testing.T) {
	_, c := start(t)
	sub := newSlave(t)
	do(t, c, "registerSubscriber", "/s", "/t", "*", sub.URL)
	if v := do(t, c, "registerPublisher", "/p1", "/t", "std_msgs/Bool", "http://a:1"); !reflect.DeepEqual(v, []any{sub.URL}) {
		t.Errorf("subscribers %v", v)
	}
	sub.waitFor(t, "publisherUpdate /master /t http://a:1")
	do(t, c, "registerPublisher", "/p2", "/t", "std_msgs/Bool", "http://b:2")
	sub.waitFor(t, "publisherUpdate /master /t http://a:1 http://b:2")
	state := do(t, c, "getSystemState", "/x")
	if want := []any{[]any{[]any{"/t", []any{"/p1", "/p2"}}}, []any{[]any{"/t", []any{"/s"}}}, []any{}}; !reflect.DeepEqual(state, want) {
		t.Errorf("state %v", state)
	}
	if v := do(t, c, "getTopicTypes", "/x"); !reflect.DeepEqual(v, []any{[]any{"/t", "std_msgs/Bool"}}) {
		t.Errorf("types %v", v)
	}
	if v := do(t, c, "getPublishedTopics", "/x", "/other"); !reflect.DeepEqual(v, []any{}) {
		t.Errorf("published below /other: %v", v)
	}
	if v := do(t, c, "unregisterPublisher", "/p1", "/t", "http://other:1"); v != 0 {
		t.Errorf("unregistered a publisher that never registered: %v", v)
	}
	do(t, c, "unregisterPublisher", "/p1", "/t", "http://a:1")
	sub.waitFor(t, "publisherUpdate /master /t http://b:2")
	if _, _, err := c.CallROS(context.Background(), "lookupNode", "/x", "/p1"); err == nil {
		t.Error("a node without registrations is still known")
	}
	if v := do(t, c, "lookupNode", "/x", "/p2"); v != "http://b:2" {
		t.Errorf("p2 is at %v", v)
	}
}

func TestServices(t *testing.T) {
	_, c := start(t)
	do(t, c, "registerService", "/n", "/srv", "rosrpc://a:1", "http://a:2")
	if v := do(t, c, "lookupService", "/x", "/srv"); v != "rosrpc://a:1" {
		t.Errorf("service at %v", v)
	}
	do(t, c, "registerService", "/n2", "/srv", "rosrpc://b:1", "http://b:2")
	if v := do(t, c, "unregisterService", "/n", "/srv", "rosrpc://a:1"); v != 0 {
		t.Error("the old provider removed the new one")
	}
	do(t, c, "unregisterService", "/n2", "/srv", "rosrpc://b:1")
	if _, _, err := c.CallROS(context.Background(), "lookupService", "/x", "/srv"); err == nil {
		t.Error("the service is still there")
	}
}

// TestSecondNodeOfOneName: the first is told to stop and its registrations go.
func TestSecondNodeOfOneName(t *testing.T) {
	_, c := start(t)
	old, sub := newSlave(t), newSlave(t)
	do(t, c, "registerPublisher", "/n", "/t", "std_msgs/Bool", old.URL)
	do(t, c, "registerSubscriber", "/s", "/t", "std_msgs/Bool", sub.URL)
	do(t, c, "registerPublisher", "/n", "/u", "std_msgs/Bool", "http://new:1")
	old.waitFor(t, "shutdown /master new node registered with same name")
	sub.waitFor(t, "publisherUpdate /master /t")
	if v := do(t, c, "lookupNode", "/x", "/n"); v != "http://new:1" {
		t.Errorf("the name belongs to %v", v)
	}
}

func TestParamUpdate(t *testing.T) {
	_, c := start(t)
	s := newSlave(t)
	do(t, c, "subscribeParam", "/s", s.URL, "/a/b")
	do(t, c, "setParam", "/x", "/a/b", "one")
	s.waitFor(t, "paramUpdate /master /a/b one")
	do(t, c, "setParam", "/x", "/a", map[string]any{"b": "two"}) // above the key
	s.waitFor(t, "paramUpdate /master /a/b two")
	do(t, c, "unsubscribeParam", "/s", s.URL, "/a/b")
	do(t, c, "setParam", "/x", "/a/b", "three")
	time.Sleep(50 * time.Millisecond)
	s.waitFor(t, "paramUpdate /master /a/b two")
}

func TestMulticall(t *testing.T) {
	_, c := start(t)
	v, err := c.Call(context.Background(), "system.multicall", []any{
		map[string]any{"methodName": "setParam", "params": []any{"/x", "/k", 1}},
		map[string]any{"methodName": "getParam", "params": []any{"/x", "/k"}},
		map[string]any{"methodName": "nope", "params": []any{}},
		"junk",
	})
	if err != nil {
		t.Fatal(err)
	}
	out := v.([]any)
	if len(out) != 4 || !reflect.DeepEqual(out[1], []any{[]any{1, "Parameter [/k]", 1}}) {
		t.Errorf("got %v", out)
	}
	for _, e := range out[2:] {
		if m, ok := e.(map[string]any); !ok || m["faultCode"] != 1 {
			t.Errorf("want a fault, got %v", e)
		}
	}
}

func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Post(url, "text/xml", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

func TestMalformedIsRefused(t *testing.T) {
	m, c := start(t)
	for _, body := range []string{"", "hello", "<methodCall>", "<methodCall><methodName>getPid</methodName><params><param><value><int>x</int></value></param></params></methodCall>", "\xff\xfe"} {
		if code, text := post(t, m.URI()+"RPC2", body); code != http.StatusBadRequest {
			t.Errorf("%q: status %d, %s", body, code, text)
		}
	}
	if code, _ := post(t, m.URI()+"other", "<methodCall/>"); code != http.StatusNotFound {
		t.Errorf("other path: %d", code)
	}
	res, err := http.Get(m.URI())
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("GET: %d", res.StatusCode)
	}
	ctx := context.Background()
	var f *xmlrpc.Fault
	if _, err := c.Call(ctx, "rm", "/"); !errors.As(err, &f) {
		t.Errorf("unknown method: %v", err)
	}
	var re *xmlrpc.ROSError
	for _, params := range [][]any{{}, {"/n"}, {"/n", "/t", "std_msgs/Bool", "http://a", "extra"}, {"/n", 1, "x", "http://a"}} {
		if _, _, err := c.CallROS(ctx, "registerPublisher", params...); !errors.As(err, &re) || re.Code != -1 {
			t.Errorf("%v: %v", params, err)
		}
	}
	if do(t, c, "getPid", "/n") == 0 {
		t.Error("the master did not survive")
	}
}

// TestSilentNode: a node that never answers delays neither the master nor other nodes, nor Close for long.
func TestSilentNode(t *testing.T) {
	m, err := Start(Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer silent.Close()
	defer close(release)
	c, other := xmlrpc.NewClient(m.URI(), time.Second), newSlave(t)
	do(t, c, "registerSubscriber", "/silent", "/t", "*", silent.URL)
	do(t, c, "registerSubscriber", "/other", "/t", "*", other.URL)
	do(t, c, "registerPublisher", "/p", "/t", "*", "http://a:1")
	other.waitFor(t, "publisherUpdate /master /t http://a:1")
	begin := time.Now()
	_ = m.Close()
	if d := time.Since(begin); d > time.Second {
		t.Errorf("Close took %v", d)
	}
}

func TestAddressTaken(t *testing.T) {
	m, _ := start(t)
	if _, err := Start(Config{Addr: strings.TrimSuffix(strings.TrimPrefix(m.URI(), "http://"), "/")}); err == nil {
		t.Error("two masters on one port")
	}
}
