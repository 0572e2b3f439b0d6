// Package longrun runs a control node against a simulator's node for long, as processes of their own: for deadlines in
// real time, or for memory over an hour of control in lock step.
package longrun
