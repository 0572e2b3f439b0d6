package hosts

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"korr/ros/ros2/dds"
)

// ddsperf's keyless type is one number that counts.
const (
	perfTopic = "DDSPerfRDataOU"
	perfType  = "OneULong"
	perfRate  = 100
)

// perfPublishes returns how many samples of ddsperf came in sequence.
func perfPublishes(f *first) (float64, error) {
	p, err := f.launch("ddsperf", "-i", fmt.Sprint(f.domain), "-T", "OU", "-D", "6", "pub", fmt.Sprint(perfRate))
	if err != nil {
		return 0, err
	}
	defer p.kill()
	d, err := dds.Open(dds.Config{Domain: f.domain})
	if err != nil {
		return 0, err
	}
	defer d.Close()
	var got atomic.Int64
	next, broken := uint32(0), ""
	_, err = d.NewReader(perfTopic, perfType, dds.QoS{Reliable: true, KeepAll: true}, "", func(s *dds.Sample) {
		if len(s.Data) < 8 {
			broken = fmt.Sprintf("a sample of %d bytes", len(s.Data))
			return
		}
		number := binary.LittleEndian.Uint32(s.Data[4:])
		if got.Add(1) > 1 && number != next {
			broken = fmt.Sprintf("sample %d came instead of %d", number, next)
		}
		next = number + 1
	}, nil)
	if err != nil {
		return 0, err
	}
	time.Sleep(5 * time.Second)
	if err := d.Close(); err != nil {
		return 0, err
	}
	if broken != "" { // nothing is read any more
		return 0, errors.New(broken)
	}
	return float64(got.Load()), nil
}

// perfSubscribes returns how many samples ddsperf says that it got.
func perfSubscribes(f *first) (float64, error) {
	d, err := dds.Open(dds.Config{Domain: f.domain})
	if err != nil {
		return 0, err
	}
	defer d.Close()
	w, err := d.NewWriter(perfTopic, perfType, dds.QoS{Reliable: true, KeepAll: true}, "", nil)
	if err != nil {
		return 0, err
	}
	p, err := f.launch("ddsperf", "-i", fmt.Sprint(f.domain), "-T", "OU", "-1", "sub")
	if err != nil {
		return 0, err
	}
	defer p.kill()
	tick := time.NewTicker(time.Second / perfRate)
	defer tick.Stop()
	total, lost, newest := 0, 0, "nothing"
	for number := 0; number < 6*perfRate; {
		select {
		case <-tick.C:
			if err := w.Write(binary.LittleEndian.AppendUint32([]byte{0, 1, 0, 0}, uint32(number))); err != nil {
				return 0, err
			}
			number++
		case line := <-p.said:
			if _, counts, ok := strings.Cut(line, " total "); ok {
				newest = line
				if _, err := fmt.Sscanf(counts, "%d lost %d", &total, &lost); err != nil {
					return 0, fmt.Errorf("ddsperf said %q: %w", line, err)
				}
			}
		}
	}
	if total == 0 || lost > 0 {
		return float64(total), fmt.Errorf("ddsperf said %q", newest)
	}
	return float64(total), nil
}
