// Package action converts between the forms in which an action can be written, and wraps an environment so that it
// takes one of them. The canonical form, which every engine takes, is an absolute pose with a 6D rotation (see package
// sim).
//
//	form              width  elements
//	6d                10     position, rotation 6D (first two rows), gripper
//	quat              8      position, quaternion x y z w, gripper
//	axis-angle        7      position, rotation vector (axis times angle, rad), gripper
//	delta-6d, ...     same   the same against the tool's pose at the start of the step
//
// A delta composes as FurnitureSim's (FurnitureBench, arXiv 2305.12821, furniture_sim_env.py, step): the position is
// added in the base frame, the rotation is applied in the tool's own frame,
//
//	p = p_tool + dp        R = R_tool dR
//
// and the pose it starts from is the measured one of the newest observation, not the last target: repeating a zero
// delta does not keep a lagging arm moving. The gripper's element is absolute in every form.
//
// Unlike FurnitureSim, whose action space is [-1, 1] in every element, rotation vectors are not clipped to 1 rad per
// element: that would cut the absolute rotations that the tasks need. A quaternion or 6D rotation of any length counts;
// one without a direction counts as the identity (see geom.QuatAt and geom.Rot6D.Mat).
package action
