package basepolicy

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// ErrLate reports that no action is at hand: the next chunk is still being planned and the old one may not be
// executed any further. Nothing is broken; a later call may succeed.
var ErrLate = errors.New("basepolicy: the next chunk is late")

// AheadConfig says when an Ahead plans and what it does when a chunk is late.
type AheadConfig struct {
	Execute int // actions executed of each chunk, 1..H-Lead
	// control steps before a chunk is needed that planning it begins, beside the loop; at most Execute. 0 = in the
	// control step
	Lead int `yaml:"lead"`
	// actions of the old chunk that may be executed while the next is late; then the arm holds
	Bridge int `yaml:"bridge"`
}

// AheadStats count what an Ahead did since it was made.
type AheadStats struct {
	Planned uint64        // chunks that were begun
	Bridged uint64        // actions of an old chunk executed because the next one was late
	Late    uint64        // calls that had no action at hand: ErrLate
	Longest time.Duration // that planning a chunk took

	Calls              float64 // of the network, for the chunks that were begun
	Accepted, Rejected uint64  // forecasts in place of calls, see ChunkInfo
	ForecastError      float64 // of the chunk begun last
	Shortened          uint64  // chunks of which less was executed because of it
}

// Ahead is a Queue whose chunks are planned beside the control loop: a goroutine of its own plans the next chunk at the
// observation that ActTo was given Lead steps before the chunk is needed, and ActTo never waits for it. The first Lead
// rows of a chunk belong to steps that the old chunk was executed in, and are skipped. What it gives depends on how
// fast the planning is, so a simulation in lock step takes a Queue.
//
// All methods but Stats are for one goroutine; Close ends the planning goroutine.
type Ahead struct {
	policy ChunkPolicy
	cfg    AheadConfig
	width  int // U

	chunk []float32 // being executed [H*U]
	row   int       // of chunk, that ActTo returns next
	taken int       // actions executed of chunk
	have  bool      // chunk holds a plan
	phase float32
	limit int // Execute, or less for a chunk that asks for that
	info  ChunkInfo

	spareInfo ChunkInfo

	spare   []float32 // the plan under way, or the next chunk [H*U]
	obs     []float32 // that it is planned at
	behind  []float32 // the rows of chunk from obs on
	commit  int       // of which so many are executed meanwhile
	busy    bool      // the goroutine has spare, obs and behind
	stale   bool      // and what it plans belongs to the past
	next    bool      // spare is the next chunk
	elapsed int       // actions executed since obs

	ask     chan struct{}
	answer  chan error
	quit    chan struct{}
	ended   chan struct{}
	closing sync.Once

	planned, bridged, late atomic.Uint64
	longest                atomic.Int64

	mu    sync.Mutex
	spent AheadStats // the sums over ChunkInfo
}

// NewAhead returns an Ahead over p, which it owns from here on, for observations of obsDim values.
func NewAhead(p ChunkPolicy, obsDim int, cfg AheadConfig) (*Ahead, error) {
	h, u := p.Horizon(), p.ActDim()
	switch {
	case cfg.Execute < 1 || cfg.Lead < 1 || cfg.Lead > cfg.Execute || cfg.Execute+cfg.Lead > h:
		return nil, fmt.Errorf("basepolicy: plan %d steps ahead and execute %d of a chunk of %d actions: want 1 <= lead <= "+
			"execute and execute + lead <= %d", cfg.Lead, cfg.Execute, h, h)
	case cfg.Bridge < 0:
		return nil, fmt.Errorf("basepolicy: bridge %d actions: want 0 or more", cfg.Bridge)
	}
	q := &Ahead{
		policy: p, cfg: cfg, width: u, limit: cfg.Execute,
		chunk: make([]float32, h*u), spare: make([]float32, h*u), behind: make([]float32, h*u), obs: make([]float32, obsDim),
		ask: make(chan struct{}, 1), answer: make(chan error, 1), quit: make(chan struct{}), ended: make(chan struct{}),
	}
	go q.run()
	return q, nil
}

// Close ends the planning goroutine and waits for it, and so for a chunk that is being planned.
func (q *Ahead) Close() {
	q.closing.Do(func() { close(q.quit) })
	<-q.ended
}

// run plans chunks.
func (q *Ahead) run() {
	defer close(q.ended)
	for {
		select {
		case <-q.quit:
			return
		case <-q.ask:
		}
		begin := time.Now()
		err := q.plan()
		q.spareInfo = q.policy.ChunkInfo()
		if took := int64(time.Since(begin)); took > q.longest.Load() {
			q.longest.Store(took)
		}
		q.answer <- err // its capacity is one, and one plan is under way at a time
	}
}

// plan is one call of the policy, whose panic it survives: the control loop must be able to hold.
func (q *Ahead) plan() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("basepolicy: planning panicked: %v", v)
		}
	}()
	return q.policy.ChunkTo(q.spare, q.obs, Rest{Actions: q.behind, Committed: q.commit})
}

