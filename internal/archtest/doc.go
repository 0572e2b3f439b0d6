// Package archtest holds the dependency rules in a test over `go list -deps`: what a robot runs needs no C compiler, no
// ROS and no configuration library, each heavy library has one room, and imports point down only.
package archtest
