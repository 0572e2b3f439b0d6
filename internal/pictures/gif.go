package pictures

import (
	"errors"
	"image"
	"image/color"
	"image/gif"
	"os"
)

// A pixel is stored again when it differs from what the viewer shows by more than this in some channel. Frames so
// correct what the palettes of earlier ones got wrong; at 5 the eye sees where something has passed, and 0 would store
// most of the picture again and again.
const sameColour = 2

// gifEncoder keeps frames as changes against what the viewer shows after the frame before.
type gifEncoder struct {
	path  string
	delay float64 // hundredths of a second
	shown *image.RGBA
	out   gif.GIF
	n     int
}

func (e *gifEncoder) add(img *image.RGBA) error {
	b := img.Bounds()
	delay := ticks(e.n+1, e.delay) - ticks(e.n, e.delay)
	e.n++
	area := image.Rect(0, 0, b.Dx(), b.Dy())
	if e.shown == nil {
		e.shown = image.NewRGBA(area)
	} else if area = e.changed(img); area.Empty() {
		e.out.Delay[len(e.out.Delay)-1] += delay
		return nil
	}
	e.out.Image = append(e.out.Image, e.paint(img, area))
	e.out.Delay = append(e.out.Delay, delay)
	e.out.Disposal = append(e.out.Disposal, gif.DisposalNone)
	return nil
}

// differs reports whether pixel (x, y), counted from the upper left corner, is not what the viewer shows there.
func (e *gifEncoder) differs(img *image.RGBA, x, y int) bool {
	p := img.Pix[img.PixOffset(img.Rect.Min.X+x, img.Rect.Min.Y+y):]
	q := e.shown.Pix[e.shown.PixOffset(x, y):]
	if q[3] == 0 {
		return true
	}
	for k := range 3 {
		if d := int(p[k]) - int(q[k]); d > sameColour || d < -sameColour {
			return true
		}
	}
	return false
}

// changed is the smallest rectangle around the pixels that differ.
func (e *gifEncoder) changed(img *image.RGBA) image.Rectangle {
	var area image.Rectangle
	for y := range e.shown.Rect.Dy() {
		first, last := -1, -1
		for x := range e.shown.Rect.Dx() {
			if e.differs(img, x, y) {
				if first < 0 {
					first = x
				}
				last = x
			}
		}
		if first >= 0 {
			area = area.Union(image.Rect(first, y, last+1, y+1))
		}
	}
	return area
}

// paint chooses a palette for what changed within area and draws it there, on the GIF and on what is shown.
func (e *gifEncoder) paint(img *image.RGBA, area image.Rectangle) *image.Paletted {
	var h histogram
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			if e.differs(img, x, y) {
				h.add(img.Pix[img.PixOffset(img.Rect.Min.X+x, img.Rect.Min.Y+y):])
			}
		}
	}
	colours := h.palette(255)
	palette := make(color.Palette, 0, len(colours)+1)
	palette = append(palette, color.RGBA{})
	for _, c := range colours {
		palette = append(palette, color.RGBA{c[0], c[1], c[2], 255})
	}
	near := newNearest(colours)
	out := image.NewPaletted(area, palette)
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			if !e.differs(img, x, y) {
				continue
			}
			i := near.index(img.Pix[img.PixOffset(img.Rect.Min.X+x, img.Rect.Min.Y+y):])
			out.Pix[out.PixOffset(x, y)] = uint8(i + 1)
			c := colours[i]
			copy(e.shown.Pix[e.shown.PixOffset(x, y):], []uint8{c[0], c[1], c[2], 255})
		}
	}
	return out
}

func (e *gifEncoder) finish() error {
	e.out.Config = image.Config{Width: e.shown.Rect.Dx(), Height: e.shown.Rect.Dy()}
	f, err := os.Create(e.path)
	if err != nil {
		return err
	}
	return errors.Join(gif.EncodeAll(f, &e.out), f.Close())
}

func (e *gifEncoder) abort() {}
