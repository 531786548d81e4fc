package console

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/gounicorn/gounicorn/cmd/gounicorn/insight"
	"github.com/gounicorn/gounicorn/prefork"
	"github.com/gounicorn/gounicorn/server/control"
	"github.com/gounicorn/gounicorn/server/history"
	"golang.org/x/term"
)

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// troubles says what is not as it should be, a sentence each.
func troubles(d *insight.Document) (all []string) {
	if n := ready(d, 0); n < d.Wanted && d.State == insight.StateServing {
		all = append(all, fmt.Sprintf("%d of %d workers are ready", n, d.Wanted))
	}
	if d.Reload.State == prefork.ReloadFailed {
		all = append(all, fmt.Sprintf("the reload at %s failed, the workers with the old code go on: %s", clock(float64(d.Reload.Began.Unix())), lastLine(d.Reload.Error)))
	}
	for _, c := range d.Companions {
		if !c.Healthy {
			all = append(all, fmt.Sprintf("companion %s is %s", c.Name, c.State))
		}
	}
	return all
}

func showStatus(s *session, _ []string) int {
	d, err := s.look()
	if err != nil {
		return s.failed(err)
	}
	wrong := troubles(&d)
	code := exitOK
	if len(wrong) > 0 {
		code = exitUnhealthy
	}
	if s.json {
		return max(s.print(&d), code)
	}
	w := tabwriter.NewWriter(s.Stdout, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, printable(fmt.Sprintf(format, args...)))
	}
	row(d.App, "%s, pid %d, for %s, generation %d, gounicorn %s with Python %s", d.State, d.PID, lastingShort(d.Uptime), d.Generation, d.Version, d.Python)
	row("listening", "%s", strings.Join(d.Listeners, ", "))
	row("workers", "%s; %s, %d wait", workersInWords(&d), plural(uint64(running(&d)), "request")+" in them", waiting(&d))
	row("requests", "%s", rates(&d.Series))
	for _, l := range d.Record.Lanes {
		if l.Requests > 0 {
			row("lane "+l.Name, "%d in the last minute, p50 %s, p99 %s, waited p99 %s", l.Requests, lastingShort(l.Total.P50), lastingShort(l.Total.P99), lastingShort(l.Queue.P99))
		}
	}
	row("memory", "%s of %s; %s can be had", bytesText(d.Master.PSS+memory(&d)), bytesText(d.Host.MemoryLimit), bytesText(d.Host.MemoryUnused))
	row("cpu", "load %.2f on %s", d.Host.Load, plural(uint64(d.Host.CPUs+0.5), "processor"))
	if d.Reload.State != prefork.ReloadNone && d.Reload.State != "" {
		row("reload", "%s at %s, %s", d.Reload.State, clock(float64(d.Reload.Began.Unix())), lastingShort(d.Reload.Seconds))
	}
	if n := len(d.Companions); n > 0 {
		row("companions", "%s", companionsInWords(d.Companions))
	}
	if e, ok := lastError(d.Events); ok {
		row("last error", "%s %s", clock(e.Time), strings.SplitN(e.Text, "\n", 2)[0])
	}
	for _, text := range wrong {
		row("WRONG", "%s", text)
	}
	_ = w.Flush() // to a terminal or a pipe
	return code
}

func workersInWords(d *insight.Document) string {
	text, overflow, others := fmt.Sprintf("%d of %d ready", ready(d, 0), d.Wanted), 0, 0
	for _, w := range d.Workers {
		switch {
		case w.State != "ready":
			others++
		case w.Overflow:
			overflow++
		}
	}
	if overflow > 0 {
		text += fmt.Sprintf(", %d of overflow", overflow)
	}
	if others > 0 {
		text += fmt.Sprintf(", %d that boot or leave", others)
	}
	return text
}

func companionsInWords(all []control.Companion) string {
	states := map[string]int{}
	for _, c := range all {
		states[c.State]++
	}
	var texts []string
	for _, state := range []string{"RUNNING", "STARTING", "STOPPED", "STOPPING", "EXITED", "BACKOFF", "FATAL"} {
		if n := states[state]; n > 0 {
			texts = append(texts, fmt.Sprintf("%d %s", n, state))
		}
	}
	return strings.Join(texts, ", ")
}

