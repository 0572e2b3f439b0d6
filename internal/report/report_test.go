package report

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func sample() *Table {
	t := &Table{Columns: []Column{{"policy", false}, {"success", true}, {"95 % interval", true}, {"note", false}}}
	t.Add("base", "45.0 %", "26–66 %")
	t.Add("korr <b>", "100.0 %", "84–100 %", "paired")
	return t
}

func TestTextTable(t *testing.T) {
	var b bytes.Buffer
	if err := sample().WriteText(&b); err != nil {
		t.Fatal(err)
	}
	want := "" +
		"policy    success  95 % interval  note\n" +
		"────────────────────────────────────────\n" +
		"base       45.0 %        26–66 %\n" +
		"korr <b>  100.0 %       84–100 %  paired\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestTooLongARowPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	sample().Add("1", "2", "3", "4", "5")
}

func pngPicture(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func page(t *testing.T) *Page {
	return &Page{
		Title: "korr <demo>", Lead: "What & why.", Facts: []Fact{{"95 %", "success", "19 of 20, 76 – 99 %"}},
		Sections: []Section{{
			Title: "Results", Text: []string{"One <script>alert(1)</script> paragraph."},
			Tables: []CaptionedTable{{*sample(), "Success rates."}},
			Pictures: []Picture{
				{pngPicture(t), "two pixels", "A caption."},
				{[]byte(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>`), "nothing", ""},
			},
			Code: "korr eval --json",
		}},
		Footer: "Made by a test.",
	}
}

// TestPageIsSelfContained parses the page as XML (it is written to be well formed but for the void elements) and looks
// for anything that would be fetched, unescaped text, and the pictures.
func TestPageIsSelfContained(t *testing.T) {
	b, err := page(t).HTML()
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, bad := range []string{
		"http://", "https://", "<script>", "<link", "korr <b>", "korr <demo>", "ZgotmplZ",
		"<no value>",
	} {
		if strings.Contains(text, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	for _, good := range []string{
		"What &amp; why.", "<small>19 of 20, 76 – 99 %</small>", "korr &lt;b&gt;",
		`<td data-name="success" class="num">100.0 %</td>`, "<caption>Success rates.</caption>",
		"data:image/png;base64," + base64.StdEncoding.EncodeToString(pngPicture(t)), "data:image/svg&#43;xml;base64,",
		"korr eval --json",
	} {
		if !strings.Contains(text, good) && !strings.Contains(strings.ReplaceAll(text, "&#43;", "+"),
			strings.ReplaceAll(good, "&#43;", "+")) {
			t.Errorf("the page lacks %q", good)
		}
	}
	d := xml.NewDecoder(strings.NewReader(text))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	images := 0
	for {
		tok, err := d.Token()
		if tok == nil {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := tok.(xml.StartElement); ok && s.Name.Local == "img" {
			images++
		}
	}
	if images != 2 {
		t.Errorf("%d images, want 2", images)
	}
}

func TestSave(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "report.html")
	for range 2 { // a second time replaces the first
		if err := page(t).Save(path); err != nil {
			t.Fatal(err)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left %v", entries)
	}
	bad := page(t)
	bad.Sections[0].Pictures[0].Data = []byte("hello")
	if err := bad.Save(path); !errors.Is(err, ErrPicture) {
		t.Errorf("error %v", err)
	}
	if b, _ := os.ReadFile(path); !bytes.Contains(b, []byte("Made by a test.")) {
		t.Error("a failed save damaged the page that was there")
	}
}
