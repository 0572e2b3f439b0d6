package standin

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// act is one operation of a client.
func (s *Server) act(p *peer, o *operation, raw []byte) error {
	switch o.Op {
	case "advertise", "subscribe":
		if o.Topic == "" || o.Type == "" && o.Op == "advertise" {
			return fmt.Errorf("%s: expected fields topic and type", o.Op)
		}
		return s.register(p, o)
	case "publish":
		return s.publish(p, o, raw)
	case "advertise_service":
		if o.Service == "" || o.Type == "" {
			return errors.New("advertise_service: expected fields service and type")
		}
		s.mu.Lock()
		s.services[o.Service] = p
		s.mu.Unlock()
	case "call_service":
		return s.call(p, o)
	case "service_response":
		return s.respond(o)
	default:
		return fmt.Errorf("unknown operation %q; allowed: advertise, publish, subscribe, advertise_service, call_service, "+
			"service_response", o.Op)
	}
	return nil
}

// register notes a topic's type, and gives a new subscriber what is latched.
func (s *Server) register(p *peer, o *operation) error {
	s.mu.Lock()
	if known := s.types[o.Topic]; known != "" && o.Type != "" && known != o.Type {
		s.mu.Unlock()
		return fmt.Errorf("tried to %s topic %s already established as %s with type %s", o.Op, o.Topic, known, o.Type)
	}
	if o.Type != "" {
		s.types[o.Topic] = o.Type
	}
	var last json.RawMessage
	if o.Op == "subscribe" {
		p.subscribed[o.Topic] = true
		last = s.latched[o.Topic]
	} else if o.Latch {
		p.latches[o.Topic] = true
	}
	s.mu.Unlock()
	if last != nil {
		p.write(last)
	}
	return nil
}

// publish passes a message on to everybody who subscribed, the sender included.
func (s *Server) publish(p *peer, o *operation, raw []byte) error {
	if o.Topic == "" || o.Msg == nil {
		return errors.New("publish: expected fields topic and msg")
	}
	s.mu.Lock()
	if s.types[o.Topic] == "" {
		s.mu.Unlock()
		return fmt.Errorf("cannot infer the type of topic %s as it is not yet advertised", o.Topic)
	}
	var to []*peer
	for q := range s.peers {
		if q.subscribed[o.Topic] {
			to = append(to, q)
		}
	}
	if p.latches[o.Topic] {
		s.latched[o.Topic] = raw
	}
	s.mu.Unlock()
	for _, q := range to {
		q.send(&operation{Op: "publish", Topic: o.Topic, Msg: o.Msg})
	}
	return nil
}

func (s *Server) call(p *peer, o *operation) error {
	s.mu.Lock()
	provider := s.services[o.Service]
	s.next++
	id := "service_request:" + o.Service + ":" + strconv.Itoa(s.next)
	if provider != nil {
		s.calls[id] = call{p, o.ID}
	}
	s.mu.Unlock()
	if provider == nil {
		no := false
		text, _ := json.Marshal("Service " + o.Service + " does not exist")
		p.send(&operation{Op: "service_response", ID: o.ID, Service: o.Service, Values: text, Result: &no})
		return nil
	}
	provider.send(&operation{Op: "call_service", ID: id, Service: o.Service, Args: o.Args})
	return nil
}

func (s *Server) respond(o *operation) error {
	if o.Result == nil {
		return errors.New("service_response: expected field result")
	}
	s.mu.Lock()
	c, ok := s.calls[o.ID]
	delete(s.calls, o.ID)
	s.mu.Unlock()
	if !ok {
		return fmt.Errorf("service_response: unknown id %q", o.ID)
	}
	c.from.send(&operation{Op: "service_response", ID: c.id, Service: o.Service, Values: o.Values, Result: o.Result})
	return nil
}
