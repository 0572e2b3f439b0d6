package fake

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/gorilla/websocket"
	"github.com/vmihailenco/msgpack/v5"

	"korr/basepolicy/remote"
)

// Server answers observations. Its fields are set before the first request, its methods may be called at any time.
type Server struct {
	// Infer gives the actions [n*rows*U] for n observations: their states, parts and features, rows of equal width.
	Infer func(n int, state, parts, features []float64) []float32
	Rows  int // H
	Width int // U
	Batch int // observations at once; 0 or 1 = one, without a leading dimension

	http *httptest.Server

	mu     sync.Mutex
	frozen chan struct{} // closed when it goes on; nil when it does not stand still
	spoil  []byte        // sent in place of every answer; nil = the answers
	words  string        // a text frame in place of every answer
	conns  map[*websocket.Conn]bool
	asked  int
	rows   int
}

// Start serves on the loopback.
func (s *Server) Start() {
	s.conns = map[*websocket.Conn]bool{}
	s.http = httptest.NewServer(http.HandlerFunc(s.handle))
}

// Address names the server as korr does.
func (s *Server) Address() string {
	return remote.Prefix + "ws" + strings.TrimPrefix(s.http.URL, "http")
}

// Freeze makes it stand still until Thaw or Kill.
func (s *Server) Freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen == nil {
		s.frozen = make(chan struct{})
	}
}

// Thaw makes it go on.
func (s *Server) Thaw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen != nil {
		close(s.frozen)
		s.frozen = nil
	}
}

// Spoil makes it send these bytes in place of answers; nil = answers again.
func (s *Server) Spoil(frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spoil = frame
}

// Complain makes it send a text frame, which is an error, in place of answers.
func (s *Server) Complain(words string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.words = words
}

// Asked is how many messages came, and how many observations were in them.
func (s *Server) Asked() (messages, observations int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked, s.rows
}

// Drop ends the connections; new ones are taken.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close() // so that it is gone
	}
}

// Kill ends everything: nothing answers at its address any more.
func (s *Server) Kill() {
	s.Thaw()
	s.Drop()
	s.http.Close()
}

func (s *Server) handle(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{}
	c, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.conns[c] = true
	s.mu.Unlock()
	defer func() { _ = c.Close() }() // nothing is left to send
	meta := map[string]any{}
	if s.Batch > 1 {
		meta["korr"] = map[string]any{"batch": s.Batch}
	}
	frame, err := msgpack.Marshal(meta)
	if err != nil || c.WriteMessage(websocket.BinaryMessage, frame) != nil {
		return
	}
	for {
		_, message, err := c.ReadMessage()
		if err != nil || c.WriteMessage(s.reply(message)) != nil {
			return
		}
	}
}

// reply is the frame that answers a message.
func (s *Server) reply(message []byte) (kind int, frame []byte) {
	obs, err := remote.Unmarshal(message)
	if err != nil {
		return websocket.TextMessage, []byte(err.Error())
	}
	data := func(key string) (x []float64, rows int) {
		a, ok := obs[key].(*remote.Array)
		if !ok {
			return nil, 1
		}
		if s.Batch > 1 {
			return a.Data, a.Shape[0]
		}
		return a.Data, 1
	}
	state, n := data("observation.state")
	parts, _ := data("observation.environment_state")
	features, _ := data("observation.features")
	s.mu.Lock()
	s.asked++
	s.rows += n
	wait, spoil, words := s.frozen, s.spoil, s.words
	s.mu.Unlock()
	if wait != nil {
		<-wait
	}
	switch {
	case words != "":
		return websocket.TextMessage, []byte(words)
	case spoil != nil:
		return websocket.BinaryMessage, spoil
	}
	shape := []int{s.Rows, s.Width}
	if s.Batch > 1 {
		shape = append([]int{n}, shape...)
	}
	return websocket.BinaryMessage, Answer(s.Infer(n, state, parts, features), shape...)
}

// Answer is the frame with these actions.
func Answer(actions []float32, shape ...int) []byte {
	var b bytes.Buffer
	data := make([]byte, 4*len(actions))
	for i, v := range actions {
		binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(v))
	}
	err := msgpack.NewEncoder(&b).Encode(map[string]any{"actions": map[string]any{
		"__ndarray__": true, "data": data, "dtype": "<f4", "shape": shape,
	}})
	if err != nil {
		panic(err) // plain values always have a form
	}
	return b.Bytes()
}
