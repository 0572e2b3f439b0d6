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
	"fmt"
	"image"
	"runtime"
	"sync"
	"unsafe"

	"korr/sim/mujoco"
)

// Renderer draws environments off screen. Its methods may be called from any goroutine, one picture at a time; frames
// of several renderers are drawn at once.
type Renderer struct {
	width, height int
	backend       string
	jobs          chan func() // run by the goroutine that owns the OpenGL context
	done          chan struct{}
	mu            sync.Mutex // guards closed and the sends to jobs
	closed        bool
	c             *C.korr_canvas
}

// Open makes a renderer for pictures of this size in pixels. It returns an error that wraps ErrNoGL and names what to
// install when the machine has no OpenGL that draws without a screen.
func Open(width, height int) (*Renderer, error) { return open(libraries, width, height) }

func open(names [2]string, width, height int) (*Renderer, error) {
	if err := checkSize(width, height); err != nil {
		return nil, err
	}
	r := &Renderer{width: width, height: height, jobs: make(chan func()), done: make(chan struct{})}
	failed := make(chan error)
	go r.own(names, failed)
	if err := <-failed; err != nil {
		<-r.done
		return nil, err
	}
	return r, nil
}

// own is the goroutine of the OpenGL context, which belongs to one thread. The thread ends with it.
func (r *Renderer) own(names [2]string, failed chan<- error) {
	defer close(r.done)
	runtime.LockOSThread()
	msg := (*C.char)(C.calloc(1, messageSize))
	defer C.free(unsafe.Pointer(msg))
	mesa, egl := C.CString(names[0]), C.CString(names[1])
	defer C.free(unsafe.Pointer(mesa))
	defer C.free(unsafe.Pointer(egl))
	r.c = C.korr_canvas_open(mesa, egl, C.int(r.width), C.int(r.height), msg, messageSize)
	if r.c == nil {
		failed <- fmt.Errorf("%w (%s)", ErrNoGL, C.GoString(msg))
		return
	}
	C.korr_canvas_describe(r.c, msg, messageSize)
	r.backend = C.GoString(msg)
	failed <- nil
	for job := range r.jobs {
		job()
	}
	C.korr_canvas_close(r.c)
}

// Size is the size of the pictures in pixels.
func (r *Renderer) Size() (width, height int) { return r.width, r.height }

// Backend says what draws, for example "OSMesa, llvmpipe (LLVM 15.0.6, 256 bits), OpenGL 4.5 (Compatibility Profile) Mesa 22.3.6".
func (r *Renderer) Backend() string { return r.backend }

// Frame draws what a camera of the model sees: "front", "wrist" or "close". Drawing changes nothing in the environment,
// which must not be stepped meanwhile.
func (r *Renderer) Frame(env *mujoco.Env, camera string) (*image.RGBA, error) {
	img := image.NewRGBA(image.Rect(0, 0, r.width, r.height))
	m, d := env.Handles()
	if m == nil {
		return nil, fmt.Errorf("draw %q: the environment is closed", camera)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, fmt.Errorf("draw %q: the renderer is closed", camera)
	}
	result := make(chan error)
	r.jobs <- func() { result <- r.draw(m, d, camera, img.Pix) }
	if err := <-result; err != nil {
		return nil, fmt.Errorf("draw %q: %w", camera, err)
	}
	return img, nil
}

func (r *Renderer) draw(m, d unsafe.Pointer, camera string, pix []byte) error {
	name := C.CString(camera)
	defer C.free(unsafe.Pointer(name))
	msg := (*C.char)(C.calloc(1, messageSize))
	defer C.free(unsafe.Pointer(msg))
	if C.korr_canvas_draw(r.c, m, d, name, (*C.uchar)(&pix[0]), msg, messageSize) != 0 {
		return fmt.Errorf("%s", C.GoString(msg))
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
