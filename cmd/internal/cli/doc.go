// Package cli is what the commands korr and korr-robot have in common: the global flags and the settings behind them,
// the exit codes, results as text or JSON, and the identity of a ROS node. A verb is a struct of options around an App,
// a constructor that declares its flags, and a function that runs it.
package cli
