package node

import (
	"context"
	"log/slog"
	"strings"

	"github.com/bluenviron/goroslib/v2"
)

// rosoutQueue is how many messages wait for /rosout; more are dropped, because logging must not block.
const rosoutQueue = 64

// rosoutLine is one message for /rosout.
type rosoutLine struct {
	level goroslib.LogLevel
	text  string
}

// Logger logs where Config.Logger does, and from level info on to /rosout as well. It never blocks.
func (n *Node) Logger() *slog.Logger { return n.tee }

// teeHandler is a slog handler that passes records on and hands them to /rosout.
type teeHandler struct {
	slog.Handler
	node  *Node
	attrs string // of With, " key=value"
	group string // of WithGroup, "name."
}

// Enabled implements slog.Handler: /rosout wants what the console may not.
func (h *teeHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || h.Handler.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *teeHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelInfo {
		var b strings.Builder
		b.WriteString(r.Message + h.attrs)
		r.Attrs(func(a slog.Attr) bool {
			b.WriteString(" " + h.group + a.String())
			return true
		})
		select {
		case h.node.rosout <- rosoutLine{rosLevel(r.Level), b.String()}:
		default:
		}
	}
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *teeHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.Handler = h.Handler.WithAttrs(attrs)
	for _, a := range attrs {
		c.attrs += " " + h.group + a.String()
	}
	return &c
}

// WithGroup implements slog.Handler.
func (h *teeHandler) WithGroup(name string) slog.Handler {
	c := *h
	c.Handler = h.Handler.WithGroup(name)
	c.group += name + "."
	return &c
}

func rosLevel(l slog.Level) goroslib.LogLevel {
	switch {
	case l < slog.LevelWarn:
		return goroslib.LogLevelInfo
	case l < slog.LevelError:
		return goroslib.LogLevelWarn
	default:
		return goroslib.LogLevelError
	}
}

// drainLog publishes log messages until the node ends. goroslib hands every message to onLog too, in this goroutine.
func (n *Node) drainLog(ctx context.Context) {
	defer close(n.drained)
	for {
		select {
		case <-ctx.Done():
			return
		case l := <-n.rosout:
			if ros := n.current.Load(); ros != nil {
				n.echo.Store(&l.text)
				ros.Log(l.level, "%s", l.text)
				n.echo.Store(nil)
			}
		}
	}
}
