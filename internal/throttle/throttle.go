package throttle

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	burst   = 5    // records of one message a second
	kinds   = 256  // messages told apart; more count as one
	maxText = 1000 // bytes of a text
)

// key is what counts as the same event: level and message, which are constants of the program, not the attributes.
type key struct {
	level   slog.Level
	message string
}

// window is one event's present second.
type window struct {
	begun  time.Time
	passed int
	left   int // left out since the last one that passed
}

// state is shared by a handler and all that were derived from it.
type state struct {
	mu   sync.Mutex
	seen map[key]*window
	now  func() time.Time
}

// handler passes records on.
type handler struct {
	slog.Handler
	*state
}

// Logger returns a logger that writes to l's handler what is not too much. A logger that is one already is returned as
// it is.
func Logger(l *slog.Logger) *slog.Logger {
	if _, ok := l.Handler().(*handler); ok {
		return l
	}
	return slog.New(&handler{l.Handler(), &state{seen: map[key]*window{}, now: time.Now}})
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	left, ok := h.admit(key{r.Level, r.Message})
	if !ok {
		return nil
	}
	out := slog.NewRecord(r.Time, r.Level, cut(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		out.AddAttrs(short(a))
		return true
	})
	if left > 0 {
		out.AddAttrs(slog.Int("left_out", left))
	}
	return h.Handler.Handle(ctx, out)
}

// admit reports whether one more record of an event passes, and how many did not since the last.
func (s *state) admit(k key) (left int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.seen[k]
	if w == nil {
		if len(s.seen) >= kinds {
			k = key{k.level, ""}
			w = s.seen[k]
		}
		if w == nil {
			w = &window{}
			s.seen[k] = w
		}
	}
	if now := s.now(); now.Sub(w.begun) >= time.Second {
		w.begun, w.passed = now, 0
	}
	if w.passed >= burst {
		w.left++
		return 0, false
	}
	w.passed++
	left, w.left = w.left, 0
	return left, true
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.Handler.WithAttrs(attrs), h.state}
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.Handler.WithGroup(name), h.state}
}

// short is an attribute whose text is not too long.
func short(a slog.Attr) slog.Attr {
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		return slog.String(a.Key, cut(v.String()))
	case slog.KindAny:
		if err, ok := v.Any().(error); ok {
			return slog.String(a.Key, cut(err.Error()))
		}
	}
	return a
}

func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	return text[:maxText] + "..."
}
