// Package sim is the contract between furniture-assembly simulators and everything that learns, evaluates or
// drives them: the Env interface, the tasks as data, seeded randomness, perturbations, task-relative features,
// and batches of environments stepped over the cores. It is pure Go; the physics engine lives in sim/mujoco.
//
// # Frames
//
// The robot base frame has its origin at the arm's foot, x forward, z up, metres. The tag frame of FurnitureBench
// (Heo et al. 2023, arXiv 2305.12821) has its origin at base + (0.3015, 0, 0) m and the rotation
// Rz(pi/2) Ry(0) Rx(pi): tag x is base y, tag y is base x, tag z points down.
//
// # Tasks
//
// A task is data: parts (published masses and sizes, convex primitives, nominal poses), pairs (joints: which part
// enters which, target pose, symmetry, thread), limits. Engines generate their model from it, so a further task is one
// more file task_*.go, a line in the table of tasks, and a script in sim/expert. A part's frame is FurnitureBench's: y,
// or z for the round table's top and base, is the part's own axis.
//
// # Observation (float32)
//
//	0..2    end-effector position, base frame, m
//	3..8    rotation 6D: first two rows of the rotation matrix, row-major (Zhou et al. 2019)
//	9..11   linear velocity, base frame, m/s
//	12..14  angular velocity, base frame, rad/s
//	15      gripper width, m
//	16..    per part, in task order and then the front obstacle: position (m) and quaternion x y z w, w >= 0, tag frame
//
// # Action (float32)
//
//	0..2    end-effector target position, base frame, m
//	3..8    target rotation 6D
//	9       gripper: above +0.019 closes, below -0.019 opens, between keeps what it did
package sim
