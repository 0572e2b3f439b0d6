package master_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"korr/ros/rostest"
	"korr/ros/xmlrpc"
)

// do calls a ROS method and returns its value; an error ends the test.
func do(t *testing.T, c *xmlrpc.Client, method string, params ...any) any {
	t.Helper()
	_, v, err := c.CallROS(context.Background(), method, params...)
	if err != nil {
		t.Fatal(err)
	}
	return v
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

func parameters(t *testing.T, c *xmlrpc.Client) {
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
	for _, want := range []any{"/lab/here", "/lab/korr/rate", "/robot/limits/z", "/robot/name", "/robot/q"} {
		if !slices.Contains(names.([]any), want) {
			t.Errorf("names %v lack %v", names, want)
		}
	}
	do(t, c, "deleteParam", "/n", "/robot/limits")
	if v := do(t, c, "hasParam", "/n", "/robot/limits/z"); v != false {
		t.Error("a deleted parameter is still there")
	}
	if _, _, err := c.CallROS(context.Background(), "deleteParam", "/n", "/nope"); err == nil {
		t.Error("deleting what is not there succeeded")
	}
}

func registrationAndUpdates(t *testing.T, c *xmlrpc.Client) {
	sub := newSlave(t)
	do(t, c, "registerSubscriber", "/s", "/t", "*", sub.URL)
	if v := do(t, c, "registerPublisher", "/p1", "/t", "std_msgs/Bool", "http://a:1"); !reflect.DeepEqual(v,
		[]any{sub.URL}) {
		t.Errorf("subscribers %v", v)
	}
	sub.waitFor(t, "publisherUpdate /master /t http://a:1")
	do(t, c, "registerPublisher", "/p2", "/t", "std_msgs/Bool", "http://b:2")
	sub.waitFor(t, "publisherUpdate /master /t http://a:1 http://b:2")
	state := do(t, c, "getSystemState", "/x").([]any)
	if v := entry(state[0], "/t"); !reflect.DeepEqual(v, []any{"/p1", "/p2"}) {
		t.Errorf("publishers %v", v)
	}
	if v := entry(state[1], "/t"); !reflect.DeepEqual(v, []any{"/s"}) || len(state) != 3 || entry(state[2], "/t") != nil {
		t.Errorf("subscribers %v of %v", v, state)
	}
	if v := entry(do(t, c, "getTopicTypes", "/x"), "/t"); v != "std_msgs/Bool" {
		t.Errorf("type %v", v)
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

func services(t *testing.T, c *xmlrpc.Client) {
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

// secondNodeOfOneName: the first is told to stop and its registrations go.
func secondNodeOfOneName(t *testing.T, c *xmlrpc.Client) {
	old := newSlave(t)
	do(t, c, "registerPublisher", "/n", "/dup/t", "std_msgs/Bool", old.URL)
	do(t, c, "registerPublisher", "/n", "/dup/u", "std_msgs/Bool", "http://new:1")
	old.waitFor(t, "shutdown /master [/n] Reason: new node registered with same name")
	if v := do(t, c, "lookupNode", "/x", "/n"); v != "http://new:1" {
		t.Errorf("the name belongs to %v", v)
	}
}

func paramUpdate(t *testing.T, c *xmlrpc.Client) {
	s := newSlave(t)
	do(t, c, "subscribeParam", "/s", s.URL, "/a/b")
	do(t, c, "setParam", "/x", "/a/b", "one")
	s.waitFor(t, "paramUpdate /master /a/b/ one")
	do(t, c, "setParam", "/x", "/a", map[string]any{"b": "two"}) // above the key
	s.waitFor(t, "paramUpdate /master /a/b/ two")
	do(t, c, "unsubscribeParam", "/s", s.URL, "/a/b")
	do(t, c, "setParam", "/x", "/a/b", "three")
	time.Sleep(50 * time.Millisecond)
	s.waitFor(t, "paramUpdate /master /a/b/ two")
}

func multicall(t *testing.T, c *xmlrpc.Client) {
	v, err := c.Call(context.Background(), "system.multicall", []any{
		map[string]any{"methodName": "setParam", "params": []any{"/x", "/k", 1}},
		map[string]any{"methodName": "getParam", "params": []any{"/x", "/k"}},
		map[string]any{"methodName": "nope", "params": []any{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	out := v.([]any)
	if len(out) != 3 || !reflect.DeepEqual(out[1], []any{[]any{1, "Parameter [/k]", 1}}) {
		t.Errorf("got %v", out)
	}
	for _, e := range out[2:] {
		if m, ok := e.(map[string]any); !ok || m["faultCode"] != 1 {
			t.Errorf("want a fault, got %v", e)
		}
	}
}

// entry is the second value of the pair whose first one is name, nil when there is none.
func entry(list any, name string) any {
	for _, e := range list.([]any) {
		if pair := e.([]any); pair[0] == name {
			return pair[1]
		}
	}
	return nil
}

func wrongCalls(t *testing.T, c *xmlrpc.Client) {
	ctx := context.Background()
	for _, tc := range []struct {
		method string
		params []any
	}{
		{"lookupNode", []any{"/x", "/nobody"}},
		{"lookupService", []any{"/x", "/nothing"}},
		{"getParam", []any{"/x", "/nothing"}},
		{"deleteParam", []any{"/x", "/nothing"}},
		{"searchParam", []any{"/x", "nothing"}},
		{"deleteParam", []any{"/x", "/"}},
		{"registerPublisher", []any{"/x", "/t", "std_msgs/Bool"}},
	} {
		var e *xmlrpc.ROSError
		if _, _, err := c.CallROS(ctx, tc.method, tc.params...); !errors.As(err, &e) || e.Code != -1 {
			t.Errorf("%s%v: %v, want code -1", tc.method, tc.params, err)
		}
	}
	var f *xmlrpc.Fault
	if _, err := c.Call(ctx, "rm", "/"); !errors.As(err, &f) {
		t.Errorf("unknown method: %v, want a fault", err)
	}
	if pid, ok := do(t, c, "getPid", "/x").(int); !ok || pid < 2 {
		t.Errorf("pid %d", pid)
	}
	if uri, ok := do(t, c, "getUri", "/x").(string); !ok || !strings.HasPrefix(uri, "http://") {
		t.Errorf("URI %q", uri)
	}
	if v := do(t, c, "unsubscribeParam", "/x", "http://never:1", "/k"); v != 1 {
		t.Errorf("unsubscribed what was never subscribed: %v", v)
	}
}

// namespaces: structs merge key by key, a value gives way to a struct, and a search looks outwards.
func namespaces(t *testing.T, c *xmlrpc.Client) {
	do(t, c, "setParam", "/n", "/ns/a/b", 1)
	do(t, c, "setParam", "/n", "/ns/a/c", 2)
	if v := do(t, c, "getParam", "/n", "/ns/a"); !reflect.DeepEqual(v, map[string]any{"b": 1, "c": 2}) {
		t.Errorf("/ns/a = %v", v)
	}
	do(t, c, "setParam", "/n", "/ns/a/b/d", "deep") // b was a number
	if v := do(t, c, "getParam", "/n", "/ns/a/b"); !reflect.DeepEqual(v, map[string]any{"d": "deep"}) {
		t.Errorf("/ns/a/b = %v", v)
	}
	do(t, c, "setParam", "/n", "/ns/gain", 0.5)
	do(t, c, "setParam", "/n", "/ns/a/gain", 0.7)
	for caller, want := range map[string]string{
		"/ns/a/node": "/ns/a/gain", "/ns/z/node": "/ns/gain",
		"/ns/a": "/ns/a/gain",
	} {
		if v := do(t, c, "searchParam", caller, "gain"); v != want {
			t.Errorf("%s finds %v, want %s", caller, v, want)
		}
	}
	do(t, c, "deleteParam", "/n", "/ns")
	if v := do(t, c, "hasParam", "/n", "/ns/gain"); v != false {
		t.Error("a deleted namespace still holds something")
	}
}

// watchedNamespaces: the subscriber of a namespace hears of every key below it, by that key, and of a deletion.
func watchedNamespaces(t *testing.T, c *xmlrpc.Client) {
	s := newSlave(t)
	do(t, c, "setParam", "/x", "/w/a", "old")
	if v := do(t, c, "subscribeParam", "/s", s.URL, "/w"); !reflect.DeepEqual(v, map[string]any{"a": "old"}) {
		t.Errorf("subscribing gives %v", v)
	}
	do(t, c, "setParam", "/x", "/w/a", "new")
	s.waitFor(t, "paramUpdate /master /w/a/ new")
	do(t, c, "setParam", "/x", "/w/deep/b", "x")
	s.waitFor(t, "paramUpdate /master /w/deep/b/ x")
	do(t, c, "deleteParam", "/x", "/w/a")
	s.waitFor(t, "paramUpdate /master /w/a/")
}

// topicTypes: the first definite type of a topic stands; "*" is none.
func topicTypes(t *testing.T, c *xmlrpc.Client) {
	do(t, c, "registerSubscriber", "/s", "/ty/t", "*", "http://127.0.0.1:1")
	if v := entry(do(t, c, "getTopicTypes", "/x"), "/ty/t"); v != nil {
		t.Errorf("type %v", v)
	}
	do(t, c, "registerPublisher", "/p", "/ty/t", "std_msgs/Bool", "http://127.0.0.1:2")
	if v := entry(do(t, c, "getTopicTypes", "/x"), "/ty/t"); v != "std_msgs/Bool" {
		t.Errorf("type %v", v)
	}
	do(t, c, "registerSubscriber", "/s2", "/ty/t", "std_msgs/String", "http://127.0.0.1:3")
	if v := entry(do(t, c, "getTopicTypes", "/x"), "/ty/t"); v != "std_msgs/Bool" {
		t.Errorf("a subscriber changed the type to %v", v)
	}
	if v := do(t, c, "getPublishedTopics", "/x", "/ty"); !reflect.DeepEqual(v, []any{[]any{"/ty/t", "std_msgs/Bool"}}) {
		t.Errorf("published below /ty: %v", v)
	}
	if v := entry(do(t, c, "getPublishedTopics", "/x", ""), "/ty/t"); v != "std_msgs/Bool" {
		t.Errorf("published: %v", v)
	}
}

// replacedServices: a second node of one name takes the first one's services away.
func replacedServices(t *testing.T, c *xmlrpc.Client) {
	old := newSlave(t)
	do(t, c, "registerService", "/dup", "/dup/a", "rosrpc://old:1", old.URL)
	do(t, c, "registerService", "/dup", "/dup/b", "rosrpc://new:1", "http://127.0.0.1:4")
	old.waitFor(t, "shutdown /master [/dup] Reason: new node registered with same name")
	if _, _, err := c.CallROS(context.Background(), "lookupService", "/x", "/dup/a"); err == nil {
		t.Error("the old node's service is still there")
	}
	if v := do(t, c, "lookupService", "/x", "/dup/b"); v != "rosrpc://new:1" {
		t.Errorf("the new node's service is at %v", v)
	}
}

// TestAPI runs one table of calls against the embedded master and against ROS's own.
func TestAPI(t *testing.T) {
	rostest.Masters(t, func(t *testing.T, uri string) {
		for _, tc := range []struct {
			name string
			test func(*testing.T, *xmlrpc.Client)
		}{
			{"parameters", parameters},
			{"registrationAndUpdates", registrationAndUpdates},
			{"services", services},
			{"secondNodeOfOneName", secondNodeOfOneName},
			{"paramUpdate", paramUpdate},
			{"multicall", multicall},
			{"wrong calls", wrongCalls},
			{"parameter namespaces", namespaces},
			{"watched namespaces", watchedNamespaces},
			{"types", topicTypes},
			{"replaced services", replacedServices},
		} {
			t.Run(tc.name, func(t *testing.T) { tc.test(t, xmlrpc.NewClient(uri, 5*time.Second)) })
		}
	})
}
