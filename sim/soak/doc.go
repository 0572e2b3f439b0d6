// Package soak plays very many steps of random actions and pushes and looks for what must never happen: a value that is
// not finite, a crash, an error that nobody asked for, memory that grows. Now and then it hands an environment an
// action that it must refuse, and reopens one, so that leaks show.
//
// Episodes are numbered; what happens in one is a function of (seed, task, number) alone. The state after every few
// seconds goes to a checkpoint, from which an interrupted run goes on.
package soak
