package grid

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
	"github.com/gounicorn/gounicorn/tests/httpcases"
)

var update = flag.Bool("update", false, "write docs/http-grid.md")

// A grid is what several servers saw of the same cases.
type grid struct {
	cases   []httpcases.Case
	columns []column
}

type column struct {
	name string
	saw  [][]Request // by case
}

func (g *grid) add(name string, ports []string, seen func() map[string][]Request) {
	byPort := seen()
	c := column{name: name}
	for _, port := range ports {
		c.saw = append(c.saw, byPort[port])
	}
	g.columns = append(g.columns, c)
}

// shown are the columns of the document, in its order.
var shown = []string{"gounicorn", "nginx", "nginx, lax", "gunicorn", "net/http"}

// groups are the files of cases with what there is to say about the differences in each.
var groups = []struct{ file, title, why string }{
	{"line_ends.txt", "Line ends", "RFC 9112 lets a server take a lone LF for a line end. Then two servers in a row may see different lines, so we do not. " +
		"One empty line ahead of a request is harmless, and old clients send it."},
	{"request_line.txt", "Request line", "Methods are what gunicorn accepts: 3 to 20 upper-case letters. TRACE and CONNECT have no use in front of an application. " +
		"nginx tolerates more spaces than one, and reads every version 1.x as 1.1."},
	{"target.txt", "Target and Host", "What goes into PATH_INFO and SERVER_NAME must have one meaning, so a target or a Host outside the grammar is refused. " +
		"nginx resolves dot segments and escapes to choose a location, refuses what leaves the root there, and passes on almost any Host."},
	{"fields.txt", "Fields", "nginx drops a field whose name it does not like, and passes on control characters in values; a WSGI application would get them. " +
		"net/http joins folded lines. We refuse whatever is outside the grammar."},
	{"length.txt", "Content-Length", "A body has exactly one announced length, in digits. net/http merges equal ones. An upload that ends early never reaches our application; gunicorn calls its own, which reads less than was announced."},
	{"coding.txt", "Transfer-Encoding", "chunked, once, in HTTP/1.1, without Content-Length: all else is refused. nginx does the same but for a few spellings that mean the same to both."},
	{"chunked.txt", "Chunks", "A chunked body is read with its grammar to the end. \"cut off\" means that the application was called before the body was known to be good, and got an exception. " +
		"nginx reads extensions and trailers without looking at them, and drops them."},
	{"pipelining.txt", "Pipelining", "Answers come in the order of the requests, and nothing behind a refused one is read."},
}

// compare writes the document, or compares it with what is there if that was made with the same versions.
func (g *grid) compare(t *testing.T, versions string) {
	t.Helper()
	path := filepath.Join(harness.Root(t), "docs", "http-grid.md")
	text := g.document(versions)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != text && strings.Contains(string(have), versions) {
		t.Errorf("docs/http-grid.md is stale; look at what has changed, then run go test ./tests/grid -update\n%s", firstDifference(string(have), text))
	}
}

func firstDifference(have, want string) string {
	a, b := strings.Split(have, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return "have: " + a[i] + "\nwant: " + b[i]
		}
	}
	return fmt.Sprintf("%d lines instead of %d", len(a), len(b))
}

func (g *grid) document(versions string) string {
	var out strings.Builder
	agreed := 0
	sections := map[string][]row{}
	for i := range g.cases {
		r := g.row(i)
		if r.agreed {
			agreed++
			continue
		}
		rows := sections[r.file]
		if k := slices.IndexFunc(rows, func(o row) bool { return o.rule == r.rule && slices.Equal(o.cells, r.cells) }); k >= 0 {
			rows[k].names = append(rows[k].names, r.names...)
			continue
		}
		sections[r.file] = append(rows, r)
	}
	fmt.Fprintf(&out, `# One table of requests, four servers

Written by `+"`go test ./tests/grid -update`"+`; do not edit. Versions: %s, the net/http of Go 1.26.

The %d cases of `+"`tests/testdata/http`"+` that need no settings are sent to gounicorn, to nginx and to Go's reverse proxy as fronts, and to
gunicorn, each on a connection whose sending side the client then ends. A number says how many requests reached the application,
or what the front forwards to; - is a refusal before that. "other" is a request that differs from what we saw in method, target or
body. "nginx, lax" has ignore_invalid_headers off and underscores_in_headers on.

The test fails if anything that a front forwards is framed differently by us, be it the client's bytes or those that the front makes of
them. In %d cases all servers do the same. The others are below; the rule is the reason of our column.
`, versions, len(g.cases), agreed)
	for _, group := range groups {
		rows := sections[group.file]
		if len(rows) == 0 {
			continue
		}
		fmt.Fprintf(&out, "\n## %s\n\n%s\n\n| case | rule | %s |\n|---|---|%s\n", group.title, group.why, strings.Join(shown, " | "), strings.Repeat("---|", len(shown)))
		for _, r := range rows {
			fmt.Fprintf(&out, "| %s | %s | %s |\n", strings.Join(r.names, "; "), r.rule, strings.Join(r.cells, " | "))
		}
	}
	return out.String()
}

// A row is one line of the document.
type row struct {
	file, rule string
	names      []string
	cells      []string
	agreed     bool
}

func (g *grid) row(i int) row {
	c := &g.cases[i]
	r := row{file: filepath.Base(c.File), rule: strings.ReplaceAll(c.Rule, "|", "\\|"), names: []string{strings.ReplaceAll(c.Name, "|", "\\|")}, agreed: true}
	own := g.columns[0].saw[i]
	for _, name := range shown {
		k := slices.IndexFunc(g.columns, func(c column) bool { return c.name == name })
		cell := cell(g.columns[k].saw[i], own)
		r.agreed = r.agreed && (len(r.cells) == 0 || cell == r.cells[0])
		r.cells = append(r.cells, cell)
	}
	return r
}

func cell(saw, own []Request) string {
	text := "-"
	if len(saw) > 0 {
		text = fmt.Sprint(len(saw))
	}
	for k := range saw {
		switch {
		case !saw[k].whole():
			return text + ", cut off"
		case k < len(own) && !saw[k].same(own[k]):
			return text + ", other"
		}
	}
	return text
}
