// Package simarm is what a simulated arm tells of itself: a row of float64 with names for its parts, and the messages
// that such a row makes, whether they are published (package simnode) or recorded (package record). It knows no
// simulator.
package simarm
