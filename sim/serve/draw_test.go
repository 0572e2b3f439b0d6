package serve

import (
	"errors"
	"image"
	"image/color"
	"strings"
	"sync/atomic"
	"testing"

	"korr/sim"
)

// TestDraw: a picture arrives as it was drawn, row by row; what cannot be drawn is refused, and the connection goes on.
func TestDraw(t *testing.T) {
	want := image.NewRGBA(image.Rect(0, 0, 3, 2))
	for i := range 6 {
		want.SetRGBA(i%3, i/3, color.RGBA{uint8(10 * i), uint8(20 * i), uint8(30 * i), 0xff})
	}
	var broken atomic.Bool
	r := serveToys(t, "", func(c *Config) {
		c.Draw = func(sim.Env) (*image.RGBA, error) {
			if broken.Load() {
				return nil, errors.New("no light")
			}
			return want, nil
		}
	})
	c := r.dial(t)
	got, err := c.Draw()
	if err != nil || got.Rect != want.Rect || string(got.Pix) != string(want.Pix) {
		t.Errorf("%v, %v", err, got)
	}
	broken.Store(true)
	if _, err := c.Draw(); err == nil || !strings.Contains(err.Error(), "no light") {
		t.Errorf("a failing renderer: %v", err)
	}
	if err := c.Reset(make([]float32, c.Spec().ObsDim), 1); err != nil {
		t.Errorf("after a failed drawing: %v", err)
	}
	if _, err := serveToys(t, "", nil).dial(t).Draw(); err == nil || !strings.Contains(err.Error(), "draws nothing") {
		t.Errorf("a server without a renderer: %v", err)
	}
}
