//go:build ros2 && cgo

package dds

// #include "shim.h"
import "C"

import (
	"time"
	"unsafe"
)

// batch is how many samples are taken at once.
const batch = 16

// Reader takes samples from one topic.
type Reader struct {
	p      *Participant
	entity C.dds_entity_t
	id     int
	guid   GUID

	samples []C.korr_sample
	senders map[C.uint64_t]GUID
}

// NewReader makes a reader; said is called for every sample, status is told of what else happens and may be nil.
func (p *Participant) NewReader(name, kind string, qos QoS, userData string, said func(*Sample),
	status func(Status),
) (*Reader, error) {
	p.life.RLock()
	defer p.life.RUnlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	t, err := p.topic(name, kind)
	if err != nil {
		return nil, err
	}
	r := &Reader{p: p, samples: make([]C.korr_sample, batch), senders: map[C.uint64_t]GUID{}}
	qos.with(userData, func(q *C.korr_qos) { r.entity = C.korr_reader(p.entity, t.entity, q) })
	if r.entity < 0 {
		return nil, failure("read "+name, C.int32_t(r.entity))
	}
	C.korr_guid(r.entity, (*C.uchar)(&r.guid[0]))
	if r.id, err = p.attach(r.entity, func() { r.happened(said, status) }); err != nil {
		C.dds_delete(r.entity)
		return nil, err
	}
	return r, nil
}

// happened takes the samples that there are and tells the status when something else changed. A publisher's samples
// come before the news that it is gone.
func (r *Reader) happened(said func(*Sample), status func(Status)) {
	var s C.korr_status
	C.korr_reader_status(r.entity, &s)
	for {
		n := C.korr_take(r.entity, &r.samples[0], batch)
		if n <= 0 {
			break
		}
		for i := range r.samples[:n] {
			x := &r.samples[i]
			if x.valid {
				m := Sample{
					Data: unsafe.Slice((*byte)(x.data), int(x.size)), Source: time.Unix(0, int64(x.source)),
					Sender: r.sender(x.writer),
				}
				said(&m)
			}
		}
		C.korr_release(&r.samples[0], C.uint32_t(n))
		if n < batch {
			break
		}
	}
	if s.changed&^C.DDS_DATA_AVAILABLE_STATUS != 0 && status != nil {
		status(statusOf(&s))
	}
}

// sender is the GUID of a writer by its handle.
func (r *Reader) sender(handle C.uint64_t) GUID {
	if g, ok := r.senders[handle]; ok {
		return g
	}
	var g GUID
	if bool(C.korr_sender(r.entity, handle, (*C.uchar)(&g[0]))) {
		if len(r.senders) > 1024 { // writers come and go
			clear(r.senders)
		}
		r.senders[handle] = g
	}
	return g
}

// GUID names the reader.
func (r *Reader) GUID() GUID { return r.guid }

// Close deletes the reader.
func (r *Reader) Close() { r.p.detach(r.id, r.entity) }
