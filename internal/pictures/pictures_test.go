package pictures

import (
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// scene is a smooth background with a disc at x: many colours, and little that moves.
func scene(w, h, x int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for j := range h {
		for i := range w {
			c := color.RGBA{uint8(120 + 90*j/h), uint8(130 + 60*i/w), uint8(200 - 50*j/h), 255}
			if (i-x)*(i-x)+(j-h/2)*(j-h/2) < h*h/16 {
				c = color.RGBA{uint8(200 + i%40), uint8(100 + 2*(j%30)), 30, 255}
			}
			img.SetRGBA(i, j, c)
		}
	}
	return img
}

func worst(a, b *image.RGBA) int {
	most := 0
	for i := range a.Pix {
		d := int(a.Pix[i]) - int(b.Pix[i])
		most = max(most, d, -d)
	}
	return most
}

// played is what a viewer shows after every frame of a GIF.
func played(t *testing.T, path string) (frames []*image.RGBA, delays []int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g, err := gif.DecodeAll(f)
	if err != nil {
		t.Fatal(err)
	}
	canvas := image.NewRGBA(image.Rect(0, 0, g.Config.Width, g.Config.Height))
	for _, img := range g.Image {
		draw.Draw(canvas, img.Bounds(), img, img.Bounds().Min, draw.Over)
		shown := image.NewRGBA(canvas.Rect)
		copy(shown.Pix, canvas.Pix)
		frames = append(frames, shown)
	}
	return frames, g.Delay
}

func film(t *testing.T, path string, fps float64, frames ...*image.RGBA) {
	t.Helper()
	m, err := Create(path, fps)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		if err := m.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the film: %v (%v)", left, err)
	}
}

func TestGIF(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gif")
	in := []*image.RGBA{scene(160, 120, 40), scene(160, 120, 60), scene(160, 120, 60), scene(160, 120, 80)}
	film(t, path, 15, in...)
	out, delays := played(t, path)
	if len(out) != 4 && len(out) != 3 {
		t.Fatalf("%d frames", len(out))
	}
	total := 0
	for _, d := range delays {
		total += d
	}
	if total != 27 { // 4 frames of 1/15 s
		t.Errorf("the GIF lasts %d hundredths of a second, want 27", total)
	}
	for i, want := range []*image.RGBA{in[0], in[len(in)-1]} {
		if d := worst(out[i*(len(out)-1)], want); d > 10 {
			t.Errorf("a colour of frame %d is off by %d of 255", i*(len(out)-1), d)
		}
	}
}

// TestGIFKeepsFewColours: what fits the palette is exact, a still costs nothing but time, a change little.
func TestGIFKeepsFewColours(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gif")
	a, b := image.NewRGBA(image.Rect(0, 0, 200, 100)), image.NewRGBA(image.Rect(0, 0, 200, 100))
	for i := range 200 * 100 {
		copy(a.Pix[4*i:], []uint8{uint8(i % 200 * 8 & 0xf8), uint8(i / 4000 * 50), 77, 255})
	}
	copy(b.Pix, a.Pix)
	draw.Draw(b, image.Rect(10, 20, 14, 26), image.NewUniform(color.RGBA{255, 0, 0, 255}), image.Point{}, draw.Src)
	film(t, path, 10, a, a, a, b)
	out, delays := played(t, path)
	if len(out) != 2 || delays[0] != 30 || delays[1] != 10 {
		t.Fatalf("%d frames with delays %v, want 2 with 30 and 10", len(out), delays)
	}
	if worst(out[0], a) != 0 || worst(out[1], b) != 0 {
		t.Errorf("colours are off by %d and %d", worst(out[0], a), worst(out[1], b))
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g, err := gif.DecodeAll(f)
	if err != nil || g.Image[1].Rect != image.Rect(10, 20, 14, 26) {
		t.Errorf("the second frame covers %v, want only what changed (%v)", g.Image[1].Rect, err)
	}
}

func TestPalette(t *testing.T) {
	var h histogram
	for i := range 4000 {
		h.add([]uint8{uint8(i % 256), uint8(i / 16), 9})
	}
	if n := len(h.palette(255)); n != 255 {
		t.Errorf("%d colours, want 255", n)
	}
	var two histogram
	for range 1000 {
		two.add([]uint8{10, 20, 30})
	}
	two.add([]uint8{200, 20, 30})
	got := two.palette(255)
	if len(got) != 2 || newNearest(got).index([]uint8{199, 22, 30}) == newNearest(got).index([]uint8{9, 21, 28}) {
		t.Errorf("palette %v, want the two colours", got)
	}
}

func TestMP4(t *testing.T) {
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("no ffmpeg on PATH")
	}
	path := filepath.Join(t.TempDir(), "a.mp4")
	film(t, path, 10, scene(161, 120, 40), scene(161, 120, 60), scene(161, 120, 80))
	probe, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Skip("no ffprobe on PATH")
	}
	out, err := exec.Command(probe, "-v", "error", "-count_frames", "-show_entries",
		"stream=width,height,nb_read_frames,pix_fmt", "-of", "csv=p=0", path).Output()
	if err != nil || strings.TrimSpace(string(out)) != "162,120,yuv420p,3" {
		t.Errorf("ffprobe says %q (%v), want 162 x 120, yuv420p, 3 frames", out, err)
	}
}

