package robotcmd

import (
	"korr/cmd/internal/cli"
	"korr/internal/geom"
	"korr/ros/foxglove"
	"korr/ros/msgs"
	"korr/ros/robot"
	"korr/ros/transport"
)

// FoxgloveUsage is the help of --foxglove.
const FoxgloveUsage = "show the topics live to Foxglove at this `host:port`; beyond 127.0.0.1 with a token"

// ServeFoxglove starts the server of --foxglove; without an address there is none, and no tap.
func ServeFoxglove(a *cli.App, addr, name string) (transport.Tap, func() error, error) {
	if addr == "" {
		return nil, func() error { return nil }, nil
	}
	s, err := foxglove.Listen(foxglove.Config{Addr: addr, Name: name, Logger: a.Log})
	if err != nil {
		return nil, nil, cli.Usage(err)
	}
	a.Log.Info("open it in Foxglove as a WebSocket connection", "url", s.URL())
	return s, func() error {
		if n := s.Dropped(); n > 0 {
			a.Log.Warn("Foxglove was not shown everything", "messages", n)
		}
		return s.Close()
	}, nil
}

// serveFoxglove shows the control node's topics, and where the tracker's frame is, which a robot's own /tf may not tell.
func (o *runOptions) serveFoxglove(rc *robot.Config) (func() error, error) {
	tap, closeTap, err := ServeFoxglove(o.App.App, o.foxglove, rc.Names.Node)
	if err != nil || tap == nil {
		return closeTap, err
	}
	rc.Tap = tap
	frame, base := rc.PartsFrame, rc.Frame
	if frame == "" {
		frame = msgs.TagFrame
	}
	if base == "" {
		base = msgs.BaseFrame
	}
	tag := msgs.TransformStamped{ChildFrameId: frame, Transform: msgs.TransformOf(geom.TagFrame)}
	tag.Header.FrameId = base
	tap.Topic(msgs.TFStaticTopic, msgs.TFMessage{}, true)(&msgs.TFMessage{Transforms: []msgs.TransformStamped{tag}})
	return closeTap, nil
}
