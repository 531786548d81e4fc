package top

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// The colours are those of the terminal's own palette, so that they fit a light one and a dark one.
var (
	titleStyle  = lipgloss.NewStyle().Bold(true)
	headStyle   = lipgloss.NewStyle().Faint(true)
	goodStyle   = lipgloss.NewStyle().Foreground(lipgloss.Color("2"))
	warnStyle   = lipgloss.NewStyle().Foreground(lipgloss.Color("3"))
	badStyle    = lipgloss.NewStyle().Foreground(lipgloss.Color("1")).Bold(true)
	chosenStyle = lipgloss.NewStyle().Reverse(true)
)

// cell is a text and its alignment in a column; the style counts after it was aligned.
type cell struct {
	text  string
	right bool
	style *lipgloss.Style
}

func left(text string) cell  { return cell{text: clean(text)} }
func right(text string) cell { return cell{text: clean(text), right: true} }

func (c cell) in(s *lipgloss.Style) cell {
	c.style = s
	return c
}

// columns writes rows of cells below each other, cut to width; the first row is the heading.
func columns(rows [][]cell, width int) (lines []string) {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], ansi.StringWidth(c.text))
		}
	}
	for n, row := range rows {
		var b strings.Builder
		for i, c := range row {
			pad := strings.Repeat(" ", widths[i]-ansi.StringWidth(c.text))
			text := c.text + pad
			switch {
			case c.right:
				text = pad + c.text
			case i == len(row)-1:
				text = c.text
			}
			if c.style != nil {
				text = c.style.Render(text)
			}
			if i > 0 {
				b.WriteString("  ")
			}
			b.WriteString(text)
		}
		line := ansi.Truncate(b.String(), width, "…")
		if n == 0 {
			line = headStyle.Render(plainText(line))
		}
		lines = append(lines, line)
	}
	return lines
}

// plainText is a text without colours.
func plainText(text string) string { return ansi.Strip(text) }

// clean keeps what a client or an application has written from steering the terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

// cleanLines is clean for a text of several lines.
func cleanLines(text string) []string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i := range lines {
		lines[i] = clean(strings.ReplaceAll(lines[i], "\t", "    "))
	}
	return lines
}

var sparks = []rune("▁▂▃▄▅▆▇█")

// sparkline draws the last values, as many as width.
func sparkline(values []uint32, width int) string {
	values = values[max(len(values)-width, 0):]
	most := uint32(1)
	for _, v := range values {
		most = max(most, v)
	}
	var b strings.Builder
	for _, v := range values {
		b.WriteRune(sparks[int(uint64(v)*uint64(len(sparks)-1)/uint64(most))])
	}
	return b.String()
}

// seconds writes a time as people read it, in at most six characters.
func seconds(s float64) string {
	switch d := time.Duration(s * float64(time.Second)); {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	case d >= time.Hour:
		return fmt.Sprintf("%dh%02d", int(d.Hours()), int(d.Minutes())%60)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%02d", int(d.Minutes()), int(d.Seconds())%60)
	case d >= 10*time.Second:
		return fmt.Sprintf("%.0fs", s)
	case d >= time.Second:
		return fmt.Sprintf("%.1fs", s)
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%.0fms", s*1000)
	case d >= time.Millisecond:
		return fmt.Sprintf("%.1fms", s*1000)
	case d > 0:
		return fmt.Sprintf("%dµs", d.Microseconds())
	}
	return "-"
}

// bytes writes a size.
func bytes(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%dG", n>>30)
	case n >= 1<<30:
		return fmt.Sprintf("%.1fG", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%dM", n>>20)
	case n > 0:
		return fmt.Sprintf("%dK", n>>10)
	}
	return "-"
}
