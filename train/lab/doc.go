// Package lab is the laboratory of some settings: the simulators, policies, trainings and evaluations that they
// describe. It is what the verbs of the command korr do, for programs: fill settings.Config, make a Lab of it, and ask it
// for what a verb would make.
package lab
