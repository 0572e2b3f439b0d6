package soak

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Resident is the process's resident memory in bytes, from Linux's /proc.
func Resident() (int64, error) {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, fmt.Errorf("measure memory: %w", err)
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0, fmt.Errorf("measure memory: /proc/self/statm holds %q", data)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("measure memory: %w", err)
	}
	return pages * int64(os.Getpagesize()), nil
}

// Growth is by how much memory grew from the first to the last third of the samples after a warm-up tenth, as a
// fraction of what it was: the highest of the last third over the highest of the first. Zero with fewer than ten
// samples.
func Growth(samples []Sample) float64 {
	if len(samples) < 10 {
		return 0
	}
	s := samples[len(samples)/10:]
	highest := func(s []Sample) (top int64) {
		for _, x := range s {
			top = max(top, x.Bytes)
		}
		return top
	}
	return float64(highest(s[2*len(s)/3:]))/float64(highest(s[:len(s)/3])) - 1
}
