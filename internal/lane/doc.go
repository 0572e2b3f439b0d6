// Package lane is a whole robot over ROS on the loopback interface, master, simulator and control node in one process,
// on which an evaluation plays its episodes.
package lane
