// Package recorder records the episodes of a simulator as they are played: into a ROS bag, a LeRobot dataset, or both.
package recorder