func TestNoFFmpeg(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := Create("a.mp4", 10); !errors.Is(err, ErrNoFFmpeg) || !strings.Contains(err.Error(), ".gif") {
		t.Errorf("error %v, want ErrNoFFmpeg and a way out", err)
	}
}

// TestBrokenFFmpeg: an ffmpeg that fails is quoted, and leaves no file.
func TestBrokenFFmpeg(t *testing.T) {
	bin, dir := t.TempDir(), t.TempDir()
	script := "#!/bin/sh\necho no such codec >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(bin, "ffmpeg"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	m, err := Create(filepath.Join(dir, "a.mp4"), 10)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if err := m.Add(scene(64, 48, 9)); err != nil {
			break
		}
	}
	if err := m.Close(); err == nil || !strings.Contains(err.Error(), "no such codec") {
		t.Errorf("error %v, want ffmpeg's words", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestMovieErrors(t *testing.T) {
	dir := t.TempDir()
	for path, fps := range map[string]float64{"a.avi": 10, "a": 10, "a.gif": 0} {
		if _, err := Create(filepath.Join(dir, path), fps); err == nil {
			t.Errorf("%s at %v frames per second: no error", path, fps)
		}
	}
	m, err := Create(filepath.Join(dir, "a.gif"), 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Add(scene(40, 30, 5)); err != nil {
		t.Fatal(err)
	}
	if err := m.Add(scene(41, 30, 5)); err == nil {
		t.Error("a frame of another size was taken")
	}
	m.Abort()
	if err := m.Add(scene(40, 30, 5)); err == nil {
		t.Error("a frame was taken after Abort")
	}
	if m, _ = Create(filepath.Join(dir, "b.gif"), 10); m.Close() == nil {
		t.Error("a film of no frames was written")
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	m, _ = Create(filepath.Join(dir, "none", "c.gif"), 10)
	if err := errors.Join(m.Add(scene(40, 30, 5)), m.Close()); err == nil {
		t.Error("a film in a folder that does not exist was written")
	}
}

func TestStrip(t *testing.T) {
	colours := []color.RGBA{{200, 0, 0, 255}, {0, 200, 0, 255}, {0, 0, 200, 255}}
	var panels []Panel
	for _, c := range colours {
		img := image.NewRGBA(image.Rect(0, 0, 80, 60))
		draw.Draw(img, img.Rect, image.NewUniform(c), image.Point{}, draw.Src)
		panels = append(panels, Panel{Image: img, Title: "phase", Note: "step 3"})
	}
	s := Strip(panels, 2, 160)
	if s.Rect.Dx() != 10+2*170 || s.Rect.Dy() < 2*120 {
		t.Fatalf("strip of %v", s.Rect.Size())
	}
	row := (s.Rect.Dy() - 10) / 2
	for i, at := range []image.Point{{90, 70}, {260, 70}, {90, 70 + row}} {
		if got := s.RGBAAt(at.X, at.Y); got != colours[i] {
			t.Errorf("panel %d: colour %v at %v, want %v", i, got, at, colours[i])
		}
	}
	dark := 0
	for x := 10; x < 170; x++ {
		for y := 10 + 121; y < 10+row-10; y++ {
			if s.RGBAAt(x, y).R < 128 {
				dark++
			}
		}
	}
	if dark < 50 {
		t.Errorf("%d dark pixels below the first panel: no caption", dark)
	}
	if Strip(nil, 3, 100) == nil {
		t.Error("no panels give no picture")
	}
}

func TestLabelAndInset(t *testing.T) {
	plain := scene(160, 120, 40)
	img := scene(160, 120, 40)
	Label(img, "step 3")
	for y := range 90 {
		if img.RGBAAt(20, y) != plain.RGBAAt(20, y) {
			t.Fatalf("the label reaches up to row %d", y)
		}
	}
	if worst(img, plain) < 40 {
		t.Error("no label to be seen")
	}
	small := image.NewRGBA(image.Rect(0, 0, 40, 30))
	Inset(img, small)
	if img.RGBAAt(160-8-20, 8+15) != (color.RGBA{}) || img.RGBAAt(160-8-41, 20) != paper {
		t.Error("the inset or its frame is not in its place")
	}
}

func TestWritePNG(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.png")
	want := scene(40, 30, 9)
	if err := WritePNG(path, want); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	got := image.NewRGBA(img.Bounds())
	draw.Draw(got, got.Rect, img, image.Point{}, draw.Src)
	if worst(got, want) != 0 {
		t.Error("the picture read back differs")
	}
	if err := WritePNG(filepath.Join(t.TempDir(), "none", "a.png"), want); err == nil {
		t.Error("written into a folder that does not exist")
	}
}

func BenchmarkGIFFrame(b *testing.B) {
	e := gifEncoder{delay: 10}
	frames := []*image.RGBA{scene(640, 480, 300), scene(640, 480, 310)}
	for i := 0; b.Loop(); i++ {
		if err := e.add(frames[i%2]); err != nil {
			b.Fatal(err)
		}
		e.out = gif.GIF{Delay: []int{1}}
	}
}
