package geom

// VecAt reads a vector from the first three elements of s.
func VecAt(s []float32) Vec3 { return Vec3{float64(s[0]), float64(s[1]), float64(s[2])} }

// VecTo writes v into the first three elements of dst.
func VecTo(dst []float32, v Vec3) {
	_ = dst[2]
	dst[0], dst[1], dst[2] = float32(v[0]), float32(v[1]), float32(v[2])
}

// QuatAt reads a quaternion (x, y, z, w) from the first four elements of s and
// normalises it.
func QuatAt(s []float32) Quat {
	return Quat{float64(s[0]), float64(s[1]), float64(s[2]), float64(s[3])}.Normalize()
}

// QuatTo writes q with w >= 0 into the first four elements of dst.
func QuatTo(dst []float32, q Quat) {
	q = q.Canonical()
	_ = dst[3]
	for i := range q {
		dst[i] = float32(q[i])
	}
}

// Rot6DAt reads a 6D rotation from the first six elements of s.
func Rot6DAt(s []float32) Rot6D {
	_ = s[5]
	var r Rot6D
	for i := range r {
		r[i] = float64(s[i])
	}
	return r
}

// Rot6DTo writes the 6D form of q into the first six elements of dst.
func Rot6DTo(dst []float32, q Quat) {
	_ = dst[5]
	for i, x := range q.Rot6D() {
		dst[i] = float32(x)
	}
}

// PoseAt reads a pose from s: position (3, metres), then quaternion (4).
func PoseAt(s []float32) Pose { return Pose{P: VecAt(s), Q: QuatAt(s[3:])} }

// PoseTo writes a into dst: position (3, metres), then quaternion (4, w >= 0).
func PoseTo(dst []float32, a Pose) {
	VecTo(dst, a.P)
	QuatTo(dst[3:], a.Q)
}

// State16To turns a 14-wide robot state (position 3, quaternion 4, linear
// velocity 3, angular velocity 3, gripper width 1) into the 16-wide one whose
// rotation is 6D.
func State16To(dst, state14 []float32) {
	_, _ = dst[15], state14[13]
	copy(dst[:3], state14[:3])
	Rot6DTo(dst[3:9], QuatAt(state14[3:7]))
	copy(dst[9:16], state14[7:14])
}
