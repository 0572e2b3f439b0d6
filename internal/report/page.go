package report

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"

	"korr/internal/atomicfile"
)

// Page is one HTML report.
type Page struct {
	Title    string
	Lead     string // a sentence or two under the title
	Facts    []Fact // shown as tiles below the lead
	Sections []Section
	Footer   string // how the page was made
}

// Fact is one figure worth seeing first.
type Fact struct {
	Value, Label string
	Detail       string // in small print: of how many, and the interval; optional
}

// Section is a heading with words, tables and pictures, in that order.
type Section struct {
	Title    string
	Text     []string // paragraphs
	Tables   []CaptionedTable
	Pictures []Picture
	Code     string // commands to repeat it; optional
}

// CaptionedTable is a table and what it shows.
type CaptionedTable struct {
	Table
	Caption string
}

// Picture is an encoded PNG, GIF, JPEG or SVG.
type Picture struct {
	Data    []byte
	Alt     string // what it shows, for those who cannot see it
	Caption string
}

// ErrPicture marks data that is no picture a browser shows.
var ErrPicture = errors.New("not a PNG, GIF, JPEG or SVG picture")

// uri is the picture as a data URI.
func (p Picture) uri() (template.URL, error) {
	mime := http.DetectContentType(p.Data)
	switch {
	case mime == "image/png", mime == "image/gif", mime == "image/jpeg":
	case bytes.Contains(p.Data[:min(len(p.Data), 512)], []byte("<svg")):
		mime = "image/svg+xml"
	default:
		return "", fmt.Errorf("report: %q: %w", p.Alt, ErrPicture)
	}
	return template.URL("data:" + mime + ";base64," + base64.StdEncoding.EncodeToString(p.Data)), nil
}

//go:embed page.gohtml
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"uri": Picture.uri}).Parse(pageText))

// HTML renders the page. The error is ErrPicture, wrapped, for a picture that is none.
func (p *Page) HTML() ([]byte, error) {
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, p); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return b.Bytes(), nil
}

// Save writes the page; a file that is there is replaced at once or not at all.
func (p *Page) Save(path string) error {
	b, err := p.HTML()
	if err != nil {
		return err
	}
	if err := atomicfile.Write(path, b); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
