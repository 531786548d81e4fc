package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// column is one column of a table: the heading and how to write the value of a row. A column that no row has anything for is left out,
// because gunicorn's answers have fewer keys than ours.
type column struct {
	title, key string
	write      func(v any) string
}

var workerColumns = []column{
	{"PID", "pid", plain}, {"AGE", "age", plain}, {"BOOTED", "booted", yesNo}, {"STATE", "state", plain}, {"THREADS", "threads", plain},
	{"REQUESTS", "requests", plain}, {"LAST_BEAT", "last_heartbeat", ago}, {"UPTIME", "uptime", lasting}, {"RSS", "rss", megabytes},
}

var dirtyColumns = []column{{"PID", "pid", plain}, {"AGE", "age", plain}, {"APPS", "apps", plain}, {"LAST_BEAT", "last_heartbeat", ago}}

var appColumns = []column{{"APP", "import_path", plain}, {"WORKERS", "current_workers", plain}, {"LIMIT", "worker_count", plain}}

var listenerColumns = []column{{"ADDRESS", "address", plain}, {"TYPE", "type", plain}, {"FD", "fd", plain}}

var companionColumns = []column{
	{"NAME", "name", plain}, {"STATE", "state", plain}, {"PID", "pid", plain}, {"UPTIME", "uptime", lasting}, {"RESTARTS", "restarts", plain},
	{"LAST EXIT", "last_exit", plain}, {"NOTE", "note", plain},
}

var statLines = []column{
	{"Uptime", "uptime", lasting}, {"PID", "pid", plain}, {"Workers current", "workers_current", plain},
	{"Workers target", "workers_target", plain}, {"Workers spawned", "workers_spawned", plain}, {"Workers killed", "workers_killed", plain},
	{"Reloads", "reloads", plain}, {"Dirty arbiter", "dirty_arbiter_pid", plain},
}

// present writes the answer to a command for people.
func present(command string, data json.RawMessage) string {
	var values map[string]any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if d.Decode(&values) != nil || len(values) == 0 {
		return "OK\n"
	}
	var b strings.Builder
	command = strings.ToLower(command)
	switch {
	case values["healthy"] != nil:
		command = "companions"
	case strings.HasPrefix(command, "companion signal"):
		return "OK\n"
	}
	switch command {
	case "companions":
		table(&b, companionColumns, values["companions"], "No companions")
	case "show workers":
		table(&b, workerColumns, values["workers"], "No workers running")
		fmt.Fprintf(&b, "\nTotal: %s workers\n", plain(values["count"]))
	case "show listeners":
		table(&b, listenerColumns, values["listeners"], "No listeners bound")
		fmt.Fprintf(&b, "\nTotal: %s listeners\n", plain(values["count"]))
	case "show dirty":
		if values["enabled"] != true {
			return "Dirty arbiter not running\n"
		}
		fmt.Fprintf(&b, "Dirty arbiter PID: %s\n\n", plain(values["pid"]))
		table(&b, dirtyColumns, values["workers"], "No dirty workers")
		b.WriteString("\n")
		table(&b, appColumns, values["apps"], "No dirty apps")
	case "show all":
		arbiter, _ := values["arbiter"].(map[string]any)
		fmt.Fprintf(&b, "MASTER\nPID  %s\n\nWEB WORKERS (%s)\n", plain(arbiter["pid"]), plain(values["web_worker_count"]))
		table(&b, workerColumns, values["web_workers"], "(none)")
		b.WriteString("\nDIRTY ARBITER\n")
		if dirty, _ := values["dirty_arbiter"].(map[string]any); dirty != nil {
			fmt.Fprintf(&b, "PID  %s\n\nDIRTY WORKERS (%s)\n", plain(dirty["pid"]), plain(values["dirty_worker_count"]))
			table(&b, dirtyColumns, values["dirty_workers"], "(none)")
		} else {
			b.WriteString("(not running)\n")
		}
	case "show stats":
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, line := range statLines {
			if v := values[line.key]; v != nil {
				fmt.Fprintf(w, "%s:\t%s\n", line.title, line.write(v))
			}
		}
		_ = w.Flush() // to memory
	case "help":
		b.WriteString("Available commands:\n\n")
		commands, _ := values["commands"].(map[string]any)
		pairs(&b, commands, "  ", "\t")
	default:
		pairs(&b, values, "", ":\t")
	}
	return b.String()
}

// pairs writes names and values, sorted.
func pairs(b *strings.Builder, values map[string]any, indent, separator string) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(w, "%s%s%s%s\n", indent, printable(name), separator, plain(values[name]))
	}
	_ = w.Flush() // to memory
}

// table writes rows, a list of objects.
func table(b *strings.Builder, columns []column, rows any, none string) {
	list, _ := rows.([]any)
	if len(list) == 0 {
		b.WriteString(none + "\n")
		return
	}
	columns = slices.DeleteFunc(slices.Clone(columns), func(c column) bool {
		return !slices.ContainsFunc(list, func(row any) bool {
			object, _ := row.(map[string]any)
			_, has := object[c.key]
			return has
		})
	})
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	line := func(cell func(c column) string) {
		var cells []string
		for _, c := range columns {
			cells = append(cells, cell(c))
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	line(func(c column) string { return c.title })
	for _, row := range list {
		object, _ := row.(map[string]any)
		line(func(c column) string { return c.write(object[c.key]) })
	}
	_ = w.Flush() // to memory
}

// plain writes a value in one line.
func plain(v any) string {
	switch v := v.(type) {
	case nil:
		return "none"
	case string:
		return printable(v)
	case []any:
		var items []string
		for _, item := range v {
			items = append(items, plain(item))
		}
		return strings.Join(items, ", ")
	case map[string]any:
		text, _ := json.Marshal(v) // came from JSON
		return printable(string(text))
	}
	return fmt.Sprint(v)
}

// printable keeps what a server says from steering the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

func yesNo(v any) string {
	if v == true {
		return "yes"
	}
	return "no"
}

func ago(v any) string {
	if v == nil {
		return "n/a"
	}
	return plain(v) + "s ago"
}

func lasting(v any) string {
	number, _ := v.(json.Number)
	s, err := number.Float64()
	if err != nil {
		return "unknown"
	}
	return time.Duration(s * float64(time.Second)).Truncate(time.Second).String()
}

func megabytes(v any) string {
	number, _ := v.(json.Number)
	n, err := number.Int64()
	if err != nil || n == 0 {
		return "unknown"
	}
	return fmt.Sprintf("%d MB", n>>20)
}
