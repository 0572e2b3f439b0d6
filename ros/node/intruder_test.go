package node_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"korr/ros/msgs"
	"korr/ros/node"
	"korr/ros/xmlrpc"
)

// browse posts a call as a web page can: with the page's origin, its own type and its own host name. Empty ones are
// left out.
func browse(t *testing.T, addr, origin, kind, host string, method string, params ...any) int {
	t.Helper()
	body, err := xmlrpc.EncodeCall(method, params...)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, "http://"+addr+"/RPC2", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	req.Header.Set("Content-Type", kind)
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Second}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// stop is an emergency stop's publisher with a node that listens to it, and somebody who lies.
type stop struct {
	master, api string
	node        *node.Node
	pub, lies   *node.Publisher[msgs.Bool]
	heard       atomic.Int64
	intruders   chan string
	liar        string // API of the liar
}

func newStop(t *testing.T) *stop {
	m := startMaster(t, "127.0.0.1:0")
	s := &stop{master: m.URI(), intruders: make(chan string, 100)}
	s.node = openWith(t, node.Config{OnIntruder: func(what string) { s.intruders <- what }}, "node", m.URI(),
		"__ip:=127.0.0.1")
	panel, liar := open(t, "panel", m.URI(), "__ip:=127.0.0.1"), open(t, "liar", m.URI(), "__ip:=127.0.0.1")
	s.pub = must[*node.Publisher[msgs.Bool]](t)(node.Advertise[msgs.Bool](panel, "/stop", false))
	s.lies = must[*node.Publisher[msgs.Bool]](t)(node.Advertise[msgs.Bool](liar, "/lies", false))
	if err := node.Subscribe(s.node, "/stop", func(m *msgs.Bool) {
		if m.Data {
			s.heard.Add(1)
		}
	}); err != nil {
		t.Fatal(err)
	}
	s.api, s.liar = lookup(t, m.URI(), "lookupNode", "/node"), "http://"+lookup(t, m.URI(), "lookupNode", "/liar")
	s.ping(t)
	return s
}

// ping fails unless a press of the button arrives.
func (s *stop) ping(t *testing.T) {
	t.Helper()
	n := s.heard.Load()
	eventually(t, "a press of the button", func() bool { s.pub.Write(&msgs.Bool{Data: true}); return s.heard.Load() > n })
}

// TestBrowsersAreRefused: what a web page can post (a form, a fetch without the server's leave, a name that was bound
// to this address after it was loaded) neither cuts a publisher off nor shuts the node down.
func TestBrowsersAreRefused(t *testing.T) {
	s := newStop(t)
	for _, page := range []struct{ origin, kind, host string }{
		{"http://evil.example", "text/plain", ""},
		{"http://evil.example", "text/xml", ""},
		{"null", "text/xml", ""},
		{"http://" + s.api, "text/xml", ""},
		{"", "text/plain", ""},
		{"", "application/x-www-form-urlencoded", ""},
		{"", "multipart/form-data; boundary=x", ""},
		{"", "", ""},
		{"", "text/xml", "evil.example:80"},
		{"", "text/xml", "robot.evil.example"},
	} {
		for _, call := range [][]any{
			{"publisherUpdate", "/master", "/stop", []any{}},
			{"shutdown", "/master", "bye"},
			{"getPid", "/x"},
		} {
			if code := browse(t, s.api, page.origin, page.kind, page.host, call[0].(string), call[1:]...); code/100 != 4 {
				t.Errorf("%v from %+v: status %d", call, page, code)
			}
		}
	}
	s.ping(t)
	if err := s.node.Err(); err != nil {
		t.Error(err)
	}
}

// TestPublishersAreTheMastersWord: a list of publishers that the master does not confirm is not believed and is told to
// the owner; neither is the true publisher cut off nor the false one heard.
func TestPublishersAreTheMastersWord(t *testing.T) {
	s := newStop(t)
	calls := xmlrpc.NewClient("http://"+s.api, time.Second)
	time.Sleep(2 * node.Settled) // what is there has been there for a while
	for _, lie := range [][]any{
		{"/master", "/stop", []any{}},
		{"/master", "/stop", []any{s.liar}},
		{"/master", "/stop", []any{"http://127.0.0.1:1", "text", ""}},
		{"/master", "/stop", []any{"http://[::1", s.liar, s.liar}},
		{"/somebody", "/stop", []any{}},
		{"/master", "/other", []any{s.liar}},
	} {
		_, _, _ = calls.CallROS(context.Background(), "publisherUpdate", lie...)
		select {
		case what := <-s.intruders:
			t.Log(what)
		case <-time.After(3 * time.Second):
			t.Errorf("%v: nobody was told", lie)
		}
		s.ping(t)
	}
	for _, n := range []string{"publisherUpdate"} { // wrong types do no harm
		_, _, _ = calls.CallROS(context.Background(), n, "/master", 1, 2)
		_, _, _ = calls.CallROS(context.Background(), n, "/master", "/stop", "x")
		_, _, _ = calls.CallROS(context.Background(), n)
	}
	s.ping(t)
}

// TestPublishersThatComeAndGo: the master's own updates are no attack, whoever comes and goes.
func TestPublishersThatComeAndGo(t *testing.T) {
	s := newStop(t)
	time.Sleep(2 * node.Settled)
	for range 5 {
		second := open(t, "second", s.master, "__ip:=127.0.0.1")
		pub := must[*node.Publisher[msgs.Bool]](t)(node.Advertise[msgs.Bool](second, "/stop", false))
		n := s.heard.Load()
		eventually(t, "the second panel's button",
			func() bool { pub.Write(&msgs.Bool{Data: true}); return s.heard.Load() > n })
		_ = second.Close()
	}
	s.ping(t)
	select {
	case what := <-s.intruders:
		t.Errorf("taken for an attack: %s", what)
	default:
	}
}

// TestLongAnswersOfANodeTellTheirLength: roscpp's XML-RPC client reads no chunked answers.
func TestLongAnswersOfANodeTellTheirLength(t *testing.T) {
	m := startMaster(t, "127.0.0.1:0")
	n := open(t, "node", m.URI(), "__ip:=127.0.0.1")
	for i := range 60 {
		topic := "/a/rather/long/name/of/a/topic/" + strings.Repeat("x", i)
		must[*node.Publisher[msgs.Bool]](t)(node.Advertise[msgs.Bool](n, topic, false))
	}
	body, _ := xmlrpc.EncodeCall("getPublications", "/x")
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Post("http://"+lookup(t, m.URI(),
		"lookupNode", "/node")+"/", "text/xml", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.ContentLength < 4096 || len(res.TransferEncoding) != 0 {
		t.Errorf("length %d, encoding %v", res.ContentLength, res.TransferEncoding)
	}
	if _, err := xmlrpc.DecodeResponse(res.Body); err != nil {
		t.Error(err)
	}
}
