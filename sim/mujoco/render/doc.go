// Package render draws sim/mujoco environments off screen with MuJoCo's own renderer, and films episodes.
//
// OpenGL is found at run time: libOSMesa.so.8 (Mesa on the processor; Debian's libosmesa6), else libEGL.so.1 (a
// graphics card's driver, or Mesa without a screen). A binary therefore needs no OpenGL to be built or to run; Open
// says what is missing when pictures are asked for. An OpenGL context belongs to one thread, so every Renderer has a
// goroutine that is locked to its thread and does all the drawing.
//
// The build tag is mujoco; without it Open returns ErrNoEngine. A film of one episode:
//
//	r, err := render.Open(640, 480)
//	defer r.Close()
//	movie, err := pictures.Create("episode.gif", 15) // three times as fast as it was
//	clip, err := render.Episode(ctx, r, env, policy, seed, render.Options{Title: "KORR", Each: movie.Add})
//	err = movie.Close()
//	err = pictures.WritePNG("episode.png", clip.Strip(3, 460))
package render

import (
	"errors"
	"fmt"
)

var (
	// ErrNoGL says that nothing on this machine draws without a screen.
	ErrNoGL = errors.New("no off-screen OpenGL: install Debian's libosmesa6 (apt-get install libosmesa6), or libegl1 " +
		"with libgl1-mesa-dri where there is no libosmesa6")
	// ErrNoEngine says that this binary was built without the simulator, and hence without its renderer.
	ErrNoEngine = errors.New("no pictures: built without MuJoCo; install libmujoco-dev and rebuild with `make build` " +
		"(CGO_ENABLED=1 go build -tags mujoco)")
)

// Cameras of the task models.
const (
	CameraFront = "front" // the whole cell
	CameraClose = "close" // the parts, from near
	CameraWrist = "wrist" // on the hand
)

const (
	minSide = 16 // pixels
	maxSide = 4096
)

func checkSize(width, height int) error {
	if width < minSide || height < minSide || width > maxSide || height > maxSide {
		return fmt.Errorf("picture size %d x %d: use %d to %d pixels a side", width, height, minSide, maxSide)
	}
	return nil
}
