package dds

import (
	"encoding/hex"
	"errors"
	"time"
)

// ErrAbsent is Open's error in a program that was built without Cyclone DDS.
var ErrAbsent = errors.New("this program was built without ROS 2: install Cyclone DDS (Debian, Ubuntu: apt install " +
	"cyclonedds-dev) " +
	"and build with the tag ros2 (make build, or go build -tags ros2 ./cmd/korr-robot)")

// ErrClosed is the error of what belongs to a closed participant.
var ErrClosed = errors.New("the DDS participant is closed")

// Config describes a participant.
type Config struct {
	Domain    int      // 0 to 232
	Localhost bool     // talk to this machine alone
	Peers     []string // addresses to look for participants at, beside multicast
	UserData  string   // of the participant
}

// QoS is a quality of service; zero times are infinite.
type QoS struct {
	Reliable       bool
	TransientLocal bool
	KeepAll        bool
	Depth          int // samples kept; 0 = 1
	Deadline       time.Duration
	Lifespan       time.Duration
	Lease          time.Duration // of the (automatic) liveliness
}

// GUID names a participant, reader or writer on the network.
type GUID [16]byte

func (g GUID) String() string { return hex.EncodeToString(g[:]) }

// Sample is one sample that came. Data is valid until the function that it was given to returns.
type Sample struct {
	Data   []byte
	Source time.Time // when it was written
	Sender GUID      // zero when the writer is gone already
}

// Status is what happened to a reader or writer.
type Status struct {
	Matched      int    // endpoints matched now
	Alive        int    // of a reader: writers that are alive
	Deadlines    int    // missed, so far
	Lost         int    // samples of a reader, or leases of a writer, lost so far
	Incompatible string // the policy by which an endpoint did not match, newest; "" = none so far
}

// Endpoint is a reader or writer in the domain, of whomever.
type Endpoint struct {
	GUID        GUID
	Participant GUID
	Writer      bool
	Topic, Type string
	QoS         QoS
	UserData    string
	Gone        bool // it is no more; only GUID and Writer are set
}
