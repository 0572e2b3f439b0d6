package plot

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"korr/internal/atomicfile"
)

// ErrFormat marks a picture format that cannot be written.
var ErrFormat = errors.New("picture format not known, use .png or .svg")

// dpi of PNG pictures: sharp on a dense screen.
const dpi = 192

// Figure is a drawing with a title and a legend above it.
type Figure struct {
	Title         string
	Note          string    // says in small print, below the legend, what is drawn
	Width, Height vg.Length // 7 x 4 inches unless set

	names   []string
	colours []color.NRGBA
	plot    *plot.Plot
}

// Encode draws the figure; format is "png" or "svg". The error is ErrFormat, wrapped, for another.
func (f *Figure) Encode(format string) ([]byte, error) {
	w, h := f.Width, f.Height
	if w == 0 {
		w = 7 * vg.Inch
	}
	if h == 0 {
		h = 4 * vg.Inch
	}
	var b bytes.Buffer
	switch format {
	case "png":
		c := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(w, h), vgimg.UseDPI(dpi),
			vgimg.UseBackgroundColor(color.White))}
		f.draw(draw.New(c))
		if _, err := c.WriteTo(&b); err != nil {
			return nil, fmt.Errorf("plot: encode: %w", err)
		}
	case "svg":
		c := vgsvg.New(w, h)
		f.draw(draw.New(c))
		if _, err := c.WriteTo(&b); err != nil {
			return nil, fmt.Errorf("plot: encode: %w", err)
		}
	default:
		return nil, fmt.Errorf("plot: %q: %w", format, ErrFormat)
	}
	return b.Bytes(), nil
}

// Save draws into a file whose name ends in .png or .svg; a file that is there is replaced at once or not at all.
func (f *Figure) Save(path string) error {
	b, err := f.Encode(strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), "."))
	if err != nil {
		return err
	}
	if err := atomicfile.Write(path, b); err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	return nil
}

func (f *Figure) draw(c draw.Canvas) {
	const margin = 12
	c = draw.Crop(c, vg.Points(margin), -vg.Points(margin), vg.Points(margin), -vg.Points(margin))
	y := c.Max.Y
	if f.Title != "" {
		s := textStyle(12.5, true, ink)
		s.YAlign = text.YTop
		c.FillText(s, vg.Point{X: c.Min.X, Y: y}, f.Title)
		y -= vg.Points(22)
	}
	if len(f.names) > 0 {
		y = f.legend(c, y) - vg.Points(12)
	}
	if f.Note != "" {
		s := textStyle(9, false, muted)
		s.YAlign = text.YTop
		c.FillText(s, vg.Point{X: c.Min.X, Y: y + vg.Points(4)}, f.Note)
		y -= vg.Points(16)
	}
	f.plot.Draw(draw.Crop(c, 0, 0, 0, y-c.Max.Y))
}

// legend draws swatches and names from the left edge, its top at y, in as many rows as they need, and returns its
// bottom.
func (f *Figure) legend(c draw.Canvas, y vg.Length) vg.Length {
	s := textStyle(10, false, ink)
	s.YAlign = text.YCenter
	x, mid := c.Min.X, y-vg.Points(6)
	for i, n := range f.names {
		if x > c.Min.X && x+vg.Points(14)+s.Width(n)*1.06 > c.Max.X {
			x, mid = c.Min.X, mid-vg.Points(16)
		}
		box := vg.Rectangle{Min: vg.Point{X: x, Y: mid - vg.Points(4.5)}, Max: vg.Point{X: x + vg.Points(9), Y: mid +
			vg.Points(4.5)}}
		fill(c, box, f.colours[i])
		x = box.Max.X + vg.Points(5)
		c.FillText(s, vg.Point{X: x, Y: mid}, n)
		x += s.Width(n)*1.06 + vg.Points(16) // other fonts may be wider
	}
	return mid - vg.Points(10)
}

func fill(c draw.Canvas, r vg.Rectangle, col color.Color) {
	c.FillPolygon(col, []vg.Point{r.Min, {X: r.Max.X, Y: r.Min.Y}, r.Max, {X: r.Min.X, Y: r.Max.Y}})
}
