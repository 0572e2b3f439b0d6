package pictures

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"io"
	"os/exec"
	"strings"
)

// ErrNoFFmpeg says that there is no ffmpeg to write an MP4 with.
var ErrNoFFmpeg = errors.New("ffmpeg is not on PATH: install it (apt-get install ffmpeg) or choose a name that ends " +
	"in .gif")

func lookFFmpeg() (string, error) {
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		return "", ErrNoFFmpeg
	}
	return path, nil
}

// mp4Encoder pipes raw frames into ffmpeg.
type mp4Encoder struct {
	ffmpeg, path string
	fps          float64
	cmd          *exec.Cmd
	in           io.WriteCloser
	said         bytes.Buffer
}

func (e *mp4Encoder) start(size image.Point) (err error) {
	e.cmd = exec.Command(e.ffmpeg, "-hide_banner", "-loglevel", "error", "-nostdin", "-y",
		"-f", "rawvideo", "-pix_fmt", "rgba", "-s", fmt.Sprintf("%dx%d", size.X, size.Y), "-r", fmt.Sprint(e.fps), "-i",
		"pipe:0",
		// H.264 with 4:2:0 chroma, which every player shows, wants even sides.
		"-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-c:v", "libx264", "-crf", "20", "-pix_fmt", "yuv420p", "-movflags",
		"+faststart",
		"-f", "mp4", e.path)
	e.cmd.Stderr = &e.said
	if e.in, err = e.cmd.StdinPipe(); err != nil {
		return err
	}
	return e.cmd.Start()
}

func (e *mp4Encoder) add(img *image.RGBA) error {
	b := img.Bounds()
	if e.cmd == nil {
		if err := e.start(b.Size()); err != nil {
			return err
		}
	}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		at := img.PixOffset(b.Min.X, y)
		if _, err := e.in.Write(img.Pix[at : at+4*b.Dx()]); err != nil {
			return errors.Join(e.finish(), err)
		}
	}
	return nil
}

// finish waits for ffmpeg. An error quotes it.
func (e *mp4Encoder) finish() error {
	err := errors.Join(e.in.Close(), e.cmd.Wait())
	if err == nil {
		return nil
	}
	return fmt.Errorf("ffmpeg: %w: %s", err, strings.TrimSpace(e.said.String()))
}

func (e *mp4Encoder) abort() {
	if e.cmd != nil && e.cmd.Process != nil && e.cmd.ProcessState == nil {
		_ = e.cmd.Process.Kill()
		_ = e.in.Close()
		_ = e.cmd.Wait()
	}
}

// HasFFmpeg is ErrNoFFmpeg where there is no ffmpeg to write an MP4 with.
func HasFFmpeg() error {
	_, err := lookFFmpeg()
	return err
}
