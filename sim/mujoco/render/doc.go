package render

import (
	"errors"
	"fmt"
)

// ErrNoGL says that nothing on this machine draws without a screen.
var ErrNoGL = errors.New("no off-screen OpenGL: install Debian's libosmesa6 (apt-get install libosmesa6), or libegl1 with a driver")

// ErrNoEngine says that this binary was built without the simulator.
var ErrNoEngine = errors.New("built without MuJoCo")

var libraries = [2]string{"libOSMesa.so.8", "libEGL.so.1"}

const (
	messageSize = 1024
	maxSide     = 4096
)

func checkSize(width, height int) error {
	if width < 16 || height < 16 || width > maxSide || height > maxSide {
		return fmt.Errorf("picture size %d x %d: use 16 to %d pixels a side", width, height, maxSide)
	}
	return nil
}
