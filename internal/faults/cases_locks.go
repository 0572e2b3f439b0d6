package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	"korr/ros/msgs"
	"korr/ros/transport"
	"korr/ros/xmlrpc"
)

// interlocks are situations in which nobody may start the arm, or go on commanding it.
func interlocks() []Case {
	return []Case{
		{
			Name: "two e-stop panels, one of them released", State: fault, links: natively, says: []string{"emergency stop"},
			Recovery: "the pressed one released; " + resets,
			strike: func(ctx context.Context, w *world) (time.Time, error) {
				err := w.join(ctx, "panel", func(n transport.Link) (err error) {
					w.panel, err = transport.Advertise[msgs.Bool](n, "/korr/estop", transport.Latched)
					return err
				})
				if err != nil {
					return time.Time{}, err
				}
				w.panel.Write(&msgs.Bool{Data: false})
				time.Sleep(5 * w.period()) // it is heard
				at := time.Now()
				w.estop.Write(&msgs.Bool{Data: true})
				return at, nil
			},
			heal: func(ctx context.Context, w *world) error {
				w.panel.Write(&msgs.Bool{Data: false})
				time.Sleep(2 * w.period())
				if err := errors.Join(w.refuses(ctx, "~reset_fault"), w.refuses(ctx, "~enable")); err != nil {
					return err
				}
				w.estop.Write(&msgs.Bool{Data: false})
				return errors.Join(w.leave(), w.restored(ctx))
			},
		},
		{
			Name: "another node commands the arm", State: fault, links: natively, says: []string{"commands the arm too"},
			Recovery: "that node ended; " + resets,
			strike: func(ctx context.Context, w *world) (at time.Time, err error) {
				err = w.join(ctx, "rival", func(n transport.Link) error {
					at = time.Now()
					_, err := transport.Advertise[msgs.PoseStamped](n, msgs.CommandTopic, transport.Command)
					return err
				})
				return at, err
			},
			heal: func(ctx context.Context, w *world) error {
				return errors.Join(w.refuses(ctx, "~reset_fault"), w.leave(), w.restored(ctx))
			},
		},
		{
			Name: "two trackers", State: hold, links: natively, says: []string{"nodes publish"},
			Recovery: "one of them ended; " + enabling,
			strike: func(ctx context.Context, w *world) (at time.Time, err error) {
				err = w.join(ctx, "tracker", func(n transport.Link) error {
					at = time.Now()
					_, err := transport.Advertise[msgs.PoseArray](n, msgs.PartsTopic, transport.State)
					return err
				})
				return at, err
			},
			heal: func(ctx context.Context, w *world) error {
				return errors.Join(w.refuses(ctx, "~enable"), w.leave(), w.persist(ctx, w.enabled))
			},
		},
		{
			Name: "a stranger names another publisher of the parts", State: hold, links: overROS1,
			says:     []string{"which the ROS master does not know"},
			Recovery: enabling,
			strike: func(ctx context.Context, w *world) (at time.Time, err error) {
				_, uri, err := xmlrpc.NewClient(w.root.uri(), time.Second).CallROS(ctx, "lookupNode", "/faults", "/korr")
				if err != nil {
					return at, err
				}
				at = time.Now()
				_, _, err = xmlrpc.NewClient(fmt.Sprint(uri), time.Second).CallROS(ctx, "publisherUpdate", "/master",
					msgs.PartsTopic, []any{"http://127.0.0.1:1"})
				return at, err
			},
			heal: func(ctx context.Context, w *world) error { return w.persist(ctx, w.enabled) },
		},
		{
			Name: "control node killed in FAULT and started again", State: fault, says: []string{"emergency stop"},
			Recovery: "released; the node waits for `~enable`",
			strike: func(_ context.Context, w *world) (time.Time, error) {
				at := time.Now()
				w.estop.Write(&msgs.Bool{Data: true})
				return at, nil
			},
			heal: func(ctx context.Context, w *world) (err error) {
				w.estop.Write(&msgs.Bool{Data: false})
				w.korr.kill()
				if w.korr, err = w.startKorr(); err != nil {
					return err
				}
				if _, err = w.korr.after(0, startLimit, func(l *line) bool { return l.To == "READY" }); err != nil {
					return err
				}
				n := w.judge.commands()
				time.Sleep(10 * w.period())
				if more := w.judge.commands() - n; more > 0 {
					return fmt.Errorf("%d commands before ~enable", more)
				}
				return w.persist(ctx, w.enabled)
			},
		},
	}
}

// join opens another node that takes part.
func (w *world) join(ctx context.Context, name string, do func(transport.Link) error) (err error) {
	if w.extra, err = w.open(ctx, name); err != nil {
		return err
	}
	return do(w.extra)
}

// leave ends it.
func (w *world) leave() error {
	n := w.extra
	w.extra = nil
	return n.Close()
}

// refuses is an error if the node grants what it must not.
func (w *world) refuses(ctx context.Context, what string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	granted, message := false, ""
	if what == "~enable" {
		r, err := w.enable.Call(ctx, &msgs.SetBoolReq{Data: true})
		if err != nil {
			return err
		}
		granted, message = r.Success, r.Message
	} else {
		r, err := w.reset.Call(ctx, &msgs.TriggerReq{})
		if err != nil {
			return err
		}
		granted, message = r.Success, r.Message
	}
	if granted || message == "" {
		return fmt.Errorf("%s was granted (%q)", what, message)
	}
	return nil
}
