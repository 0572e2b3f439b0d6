package sim

// Wrapper is an environment around another, which changes what goes in or comes out.
type Wrapper interface {
	Env
	// Unwrap is the environment below, which the wrapper keeps owning.
	Unwrap() Env
}

// As finds the first environment with a capability T, from env downwards through its wrappers.
func As[T any](env Env) (T, bool) {
	for env != nil {
		if t, ok := env.(T); ok {
			return t, true
		}
		w, ok := env.(Wrapper)
		if !ok {
			break
		}
		env = w.Unwrap()
	}
	var none T
	return none, false
}
