//go:build ros2 && cgo

package dds

// #cgo CFLAGS: -DDDS_NDEBUG -O2
// #cgo LDFLAGS: -lddsc
// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
	"unsafe"
)

// Available reports whether this program has a DDS library.
const Available = true

// Participant is a participant in a DDS domain.
type Participant struct {
	entity C.dds_entity_t
	set    C.dds_entity_t // waits for everything
	stop   C.dds_entity_t // a guard condition
	guid   GUID
	ended  chan struct{}
	closed sync.Once

	life sync.RWMutex // held for reading while an entity is used, for writing while all are deleted
	down bool

	mu       sync.Mutex
	next     int
	watchers map[int]func() // called on the waiting goroutine, by number
	topics   map[string]*topic
}

type topic struct {
	entity C.dds_entity_t
	kind   unsafe.Pointer // its sertype
	name   string         // of the type
}

func failure(what string, rc C.int32_t) error {
	return fmt.Errorf("%s: Cyclone DDS: %s", what, C.GoString(C.dds_strretcode(C.dds_return_t(-rc))))
}

// Open joins a domain.
func Open(cfg Config) (*Participant, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	text := C.CString(cfg.xml(os.Getenv("CYCLONEDDS_URI")))
	defer C.free(unsafe.Pointer(text))
	rc := C.dds_create_domain(C.dds_domainid_t(cfg.Domain), text)
	if rc < 0 && rc != C.DDS_RETCODE_PRECONDITION_NOT_MET { // that is: another participant of this process made it
		return nil, failure(fmt.Sprintf("join DDS domain %d", cfg.Domain), C.int32_t(rc))
	}
	qos := C.dds_create_qos()
	defer C.dds_delete_qos(qos)
	if cfg.UserData != "" {
		b := []byte(cfg.UserData)
		C.dds_qset_userdata(qos, unsafe.Pointer(&b[0]), C.size_t(len(b)))
	}
	p := &Participant{ended: make(chan struct{}), watchers: map[int]func(){}, topics: map[string]*topic{}, next: 1}
	if p.entity = C.dds_create_participant(C.dds_domainid_t(cfg.Domain), qos, nil); p.entity < 0 {
		return nil, failure(fmt.Sprintf("join DDS domain %d (is a network interface up? CYCLONEDDS_URI may name one)",
			cfg.Domain), C.int32_t(p.entity))
	}
	C.korr_guid(p.entity, (*C.uchar)(&p.guid[0]))
	p.set, p.stop = C.dds_create_waitset(p.entity), C.dds_create_guardcondition(p.entity)
	if p.set < 0 || p.stop < 0 {
		C.dds_delete(p.entity)
		return nil, failure("make a wait set", C.int32_t(min(p.set, p.stop)))
	}
	C.dds_waitset_attach(p.set, p.stop, 0)
	go p.wait()
	return p, nil
}

// GUID names the participant.
func (p *Participant) GUID() GUID { return p.guid }

// Close leaves the domain; no function is called any more once it has returned. It must not be called by one.
func (p *Participant) Close() error {
	p.closed.Do(func() {
		p.life.Lock() // what is being written is written
		p.down = true
		p.life.Unlock()
		C.dds_set_guardcondition(p.stop, true)
		<-p.ended
		C.dds_delete(p.entity)
	})
	return nil
}

// wait calls the functions of what happened until the participant is closed.
func (p *Participant) wait() {
	defer close(p.ended)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const most = 64
	happened := (*[most]C.dds_attach_t)(C.malloc(most * C.sizeof_dds_attach_t))
	defer C.free(unsafe.Pointer(happened))
	for {
		n := C.dds_waitset_wait(p.set, &happened[0], most, C.DDS_INFINITY)
		if n < 0 || p.isDown() {
			return
		}
		for i := range min(int(n), most) {
			p.mu.Lock()
			f := p.watchers[int(happened[i])]
			p.mu.Unlock()
			if f != nil {
				f()
			}
		}
	}
}

func (p *Participant) isDown() bool {
	p.life.RLock()
	defer p.life.RUnlock()
	return p.down
}

// attach lets f be called when an entity has something to tell. It is called with mu held, and returns f's number.
func (p *Participant) attach(e C.dds_entity_t, f func()) (int, error) {
	id := p.next
	p.next++
	p.watchers[id] = f
	if rc := C.dds_waitset_attach(p.set, e, C.dds_attach_t(id)); rc < 0 {
		delete(p.watchers, id)
		return 0, failure("attach to the wait set", C.int32_t(rc))
	}
	return id, nil
}

// detach undoes attach and deletes the entity.
func (p *Participant) detach(id int, e C.dds_entity_t) {
	p.life.RLock()
	defer p.life.RUnlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, there := p.watchers[id]; !there || p.down {
		return
	}
	delete(p.watchers, id)
	C.dds_waitset_detach(p.set, e)
	C.dds_delete(e)
}

// topic is the topic of a name, made once. It is called with mu held.
func (p *Participant) topic(name, kind string) (*topic, error) {
	if p.down {
		return nil, ErrClosed
	}
	if t := p.topics[name]; t != nil {
		if t.name != kind {
			return nil, fmt.Errorf("topic %s has type %s here already, not %s", name, t.name, kind)
		}
		return t, nil
	}
	n, k := C.CString(name), C.CString(kind)
	defer C.free(unsafe.Pointer(n))
	defer C.free(unsafe.Pointer(k))
	t := &topic{name: kind}
	if t.entity = C.korr_topic(p.entity, n, k, &t.kind); t.entity < 0 {
		return nil, failure("make topic "+name, C.int32_t(t.entity))
	}
	p.topics[name] = t
	return t, nil
}

