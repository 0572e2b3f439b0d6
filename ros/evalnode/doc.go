// Package evalnode serves evaluations over ROS: ~run is an action (korr_msgs/Evaluate) that plays seeded episodes one
// after another, tells of each in its feedback, and ends with the success rate and its interval. One evaluation runs at
// a time; a further goal is rejected. A cancelled one ends with the result of the episodes played so far.
//
// What an episode is, and how an interval is computed, the caller says (Config), so that the same evaluation runs
// in process, over ROS nodes, or in a test.
package evalnode
