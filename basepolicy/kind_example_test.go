package basepolicy_test

import (
	"fmt"

	"korr/basepolicy"
	"korr/internal/tensorfile"
)

// Homing is a kind of base policy: from wherever the arm is, straight to one pose.
type Homing struct {
	Obs, Act *basepolicy.Normalizer
	Home     []float32 // normalised action [U]
}

// About says what every kind has.
func (p *Homing) About() basepolicy.About {
	return basepolicy.About{Horizon: 8, Obs: p.Obs, Act: p.Act, Origin: basepolicy.Origin{Task: "one_leg"}}
}

// NewChunker is for one goroutine; what is shared is only read.
func (p *Homing) NewChunker() basepolicy.ChunkPolicy { return &homing{p: p} }

type homing struct {
	basepolicy.Stateless // no random numbers, nothing remembered
	p                    *Homing
}

func (c *homing) Horizon() int { return 8 }
func (c *homing) ActDim() int  { return len(c.p.Home) }

// ChunkTo fills the chunk; it allocates nothing.
func (c *homing) ChunkTo(chunk, obs []float32, _ basepolicy.Rest) error {
	for i := range chunk {
		share := float32(i/c.ActDim()+1) / 8
		chunk[i] = obs[i%c.ActDim()]*(1-share) + c.p.Home[i%c.ActDim()]*share
	}
	return nil
}

const homingFormat = "korr/example.Homing/1"

// SaveTo writes the tensors and the format that tells kinds apart.
func (p *Homing) SaveTo(f *tensorfile.File, prefix string) error {
	f.SetMeta(prefix+"format", homingFormat)
	p.Obs.SaveTo(f, prefix+"obs.")
	p.Act.SaveTo(f, prefix+"act.")
	f.Add(prefix+"home", p.Home, len(p.Home))
	return nil
}

func init() { // the only place that knows of the new kind
	basepolicy.Register(homingFormat, func(f *tensorfile.File, prefix string) (basepolicy.Policy, error) {
		home, err := f.Get(prefix + "home")
		if err != nil {
			return nil, err
		}
		p := &Homing{Home: home}
		if p.Act, err = basepolicy.LoadNormalizer(f, prefix+"act.", len(home)); err != nil {
			return nil, err
		}
		p.Obs, err = basepolicy.LoadNormalizer(f, prefix+"obs.", len(home))
		return p, err
	})
}

// A kind of base policy is one package; everything else takes it as a basepolicy.Policy.
func Example_newKind() {
	n := &basepolicy.Normalizer{Min: []float32{-1, -1}, Max: []float32{1, 1}}
	var f tensorfile.File
	if err := (&Homing{Obs: n, Act: n, Home: []float32{0, 1}}).SaveTo(&f, ""); err != nil {
		fmt.Println(err)
	}
	p, err := basepolicy.LoadFrom(&f, "")
	if err != nil {
		fmt.Println(err)
	}
	var planner basepolicy.Planner = basepolicy.NewQueue(p.NewChunker(), 4)
	act := make([]float32, 2)
	for range 4 {
		fmt.Println(planner.ActTo(act, []float32{0.8, 0}), act)
	}
	// Output:
	// <nil> [0.7 0.125]
	// <nil> [0.6 0.25]
	// <nil> [0.5 0.375]
	// <nil> [0.4 0.5]
}
