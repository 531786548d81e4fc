package sim

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// Name is that of our policy in every table.
const Name = "gounicorn"

// Table is what the policies did with one trace.
type Table struct {
	Trace *Trace
	Names []string // in the order of the document
	Rows  map[string]Score
}

// Tables plays all traces of a group under our policy, those of More and its peers.
func (g Group) Tables() []Table {
	contenders := slices.Concat([]Contender{Gounicorn(Name, Defaults())}, g.More, Peers)
	tables := make([]Table, len(g.Traces))
	var wait sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, t := range g.Traces {
		wait.Go(func() {
			slots <- struct{}{}
			tables[i] = compare(t, contenders)
			<-slots
		})
	}
	wait.Wait()
	return tables
}

func compare(t *Trace, contenders []Contender) Table {
	table := Table{t, nil, map[string]Score{}}
	for _, c := range contenders {
		table.Names = append(table.Names, c.Name)
		table.Rows[c.Name] = play(t, c).score()
	}
	return table
}

// Best is the most slow answers a second that one of the peers gave, or gounicorn with its defaults.
func (t Table) Best() float64 {
	best := t.Rows[Name].SlowRate
	for _, c := range Peers {
		best = max(best, t.Rows[c.Name].SlowRate)
	}
	return best
}

// Markdown plays everything and returns docs/simulation.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(introduction)
	for _, g := range Groups() {
		fmt.Fprintf(&b, "\n## %s\n\n", g.Title)
		if g.Text != "" {
			fmt.Fprintf(&b, "%s\n\n", g.Text)
		}
		g.write(&b)
	}
	return b.String()
}

// column is a column of a table; a cell of one that has no value is empty.
type column struct {
	head string
	cell func(t Table, s Score) string
}

var columns = []column{
	{"page p50 ms", func(_ Table, s Score) string { return number(1000*s.PageP50, 1) }},
	{"p99 ms", func(_ Table, s Score) string { return number(1000*s.PageP99, 1) }},
	{"max ms", func(_ Table, s Score) string { return number(1000*s.PageMax, 1) }},
	{"p99 : idle", func(_ Table, s Score) string { return number(s.PageP99/s.IdleP99, 1) }},
	{"failed", func(_ Table, s Score) string {
		return fmt.Sprintf("%.0f %%", 100*float64(s.PagesFailed)/float64(max(s.Pages, 1)))
	}},
	{"slow/s", func(_ Table, s Score) string { return number(s.SlowRate, 2) }},
	{": best", func(t Table, s Score) string { return number(s.SlowRate/max(t.Best(), 1e-9), 2) }},
	{"mean s", func(_ Table, s Score) string { return number(s.SlowMean, 1) }},
	{"longest : mean", func(_ Table, s Score) string {
		if s.SlowMean == 0 {
			return ""
		}
		return number(s.SlowLongest/s.SlowMean, 1)
	}},
	{"starved", func(_ Table, s Score) string { return count(s.Starved) }},
	{"refused", func(_ Table, s Score) string { return count(s.Refused) }},
	{"left", func(_ Table, s Score) string { return count(s.Left) }},
	{"guest s", func(_ Table, s Score) string { return number(s.Guest, 1) }},
}

// number and count leave a cell empty where nothing happened.
func number(x float64, digits int) string {
	if x == 0 {
		return ""
	}
	return fmt.Sprintf("%.*f", digits, x)
}

func count(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// write writes a group's table; columns without any value are left out.
func (g Group) write(b *strings.Builder) {
	head := []string{"policy"}
	if g.Column != "" {
		head = []string{g.Column, "policy"}
	}
	var rows [][]string
	for _, t := range g.Tables() {
		for _, name := range t.Names {
			row := []string{name}
			if name == Name {
				row[0] = "**" + name + "**"
			}
			if g.Column != "" {
				row = []string{t.Trace.Label, row[0]}
			}
			for _, c := range columns {
				row = append(row, c.cell(t, t.Rows[name]))
			}
			rows = append(rows, row)
		}
	}
	texts := len(head)
	for _, c := range columns {
		head = append(head, c.head)
	}
	for i := len(head) - 1; i >= texts; i-- {
		if !slices.ContainsFunc(rows, func(row []string) bool { return row[i] != "" }) {
			head = slices.Delete(head, i, i+1)
			for j := range rows {
				rows[j] = slices.Delete(rows[j], i, i+1)
			}
		}
	}
	fmt.Fprintf(b, "| %s |\n|%s%s\n", strings.Join(head, " | "), strings.Repeat("---|", texts), strings.Repeat("---:|", len(head)-texts))
	for _, row := range rows {
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
	}
}
