package report

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"
)

// Column heads a table's column; numbers are best aligned right.
type Column struct {
	Name  string
	Right bool
}

// Table is rows of text under columns. Rows may be shorter than the columns, never longer.
type Table struct {
	Columns []Column
	Rows    [][]string
}

// Add appends a row. It panics when the row is longer than the columns.
func (t *Table) Add(cells ...string) {
	if len(cells) > len(t.Columns) {
		panic("report: a row is longer than the table's columns")
	}
	t.Rows = append(t.Rows, cells)
}

// WriteText prints the table with aligned columns, two spaces apart, the head underlined.
func (t *Table) WriteText(w io.Writer) error {
	widths := make([]int, len(t.Columns))
	for i, c := range t.Columns {
		widths[i] = utf8.RuneCountInString(c.Name)
	}
	for _, r := range t.Rows {
		for i, cell := range r {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	head := make([]string, len(t.Columns))
	total := 2 * (len(t.Columns) - 1)
	for i, c := range t.Columns {
		head[i] = c.Name
		total += widths[i]
	}
	var b bytes.Buffer
	t.line(&b, head, widths)
	b.WriteString(strings.Repeat("─", total) + "\n")
	for _, r := range t.Rows {
		t.line(&b, r, widths)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// WriteMarkdown prints the table as Markdown does tables.
func (t *Table) WriteMarkdown(w io.Writer) error {
	var b bytes.Buffer
	row := func(cells []string) {
		for _, c := range cells {
			b.WriteString("| " + strings.ReplaceAll(c, "|", "\\|") + " ")
		}
		b.WriteString(strings.Repeat("|  ", len(t.Columns)-len(cells)) + "|\n")
	}
	head, rule := make([]string, len(t.Columns)), make([]string, len(t.Columns))
	for i, c := range t.Columns {
		head[i], rule[i] = c.Name, "---"
		if c.Right {
			rule[i] = "---:"
		}
	}
	row(head)
	row(rule)
	for _, r := range t.Rows {
		row(r)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (t *Table) line(b *bytes.Buffer, cells []string, widths []int) {
	var line strings.Builder
	for i, cell := range cells {
		if i > 0 {
			line.WriteString("  ")
		}
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		if t.Columns[i].Right {
			line.WriteString(pad + cell)
		} else {
			line.WriteString(cell + pad)
		}
	}
	b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}
