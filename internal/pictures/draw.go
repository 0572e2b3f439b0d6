package pictures

import (
	"image"
	"image/color"
	"image/draw"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	scale "golang.org/x/image/draw"
)

var (
	ink   = color.RGBA{34, 38, 44, 255}
	grey  = color.RGBA{110, 116, 124, 255}
	paper = color.RGBA{255, 255, 255, 255}
	shade = color.NRGBA{20, 24, 30, 170}
)

// The fonts are part of the program: parsing them cannot fail.
var (
	regular = sync.OnceValue(func() *opentype.Font { return mustParse(goregular.TTF) })
	bold    = sync.OnceValue(func() *opentype.Font { return mustParse(gobold.TTF) })
)

func mustParse(ttf []byte) *opentype.Font {
	f, err := opentype.Parse(ttf)
	if err != nil {
		panic(err)
	}
	return f
}

// face returns a font at a size in pixels. A face keeps state while it draws, so every picture gets its own.
func face(f *opentype.Font, pixels float64) font.Face {
	out, err := opentype.NewFace(f, &opentype.FaceOptions{Size: pixels, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		panic(err)
	}
	return out
}

// write draws text with its baseline's left end at (x, y), and returns its width in pixels.
func write(dst draw.Image, f font.Face, x, y int, c color.Color, text string) int {
	d := font.Drawer{Dst: dst, Src: image.NewUniform(c), Face: f, Dot: fixed.P(x, y)}
	d.DrawString(text)
	return d.Dot.X.Ceil() - x
}

// Label writes text on a dark band along the picture's lower edge.
func Label(img *image.RGBA, text string) {
	b := img.Bounds()
	size := max(11, float64(b.Dy())/26)
	f := face(bold(), size)
	defer f.Close()
	band := int(1.9 * size)
	draw.Draw(img, image.Rect(b.Min.X, b.Max.Y-band, b.Max.X, b.Max.Y), image.NewUniform(shade), image.Point{}, draw.Over)
	write(img, f, b.Min.X+int(0.7*size), b.Max.Y-int(0.63*size), paper, text)
}

// Inset puts a small picture into the upper right corner, framed in white.
func Inset(img *image.RGBA, small image.Image) {
	const margin, frame = 8, 2
	s := small.Bounds()
	at := image.Rect(0, 0, s.Dx(), s.Dy()).Add(image.Pt(img.Bounds().Max.X-s.Dx()-margin, img.Bounds().Min.Y+margin))
	draw.Draw(img, at.Inset(-frame), image.NewUniform(paper), image.Point{}, draw.Src)
	draw.Draw(img, at, small, s.Min, draw.Src)
}

// Resize scales a picture to the width, keeping its proportions.
func Resize(img image.Image, width int) *image.RGBA {
	b := img.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, width, max(1, (b.Dy()*width+b.Dx()/2)/b.Dx())))
	scale.CatmullRom.Scale(out, out.Bounds(), img, b, draw.Src, nil)
	return out
}

// Panel is one picture of a strip: Title in bold and Note in grey are written below it.
type Panel struct {
	Image       image.Image
	Title, Note string
}

// Strip puts panels side by side, columns to a row, each scaled to width pixels. Panels of one strip should have the
// same proportions. No panels give a 1 x 1 picture.
func Strip(panels []Panel, columns, width int) *image.RGBA {
	if len(panels) == 0 || columns < 1 || width < 1 {
		return image.NewRGBA(image.Rect(0, 0, 1, 1))
	}
	const gap = 10
	small := make([]*image.RGBA, len(panels))
	high := 0
	for i, p := range panels {
		small[i] = Resize(p.Image, width)
		high = max(high, small[i].Bounds().Dy())
	}
	size := max(11, float64(width)/20)
	strong, plain := face(bold(), size), face(regular(), 0.9*size)
	defer strong.Close()
	defer plain.Close()
	columns = min(columns, len(panels))
	cell := image.Pt(width+gap, high+int(2.1*size)+gap)
	rows := (len(panels) + columns - 1) / columns
	out := image.NewRGBA(image.Rect(0, 0, gap+columns*cell.X, gap+rows*cell.Y))
	draw.Draw(out, out.Bounds(), image.NewUniform(paper), image.Point{}, draw.Src)
	for i, p := range panels {
		x, y := gap+i%columns*cell.X, gap+i/columns*cell.Y
		draw.Draw(out, small[i].Bounds().Add(image.Pt(x, y)), small[i], image.Point{}, draw.Src)
		base := y + high + int(1.35*size)
		w := write(out, strong, x, base, ink, p.Title)
		write(out, plain, x+w+int(0.6*size), base, grey, p.Note)
	}
	return out
}
