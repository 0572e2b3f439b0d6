package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"korr/basepolicy"
	"korr/internal/layout"
	"korr/internal/tensorfile"
)

// ProbePatience bounds the first answer: a server may compile its network for it.
const ProbePatience = 2 * time.Minute

// implausible is the normalised action, in ranges of the demonstrations, from which an answer is not one.
const implausible = 10

// Config describes a remote policy: what a checkpoint holds of one.
type Config struct {
	Address  string `json:"address"`  // as ParseAddress reads it
	Task     string `json:"task"`     // sent as the prompt
	Horizon  int    `json:"horizon"`  // H, actions in a chunk
	Batch    int    `json:"batch"`    // observations that the server takes at once
	Features int    `json:"features"` // of the task's, that it reads
}

// Policy is a base policy behind a server. Everything made of it shares one connection; requests that come at the same
// time share messages, where the server takes batches. Close ends it.
type Policy struct {
	Config
	Obs, Act *basepolicy.Normalizer

	addr Address

	mu      sync.Mutex
	waiting []*request
	leading bool // a goroutine talks to the server, for all that wait
	link    *link
	closed  bool
}

var _ basepolicy.Policy = (*Policy)(nil)

// Options are what is not the server's to say.
type Options struct {
	Task     string
	Obs, Act *basepolicy.Normalizer // unless the metadata have others
}

// Open connects to the server at an address that ParseAddress reads, and probes it. The rate is that at which its
// chunks are to be averaged, negative for not.
func Open(address string, o Options) (p *Policy, rate float64, err error) {
	a, err := ParseAddress(address)
	if err != nil {
		return nil, -1, err
	}
	l, err := dial(a, min(a.Timeout, ProbePatience))
	if err != nil {
		return nil, -1, err
	}
	m, err := readMetadata(l.meta)
	if err != nil {
		return nil, -1, errors.Join(err, l.ws.Close())
	}
	p = &Policy{
		Config: Config{Address: a.String(), Task: o.Task, Batch: m.Batch, Features: m.Features},
		Obs:    o.Obs, Act: o.Act, addr: a, link: l,
	}
	if m.Obs != nil {
		p.Obs = m.Obs
	}
	if m.Act != nil {
		p.Act = m.Act
	}
	if err := p.probe(); err != nil {
		return nil, -1, errors.Join(err, p.Close())
	}
	return p, m.Ensemble, nil
}

// probe asks once, at the middle of the observations' range, for the horizon.
func (p *Policy) probe() error {
	if p.Obs == nil || p.Act == nil || p.Act.Dim() != layout.Action || p.Obs.RawDim() <= layout.State {
		return fmt.Errorf("remote: policy server %s: the ranges of observations and actions (%d wide) are missing, or not "+
			"of this robot: serve them as korr.obs_min and so on, see package remote", p.addr.URL, layout.Action)
	}
	raw := make([]float32, p.About().InputDim())
	at := raw[len(raw)-p.Obs.RawDim():]
	for i := range layout.State {
		at[i] = (p.Obs.Min[i] + p.Obs.Max[i]) / 2
	}
	layout.Rotation.Of(at)[0], layout.Rotation.Of(at)[4] = 1, 1
	for i := layout.State + layout.Pose - 1; i < len(at); i += layout.Pose {
		at[i] = 1 // no rotation
	}
	actions, err := p.converse([]*request{{in: raw}}, ProbePatience)
	if err != nil {
		return err
	}
	rows := len(actions.Data) / layout.Action
	if len(actions.Shape) < 2 || actions.Shape[len(actions.Shape)-1] != layout.Action || rows < 1 || rows > 1<<12 {
		return fmt.Errorf("%w: actions are %v, want [horizon, %d]: position (m), rotation 6D, gripper", ErrAnswer,
			actions.Shape,
			layout.Action)
	}
	p.Horizon = rows
	return nil
}

// About implements basepolicy.Policy.
func (p *Policy) About() basepolicy.About {
	return basepolicy.About{
		Horizon: p.Horizon, Obs: p.Obs, Act: p.Act, Origin: basepolicy.Origin{Task: p.Task}, Features: p.Features,
		Raw: true, Waits: true,
	}
}

