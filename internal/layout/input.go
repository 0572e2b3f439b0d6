package layout

// Input names the spans of a network's input, in their order:
//
//	x = [ plain | features | base | lead | phase | detail | belief | history | ahead | truth ]
//
// The first two are what is read of the encoded observation. An actor may read less than x: the critics alone may
// read what is ahead, and alone read the truth. Spans without values are empty.
type Input struct {
	Plain    Span // normalised observation, or the robot's state at its beginning
	Features Span // of the task
	Base     Span // normalised base action
	Lead     Span // of the commanded position over the measured one
	Phase    Span // position in the chunk
	Detail   Span // of the features
	Belief   Span // how old and how sure the estimates of the parts are
	History  Span // what was observed and done in earlier control steps, the newest first
	Ahead    Span // what a look-ahead or the plan adds
	Truth    Span // features and details of what is so, whatever is seen
}

// Widths are those of an Input's spans.
type Widths struct{ Plain, Features, Action, Detail, Belief, History, Ahead, Truth int }

// NewInput lays out spans of the widths.
func NewInput(w Widths) Input {
	at := 0
	next := func(n int) Span {
		s := Span{at, at + n}
		at += n
		return s
	}
	return Input{
		Plain: next(w.Plain), Features: next(w.Features), Base: next(w.Action), Lead: next(Vector), Phase: next(1),
		Detail: next(w.Detail), Belief: next(w.Belief), History: next(w.History), Ahead: next(w.Ahead), Truth: next(w.Truth),
	}
}

// Width is that of x.
func (in Input) Width() int { return in.Truth.To }

// Observed is what x holds of the encoded observation.
func (in Input) Observed() Span { return Span{in.Plain.From, in.Features.To} }

// Pair is what a dynamics model reads of x, the observation and the base action.
func (in Input) Pair() Span { return Span{in.Plain.From, in.Base.To} }

// Present is x without what is ahead and the truth.
func (in Input) Present() Span { return Span{in.Plain.From, in.History.To} }

// Acting is x without the truth.
func (in Input) Acting() Span { return Span{in.Plain.From, in.Ahead.To} }
