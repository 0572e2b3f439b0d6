package memory

import (
	"math"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	if err := Check(Need{"batch", 256, 1e6}, Need{"buffer", 1000, 1e6}); err != nil {
		t.Error(err)
	}
	for _, bytes := range []float64{1e15, math.Inf(1), math.NaN()} {
		if math.IsInf(Total(), 1) && bytes < math.Inf(1) {
			t.Skip("this system does not tell its memory")
		}
		err := Check(Need{"buffer", 10, 1e6}, Need{"batch", 1_000_000_000, bytes})
		if err == nil || !math.IsNaN(bytes) && !strings.Contains(err.Error(), "batch is 1000000000") {
			t.Errorf("%g bytes: %v", bytes, err)
		}
	}
	if have := Total(); have < 1<<28 {
		t.Errorf("the machine has %g bytes", have)
	}
}

func TestBatch(t *testing.T) {
	if got := Batch(10, 2, []int{3, 4}, []int{1}); got != 4*3*10*10 {
		t.Errorf("%g bytes", got)
	}
}
