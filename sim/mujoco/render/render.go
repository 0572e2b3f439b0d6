//go:build mujoco

package render

/*
#cgo CFLAGS: -O2
#cgo LDFLAGS: -lmujoco -ldl -lpthread
#include <stdlib.h>
#include "gl.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"image"
	"runtime"
	"sync"
	"unsafe"

	"korr/sim/mujoco"
)

// Names that the dynamic loader resolves, in the order in which they are tried.
var libraries = [2]string{"libOSMesa.so.8", "libEGL.so.1"}

const messageSize = 1024

// Renderer draws environments off screen. Its methods may be called from any goroutine; one picture is drawn at a time.
type Renderer struct {
	width, height int
	backend       string
	jobs          chan func() // run by the goroutine that owns the OpenGL context
	done          chan struct{}
	mu            sync.Mutex // guards closed and sending to jobs
	closed        bool
	canvas        *C.korr_canvas
}

// Open makes a renderer for pictures of this size in pixels. The error wraps ErrNoGL and names what to install when
// the machine has no OpenGL that draws without a screen.
func Open(width, height int) (*Renderer, error) { return open(libraries, width, height) }

func open(names [2]string, width, height int) (*Renderer, error) {
	if err := checkSize(width, height); err != nil {
		return nil, err
	}
	r := &Renderer{width: width, height: height, jobs: make(chan func()), done: make(chan struct{})}
	opened := make(chan error)
	go r.own(names, opened)
	if err := <-opened; err != nil {
		<-r.done
		return nil, err
	}
	return r, nil
}

// own is the goroutine of the OpenGL context. It never unlocks its thread, which therefore ends with it.
func (r *Renderer) own(names [2]string, opened chan<- error) {
	defer close(r.done)
	runtime.LockOSThread()
	msg := (*C.char)(C.calloc(1, messageSize))
	defer C.free(unsafe.Pointer(msg))
	mesa, egl := C.CString(names[0]), C.CString(names[1])
	r.canvas = C.korr_canvas_open(mesa, egl, C.int(r.width), C.int(r.height), msg, messageSize)
	C.free(unsafe.Pointer(mesa))
	C.free(unsafe.Pointer(egl))
	if r.canvas == nil {
		opened <- fmt.Errorf("%w (%s)", ErrNoGL, C.GoString(msg))
		return
	}
	defer C.korr_canvas_close(r.canvas)
	r.backend = C.GoString(C.korr_canvas_name(r.canvas))
	opened <- nil
	for job := range r.jobs {
		job()
	}
}

// Size is the size of the pictures in pixels.
func (r *Renderer) Size() (width, height int) { return r.width, r.height }

// Backend names what draws, for example "OSMesa: llvmpipe (LLVM 15.0.6, 256 bits), OpenGL 4.5 (Compatibility Profile)
// Mesa 22.3.6".
func (r *Renderer) Backend() string { return r.backend }

// Frame draws what a camera of the model sees (Front, Close, Wrist). Drawing changes nothing in the environment, which
// must not be stepped or closed meanwhile.
func (r *Renderer) Frame(env *mujoco.Env, camera string) (*image.RGBA, error) {
	return r.frame(env, camera, r.width, r.height)
}

func (r *Renderer) frame(env *mujoco.Env, camera string, width, height int) (*image.RGBA, error) {
	m, d := env.Handles()
	if m == nil {
		return nil, fmt.Errorf("draw camera %q: the environment is closed", camera)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, fmt.Errorf("draw camera %q: the renderer is closed", camera)
	}
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	drawn := make(chan error)
	r.jobs <- func() { drawn <- r.draw(m, d, camera, img) }
	if err := <-drawn; err != nil {
		return nil, fmt.Errorf("draw camera %q: %w", camera, err)
	}
	return img, nil
}

func (r *Renderer) draw(m, d unsafe.Pointer, camera string, img *image.RGBA) error {
	name, msg := C.CString(camera), (*C.char)(C.calloc(1, messageSize))
	defer C.free(unsafe.Pointer(name))
	defer C.free(unsafe.Pointer(msg))
	w, h := C.int(img.Rect.Dx()), C.int(img.Rect.Dy())
	if C.korr_canvas_draw(r.canvas, m, d, name, w, h, (*C.uchar)(&img.Pix[0]), msg, messageSize) != 0 {
		return errors.New(C.GoString(msg))
	}
	return nil
}

// Close frees the OpenGL context; calling it again is harmless.
func (r *Renderer) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.closed = true
		close(r.jobs)
		<-r.done
	}
	return nil
}
