package report

import (
	"strconv"
	"strings"
)

// block is a part of a page: rows under a head. Where there is no room for every row, more counts those that are left out.
type block struct {
	head string
	rows []string
	more func(n int) string
	tail string
}

// bullets makes a block of a list, none if there is nothing in it.
func bullets(head string, items []string) block {
	if len(items) == 0 {
		return block{}
	}
	b := block{head: head, tail: "\n", more: func(n int) string { return "- … and " + strconv.Itoa(n) + " more\n" }}
	for _, item := range items {
		b.rows = append(b.rows, "- "+item+"\n")
	}
	return b
}

// page puts blocks together within a limit of bytes.
type page struct {
	limit  int
	blocks []block
}

func (p *page) add(b block) { p.blocks = append(p.blocks, b) }

// String returns the page. Every block gets its head and tail, which are short. The rows share what is left in the order of the
// blocks: one may have what those after it do not need, and half of it in any case, so that a long table leaves room for the reasons
// below it.
func (p *page) String() string {
	left := p.limit
	later := 0 // what the rows of this block and of those after it need
	for _, b := range p.blocks {
		left -= len(b.head) + len(b.tail)
		if b.more != nil {
			left -= len(b.more(len(b.rows)))
		}
		later += size(b.rows)
	}
	var out strings.Builder
	for _, b := range p.blocks {
		later -= size(b.rows)
		room := max(left/2, left-later)
		out.WriteString(b.head)
		shown := 0
		for ; shown < len(b.rows) && len(b.rows[shown]) <= room; shown++ {
			out.WriteString(b.rows[shown])
			room -= len(b.rows[shown])
			left -= len(b.rows[shown])
		}
		if shown < len(b.rows) {
			out.WriteString(b.more(len(b.rows) - shown))
		}
		out.WriteString(b.tail)
	}
	return out.String()
}

func size(rows []string) int {
	n := 0
	for _, r := range rows {
		n += len(r)
	}
	return n
}
