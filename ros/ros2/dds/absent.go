//go:build !ros2 || !cgo

package dds

import "time"

// Available reports whether this program has a DDS library.
const Available = false

// Participant is a participant in a DDS domain; there is none in this build.
type Participant struct{}

// Writer writes samples; there is none in this build.
type Writer struct{}

// Reader takes samples; there is none in this build.
type Reader struct{}

// Open returns ErrAbsent.
func Open(Config) (*Participant, error) { return nil, ErrAbsent }

// Close does nothing.
func (*Participant) Close() error { return nil }

// GUID is zero.
func (*Participant) GUID() GUID { return GUID{} }

// NewWriter returns ErrAbsent.
func (*Participant) NewWriter(_, _ string, _ QoS, _ string, _ func(Status)) (*Writer, error) {
	return nil, ErrAbsent
}

// NewReader returns ErrAbsent.
func (*Participant) NewReader(_, _ string, _ QoS, _ string, _ func(*Sample), _ func(Status)) (*Reader, error) {
	return nil, ErrAbsent
}

// WatchGraph returns ErrAbsent.
func (*Participant) WatchGraph(func(Endpoint)) error { return ErrAbsent }

// Write returns ErrAbsent.
func (*Writer) Write([]byte) error { return ErrAbsent }

// Acked is true.
func (*Writer) Acked(time.Duration) bool { return true }

// Reaches is false.
func (*Writer) Reaches(GUID) bool { return false }

// GUID is zero.
func (*Writer) GUID() GUID { return GUID{} }

// Close does nothing.
func (*Writer) Close() {}

// GUID is zero.
func (*Reader) GUID() GUID { return GUID{} }

// Close does nothing.
func (*Reader) Close() {}
