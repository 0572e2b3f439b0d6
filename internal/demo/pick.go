package demo

import "korr/train/eval"

// Shown is an episode worth showing.
type Shown struct {
	Condition eval.Condition
	Policy    eval.Policy
	Seed      uint64
	Steps     int // control steps that it took
}

// Pick looks for an episode that succeeded, the last policies first, or for one that failed, the first policies first;
// rather a seed on which the first and the last policy differ. The cells are those of eval.Evaluate: every policy in
// every condition.
func Pick(policies []eval.Policy, cells []eval.Cell, success bool) (Shown, bool) {
	n := len(policies)
	for k := range n {
		i := k
		if success {
			i = n - 1 - k
		}
		var found *Shown
		for from := 0; from < len(cells); from += n {
			group := cells[from : from+n]
			for e, ep := range group[i].Episodes {
				s := Shown{group[i].Condition, policies[i], ep.Seed, ep.Steps}
				switch {
				case ep.Success != success || ep.Fault != nil:
				case group[0].Episodes[e].Success != group[n-1].Episodes[e].Success:
					return s, true
				case found == nil:
					found = &s
				}
			}
		}
		if found != nil {
			return *found, true
		}
	}
	return Shown{}, false
}
