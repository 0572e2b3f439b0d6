package chain

import (
	"encoding/xml"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"korr/internal/geom"
	"korr/internal/regular"
)

// Spec describes a chain in a configuration file: either DH or URDF.
type Spec struct {
	DH         []DH        `yaml:"dh"`         // one per joint, base to tip
	Convention string      `yaml:"convention"` // of DH: modified (Craig; the default) or standard
	URDF       string      `yaml:"urdf"`       // file, relative to the configuration's
	Base       string      `yaml:"base"`       // link of the URDF; poses are in its frame
	Tip        string      `yaml:"tip"`        // link of the URDF
	Tool       Offset      `yaml:"tool"`       // of the end effector behind the last joint or the tip
	Joints     []JointSpec `yaml:"joints"`     // moving joints, base to tip
}

// DH are one joint's parameters: m and rad.
type DH struct {
	A     float64 `yaml:"a"`
	Alpha float64 `yaml:"alpha"`
	D     float64 `yaml:"d"`
	Theta float64 `yaml:"theta"` // added to the joint's angle
}

// Offset is a fixed transform.
type Offset struct {
	XYZ [3]float64 `yaml:"xyz"` // m
	RPY [3]float64 `yaml:"rpy"` // rad, about the fixed axes x, then y, then z
}

// JointSpec names a joint and limits it. With a URDF, limits that are zero are the URDF's.
type JointSpec struct {
	Name        string  `yaml:"name"`
	Min         float64 `yaml:"min"`          // rad or m
	Max         float64 `yaml:"max"`          // rad or m
	MaxVelocity float64 `yaml:"max_velocity"` // rad/s or m/s
}

// Chain builds the chain; dir is the folder that the URDF's name is relative to.
func (s *Spec) Chain(dir string) (*Chain, error) {
	var c *Chain
	var err error
	switch {
	case (len(s.DH) > 0) == (s.URDF != ""):
		return nil, errors.New("chain: give either dh or urdf")
	case s.URDF != "":
		c, err = s.fromURDF(dir)
	default:
		c, err = s.fromDH()
	}
	if err != nil {
		return nil, err
	}
	c.Tool = c.Tool.Mul(s.Tool.pose())
	return c, c.Validate()
}

func (o *Offset) pose() geom.Pose {
	roll := geom.AxisAngle(geom.Vec3{1, 0, 0}, o.RPY[0])
	pitch := geom.AxisAngle(geom.Vec3{0, 1, 0}, o.RPY[1])
	yaw := geom.AxisAngle(geom.Vec3{0, 0, 1}, o.RPY[2])
	return geom.Pose{P: o.XYZ, Q: yaw.Mul(pitch).Mul(roll)}
}

func (s *Spec) fromDH() (*Chain, error) {
	if len(s.DH) != len(s.Joints) {
		return nil, fmt.Errorf("chain: %d rows of dh and %d joints", len(s.DH), len(s.Joints))
	}
	c := &Chain{Tool: geom.IdentityPose}
	for i, p := range s.DH {
		j := Joint{Name: s.Joints[i].Name, Axis: geom.Vec3{0, 0, 1}, Before: geom.IdentityPose, After: geom.IdentityPose}
		along := geom.Pose{P: geom.Vec3{p.A, 0, 0}, Q: geom.AxisAngle(geom.Vec3{1, 0, 0}, p.Alpha)}
		up := geom.Pose{P: geom.Vec3{0, 0, p.D}, Q: geom.AxisAngle(geom.Vec3{0, 0, 1}, p.Theta)}
		switch s.Convention {
		case "", "modified":
			j.Before = along.Mul(up)
		case "standard":
			j.Before, j.After = up, along
		default:
			return nil, fmt.Errorf("chain: convention %q: modified or standard", s.Convention)
		}
		j.limit(s.Joints[i])
		c.Joints = append(c.Joints, j)
	}
	return c, nil
}

func (j *Joint) limit(s JointSpec) {
	if s.Min != 0 || s.Max != 0 {
		j.Min, j.Max = s.Min, s.Max
	}
	if s.MaxVelocity != 0 {
		j.MaxVelocity = s.MaxVelocity
	}
}

// urdf is what is read of a URDF.
type urdf struct {
	Joints []urdfJoint `xml:"joint"`
}

type urdfJoint struct {
	Name   string    `xml:"name,attr"`
	Type   string    `xml:"type,attr"`
	Parent urdfLink  `xml:"parent"`
	Child  urdfLink  `xml:"child"`
	Origin urdfAt    `xml:"origin"`
	Axis   *urdfAxis `xml:"axis"`
	Limit  *struct {
		Lower    float64 `xml:"lower,attr"`
		Upper    float64 `xml:"upper,attr"`
		Velocity float64 `xml:"velocity,attr"`
	} `xml:"limit"`
	Mimic *struct{} `xml:"mimic"`
}

type urdfLink struct {
	Link string `xml:"link,attr"`
}

