package node_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"korr/internal/seed"
	"korr/ros/msgs"
	"korr/ros/node"
	"korr/ros/xmlrpc"
)

// header is a TCPROS connection header.
func header(fields ...string) []byte {
	var b []byte
	for _, f := range fields {
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(f))), f...)
	}
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b...)
}

// attacks are what a stranger may send to the TCPROS port of a node.
func attacks(rng *rand.Rand) [][]byte {
	good := header("callerid=/x", "topic=/pose", "type=geometry_msgs/PoseStamped",
		"md5sum=d3812c3cbc69362b77dc0b19b345f8f5", "tcp_nodelay=1")
	service := header("callerid=/x", "service=/node/enable", "md5sum=09fb03525b03e7ea1fd3992bafd87e16")
	list := [][]byte{
		nil,
		{0},
		{0, 0, 0, 0},
		{255, 255, 255, 255},
		{4, 0, 0, 0},
		{8, 0, 0, 0, 255, 255, 255, 127},
		{5, 0, 0, 0, 1, 0, 0, 0, '='},
		header("topic"), header("="), header("topic="), header("_=", "topic=/pose"), header("topic=/none", "callerid=/x"),
		header("tcp_nodelay=x", "topic=/pose"),
		header("topic=/pose", "callerid=/x", "type=std_msgs/Bool", "md5sum=*"), header("topic=/pose", "callerid=", "type=*",
			"md5sum=*"),
		[]byte("GET / HTTP/1.1\r\n\r\n"), append(good, 1, 2, 3), append(service, 255, 255, 255, 255),
		append(service, 0, 0, 0, 0),
		append(service, 1, 0, 0, 0, 7), append(append(service, 1, 0, 0, 0, 1), service...),
	}
	for range 200 {
		b := append([]byte(nil), good...)
		if rng.IntN(2) == 0 {
			b = append(b[:0], service...)
		}
		for range 1 + rng.IntN(6) {
			b[rng.IntN(len(b))] = byte(rng.Uint32())
		}
		list = append(list, b[:rng.IntN(len(b)+1)])
	}
	return list
}

// xmlAttacks are what a stranger may post to the XML-RPC port of a node.
func xmlAttacks(rng *rand.Rand) []string {
	calls := []string{
		"getPublications", "requestTopic", "publisherUpdate", "paramUpdate", "getBusInfo", "getPid",
		"nothing",
	}
	list := []string{
		"", "<", "<methodCall>", strings.Repeat("<a>", 20000),
		"<methodCall><methodName></methodName></methodCall>", strings.Repeat("x", 1<<20),
	}
	for range 60 {
		list = append(list, fmt.Sprintf("<methodCall><methodName>%s</methodName><params><param><value>%s</value></param></params></methodCall>",
			calls[rng.IntN(len(calls))], []string{
				"<string>/x</string>", "<i4>99999999999</i4>", "<array><data/></array>",
				"<struct/>", "text", "<boolean>x</boolean>",
			}[rng.IntN(6)]))
	}
	return list
}

// TestHostilePeers: whatever a stranger sends to a node's ports, the node lives, keeps no goroutines or memory for it,
// and still talks to its friends. It listens where ROS_IP says and nowhere else.
func TestHostilePeers(t *testing.T) {
	m := startMaster(t, "127.0.0.1:0")
	a, b := open(t, "node", m.URI(), "__ip:=127.0.0.1"), open(t, "friend", m.URI(), "__ip:=127.0.0.1")
	pub := must[*node.Publisher[msgs.PoseStamped]](t)(node.Advertise[msgs.PoseStamped](a, "/pose", false))
	enable := func(*msgs.SetBoolReq) (*msgs.SetBoolRes, bool) { return &msgs.SetBoolRes{Success: true}, true }
	if err := node.Serve[msgs.SetBool](a, "~enable", enable); err != nil {
		t.Fatal(err)
	}
	var heard atomic.Int64
	if err := node.Subscribe(b, "/pose", func(*msgs.PoseStamped) { heard.Add(1) }); err != nil {
		t.Fatal(err)
	}
	ping := func(what string) {
		t.Helper()
		n := heard.Load()
		eventually(t, what, func() bool { pub.Write(&msgs.PoseStamped{}); return heard.Load() > n })
	}
	ping("a friend's message")

	api, tcpros := ports(t, m.URI())
	for _, addr := range []string{api, tcpros} {
		if host, _, _ := net.SplitHostPort(addr); host != "127.0.0.1" {
			t.Errorf("listens at %s", addr)
		}
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	goroutines := runtime.NumGoroutine()
	rng := seed.Stream(1, "hostile peers", 0)
	for _, data := range attacks(rng) {
		strike(t, tcpros, data)
	}
	for _, text := range xmlAttacks(rng) {
		strike(t, api, fmt.Appendf(nil, "POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: "+
			"%d\r\nConnection: close\r\n\r\n%s", len(text), text))
	}
	ping("a friend's message after the attacks")
	if err := a.Err(); err != nil || !a.MasterUp() {
		t.Errorf("the node suffered: %v", err)
	}
	eventually(t, "the end of the strangers' goroutines", func() bool { return runtime.NumGoroutine() <= goroutines+8 })
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 32<<20 {
		t.Errorf("%d MiB are kept", grown>>20)
	}
	client := must[*node.Client[msgs.SetBool, msgs.SetBoolReq, msgs.SetBoolRes]](t)(
		node.NewClient[msgs.SetBool, msgs.SetBoolReq, msgs.SetBoolRes](b, "/node/enable"))
	if res, err := client.Call(context.Background(), &msgs.SetBoolReq{Data: true}); err != nil || !res.Success {
		t.Errorf("%+v %v", res, err)
	}
}

// strike sends bytes and reads what comes back until the peer hangs up or a moment has passed.
func strike(t *testing.T, addr string, data []byte) {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		t.Fatalf("the port is closed: %v", err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Millisecond))
	_, _ = c.Write(data)
	_, _ = io.Copy(io.Discard, io.LimitReader(c, 1<<16))
}

// ports are the addresses of the node's XML-RPC and TCPROS servers.
func ports(t *testing.T, master string) (api, tcpros string) {
	t.Helper()
	api, tcpros = lookup(t, master, "lookupNode", "/node"), lookup(t, master, "lookupService", "/node/enable")
	return api, tcpros
}

func lookup(t *testing.T, master, method, name string) string {
	t.Helper()
	_, v, err := xmlrpc.NewClient(master, time.Second).CallROS(context.Background(), method, "/test", name)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(v.(string))
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}