// Close ends the connection. Requests fail afterwards.
func (p *Policy) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.link == nil || p.leading { // who talks finds it closed
		return nil
	}
	err := p.link.ws.Close()
	p.link = nil
	return err
}

// NewChunker implements basepolicy.Policy.
func (p *Policy) NewChunker() basepolicy.ChunkPolicy {
	return &chunker{p: p, done: make(chan struct{}, 1)}
}

type chunker struct {
	basepolicy.Stateless
	p    *Policy
	done chan struct{}
}

func (c *chunker) Horizon() int { return c.p.Horizon }
func (c *chunker) ActDim() int  { return c.p.Act.Dim() }

// ChunkTo implements basepolicy.ChunkPolicy.
func (c *chunker) ChunkTo(chunk, obs []float32, _ basepolicy.Rest) error {
	if want := c.p.About().InputDim(); len(obs) != want || len(chunk) != c.p.Horizon*c.p.Act.Dim() {
		return fmt.Errorf("remote: %d observation values into a chunk of %d, want %d and %d", len(obs), len(chunk), want,
			c.p.Horizon*c.p.Act.Dim())
	}
	r := &request{in: obs, out: chunk, done: c.done}
	c.p.serve(r)
	return r.err
}

// request is one chunk that is wanted.
type request struct {
	in   []float32 // what the policy reads
	out  []float32 // [H*U]
	err  error
	done chan struct{}
}

// gathering is how long the one who talks to a server that takes batches waits for others.
const gathering = 300 * time.Microsecond

// serve has r answered. Who finds nobody talking to the server talks, for all that come meanwhile.
func (p *Policy) serve(r *request) {
	p.mu.Lock()
	p.waiting = append(p.waiting, r)
	if p.leading {
		p.mu.Unlock()
		<-r.done
		return
	}
	p.leading = true
	p.mu.Unlock()
	for {
		if p.Batch > 1 {
			time.Sleep(gathering)
		}
		p.mu.Lock()
		n := min(len(p.waiting), max(1, p.Batch))
		now := p.waiting[:n:n]
		p.waiting = p.waiting[n:]
		if n == 0 {
			p.leading, p.waiting = false, nil
			if p.closed && p.link != nil {
				_ = p.link.ws.Close() // nobody is left to tell
				p.link = nil
			}
			p.mu.Unlock()
			<-r.done
			return
		}
		p.mu.Unlock()
		p.answer(now)
		for _, q := range now {
			q.done <- struct{}{} // its capacity is one, and nobody else sends
		}
	}
}

// answer fills the requests, or their errors.
func (p *Policy) answer(requests []*request) {
	fail := func(err error) {
		for _, r := range requests {
			r.err = err
		}
	}
	actions, err := p.converse(requests, p.addr.Timeout)
	if err != nil {
		fail(err)
		return
	}
	width := p.Horizon * p.Act.Dim()
	rows := len(actions.Shape) >= 2 && actions.Shape[len(actions.Shape)-1] == p.Act.Dim() &&
		actions.Shape[len(actions.Shape)-2] == p.Horizon
	if !rows || len(actions.Data) != len(requests)*width {
		fail(fmt.Errorf("%w: actions are %v for %d observations, want [%d, %d] each", ErrAnswer, actions.Shape, len(requests),
			p.Horizon, p.Act.Dim()))
		return
	}
	for i, r := range requests {
		for j, v := range actions.Data[i*width : (i+1)*width] {
			r.out[j] = float32(v)
		}
		p.Act.NormalizeTo(r.out, r.out)
		for j, v := range r.out {
			if !(v >= -implausible && v <= implausible) {
				r.err = fmt.Errorf("%w: action %d, value %d is %g, which is no command near the demonstrated ones", ErrAnswer,
					j/p.Act.Dim(), j%p.Act.Dim(), actions.Data[i*width+j])
				break
			}
		}
	}
}

