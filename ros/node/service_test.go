package node_test

import (
	"context"
	"encoding/binary"
	"net"
	"testing"
	"time"

	"korr/ros/msgs"
	"korr/ros/node"
	"korr/ros/xmlrpc"
)

// hastyService registers a service with a master and serves it until the test ends: it answers with a failure before it
// is asked, so that a client's call never waits.
func hastyService(t *testing.T, uri, name string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, md5, err := node.ServiceSignature(msgs.Trigger{})
	if err != nil {
		t.Fatal(err)
	}
	var fields []byte
	for _, f := range []string{
		"callerid=/hasty", "md5sum=" + md5, "type=std_srvs/Trigger", "request_type=",
		"response_type=",
	} {
		fields = append(binary.LittleEndian.AppendUint32(fields, uint32(len(f))), f...)
	}
	reply := append(binary.LittleEndian.AppendUint32(nil, uint32(len(fields))), fields...)
	reply = append(reply, 0, 0, 0, 0, 0) // not ok, and no reason
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write(reply)
			t.Cleanup(func() { _ = c.Close() })
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	master := xmlrpc.NewClient(uri, time.Second)
	_, _, err = master.CallROS(context.Background(), "registerService", "/hasty", name, "rosrpc://"+l.Addr().String(),
		"http://"+l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
}

// TestCallThatFailsAsItsContextEnds: goroslib's client closes a nil connection then, in a goroutine of its own, unless
// it never sees the context.
func TestCallThatFailsAsItsContextEnds(t *testing.T) {
	m := startMaster(t, "127.0.0.1:0")
	hastyService(t, m.URI(), "/hasty/refuse")
	n := open(t, "caller", m.URI())
	c, err := node.NewClient[msgs.Trigger, msgs.TriggerReq, msgs.TriggerRes](n, "/hasty/refuse")
	if err != nil {
		t.Fatal(err)
	}
	for range 300 {
		ctx, cancel := context.WithCancel(context.Background())
		if _, err := c.Call(ctx, &msgs.TriggerReq{}); err == nil {
			t.Fatal("a refused call succeeded")
		}
		cancel()
	}
}
