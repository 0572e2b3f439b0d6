// Package standin is a server that speaks the rosbridge v2 protocol (ROSBRIDGE_PROTOCOL.md of rosbridge_suite) without
// a ROS system behind it, for tests: what one client publishes reaches the clients that subscribed, and calls reach the
// client that advertised the service. It is strict where rosbridge_server is: an operation that is unknown, lacks a
// field or contradicts an earlier type is answered with a status message of level error.
package standin

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Server is a running stand-in.
type Server struct {
	http *http.Server
	addr string
	wg   sync.WaitGroup

	mu       sync.Mutex
	peers    map[*peer]bool
	types    map[string]string          // by topic
	latched  map[string]json.RawMessage // publish operations by topic
	services map[string]*peer
	calls    map[string]call // under way, by the id that the provider sees
	next     int
	errors   []string // sent as status
	frozen   bool
}

type call struct {
	from *peer
	id   string
}

// peer is one client.
type peer struct {
	ws         *websocket.Conn
	mu         sync.Mutex // of writing
	subscribed map[string]bool
	latches    map[string]bool
}

// operation has the fields that the server looks at.
type operation struct {
	Op      string          `json:"op"`
	ID      string          `json:"id,omitempty"`
	Topic   string          `json:"topic,omitempty"`
	Service string          `json:"service,omitempty"`
	Type    string          `json:"type,omitempty"`
	Latch   bool            `json:"latch,omitempty"`
	Msg     json.RawMessage `json:"msg,omitempty"`
	Args    json.RawMessage `json:"args,omitempty"`
	Values  json.RawMessage `json:"values,omitempty"`
	Result  *bool           `json:"result,omitempty"`
	Level   string          `json:"level,omitempty"`
}

// Start listens on an address of the loopback interface, "127.0.0.1:0" for any port.
func Start(addr string) (*Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &Server{
		addr: l.Addr().String(), peers: map[*peer]bool{}, types: map[string]string{}, latched: map[string]json.RawMessage{},
		services: map[string]*peer{}, calls: map[string]call{},
	}
	s.http = &http.Server{Handler: http.HandlerFunc(s.accept), ReadHeaderTimeout: time.Second}
	s.wg.Go(func() { _ = s.http.Serve(l) })
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.addr }

// URL is the websocket's.
func (s *Server) URL() string { return "ws://" + s.addr }

// Close ends the server and its connections.
func (s *Server) Close() {
	_ = s.http.Close()
	s.Drop()
	s.wg.Wait()
}

// Drop ends every connection; clients may come back.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.peers {
		_ = p.ws.Close()
	}
}

// Freeze makes the server deaf and dumb, its connections left open, until it is called with false.
func (s *Server) Freeze(on bool) {
	s.mu.Lock()
	s.frozen = on
	s.mu.Unlock()
}

// Errors are the texts of the status messages of level error that were sent.
func (s *Server) Errors() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.errors...)
}

// Type is the type under which a topic was advertised or subscribed to, "" if it was not.
func (s *Server) Type(topic string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.types[topic]
}

// Raw sends bytes to every client as a text message, as they are.
func (s *Server) Raw(data []byte) {
	s.mu.Lock()
	peers := make([]*peer, 0, len(s.peers))
	for p := range s.peers {
		peers = append(peers, p)
	}
	s.mu.Unlock()
	for _, p := range peers {
		p.write(data)
	}
}

func (s *Server) accept(w http.ResponseWriter, r *http.Request) {
	u := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	ws, err := u.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	p := &peer{ws: ws, subscribed: map[string]bool{}, latches: map[string]bool{}}
	s.mu.Lock()
	s.peers[p] = true
	s.mu.Unlock()
	s.wg.Go(func() { s.serve(p) })
}

func (s *Server) serve(p *peer) {
	defer s.leave(p)
	p.ws.SetReadLimit(1 << 20)
	p.ws.SetPingHandler(func(text string) error {
		if s.isFrozen() {
			return nil
		}
		return p.ws.WriteControl(websocket.PongMessage, []byte(text), time.Now().Add(time.Second))
	})
	for {
		_, data, err := p.ws.ReadMessage()
		if err != nil {
			return
		}
		if s.isFrozen() {
			continue
		}
		var o operation
		if err := json.Unmarshal(data, &o); err != nil {
			s.complain(p, fmt.Sprintf("Unable to deserialize message from client: %s", data))
			continue
		}
		if err := s.act(p, &o, data); err != nil {
			s.complain(p, err.Error())
		}
	}
}

func (s *Server) isFrozen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.frozen
}

func (s *Server) leave(p *peer) {
	_ = p.ws.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.peers, p)
	for name, owner := range s.services {
		if owner == p {
			delete(s.services, name)
		}
	}
}

func (p *peer) write(data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.ws.SetWriteDeadline(time.Now().Add(time.Second))
	_ = p.ws.WriteMessage(websocket.TextMessage, data)
}

func (p *peer) send(o *operation) {
	if data, err := json.Marshal(o); err == nil {
		p.write(data)
	}
}

func (s *Server) complain(p *peer, text string) {
	s.mu.Lock()
	s.errors = append(s.errors, text)
	s.mu.Unlock()
	msg, _ := json.Marshal(text)
	p.send(&operation{Op: "status", Level: "error", Msg: msg})
}