type urdfAt struct {
	XYZ string `xml:"xyz,attr"`
	RPY string `xml:"rpy,attr"`
}

type urdfAxis struct {
	XYZ string `xml:"xyz,attr"`
}

func (s *Spec) fromURDF(dir string) (*Chain, error) {
	if s.Base == "" || s.Tip == "" {
		return nil, errors.New("chain: a urdf needs base and tip, the names of two links")
	}
	path := s.URDF
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	data, err := regular.Read(path, regular.Text)
	if err != nil {
		return nil, fmt.Errorf("chain: %w", err)
	}
	c, err := ParseURDF(data, s.Base, s.Tip)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(s.Joints) == 0 {
		return c, nil
	}
	if len(s.Joints) != len(c.Joints) {
		return nil, fmt.Errorf("chain: %s has %d moving joints between %s and %s, %d are listed", path, len(c.Joints), s.Base,
			s.Tip, len(s.Joints))
	}
	for i, j := range s.Joints {
		if j.Name != c.Joints[i].Name {
			return nil, fmt.Errorf("chain: joint %d of %s is %s, %s is listed", i+1, path, c.Joints[i].Name, j.Name)
		}
		c.Joints[i].limit(j)
	}
	return c, nil
}

// ParseURDF reads the chain of moving joints between two links of a URDF. xacro must have been expanded.
func ParseURDF(data []byte, base, tip string) (*Chain, error) {
	var u urdf
	if err := xml.Unmarshal(data, &u); err != nil {
		return nil, fmt.Errorf("chain: urdf: %w", err)
	}
	parent := map[string]*urdfJoint{} // by child link
	for i := range u.Joints {
		j := &u.Joints[i]
		if parent[j.Child.Link] != nil {
			return nil, fmt.Errorf("chain: urdf: link %s has two parents", j.Child.Link)
		}
		parent[j.Child.Link] = j
	}
	var path []*urdfJoint // tip to base
	for link := tip; link != base; link = path[len(path)-1].Parent.Link {
		j := parent[link]
		if j == nil || len(path) > len(u.Joints) {
			return nil, fmt.Errorf("chain: urdf: no chain of links from %s to %s", base, tip)
		}
		path = append(path, j)
	}
	c := &Chain{}
	before := geom.IdentityPose
	for i := len(path) - 1; i >= 0; i-- {
		at, err := path[i].Origin.pose()
		if err != nil {
			return nil, fmt.Errorf("chain: urdf: joint %s: %w", path[i].Name, err)
		}
		before = before.Mul(at)
		if path[i].Type == "fixed" {
			continue
		}
		j, err := path[i].joint()
		if err != nil {
			return nil, fmt.Errorf("chain: urdf: joint %s: %w", path[i].Name, err)
		}
		j.Before = before
		c.Joints = append(c.Joints, j)
		before = geom.IdentityPose
	}
	c.Tool = before
	return c, nil
}

// joint reads a moving joint.
func (u *urdfJoint) joint() (Joint, error) {
	j := Joint{Name: u.Name, Axis: geom.Vec3{1, 0, 0}, After: geom.IdentityPose, Prismatic: u.Type == "prismatic"}
	if u.Mimic != nil {
		return j, errors.New("a joint that mimics another cannot be part of the chain")
	}
	if u.Axis != nil {
		v, err := three(u.Axis.XYZ)
		if err != nil {
			return j, err
		}
		if n := geom.Vec3(v).Norm(); n > 0 {
			j.Axis = geom.Vec3(v).Scale(1 / n)
		}
	}
	switch u.Type {
	case "revolute", "prismatic":
		if u.Limit == nil {
			return j, errors.New("no limit")
		}
		j.Min, j.Max, j.MaxVelocity = u.Limit.Lower, u.Limit.Upper, u.Limit.Velocity
	case "continuous":
		j.Min, j.Max = -4*math.Pi, 4*math.Pi
		if u.Limit != nil {
			j.MaxVelocity = u.Limit.Velocity
		}
	default:
		return j, fmt.Errorf("type %q cannot be part of the chain", u.Type)
	}
	return j, nil
}

func (a *urdfAt) pose() (geom.Pose, error) {
	xyz, err := three(a.XYZ)
	if err != nil {
		return geom.Pose{}, err
	}
	rpy, err := three(a.RPY)
	o := Offset{XYZ: xyz, RPY: rpy}
	return o.pose(), err
}

// three reads "x y z"; an empty text is zero.
func three(text string) (v [3]float64, err error) {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return v, nil
	}
	if len(fields) != 3 {
		return v, fmt.Errorf("%q: want three numbers", text)
	}
	for i, f := range fields {
		if v[i], err = strconv.ParseFloat(f, 64); err != nil || math.IsNaN(v[i]) || math.IsInf(v[i], 0) {
			return v, fmt.Errorf("%q: want three numbers", text)
		}
	}
	return v, nil
}
