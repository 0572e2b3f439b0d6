package hosts

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"korr/ros/names"
	"korr/ros/ros2"
)

// A control period at 10 Hz, and the bound of everything that has to stop an arm.
const (
	period = 100 * time.Millisecond
	bound  = 3 * period
)

// first is the first host: where the rows run.
type first struct {
	*network
	ctx    context.Context
	self   []string // this program
	domain int      // of the newest row: every row has one of its own
}

// row is something to try. try returns what it measured.
type row struct {
	name, peer, what, unit string
	bound                  float64
	atLeast                bool // the bound is the least, not the most
	loss                   int  // % of the packets
	try                    func(*first) (float64, error)
}

// Rows runs the rows in the namespace that Run made. dir is the folder of the peers; self is this program.
func Rows(ctx context.Context, dir, only string, self []string) (*Report, error) {
	n, err := connect(dir)
	if err != nil {
		return nil, err
	}
	f := &first{network: n, ctx: ctx, self: self}
	r := &Report{Schema: "korr.ros2/1", Rows: []Row{}, Missing: []Missing{}, Passed: true}
	for _, x := range allRows() {
		if !strings.Contains(x.name+", "+x.peer, only) || x.peer != "korr" && !f.has(x.peer) || x.loss > 0 && !f.has(nft) {
			continue
		}
		f.domain++
		r.Rows = append(r.Rows, f.tried(&x))
		r.Passed = r.Passed && r.Rows[len(r.Rows)-1].Passed
		if ctx.Err() != nil {
			return nil, errors.Join(ctx.Err(), n.close())
		}
	}
	r.Passed = r.Passed && len(r.Rows) > 0
	return r, n.close()
}

func (f *first) tried(x *row) Row {
	out := Row{Name: x.name, Peer: x.peer, What: x.what, Unit: x.unit, Bound: x.bound}
	lost := func() (int, error) { return 1, nil }
	var err error
	if x.loss > 0 {
		lost, err = f.lose(x.loss)
	}
	if err == nil {
		out.Value, err = x.try(f)
		n, e := lost()
		if err = errors.Join(err, e); err == nil && n == 0 {
			err = errors.New("no packet was lost")
		}
	}
	if err == nil && x.bound != 0 && (x.atLeast && !(out.Value >= x.bound) || !x.atLeast && !(out.Value <= x.bound)) {
		err = errors.New("out of bounds")
	}
	if err != nil {
		out.Error = err.Error()
	}
	if math.IsNaN(out.Value) || math.IsInf(out.Value, 0) {
		out.Value = -1
	}
	out.Passed = err == nil
	return out
}

func allRows() (rows []row) {
	for _, peer := range []string{Cyclone, FastDDS} {
		rows = append(rows,
			row{
				name: "topic both ways, reliable", peer: peer, what: "to the first answer", unit: "ms", bound: 5000,
				try: echo(peer, "reliable", 1, 30),
			},
			row{
				name: "topic both ways, best effort", peer: peer, what: "to the first answer", unit: "ms", bound: 5000,
				try: echo(peer, "best_effort", 1, 30),
			},
			row{
				name: "messages of 0.1, 1.1 and 4.2 MB", peer: peer, what: "to the last answer", unit: "ms", bound: 30000,
				try: echo(peer, "reliable", 2000, 20_000, 75_000),
			},
			row{
				name: "late joiners of a latched topic, both ways", peer: peer, what: "to the answer", unit: "ms", bound: 5000,
				try: late(peer),
			},
			row{
				name: "every message, reliable, at 50 Hz", peer: peer, what: "come back", unit: "of 250", bound: 250,
				atLeast: true, loss: 5, try: stream(peer, "reliable", 50, 250),
			},
			row{
				name: "state, best effort, at 100 Hz", peer: peer, what: "longest gap", unit: "ms",
				bound: float64(bound.Milliseconds()), loss: 5, try: stream(peer, "best_effort", 100, 500),
			},
			row{
				name: "message of 0.1 MB", peer: peer, what: "to the answer", unit: "ms", bound: 5000, loss: 5,
				try: echo(peer, "reliable", 2000),
			},
			row{
				name: "incompatible QoS: durability", peer: peer, what: "to its name", unit: "ms", bound: 2000,
				try: incompatible(peer, "durability"),
			},
			row{
				name: "incompatible QoS: deadline", peer: peer, what: "to its name", unit: "ms", bound: 2000,
				try: incompatible(peer, "deadline"),
			},
			row{
				name: "a second commander", peer: peer, what: "noticed after", unit: "ms", bound: float64(bound.Milliseconds()),
				try: rival(peer),
			},
			row{
				name: "commands at 200 Hz", peer: peer, what: "with a listener", unit: "of 400", bound: 400, atLeast: true,
				try: quick(peer),
			},
			row{
				name: "vanishes (kill -9) while it is commanded", peer: peer, what: "noticed after", unit: "ms",
				bound: float64(bound.Milliseconds()), try: vanish(peer),
			},
		)
	}
	rows = append(rows,
		row{
			name: "service and action, called by the peer", peer: Cyclone, what: "for all calls", unit: "ms", bound: 10_000,
			try: called,
		},
		row{
			name: "service and action, served by the peer", peer: Cyclone, what: "slowest call", unit: "ms", bound: 1000,
			try: calls(20),
		},
		row{
			name: "service and action, served by the peer", peer: Cyclone, what: "slowest call", unit: "ms", bound: 3000,
			loss: 5, try: calls(20),
		},
		row{
			name: "publishes at 100 Hz, reliable, keyless", peer: ddsperf, what: "in sequence", unit: "samples", bound: 300,
			atLeast: true, try: perfPublishes,
		},
		row{
			name: "subscribes at 100 Hz, reliable, keyless", peer: ddsperf, what: "received", unit: "samples", bound: 300,
			atLeast: true, try: perfSubscribes,
		},
		row{
			name: "an arm is controlled from the other host for 20 s", peer: "korr", what: "commands", unit: "% of those due",
			bound: 98, atLeast: true, try: control,
		},
		row{
			name: "an arm is controlled from the other host for 20 s", peer: "korr", what: "commands", unit: "% of those due",
			bound: 98, atLeast: true, loss: 5, try: control,
		},
	)
	for i := range rows {
		if rows[i].loss > 0 {
			rows[i].name += fmt.Sprintf(", %d %% of the packets lost", rows[i].loss)
		}
	}
	return rows
}

// open makes a node in the row's domain.
func (f *first) open(cfg ros2.Config) (n *ros2.Node, err error) {
	if cfg.Names, err = names.NewROS2("korr", names.ROS2{Domain: f.domain}); err != nil {
		return nil, err
	}
	return ros2.Open(f.ctx, cfg)
}
