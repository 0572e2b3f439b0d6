// Package layout says once what is at which index of the rows of numbers that cross packages, wires and files: the
// robot's state, a part's pose, an action, and the input of a residual's networks.
//
// A raw observation is the state of the arm and then a pose for every part, the front obstacle last (package sim has
// units and frames). A [Span] names consecutive values of a row; [Input] names the spans of a network's input.
package layout
