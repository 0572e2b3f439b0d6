package master_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"korr/ros/master"
	"korr/ros/xmlrpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T) (*master.Master, *xmlrpc.Client) {
	t.Helper()
	m, err := master.Start(master.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m, xmlrpc.NewClient(m.URI(), 5*time.Second)
}

func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Post(url, "text/xml",
		strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

func TestMalformedIsRefused(t *testing.T) {
	m, c := start(t)
	for _, body := range []string{
		"", "hello", "<methodCall>",
		"<methodCall><methodName>getPid</methodName><params><param><value><int>x</int></value></param></params></methodCall>",
		"\xff\xfe",
	} {
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
	var re *xmlrpc.ROSError
	for _, params := range [][]any{
		{},
		{"/n"},
		{"/n", "/t", "std_msgs/Bool", "http://a", "extra"},
		{"/n", 1, "x", "http://a"},
	} {
		if _, _, err := c.CallROS(ctx, "registerPublisher", params...); !errors.As(err, &re) || re.Code != -1 {
			t.Errorf("%v: %v", params, err)
		}
	}
	if do(t, c, "getPid", "/n") == 0 {
		t.Error("the master did not survive")
	}
}

// TestReplacedPublisher: subscribers hear at once that the publisher of a replaced node is gone. (rosmaster leaves that
// to the old node's unregistering.)
func TestReplacedPublisher(t *testing.T) {
	_, c := start(t)
	sub := newSlave(t)
	do(t, c, "registerPublisher", "/n", "/t", "std_msgs/Bool", "http://127.0.0.1:1")
	do(t, c, "registerSubscriber", "/s", "/t", "std_msgs/Bool", sub.URL)
	do(t, c, "registerPublisher", "/n", "/u", "std_msgs/Bool", "http://127.0.0.1:2")
	sub.waitFor(t, "publisherUpdate /master /t")
}

// TestMalformedMulticall: what is no call is a fault of its own.
func TestMalformedMulticall(t *testing.T) {
	_, c := start(t)
	v, err := c.Call(context.Background(), "system.multicall", []any{"junk", map[string]any{
		"methodName": "getPid",
		"params":     []any{"/x"},
	}})
	out, ok := v.([]any)
	if err != nil || !ok || len(out) != 2 {
		t.Fatalf("%v, %v", v, err)
	}
	if m, ok := out[0].(map[string]any); !ok || m["faultCode"] != 1 {
		t.Errorf("want a fault, got %v", out[0])
	}
	if _, ok := out[1].([]any); !ok {
		t.Errorf("the good call got %v", out[1])
	}
}

// TestSilentNode: a node that never answers delays neither the master nor other nodes, nor Close for long.
func TestSilentNode(t *testing.T) {
	m, err := master.Start(master.Config{Addr: "127.0.0.1:0"})
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
	if _, err := master.Start(master.Config{Addr: strings.TrimSuffix(strings.TrimPrefix(m.URI(), "http://"),
		"/")}); err == nil {
		t.Error("two masters on one port")
	}
}