func lastError(events []history.Event) (history.Event, bool) {
	for _, e := range slices.Backward(events) {
		if e.Kind == history.KindError {
			return e, true
		}
	}
	return history.Event{}, false
}

// rates says how many requests a second there were in the last ten, and how many of them failed.
func rates(s *history.Series) string {
	n := min(len(s.Requests), 10)
	if n == 0 {
		return "none yet"
	}
	sum := func(v []uint32) (all float64) {
		for _, x := range v[max(len(v)-n, 0):] {
			all += float64(x)
		}
		return all / float64(n)
	}
	return fmt.Sprintf("%.1f a second, %.1f by workers; %.1f errors of the server, %.1f of clients (last %d s)", sum(s.Requests), sum(s.App),
		sum(s.ServerErrors), sum(s.ClientErrors), n)
}

func running(d *insight.Document) (n int) {
	for _, w := range d.Workers {
		n += len(w.Requests)
	}
	return n
}

func waiting(d *insight.Document) (n int) {
	for _, l := range d.Status.Lanes {
		n += l.Waiting
	}
	return n
}

func memory(d *insight.Document) (n int64) {
	for _, p := range d.Processes {
		n += p.PSS
	}
	return n
}

func showWorkers(s *session, _ []string) int {
	d, err := s.look()
	if err != nil {
		return s.failed(err)
	}
	if s.json {
		return s.print(map[string]any{"workers": d.Workers, "processes": d.Processes})
	}
	rows := [][]string{{"PID", "STATE", "GEN", "AGE", "THREADS", "PSS", "RSS", "CPU", "RUNS"}}
	for _, w := range d.Workers {
		state, p := w.State, d.Processes[w.PID]
		if w.Overflow {
			state += " (overflow)"
		}
		runs := "-"
		if len(w.Requests) > 0 {
			runs = fmt.Sprintf("%s for %s", w.Requests[0].Request, lastingShort(w.Requests[0].Seconds))
			if more := len(w.Requests) - 1; more > 0 {
				runs += fmt.Sprintf(" and %d more", more)
			}
		}
		rows = append(rows, []string{
			strconv.Itoa(w.PID), state, strconv.Itoa(w.Generation), lastingShort(w.Age), strconv.Itoa(w.Threads), bytesText(p.PSS), bytesText(p.RSS),
			lastingShort(p.CPU), runs,
		})
	}
	s.table(rows)
	return exitOK
}

func showRequests(s *session, _ []string) int {
	d, err := s.look()
	if err != nil {
		return s.failed(err)
	}
	type request struct {
		PID int `json:"pid"`
		prefork.RequestStatus
	}
	all := []request{}
	for _, w := range d.Workers {
		for _, r := range w.Requests {
			all = append(all, request{w.PID, r})
		}
	}
	slices.SortFunc(all, func(a, b request) int { return cmp.Compare(b.Seconds, a.Seconds) })
	if s.json {
		return s.print(map[string]any{"requests": all})
	}
	if len(all) == 0 {
		fmt.Fprintln(s.Stdout, "No request runs.")
		return exitOK
	}
	rows := [][]string{{"RUNS", "WORKER", "LANE", "REQUEST"}}
	for _, r := range all {
		rows = append(rows, []string{lastingShort(r.Seconds), strconv.Itoa(r.PID), r.Lane, r.Request})
	}
	s.table(rows)
	return exitOK
}

