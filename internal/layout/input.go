package layout

// Input names the spans of a network's input, in their order:
//
//	x = [ plain | features | base | lead | phase | detail | ahead ]
//
// The first two are what is read of the encoded observation. An actor may read less than x: the critics alone may
// read the last span. Spans without values are empty.
type Input struct {
	Plain    Span // normalised observation, or the robot's state at its beginning
	Features Span // of the task
	Base     Span // normalised base action
	Lead     Span // of the commanded position over the measured one
	Phase    Span // position in the chunk
	Detail   Span // of the features
	Ahead    Span // what a look-ahead or the plan adds
}

// Widths are those of an Input's spans.
type Widths struct{ Plain, Features, Action, Detail, Ahead int }

// NewInput lays out spans of the widths.
func NewInput(w Widths) Input {
	at := 0
	next := func(n int) Span {
		s := Span{at, at + n}
		at += n
		return s
	}
	return Input{next(w.Plain), next(w.Features), next(w.Action), next(Vector), next(1), next(w.Detail), next(w.Ahead)}
}

// Width is that of x.
func (in Input) Width() int { return in.Ahead.To }

// Observed is what x holds of the encoded observation.
func (in Input) Observed() Span { return Span{in.Plain.From, in.Features.To} }

// Pair is what a dynamics model reads of x, the observation and the base action.
func (in Input) Pair() Span { return Span{in.Plain.From, in.Base.To} }

// Present is x without what is ahead.
func (in Input) Present() Span { return Span{in.Plain.From, in.Detail.To} }
