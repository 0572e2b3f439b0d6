package residual

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strconv"

	"korr/internal/nn"
	"korr/internal/tensorfile"
)

// Average returns a policy whose residual is that of the policies' mean actor: r = squash(mean of pi_k(x)). Policies
// trained from different seeds err in different episodes, and their mean in fewer. They must differ in nothing but
// the actor; the origin it tells is the first one's. The error wraps ErrPolicy.
func Average(ps ...*Policy) (*Policy, error) {
	if len(ps) == 0 {
		return nil, fmt.Errorf("%w: the average of no policies", ErrPolicy)
	}
	mean := *ps[0]
	actors := make([]*nn.MLP, len(ps))
	for i, p := range ps {
		if p.Actor == nil {
			return nil, fmt.Errorf("%w: policy %d of an average has no actor", ErrPolicy, i+1)
		}
		same, err := alike(ps[0], p)
		if err != nil {
			return nil, err
		}
		if !same {
			return nil, fmt.Errorf("%w: policies 1 and %d of an average differ in base, Koopman model or settings, not in the "+
				"actor alone", ErrPolicy, i+1)
		}
		actors[i] = p.Actor
	}
	var err error
	if mean.Actor, err = nn.MeanMLP(actors...); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	if mean.Meta = maps.Clone(ps[0].Meta); mean.Meta == nil {
		mean.Meta = map[string]string{}
	}
	mean.Meta["members"] = strconv.Itoa(len(ps))
	return &mean, mean.Fold()
}

// alike reports whether p and q are the same but for actor and origin.
func alike(p, q *Policy) (bool, error) {
	a, b := *p, *q
	for _, x := range []*Policy{&a, &b} {
		x.Base, x.Koopman, x.Actor, x.Meta, x.fold = nil, nil, nil, nil, nil
	}
	if !reflect.DeepEqual(a, b) {
		return false, nil
	}
	var first, second tensorfile.File
	if err := errors.Join(p.Base.SaveTo(&first, basePrefix), q.Base.SaveTo(&second, basePrefix)); err != nil {
		return false, err
	}
	if p.Koopman != nil {
		p.Koopman.SaveTo(&first, koopmanPrefix)
	}
	if q.Koopman != nil {
		q.Koopman.SaveTo(&second, koopmanPrefix)
	}
	return reflect.DeepEqual(first, second), nil
}
