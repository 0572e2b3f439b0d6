package eval_test

import (
	"fmt"

	"korr/train/eval"
)

// Two policies on the same ten episodes: the pairs tell more than the two rates.
func ExamplePairedDifference() {
	ours := []bool{true, true, true, true, true, true, true, true, false, true}
	theirs := []bool{true, false, true, false, true, true, false, true, false, true}
	d := eval.PairedDifference(ours, theirs)
	fmt.Printf("better in %d of %d episodes, worse in %d\n", d.Better, d.Pairs, d.Worse)
	fmt.Println("95 % interval of the difference:", eval.Interval(d.CI95))
	// Output:
	// better in 3 of 10 episodes, worse in 0
	// 95 % interval of the difference: -7.0 – 59.3 %
}