// converse sends the requests as one message and returns the actions. A connection that turns out to be dead is made
// anew once: the server may have been started again. After any error there is none, so that no late answer is taken for
// another's.
func (p *Policy) converse(requests []*request, patience time.Duration) (*Array, error) {
	message, err := p.message(requests)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(patience)
	for {
		if err := p.connect(time.Until(deadline)); err != nil {
			return nil, err
		}
		again := p.link.used
		answer, err := p.link.ask(p.addr, message, deadline)
		if err == nil {
			if a, ok := answer["actions"].(*Array); ok {
				return a, nil
			}
			err = fmt.Errorf("%w: no array \"actions\" in it", ErrAnswer)
		}
		_ = p.link.ws.Close() // the error is on its way
		p.link = nil
		if !again || timedOut(err) || errors.Is(err, ErrAnswer) {
			return nil, err
		}
	}
}

// connect makes a connection where there is none.
func (p *Policy) connect(patience time.Duration) error {
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return errors.New("remote: the policy was closed")
	}
	if p.link != nil {
		return nil
	}
	l, err := dial(p.addr, max(patience, time.Millisecond))
	if err != nil {
		return err
	}
	p.link = l
	return nil
}

// message is the observations of the requests as the server reads them.
func (p *Policy) message(requests []*request) ([]byte, error) {
	raw := p.Obs.RawDim()
	state, parts, feats := Rows{N: len(requests)}, Rows{N: len(requests)}, Rows{N: len(requests)}
	for _, r := range requests {
		at := r.in[len(r.in)-raw:]
		state.Data = append(state.Data, at[:layout.State]...)
		parts.Data = append(parts.Data, at[layout.State:]...)
		feats.Data = append(feats.Data, r.in[p.Obs.Dim():len(r.in)-raw]...)
	}
	one := func(r Rows) any {
		if p.Batch > 1 {
			return r
		}
		return r.Data
	}
	dict := map[string]any{
		"observation.state": one(state), "observation.environment_state": one(parts),
		"observation.features": one(feats), "prompt": p.Task,
	}
	keys := []string{"observation.state", "observation.environment_state", "observation.features", "prompt"}
	if p.Features == 0 {
		keys = append(keys[:2], keys[3])
	}
	return Marshal(dict, keys)
}

// format marks a remote policy in a checkpoint's metadata.
const format = "korr/remote.Policy/1"

func init() { basepolicy.Register(format, LoadFrom) }

// SaveTo implements basepolicy.Policy: the address and the ranges, for the weights are the server's.
func (p *Policy) SaveTo(f *tensorfile.File, prefix string) error {
	cfg, err := json.Marshal(p.Config)
	if err != nil {
		return fmt.Errorf("remote: %w", err)
	}
	f.SetMeta(prefix+"format", format)
	f.SetMeta(prefix+"config", string(cfg))
	p.Obs.SaveTo(f, prefix+"obs.")
	p.Act.SaveTo(f, prefix+"act.")
	return nil
}

// LoadFrom reads what SaveTo added to f under prefix. It connects when the first chunk is wanted.
func LoadFrom(f *tensorfile.File, prefix string) (*Policy, error) {
	if got := f.Meta[prefix+"format"]; got != format {
		return nil, fmt.Errorf("format is %q, want %q: not a remote policy", got, format)
	}
	p := &Policy{}
	if err := json.Unmarshal([]byte(f.Meta[prefix+"config"]), &p.Config); err != nil {
		return nil, fmt.Errorf("metadata %q: %w", prefix+"config", err)
	}
	if p.Horizon < 1 || p.Horizon > 1<<12 || p.Batch < 1 || p.Batch > maxBatch || p.Features < 0 || p.Features > 1<<12 {
		return nil, fmt.Errorf("metadata %q: sizes %+v are out of range", prefix+"config", p.Config)
	}
	var err error
	if p.addr, err = ParseAddress(p.Address); err != nil {
		return nil, err
	}
	lo, err := f.Get(prefix + "obs.min")
	if err != nil {
		return nil, err
	}
	if p.Obs, err = basepolicy.LoadNormalizer(f, prefix+"obs.", len(lo)); err != nil {
		return nil, err
	}
	p.Act, err = basepolicy.LoadNormalizer(f, prefix+"act.", layout.Action)
	return p, err
}
