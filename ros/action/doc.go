// Package action is ROS's actionlib protocol over plain topics: goal, cancel, status, feedback and result. The ROS
// library's own action server publishes its topics under made-up type names, which rospy refuses; this one uses the
// named message types, and one goal at a time, as a gripper has.
//
// A goal is acknowledged when its id appears in a status or a result. Until then the client sends it again under the
// same id, which a server ignores when it has it already (as actionlib does), so that a goal sent while connections
// are still being made is not lost.
//
// The type parameters are the ...ActionGoal, ...ActionResult and ...ActionFeedback messages: structs with the fields
// Header, GoalId and Goal, or Header, Status and Result or Feedback.
package action