// Reset starts an episode: nothing of the previous one survives. It waits for a chunk that is being planned, so it is
// not for a control step.
func (q *Ahead) Reset(seed uint64) {
	if q.busy {
		<-q.answer
		q.busy = false
	}
	q.Replan()
	q.phase = 0
	q.policy.Reset(seed)
}

// Replan drops the chunk and the plan under way. The next action comes from a plan made afterwards.
func (q *Ahead) Replan() {
	q.have, q.next, q.stale = false, false, q.busy
	q.row, q.taken = 0, 0
}

// Prepare plans a first chunk at the normalised observation obs, if none is there or under way, and reports whether
// ActTo has an action. It never waits. The error is the policy's.
func (q *Ahead) Prepare(obs []float32) (ready bool, err error) {
	if err := q.collect(); err != nil {
		return false, err
	}
	if q.next && !q.have { // planned at rest: its first row is the next action
		q.elapsed = 0
		q.begin()
	}
	if !q.have && !q.busy {
		q.request(obs, 0)
	}
	return q.have, nil
}

// ActTo writes the next action (normalised, [U]) and has the next chunk planned at the normalised observation obs when
// it is time. It returns an error that wraps ErrLate when no action is at hand, and the policy's error after planning
// failed.
func (q *Ahead) ActTo(act, obs []float32) error {
	if err := q.collect(); err != nil {
		return err
	}
	h := q.policy.Horizon()
	if q.next && (!q.have || q.taken >= q.limit || q.row >= h) {
		if q.elapsed < h {
			q.begin()
		} else { // it came so late that all of it is past
			q.next = false
		}
	}
	if !q.busy && !q.next && (!q.have || q.taken >= q.limit-q.cfg.Lead) {
		q.request(obs, q.rest())
	}
	if !q.have || q.row >= h || q.taken >= q.limit+q.cfg.Bridge {
		q.late.Add(1)
		return ErrLate
	}
	if q.taken >= q.limit {
		q.bridged.Add(1)
	}
	copy(act, q.chunk[q.row*q.width:(q.row+1)*q.width])
	q.row++
	q.taken++
	q.elapsed++
	q.phase = min(float32(q.taken)/float32(q.cfg.Execute), 1)
	return nil
}

// rest is how many rows of the chunk are left, at most Lead.
func (q *Ahead) rest() int {
	if !q.have {
		return 0
	}
	return min(q.cfg.Lead, q.policy.Horizon()-q.row)
}

// request has a chunk planned at obs; rows of the present chunk are executed meanwhile. What follows them was intended.
func (q *Ahead) request(obs []float32, rows int) {
	copy(q.obs, obs)
	q.behind = q.behind[:0]
	if q.have {
		q.behind = append(q.behind, q.chunk[q.row*q.width:]...)
	}
	q.commit = rows
	q.busy, q.stale, q.elapsed = true, false, 0
	q.ask <- struct{}{} // its capacity is one, and the goroutine is idle
}

// collect takes a finished plan.
func (q *Ahead) collect() error {
	if !q.busy {
		return nil
	}
	select {
	case err := <-q.answer:
		q.busy = false
		if q.stale {
			q.stale = false
			return nil
		}
		q.next = err == nil
		return err
	default:
		return nil
	}
}

// begin makes the next chunk the present one.
func (q *Ahead) begin() {
	q.chunk, q.spare = q.spare, q.chunk
	q.row, q.taken, q.have, q.next = q.elapsed, 0, true, false
	q.planned.Add(1)
	q.info = q.spareInfo
	q.limit = q.info.limit(q.cfg.Lead, q.cfg.Execute)
	q.mu.Lock()
	defer q.mu.Unlock()
	t := &q.spent
	t.Calls += float64(q.info.Calls)
	t.Accepted += uint64(q.info.Accepted)
	t.Rejected += uint64(q.info.Rejected)
	t.ForecastError = float64(q.info.ForecastError)
	if q.limit < q.cfg.Execute {
		t.Shortened++
	}
}

// ChunkInfo is what the chunk being executed took.
func (q *Ahead) ChunkInfo() ChunkInfo { return q.info }

// PlanTo writes what the queue means to do from the action that ActTo returned last: as many actions as plan [n, U] has
// room for, the rest of the chunk beyond the executed part included and its last action repeated. It must follow an
// ActTo.
func (q *Ahead) PlanTo(plan []float32) {
	row, last := max(0, q.row-1), q.policy.Horizon()-1
	for i := 0; i < len(plan); i += q.width {
		at := min(row, last) * q.width
		copy(plan[i:i+q.width], q.chunk[at:at+q.width])
		row++
	}
}

// Phase is how far the chunk was executed with the action ActTo returned last, in (0, 1]; it stays 1 on a bridged
// action, and is 0 before the first action of an episode.
func (q *Ahead) Phase() float32 { return q.phase }

// Stats may be called from any goroutine.
func (q *Ahead) Stats() AheadStats {
	q.mu.Lock()
	s := q.spent
	q.mu.Unlock()
	s.Planned, s.Bridged, s.Late, s.Longest = q.planned.Load(), q.bridged.Load(), q.late.Load(),
		time.Duration(q.longest.Load())
	return s
}
