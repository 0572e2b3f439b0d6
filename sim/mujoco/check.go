package mujoco

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Largest sizes that a model may ask for. Beyond them MuJoCo 2.2.2 may abort the process (std::bad_alloc out of
// nuser_*, a texture whose bytes overflow an int) or fill the memory instead of returning an error.
const (
	maxModelBytes = 4 << 20
	maxStack      = 10_000_000 // nstack, doubles
	maxBuffer     = 100_000    // njmax, nconmax and nuserdata
	maxCount      = 1000       // any other number of <size>
	maxPixels     = 4096       // width and height of textures, nrow and ncol of height fields
)

// checkModel refuses, before the engine sees it, a model that could end the process or that reads files: a model is one
// text.
func checkModel(text string) error {
	if len(text) > maxModelBytes {
		return fmt.Errorf("the model has %d bytes, at most %d are read", len(text), maxModelBytes)
	}
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the model is no XML: %w", err)
		}
		if e, ok := tok.(xml.StartElement); ok {
			if err := checkElement(&e); err != nil {
				line, _ := d.InputPos()
				return fmt.Errorf("line %d: %w", line, err)
			}
		}
	}
}

func checkElement(e *xml.StartElement) error {
	if n := e.Name.Local; n == "include" || n == "composite" {
		return fmt.Errorf("<%s> is not supported: write out what it stands for", n)
	}
	for _, a := range e.Attr {
		most := 0.0
		switch n := a.Name.Local; {
		case strings.HasPrefix(n, "file"):
			return fmt.Errorf("<%s> reads the file %q: a model is one text", e.Name.Local, a.Value)
		case n == "nstack":
			most = maxStack
		case n == "njmax" || n == "nconmax" || n == "nuserdata":
			most = maxBuffer
		case e.Name.Local == "size":
			most = maxCount
		case n == "width" || n == "height" || n == "nrow" || n == "ncol":
			most = maxPixels
		default:
			continue
		}
		if v, err := strconv.ParseFloat(strings.TrimSpace(a.Value), 64); err != nil || !(v <= most) {
			return fmt.Errorf("<%s %s=%q>: use a number up to %.0f", e.Name.Local, a.Name.Local, a.Value, most)
		}
	}
	return nil
}
