package faults

import (
	"math"
	"strings"

	"korr/ros/msgs"
)

var nan = math.NaN()

// poseLies are arms that tell where they cannot be. O_T_EE is column-major. Over ROS 2 the pose is a quaternion, so
// what is no rotation arrives as a turn, or as no quaternion, and the matrix's last row does not cross at all.
func poseLies() []Case {
	lie := func(name, says, kind string, value ...float64) Case {
		c := injection("arm tells "+name, fault, "pose right; "+resets, strings.Split(says, "|"), kind, "arm", value...)
		c.links = natively
		return c
	}
	matrix := func(c Case) Case {
		c.links = overROS1
		return c
	}
	return []Case{
		lie("a matrix of zeros", "last row|leapt", msgs.PerturbSet,
			pairs(0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)...),
		lie("the origin", "leapt", msgs.PerturbSet, pairs(0, 12, 13, 14)...),
		lie("1e300 m", "out of reach", msgs.PerturbSet, 12, 1e300),
		lie("5 m", "out of reach", msgs.PerturbSet, 12, 5),
		lie("a place under the table", "leapt", msgs.PerturbSet, 14, -0.4),
		lie("a rotation of zeros", "no rotation|turned", msgs.PerturbSet, pairs(0, 0, 1, 2, 4, 5, 6, 8, 9, 10)...),
		lie("a mirror", "mirror|turned", msgs.PerturbSet, 0, 1, 1, 0, 2, 0, 4, 0, 5, 1, 6, 0, 8, 0, 9, 0, 10, -1),
		lie("NaN in the third row of its matrix", "not finite|no unit quaternion", msgs.PerturbSet, 2, nan, 6, nan, 10, nan),
		matrix(lie("NaN in the last row of its matrix", "last row", msgs.PerturbSet, 3, nan)),
		lie("a place 0.3 m aside", "leapt", msgs.PerturbAdd, 13, 0.3),
	}
}

// pairs are one number for several indices.
func pairs(number float64, indices ...float64) (v []float64) {
	for _, i := range indices {
		v = append(v, i, number)
	}
	return v
}
