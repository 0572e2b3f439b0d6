package pictures

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"

	"korr/internal/atomicfile"
)

// encoder writes frames of one size; finish completes what it writes.
type encoder interface {
	add(img *image.RGBA) error
	finish() error
	abort()
}

// Movie is a film that is being written. The file appears under its name when Close succeeds.
type Movie struct {
	path, temp string
	enc        encoder
	size       image.Point
	err        error
	closed     bool
}

// Create starts a film: an animated GIF or, through ffmpeg, an MP4, by the extension of path. fps is in frames per
// second (a GIF's times are multiples of 10 ms, and viewers slow down what is faster than 50 frames per second).
func Create(path string, fps float64) (*Movie, error) {
	if !(fps > 0 && fps <= 100) {
		return nil, fmt.Errorf("film %s: %v frames per second: use more than 0 and at most 100", path, fps)
	}
	m := &Movie{path: path, temp: filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".part")}
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".gif":
		m.enc = &gifEncoder{path: m.temp, delay: 100 / fps}
	case ".mp4":
		ffmpeg, err := lookFFmpeg()
		if err != nil {
			return nil, fmt.Errorf("film %s: %w", path, err)
		}
		m.enc = &mp4Encoder{ffmpeg: ffmpeg, path: m.temp, fps: fps}
	default:
		return nil, fmt.Errorf("film %s: extension %q is not known: use .gif or .mp4", path, ext)
	}
	return m, nil
}

// Add appends a frame; all frames have the size of the first. The picture may be changed afterwards.
func (m *Movie) Add(img *image.RGBA) error {
	size := img.Bounds().Size()
	switch {
	case m.closed:
		return fmt.Errorf("film %s: closed", m.path)
	case m.err != nil:
		return m.err
	case m.size == image.Point{}:
		m.size = size
	case m.size != size:
		return fmt.Errorf("film %s: a frame of %v after frames of %v", m.path, size, m.size)
	}
	if err := m.enc.add(img); err != nil {
		m.err = fmt.Errorf("film %s: %w", m.path, err)
	}
	return m.err
}

// Close completes the file, or removes what there is of it when a frame failed or none was added. Calling it again is
// harmless.
func (m *Movie) Close() error {
	if m.closed {
		return m.err
	}
	m.closed = true
	if m.err == nil && (m.size == image.Point{}) {
		m.err = fmt.Errorf("film %s: no frames", m.path)
	}
	if m.err != nil {
		m.enc.abort()
		os.Remove(m.temp)
		return m.err
	}
	err := m.enc.finish()
	if err == nil {
		err = os.Rename(m.temp, m.path)
	}
	if err != nil {
		os.Remove(m.temp)
		m.err = fmt.Errorf("film %s: %w", m.path, err)
	}
	return m.err
}

// Abort gives the film up and leaves no file, unless it was closed before.
func (m *Movie) Abort() {
	if !m.closed && m.err == nil {
		m.err = fmt.Errorf("film %s: given up", m.path)
	}
	_ = m.Close()
}

// WritePNG writes a picture. The file appears under its name when it is complete.
func WritePNG(path string, img image.Image) error {
	var b bytes.Buffer
	err := png.Encode(&b, img)
	if err == nil {
		err = atomicfile.Write(path, b.Bytes())
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// ticks turns the time of frame i into hundredths of a second, so that rounding does not add up.
func ticks(i int, delay float64) int { return int(math.Round(float64(i) * delay)) }
