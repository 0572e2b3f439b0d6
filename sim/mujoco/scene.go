package mujoco

import "korr/internal/geom"

// Scene is what a viewer needs to draw a task once: bodies and their geometry. It holds no engine memory.
type Scene struct {
	Task   string      `json:"task"`
	Bodies []SceneBody `json:"bodies"` // those with something to see; SceneFrame.Poses has their order
	Geoms  []SceneGeom `json:"geoms"`
}

// SceneBody is a rigid body with something to see.
type SceneBody struct {
	Name string `json:"name"`
	Part bool   `json:"part"` // a part of the furniture or the obstacle
	// Ghost marks what is not there: a part where a tracker shows it.
	Ghost bool `json:"ghost,omitempty"`
}

// SceneGeom is a visible primitive, fixed to a body or to the world.
type SceneGeom struct {
	Body int        `json:"body"` // index into Scene.Bodies, -1 = the world
	Kind string     `json:"kind"` // plane, sphere, capsule, ellipsoid, cylinder or box
	Size [3]float32 `json:"size"` // m, half extents and radii as MuJoCo has them; a capsule's or cylinder's axis is its z
	Pos  [3]float32 `json:"pos"`  // m, in the body's frame
	Quat [4]float32 `json:"quat"` // x y z w, in the body's frame
	RGBA [4]float32 `json:"rgba"` // 0 to 1
}

// SceneFrame is the scene at one instant.
type SceneFrame struct {
	Poses    []geom.Pose // of Scene.Bodies, base frame
	Contacts []SceneContact
}

// SceneContact is a point in which two geometries touch.
type SceneContact struct {
	Pos    geom.Vec3 // m, base frame
	Normal geom.Vec3 // unit vector, base frame
	Depth  float64   // m; below zero for a gap within the engine's margin
}

// FramesPerStep is the most instants of a control step that Watch can show: every physics step.
const FramesPerStep = substeps
