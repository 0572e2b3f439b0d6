package remote

import (
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	"korr/basepolicy"
)

// Metadata are what a server may say under the key "korr" of its metadata. All of it may be missing.
type Metadata struct {
	Batch    int     // observations that it takes at once; 0 or 1 = one
	Features int     // of the task's features that it reads; 0 = none
	Ensemble float64 // rate at which its chunks are to be averaged, negative = not
	// what actions and observations are stretched by for the residual: obs_min, obs_max, act_min, act_max, obs_poses;
	// nil for those of the task's shipped base policy
	Obs, Act *basepolicy.Normalizer
}

// maxBatch bounds the observations of a request.
const maxBatch = 1024

// readMetadata reads a server's first dictionary.
func readMetadata(dict map[string]any) (Metadata, error) {
	m := Metadata{Batch: 1, Ensemble: -1}
	own, ok := dict["korr"]
	if !ok {
		return m, nil
	}
	d, ok := own.(map[string]any)
	if !ok {
		return m, fmt.Errorf("%w: metadata: korr is a %T, want a dictionary", ErrAnswer, own)
	}
	if images, ok := d["images"]; ok {
		if l, empty := images.([]any); !empty || len(l) > 0 {
			return m, fmt.Errorf("remote: the server asks for images (%v), which this version cannot send: serve a policy of "+
				"the state", images)
		}
	}
	var err error
	whole := func(key string, at *int, lo, hi int64) {
		if v, ok := d[key]; ok && err == nil {
			n, ok := v.(int64)
			if !ok || n < lo || n > hi {
				err = fmt.Errorf("%w: metadata: korr.%s is %v, want a whole number from %d to %d", ErrAnswer, key, v, lo, hi)
			}
			*at = int(n)
		}
	}
	whole("batch", &m.Batch, 1, maxBatch)
	whole("features", &m.Features, 0, 1<<12)
	poses := 0
	whole("obs_poses", &poses, 0, 1<<10)
	if v, ok := d["ensemble"]; ok && err == nil {
		if m.Ensemble, ok = v.(float64); !ok || !(m.Ensemble >= 0 && m.Ensemble <= basepolicy.MaxRate) {
			err = fmt.Errorf("%w: metadata: korr.ensemble is %v, want a rate from 0 to %d", ErrAnswer, v, basepolicy.MaxRate)
		}
	}
	if err != nil {
		return m, err
	}
	if m.Obs, err = readNormalizer(d, "obs"); err != nil {
		return m, err
	}
	if m.Obs != nil {
		m.Obs.Poses = poses
		if err := m.Obs.Validate(); err != nil {
			return m, fmt.Errorf("%w: metadata: %w", ErrAnswer, err)
		}
	}
	m.Act, err = readNormalizer(d, "act")
	return m, err
}

// readNormalizer reads the arrays NAME_min and NAME_max; nil where there are none.
func readNormalizer(d map[string]any, name string) (*basepolicy.Normalizer, error) {
	lo, low := d[name+"_min"].(*Array)
	hi, high := d[name+"_max"].(*Array)
	if !low && !high {
		return nil, nil
	}
	if !low || !high {
		return nil, fmt.Errorf("%w: metadata: korr.%s_min and korr.%s_max go together, as arrays", ErrAnswer, name, name)
	}
	n := &basepolicy.Normalizer{Min: narrow(lo.Data), Max: narrow(hi.Data)}
	if err := n.Validate(); err != nil {
		return nil, fmt.Errorf("%w: metadata: korr.%s: %w", ErrAnswer, name, err)
	}
	return n, nil
}

func narrow(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

// Address is where a server is and how long it may take.
type Address struct {
	URL     string        // ws://HOST:PORT or wss://..
	Timeout time.Duration // of a request
}

// Prefix begins the name of a remote policy.
const Prefix = "remote:"

// DefaultTimeout is that of a request. It bounds how long an evaluation or a training waits; on the clock, the arm
// holds when the old chunk is used up.
const DefaultTimeout = 10 * time.Second

// ParseAddress reads ws://HOST:PORT[?timeout=DURATION], with the prefix "remote:" or without.
func ParseAddress(text string) (Address, error) {
	a := Address{Timeout: DefaultTimeout}
	u, err := url.Parse(strings.TrimPrefix(text, Prefix))
	if err != nil || u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "" {
		return a, fmt.Errorf("remote: %q is no address of a policy server: want %sws://HOST:PORT[?timeout=2s]", text, Prefix)
	}
	q := u.Query()
	for key := range q {
		if key != "timeout" {
			return a, fmt.Errorf("remote: %q: unknown key %q: want timeout", text, key)
		}
		if a.Timeout, err = time.ParseDuration(q.Get(key)); err != nil || a.Timeout <= 0 ||
			a.Timeout > math.MaxInt32*time.Millisecond {
			return a, fmt.Errorf("remote: %q: timeout is %q, want a time as in 500ms", text, q.Get(key))
		}
	}
	u.RawQuery = ""
	a.URL = u.String()
	return a, nil
}

// String is a form that ParseAddress reads.
func (a Address) String() string {
	if a.Timeout == DefaultTimeout {
		return Prefix + a.URL
	}
	return fmt.Sprintf("%s%s?timeout=%s", Prefix, a.URL, a.Timeout)
}
