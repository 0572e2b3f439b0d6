// Package recorder records the episodes of a simulator as they are played: into ROS bags, MCAP files and LeRobot
// datasets.
package recorder