// with calls f with a quality of service as C has it.
func (q *QoS) with(userData string, f func(*C.korr_qos)) {
	c := C.korr_qos{
		reliable: C.bool(q.Reliable), transient_local: C.bool(q.TransientLocal), keep_all: C.bool(q.KeepAll),
		depth:    C.int32_t(q.Depth),
		deadline: C.int64_t(q.Deadline), lifespan: C.int64_t(q.Lifespan), lease: C.int64_t(q.Lease),
	}
	if userData != "" {
		c.user_data = C.CString(userData)
		defer C.free(unsafe.Pointer(c.user_data))
	}
	f(&c)
}

// Writer writes samples to one topic.
type Writer struct {
	p      *Participant
	entity C.dds_entity_t
	kind   unsafe.Pointer
	id     int
	guid   GUID
}

// NewWriter makes a writer; status is told of what happens to it and may be nil.
func (p *Participant) NewWriter(name, kind string, qos QoS, userData string, status func(Status)) (*Writer, error) {
	p.life.RLock()
	defer p.life.RUnlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	t, err := p.topic(name, kind)
	if err != nil {
		return nil, err
	}
	w := &Writer{p: p, kind: t.kind}
	qos.with(userData, func(q *C.korr_qos) { w.entity = C.korr_writer(p.entity, t.entity, q) })
	if w.entity < 0 {
		return nil, failure("write to "+name, C.int32_t(w.entity))
	}
	C.korr_guid(w.entity, (*C.uchar)(&w.guid[0]))
	if w.id, err = p.attach(w.entity, func() {
		var s C.korr_status
		C.korr_writer_status(w.entity, &s)
		if status != nil {
			status(statusOf(&s))
		}
	}); err != nil {
		C.dds_delete(w.entity)
		return nil, err
	}
	return w, nil
}

func statusOf(s *C.korr_status) Status {
	return Status{
		Matched: int(s.matched), Alive: int(s.alive), Deadlines: int(s.deadlines), Lost: int(s.lost),
		Incompatible: policyName(int(s.policy)),
	}
}

// Write writes a sample: CDR with its header. It waits, at most 100 ms, when a reliable reader cannot follow.
func (w *Writer) Write(data []byte) error {
	if len(data) < 4 {
		return fmt.Errorf("a sample of %d bytes has no header", len(data))
	}
	w.p.life.RLock()
	defer w.p.life.RUnlock()
	if w.p.down {
		return ErrClosed
	}
	if rc := C.korr_write(w.entity, w.kind, unsafe.Pointer(&data[0]), C.size_t(len(data))); rc < 0 {
		return failure("write", C.int32_t(rc))
	}
	return nil
}

// Acked reports whether every reliable reader has acknowledged what was written; it waits for that, at most for a
// limit.
func (w *Writer) Acked(limit time.Duration) bool {
	w.p.life.RLock()
	defer w.p.life.RUnlock()
	return w.p.down || C.dds_wait_for_acks(w.entity, C.dds_duration_t(limit)) == C.DDS_RETCODE_OK
}

// Reaches reports whether a reader of the participant that an endpoint belongs to is matched.
func (w *Writer) Reaches(endpoint GUID) bool {
	w.p.life.RLock()
	defer w.p.life.RUnlock()
	return !w.p.down && bool(C.korr_reaches(w.entity, (*C.uchar)(&endpoint[0])))
}

// GUID names the writer.
func (w *Writer) GUID() GUID { return w.guid }

// Close deletes the writer.
func (w *Writer) Close() { w.p.detach(w.id, w.entity) }

// WatchGraph calls f for every reader and writer of the domain, this participant's included, as they come and go.
func (p *Participant) WatchGraph(f func(Endpoint)) error {
	p.life.RLock()
	defer p.life.RUnlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return ErrClosed
	}
	for _, b := range []struct {
		topic  C.dds_entity_t
		writer bool
	}{{C.DDS_BUILTIN_TOPIC_DCPSPUBLICATION, true}, {C.DDS_BUILTIN_TOPIC_DCPSSUBSCRIPTION, false}} {
		reader := C.dds_create_reader(p.entity, b.topic, nil, nil)
		if reader < 0 {
			return failure("watch the domain", C.int32_t(reader))
		}
		C.dds_set_status_mask(reader, C.DDS_DATA_AVAILABLE_STATUS)
		if _, err := p.attach(reader, func() { takeGraph(reader, b.writer, f) }); err != nil {
			return err
		}
	}
	return nil
}

func takeGraph(reader C.dds_entity_t, writer bool, f func(Endpoint)) {
	sample := (*unsafe.Pointer)(C.calloc(1, C.size_t(unsafe.Sizeof(uintptr(0)))))
	defer C.free(unsafe.Pointer(sample))
	for {
		var e C.korr_endpoint
		if C.korr_graph(reader, sample, &e) <= 0 {
			return
		}
		out := Endpoint{Writer: writer, Gone: bool(e.gone)}
		out.GUID = *(*GUID)(unsafe.Pointer(&e.key))
		if e.topic != nil {
			out.Participant = *(*GUID)(unsafe.Pointer(&e.participant))
			out.Topic, out.Type = C.GoString(e.topic), C.GoString(e._type)
			out.QoS = QoS{
				Reliable: bool(e.qos.reliable), TransientLocal: bool(e.qos.transient_local),
				Deadline: time.Duration(e.qos.deadline), Lease: time.Duration(e.qos.lease),
			}
			out.UserData = C.GoStringN((*C.char)(e.user_data), C.int(e.user_size))
		}
		C.korr_graph_release(reader, sample, &e)
		if out.Gone || out.Topic != "" {
			f(out)
		}
	}
}
