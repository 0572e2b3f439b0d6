// Command korr trains, evaluates and runs Koopman-guided residual policies for furniture assembly: simulator, ROS nodes
// and robot loop in one binary. `korr demo` shows the whole story; `korr --help` lists the verbs.
package main

import "korr/cmd/internal/cli"

func main() { cli.Main("korr", newRoot) }
