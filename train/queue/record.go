package queue

import (
	"time"

	"korr/train/unit"
)

// Phase is where a unit is.
type Phase string

// The phases of a unit that was begun; one that was not has no State.
const (
	Running  Phase = "running"
	Released Phase = "released" // its worker gave it back: it will be gone on with
	Failed   Phase = "failed"   // a try failed: it will be tried again
	Parked   Phase = "parked"   // MaxTries failed: it waits for somebody to submit it again
	Done     Phase = "done"
)

// MaxTries is how often a unit is begun without getting further, a finished unit or a new checkpoint, before it is
// parked.
const MaxTries = 3

// State is what the queue knows of a unit that was begun. Its writer is whoever has its revision.
type State struct {
	Name   string    `json:"name"`
	Kind   string    `json:"kind"`
	Lane   string    `json:"lane"`
	Phase  Phase     `json:"phase"`
	Epoch  uint64    `json:"epoch"` // how often the unit was claimed
	Tries  int       `json:"tries"` // of them since it last got further
	Worker string    `json:"worker"`
	Since  time.Time `json:"since"`           // of the phase
	Error  string    `json:"error,omitempty"` // of the last try that failed
	// Late counts outcomes that were dropped because their worker had lost the unit, as far as their workers told.
	Checkpoint string       `json:"checkpoint,omitempty"` // name of the object that holds the unit's folder
	Saves      int          `json:"saves,omitempty"`      // checkpoints so far
	Result     *unit.Result `json:"result,omitempty"`     // once done
}

// settled reports whether nothing will happen to the unit by itself.
func (s *State) settled() bool { return s.Phase == Done || s.Phase == Parked }

// job is what was submitted.
type job struct {
	Name      string        `json:"name"`
	Lane      string        `json:"lane"`
	Platform  unit.Platform `json:"platform"`
	Host      string        `json:"host"` // of the submitter
	Submitted time.Time     `json:"submitted"`
	Units     int           `json:"units"`
	List      string        `json:"list"` // blob of the []member
}

// member is a unit of a job.
type member struct {
	ID    unit.ID   `json:"id"`
	Name  string    `json:"name"`
	Kind  string    `json:"kind"`
	After []unit.ID `json:"after,omitempty"` // units whose outputs it reads
}

// presence is a worker that is there.
type presence struct {
	Lane     string        `json:"lane"`
	Platform unit.Platform `json:"platform"`
	Slots    int           `json:"slots"`
	Since    time.Time     `json:"since"`
	Done     int           `json:"done"`
	Failed   int           `json:"failed"`
	Late     int           `json:"late"` // outcomes that it dropped because it had lost the unit meanwhile
	Busy     []busy        `json:"busy"`
}

// busy is a unit under way.
type busy struct {
	ID    unit.ID   `json:"id"`
	Name  string    `json:"name"`
	Since time.Time `json:"since"`
	Done  int       `json:"done,omitempty"` // steps of whatever the unit counts
	Total int       `json:"total,omitempty"`
}

// queued is the message of a unit.
type queued struct {
	ID   unit.ID   `json:"id"`
	Unit unit.Unit `json:"unit"`
}
