// Package memory refuses work that this machine has no memory for, before anything is allocated: beyond the memory Go
// ends a process with a stack trace, and the system may end others.
package memory

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
)

// Need is a quantity and what it takes.
type Need struct {
	Setting string  // its key, "batch"
	Value   int     // of the setting
	Bytes   float64 // that go with it, about
}

// Check refuses needs that together are more than the machine's memory, and names the largest. The error tells which
// setting to lower.
func Check(needs ...Need) error {
	have := Total()
	var sum float64
	var worst Need
	for _, n := range needs {
		if sum += n.Bytes; n.Bytes > worst.Bytes {
			worst = n
		}
	}
	if sum <= have && !math.IsNaN(sum) {
		return nil
	}
	return fmt.Errorf("%s is %d, for which about %s of memory are needed; this machine has %s: lower it", worst.Setting,
		worst.Value, size(sum), size(have))
}

// Total is the memory of this machine, or of the container that it is, in bytes; infinite where the system does not
// tell.
func Total() float64 {
	total := math.Inf(1)
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			var kib float64
			if n, _ := fmt.Sscanf(line, "MemTotal: %f kB", &kib); n == 1 {
				total = kib * 1024
			}
		}
	}
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if b, err := os.ReadFile(file); err == nil {
			if limit, err := strconv.ParseFloat(strings.TrimSpace(string(b)), 64); err == nil && limit > 0 {
				total = min(total, limit)
			}
		}
	}
	return total
}

func size(bytes float64) string {
	switch {
	case bytes >= 1e12:
		return fmt.Sprintf("%.3g TB", bytes/1e12)
	case bytes >= 1e9:
		return fmt.Sprintf("%.3g GB", bytes/1e9)
	}
	return fmt.Sprintf("%.3g MB", bytes/1e6)
}

// Env is about what a simulated environment takes, in bytes.
const Env = 2 << 20

// Batch is what a network of layers of the widths needs for a batch of rows while it learns: values, their gradients
// and room to compute them. Extra counts further numbers of a row.
func Batch(rows int, extra int, widths ...[]int) float64 {
	n := float64(extra)
	for _, layers := range widths {
		for _, w := range layers {
			n += float64(w)
		}
	}
	return 4 * 3 * n * float64(rows)
}
