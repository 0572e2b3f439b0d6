// Package plausible decides which measurements may be believed.
//
// A message that is well formed may still be nonsense: a matrix that is no rotation, a joint that turned by 2 pi in a
// moment, a tag that was lost and reported as the origin. What is nonsense must reach neither the policy nor the pose
// that a hold sends, so it is refused where it arrives. A gate keeps the last measurement that it accepted and judges
// the next one against it.
//
// # Tool
//
// [Tool] accepts a pose T = (R, p) of an arm's end effector when
//
//	every number is finite
//	|R R' - I| <= 1e-3 and det R > 0                  (a rotation, no mirror and no scale)
//	|p - Centre| <= Radius                            (inside what the arm reaches)
//	|p - p0| <= 0.01 m + MaxSpeed dt                  (p0 was accepted dt ago)
//	angle(R, R0) <= 0.1 rad + MaxTurn dt
//
// # Joints
//
// [Joints] accepts joint positions q that are finite, inside their limits by 0.05 (rad or m), and no farther from the
// positions accepted before than 0.05 + 1.5 MaxVelocity dt.
//
// # Time
//
// dt is the larger of two times: since the last accepted measurement arrived, and between the two stamps. Messages that
// waited on the way arrive at once, and only their stamps tell how much the arm may have moved. A stamp is believed for
// 0.2 s at most, so that one from the future does not explain a leap. A measurement that goes on being refused for its
// speed is therefore accepted some time later. That is meant: the caller has stopped by then, and somebody looks.
package plausible
