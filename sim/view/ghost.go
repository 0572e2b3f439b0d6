package view

import (
	"slices"

	"korr/internal/geom"
	"korr/sim"
	"korr/sim/disturb"
	"korr/sim/mujoco"
)

// ghostColour is what parts look like where the tracker shows them.
var ghostColour = [4]float32{0.2, 0.6, 0.95, 0.35}

// ghosts show where the tracker sees the parts, beside where they are. The zero value sees the truth and shows nothing.
type ghosts struct {
	sensor *disturb.Sensor
	seen   []float32 // what the policy acts on
	ages   []float32 // of what the policy acts on
	parts  []int     // of the observation, in the order of the ghosts
}

// newGhosts adds a ghost of every part to the scene, if anything is disturbed.
func newGhosts(cfg disturb.Config, spec sim.Spec, scene *mujoco.Scene) (ghosts, error) {
	if !cfg.On() {
		return ghosts{}, cfg.Validate()
	}
	sensor, err := disturb.NewSensor(cfg, spec.ObsDim)
	g := ghosts{sensor: sensor, seen: make([]float32, spec.ObsDim), ages: make([]float32, spec.AgeDim())}
	if err != nil {
		return g, err
	}
	bodies, solid := len(scene.Bodies), scene.Geoms
	for b := range bodies {
		i := slices.Index(spec.PartNames, scene.Bodies[b].Name)
		if i < 0 {
			continue
		}
		for _, of := range solid {
			if of.Body == b {
				of.Body, of.RGBA = len(scene.Bodies), ghostColour
				scene.Geoms = append(scene.Geoms, of)
			}
		}
		scene.Bodies = append(scene.Bodies, mujoco.SceneBody{Name: "seen " + scene.Bodies[b].Name, Ghost: true})
		g.parts = append(g.parts, i)
	}
	return g, nil
}

// reset begins an episode; obs becomes what the policy acts on.
func (g *ghosts) reset(obs []float32, seed uint64) []float32 {
	if g.sensor == nil {
		return obs
	}
	g.sensor.Reset(g.seen, obs, seed)
	return g.seen
}

// observe takes in the next true observation and returns what the policy acts on.
func (g *ghosts) observe(obs []float32) []float32 {
	if g.sensor == nil {
		return obs
	}
	g.sensor.Observe(g.seen, obs)
	return g.seen
}

// tell hands the ages of what is seen to a policy that reads them. Without sensors everything is fresh, as it takes for
// granted.
func (g *ghosts) tell(p Policy) {
	if reader, ok := p.(sim.AgeReader); ok && g.sensor != nil {
		g.sensor.AgesTo(g.ages)
		reader.ReadAges(g.ages)
	}
}

// frame adds the ghosts' poses to those of the bodies.
func (g *ghosts) frame(f *mujoco.SceneFrame) {
	for _, i := range g.parts {
		f.Poses = append(f.Poses, geom.TagFrame.Mul(geom.PoseAt(g.seen[sim.StateDim+sim.PoseDim*i:])))
	}
}
