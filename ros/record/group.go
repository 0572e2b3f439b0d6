package record

import (
	"fmt"
	"slices"
	"time"

	"korr/ros/bag"
)

// continues is the longest silence between two bags of one recording: rosbag record --split goes on with the next
// message.
const continues = 500 * time.Millisecond

// Group puts bags into the order of their recording, those together that continue each other: where one ends the next
// begins, as rosbag record --split leaves them. An episode may be cut in two there. Bags without an index stand alone.
func Group(paths []string, recover bool) ([][]string, error) { return GroupOf(paths, recover, OpenBag) }

// GroupOf is Group of recordings that open opens.
func GroupOf(paths []string, recover bool, open Opener) ([][]string, error) {
	type file struct {
		path       string
		begin, end time.Time
	}
	var files []file
	for _, path := range paths {
		b, err := open(path, recover)
		if err != nil {
			return nil, err
		}
		f := file{path: path}
		f.begin, f.end = b.Span()
		if err := b.Close(); err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	slices.SortStableFunc(files, func(a, b file) int {
		if a.begin.IsZero() || b.begin.IsZero() { // keeps the order given
			return 0
		}
		return a.begin.Compare(b.begin)
	})
	var out [][]string
	for i, f := range files {
		if gap := f.begin.Sub(files[max(i-1, 0)].end); i > 0 && !f.begin.IsZero() && !files[i-1].end.IsZero() && gap >= 0 &&
			gap <= continues {
			out[len(out)-1] = append(out[len(out)-1], f.path)
			continue
		}
		out = append(out, []string{f.path})
	}
	return out, nil
}

// publishers are who published on which topic, and from when to when.
type publishers map[string]map[string]*[2]time.Time

// saw notes a message.
func (p *publishers) saw(m bag.Message) {
	if *p == nil {
		*p = publishers{}
	}
	who := m.Conn.Caller
	if who == "" {
		who = fmt.Sprintf("connection %d", m.Conn.ID)
	}
	of := (*p)[m.Conn.Topic]
	if of == nil {
		of = map[string]*[2]time.Time{}
		(*p)[m.Conn.Topic] = of
	}
	if span := of[who]; span != nil {
		span[1] = m.Time
		return
	}
	of[who] = &[2]time.Time{m.Time, m.Time}
}

// check refuses a topic on which two publish at the same time: which of them was followed nobody can tell afterwards.
func (p publishers) check(topics ...string) error {
	for _, topic := range topics {
		for a, x := range p[topic] {
			for b, y := range p[topic] {
				if a < b && x[0].Before(y[1]) && y[0].Before(x[1]) {
					return fmt.Errorf("%s and %s publish on %s at the same time: keep one of them (rosbag filter, by "+
						"m._connection_header), or name the topic of one (--topic)", a, b, topic)
				}
			}
		}
	}
	return nil
}