func showLanes(s *session, _ []string) int {
	d, err := s.look()
	if err != nil {
		return s.failed(err)
	}
	if s.json {
		return s.print(map[string]any{"slots": d.Slots, "lanes": d.Status.Lanes, "last_minute": d.Record.Lanes, "routes": d.Routes})
	}
	fmt.Fprintf(s.Stdout, "%d of %d computing slots are taken, %d of %d spare ones; %d are kept for fast requests.\n\n", d.Slots.ComputingBusy, d.Slots.Computing,
		d.Slots.SpareBusy, d.Slots.Spare, d.Slots.Reserve)
	rows := [][]string{{"LANE", "RUNNING", "WAITING", "OLDEST", "SENT", "REFUSED", "EXPIRED", "LAST MINUTE", "P50", "P99", "QUEUE P99"}}
	for _, l := range d.Status.Lanes {
		row := []string{
			l.Name, strconv.Itoa(l.Running), strconv.Itoa(l.Waiting), lastingShort(l.Oldest), fmt.Sprint(l.Sent), fmt.Sprint(l.Refused), fmt.Sprint(l.Expired),
		}
		i := slices.IndexFunc(d.Record.Lanes, func(w history.Window) bool { return w.Name == l.Name })
		if i >= 0 && d.Record.Lanes[i].Requests > 0 {
			w := d.Record.Lanes[i]
			row = append(row, fmt.Sprint(w.Requests), lastingShort(w.Total.P50), lastingShort(w.Total.P99), lastingShort(w.Queue.P99))
		} else {
			row = append(row, "0", "-", "-", "-")
		}
		rows = append(rows, row)
	}
	s.table(rows)
	if len(d.Routes) == 0 {
		return exitOK
	}
	fmt.Fprintln(s.Stdout)
	rows = [][]string{{"ESTIMATE", "P90", "P99", "CPU", "REQUESTS", "LANE", "ROUTE"}}
	for _, r := range d.Routes[:min(len(d.Routes), 30)] {
		rows = append(rows, []string{
			lastingShort(r.Estimate), lastingShort(r.OwnP90), lastingShort(r.OwnP99), lastingShort(r.CPUMean), fmt.Sprint(r.Requests), r.Lane, r.Key,
		})
	}
	s.table(rows)
	if more := len(d.Routes) - 30; more > 0 {
		fmt.Fprintf(s.Stdout, "and %d more; --json has them\n", more)
	}
	return exitOK
}

func showCompanions(s *session, _ []string) int { return s.relay("companions") }

func showConfig(s *session, args []string) int {
	var answer struct {
		Settings []control.Setting `json:"settings"`
	}
	if err := s.do(strings.TrimSpace("settings "+strings.Join(args, " ")), &answer); err != nil {
		return s.failed(err)
	}
	if s.json {
		return s.print(answer)
	}
	rows := [][]string{{"NAME", "VALUE", "FROM"}}
	for _, one := range answer.Settings {
		rows = append(rows, []string{one.Name, one.Value, one.From})
	}
	s.table(rows)
	return exitOK
}

// explainFrom asks the private listener that the server has.
func explainFrom(s *session, args []string) int {
	var answer struct {
		Settings []control.Setting `json:"settings"`
	}
	if err := s.do("settings metrics_bind", &answer); err != nil {
		return s.failed(err)
	}
	if len(answer.Settings) == 0 || answer.Settings[0].Value == "" {
		return s.failed(fmt.Errorf("the server has no private listener to ask: start it with --metrics-bind 127.0.0.1:9100"))
	}
	words := append([]string{"--metrics-bind=" + answer.Settings[0].Value}, args...)
	if s.json {
		words = append(words, "--json")
	}
	return explain(s.Program, words)
}

// table writes rows in columns; the first row is the heading.
func (s *session) table(rows [][]string) {
	w := tabwriter.NewWriter(s.Stdout, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i := range row {
			row[i] = printable(row[i])
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush() // to a terminal or a pipe
}

// printableText is printable for a text of several lines.
func printableText(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

func lastLine(text string) string {
	text = strings.TrimRight(text, "\n")
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// clock is a time of day.
func clock(at float64) string { return time.Unix(int64(at), 0).Format("15:04:05") }

// lastingShort writes seconds as people read them.
func lastingShort(s float64) string {
	switch d := time.Duration(s * float64(time.Second)); {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	case d >= time.Minute:
		return strings.TrimSuffix(d.Truncate(time.Second).String(), "0s")
	case d >= time.Second:
		return fmt.Sprintf("%.1fs", s)
	case d >= time.Millisecond:
		return fmt.Sprintf("%.1fms", s*1000)
	case d > 0:
		return fmt.Sprintf("%dµs", d.Microseconds())
	}
	return "0"
}
