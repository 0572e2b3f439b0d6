package rosbridge_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"korr/ros/msgs"
	"korr/ros/rosbridge"
)

// TestStatusFlood: a server that says something without end fills no log, and messages behind it still arrive.
func TestStatusFlood(t *testing.T) {
	const statuses = 20_000
	up := websocket.Upgrader{}
	var sent atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		if _, _, err := ws.ReadMessage(); err != nil { // the subscription
			return
		}
		text := strings.Repeat("x", 2000)
		for i := range statuses {
			if ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"op":"status","level":"error","msg":"%d %s"}`, i,
				text)) != nil {
				return
			}
		}
		sent.Store(true)
		_ = ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"publish","topic":"/stop","msg":{"data":true}}`))
		for {
			if _, _, err := ws.ReadMessage(); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	var log syncBuffer
	c := open(t, "node", rosbridge.Config{
		URL:    "ws" + strings.TrimPrefix(server.URL, "http"),
		Logger: slog.New(slog.NewTextHandler(&log, nil)), Silence: 20 * time.Second,
	})
	var heard atomic.Bool
	if err := rosbridge.Subscribe(c, "/stop", func(m *msgs.Bool) { heard.Store(m.Data) }); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	for !heard.Load() && time.Since(begun) < 30*time.Second {
		time.Sleep(5 * time.Millisecond)
	}
	if !heard.Load() {
		t.Fatalf("the message behind the flood never came (all sent: %v)", sent.Load())
	}
	if n, most := len(log.String()), 20_000+10_000*int(time.Since(begun).Seconds()+1); n > most {
		t.Errorf("%d bytes of log for %d statuses", n, statuses)
	}
}
