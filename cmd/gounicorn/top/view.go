package top

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/gounicorn/gounicorn/cmd/gounicorn/insight"
	"github.com/gounicorn/gounicorn/prefork"
	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/server/history"
)

// View implements tea.Model.
func (m *model) View() tea.View {
	v := tea.NewView(m.text())
	v.AltScreen = true
	return v
}

// text is what the screen shows.
func (m *model) text() string {
	if !m.seen {
		if m.gone != nil {
			return "No server: " + clean(m.gone.Error()) + "\nIt is looked for again. q ends this."
		}
		return "Looking …"
	}
	lines := m.header()
	body := m.body()
	foot := m.footer()
	if m.height > 0 {
		room := max(m.height-len(lines)-len(foot), 1)
		if m.screen != overview && m.screen != workers {
			m.top = max(min(m.top, len(body)-room), 0)
			body = body[m.top:]
		}
		body = body[:min(len(body), room)]
		for len(body) < room {
			body = append(body, "")
		}
	}
	lines = append(append(lines, body...), foot...)
	for i := range lines {
		lines[i] = ansi.Truncate(lines[i], m.width, "…")
	}
	return strings.Join(lines, "\n")
}

// header is what every screen begins with.
func (m *model) header() []string {
	d := &m.doc
	state := goodStyle.Render(d.State)
	if d.State != insight.StateServing {
		state = warnStyle.Render(d.State)
	}
	if m.gone != nil {
		state = badStyle.Render("has gone, as of " + d.Time.Local().Format("15:04:05"))
	} else if m.paused {
		state += warnStyle.Render(" (paused)")
	}
	first := fmt.Sprintf("%s %s  pid %d  up %s  generation %d  gounicorn %s, Python %s", titleStyle.Render(clean(d.App)), state, d.PID, seconds(d.Uptime), d.Generation,
		clean(d.Version), clean(d.Python))
	s := &d.Series
	rate := lately(s.Requests, 3)
	second := fmt.Sprintf("requests %s/s %s  by workers %s/s  errors ", number(rate), sparkline(s.Requests, max(m.width-72, 10)), number(lately(s.App, 3)))
	if failed := lately(s.ServerErrors, 10); failed > 0 {
		second += badStyle.Render(number(failed) + "/s")
	} else {
		second += "0/s"
	}
	fast := window(d, lane.FastName)
	second += fmt.Sprintf("  fast p50 %s p99 %s", seconds(fast.Total.P50), seconds(fast.Total.P99))
	var memory int64
	for _, p := range d.Processes {
		memory += p.PSS
	}
	third := fmt.Sprintf("workers %d/%d  slots %d/%d  spare %d/%d  waiting %d  memory %s of %s  load %.2f on %.3g", ready(d), d.Wanted, d.Slots.ComputingBusy,
		d.Slots.Computing, d.Slots.SpareBusy, d.Slots.Spare, waiting(d), bytes(memory+d.Master.PSS), bytes(d.Host.MemoryLimit), d.Host.Load, d.Host.CPUs)
	lines := []string{first, second, third}
	for _, text := range troubles(d) {
		lines = append(lines, badStyle.Render(clean(text)))
	}
	return append(lines, "")
}

// troubles is what is not as it should be.
func troubles(d *insight.Document) (all []string) {
	switch d.Reload.State {
	case prefork.ReloadFailed:
		text := strings.TrimSpace(d.Reload.Error)
		all = append(all, "the reload failed, the old workers go on: "+text[strings.LastIndexByte(text, '\n')+1:])
	case prefork.ReloadRunning:
		all = append(all, fmt.Sprintf("a reload is under way for %s: generation %d", seconds(d.Reload.Seconds), d.Reload.Generation))
	}
	for _, c := range d.Companions {
		if !c.Healthy {
			all = append(all, "companion "+c.Name+" is "+c.State)
		}
	}
	return all
}

// footer is the tabs, or the question that is open.
func (m *model) footer() []string {
	if m.height == 0 { // a script reads it
		return nil
	}
	if m.asked != "" {
		return []string{warnStyle.Render(m.asked + " y/n")}
	}
	var tabs []string
	for i, name := range screenNames {
		text := fmt.Sprintf("%d %s", i+1, name)
		if screen(i) == m.screen {
			text = chosenStyle.Render(text)
		}
		tabs = append(tabs, text)
	}
	line := strings.Join(tabs, "  ") + "   ? help  q quit"
	if m.message != "" {
		line = clean(m.message)
	}
	return []string{line}
}

func (m *model) body() []string {
	switch m.screen {
	case workers:
		return m.workers(len(m.doc.Workers))
	case routes:
		return m.routes(len(m.doc.Routes))
	case companions:
		return m.companions()
	case events:
		return m.events(len(m.doc.Events))
	case details:
		return m.details()
	case help:
		return helpLines
	}
	// As many of each as there is room for, the workers first.
	room := 1 << 20
	if m.height > 0 {
		room = m.height
	}
	lines := slices.Concat(m.lanes(), []string{""}, m.workers(min(len(m.doc.Workers), max(room/3, 4))), []string{""}, m.routes(min(len(m.doc.Routes), max(room/4, 3))))
	if len(m.doc.Companions) > 0 {
		lines = slices.Concat(lines, []string{""}, m.companions())
	}
	if len(m.doc.Events) > 0 {
		lines = slices.Concat(lines, []string{""}, m.events(min(len(m.doc.Events), 5)))
	}
	return lines
}

func (m *model) lanes() []string {
	rows := [][]cell{{left("LANE"), right("RUN"), right("WAIT"), right("OLDEST"), right("LAST MIN"), right("P50"), right("P99"), right("QUEUE P99"), right("SENT"), right("REFUSED")}}
	for _, l := range m.doc.Status.Lanes {
		w := window(&m.doc, l.Name)
		waits := right(strconv.Itoa(l.Waiting))
		if l.Waiting > 0 {
			waits = waits.in(&warnStyle)
		}
		refused := right(strconv.FormatUint(l.Refused+l.Expired, 10))
		if l.Refused+l.Expired > 0 {
			refused = refused.in(&badStyle)
		}
		rows = append(rows, []cell{
			left(l.Name), right(strconv.Itoa(l.Running)), waits, right(seconds(l.Oldest)), right(strconv.FormatUint(w.Requests, 10)), right(seconds(w.Total.P50)),
			right(seconds(w.Total.P99)), right(seconds(w.Queue.P99)), right(strconv.FormatUint(l.Sent, 10)), refused,
		})
	}
	return columns(rows, m.width)
}

func (m *model) workers(most int) []string {
	rows := [][]cell{{right("PID"), left("STATE"), right("UP"), right("CPU"), right("PSS"), right("RSS"), right("FOR"), left("RUNS (by " + orderNames[m.order] + ")")}}
	all := m.sorted()
	at := max(slices.IndexFunc(all, func(w prefork.WorkerStatus) bool { return w.PID == m.chosen }), 0)
	from := max(min(at-most/2, len(all)-most), 0)
	for _, w := range all[from:min(from+most, len(all))] {
		p := m.doc.Processes[w.PID]
		state := left(w.State)
		switch {
		case w.Overflow:
			state = left(w.State + "+").in(&warnStyle)
		case w.State != "ready":
			state = state.in(&warnStyle)
		}
		runs, since := left(""), right("-")
		if len(w.Requests) > 0 {
			r := w.Requests[0]
			text := r.Request
			if more := len(w.Requests) - 1; more > 0 {
				text += fmt.Sprintf("  and %d more", more)
			}
			runs, since = left(text), right(seconds(r.Seconds)).in(urgency(r.Seconds))
		}
		rows = append(rows, []cell{
			right(strconv.Itoa(w.PID)), state, right(seconds(w.Age)), right(fmt.Sprintf("%.0f%%", 100*m.cpu[w.PID])), right(bytes(p.PSS)), right(bytes(p.RSS)), since, runs,
		})
	}
	lines := columns(rows, m.width)
	if m.chosen != 0 && at-from+1 < len(lines) && all[at].PID == m.chosen {
		lines[at-from+1] = chosenStyle.Render(plainText(lines[at-from+1]))
	}
	if more := len(all) - most; more > 0 {
		lines = append(lines, headStyle.Render(fmt.Sprintf("%d more", more)))
	}
	return lines
}

// urgency is the colour of a request that runs for so long.
func urgency(s float64) *lipgloss.Style {
	switch {
	case s >= 10:
		return &badStyle
	case s >= 1:
		return &warnStyle
	}
	return &goodStyle
}

func (m *model) routes(most int) []string {
	rows := [][]cell{{right("ESTIMATE"), right("P50"), right("P99"), right("CPU"), right("REQUESTS"), left("LANE"), left("ROUTE")}}
	all := slices.Clone(m.doc.Routes)
	slices.SortStableFunc(all, func(a, b lane.RouteStatus) int {
		switch {
		case a.Estimate > b.Estimate:
			return -1
		case a.Estimate < b.Estimate:
			return 1
		}
		return 0
	})
	for _, r := range all[:min(most, len(all))] {
		text := r.Key
		if r.Waits {
			text += "  (waits)"
		}
		rows = append(rows, []cell{
			right(seconds(r.Estimate)), right(seconds(r.OwnP50)), right(seconds(r.OwnP99)), right(seconds(r.CPUMean)), right(strconv.FormatUint(r.Requests, 10)), left(r.Lane),
			left(text),
		})
	}
	return columns(rows, m.width)
}

func (m *model) companions() []string {
	if len(m.doc.Companions) == 0 {
		return []string{"There are no companions (--companion NAME=COMMAND)."}
	}
	rows := [][]cell{{left("COMPANION"), left("STATE"), right("PID"), right("UP"), right("RESTARTS"), left("LAST EXIT"), left("NOTE")}}
	for _, c := range m.doc.Companions {
		state := left(c.State)
		if !c.Healthy {
			state = state.in(&badStyle)
		}
		rows = append(rows, []cell{
			left(c.Name), state, right(strconv.Itoa(c.PID)), right(seconds(c.Uptime)), right(strconv.Itoa(c.Restarts)), left(c.LastExit), left(c.Note),
		})
	}
	return columns(rows, m.width)
}

// events lists the last ones, the newest first.
func (m *model) events(most int) []string {
	if len(m.doc.Events) == 0 {
		return []string{"Nothing has happened."}
	}
	rows := [][]cell{{left("TIME"), left("EVENT"), right("PID"), left("WHAT")}}
	for _, e := range slices.Backward(m.doc.Events) {
		if len(rows) > most {
			break
		}
		kind := left(string(e.Kind))
		switch e.Kind {
		case history.KindError:
			kind = kind.in(&badStyle)
		case history.KindWarning, history.KindRestart:
			kind = kind.in(&warnStyle)
		}
		pid := "-"
		if e.PID != 0 {
			pid = strconv.Itoa(e.PID)
		}
		text := strings.SplitN(e.Text, "\n", 2)[0]
		if e.Cause != "" {
			text = e.Cause + ": " + text
		}
		rows = append(rows, []cell{left(time.Unix(int64(e.Time), 0).Format("15:04:05")), kind, right(pid), left(text)})
	}
	return columns(rows, m.width)
}

// details is all there is about the chosen worker.
func (m *model) details() []string {
	at := slices.IndexFunc(m.doc.Workers, func(w prefork.WorkerStatus) bool { return w.PID == m.chosen })
	if at < 0 {
		return []string{fmt.Sprintf("The worker %d has gone. Esc goes back.", m.chosen)}
	}
	w := m.doc.Workers[at]
	p := m.doc.Processes[w.PID]
	lines := []string{
		titleStyle.Render(fmt.Sprintf("Worker %d", w.PID)) + fmt.Sprintf("  %s, generation %d, up %s, %d threads, CPU %.0f%%, %s PSS, %s RSS, %d descriptors", w.State,
			w.Generation, seconds(w.Age), w.Threads, 100*m.cpu[w.PID], bytes(p.PSS), bytes(p.RSS), p.Descriptors),
		"",
	}
	for _, r := range w.Requests {
		lines = append(lines, fmt.Sprintf("  %s for %s in the lane %s", clean(r.Request), urgency(r.Seconds).Render(seconds(r.Seconds)), clean(r.Lane)))
	}
	if len(w.Requests) == 0 {
		lines = append(lines, "  It runs nothing.")
	}
	lines = append(lines, "", headStyle.Render("PYTHON STACKS, most recent call first (s: again, Esc: back)"))
	if m.stacks == "" {
		return append(lines, "  asked for …")
	}
	return append(lines, cleanLines(m.stacks)...)
}

var helpLines = []string{
	"Tab, 1 to 5      other screens          up, down    choose a worker, or scroll",
	"Enter, s         the chosen worker and its Python stacks",
	"o                sort the workers by request, pid, cpu, memory",
	"p, space         pause                  ?           this help",
	"r                reload                 + and -     one worker more or less",
	"q                quit                   Esc         back",
	"",
	"A worker whose state ends with + is an overflow worker: there are more than --workers, because requests had to wait.",
	"FOR is how long a worker has been at its request; estimates are what the dispatcher expects of a route.",
	"PSS is memory with shared pages divided among those who share them; the sum of all is what the site needs.",
}

// lately is the mean of the last n values.
func lately(values []uint32, n int) float64 {
	values = values[max(len(values)-n, 0):]
	if len(values) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range values {
		sum += float64(v)
	}
	return sum / float64(len(values))
}

func number(x float64) string {
	if x >= 10 || x == 0 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.1f", x)
}

func window(d *insight.Document, name string) history.Window {
	for _, w := range d.Record.Lanes {
		if w.Name == name {
			return w
		}
	}
	return history.Window{}
}

func ready(d *insight.Document) (n int) {
	for _, w := range d.Workers {
		if w.State == "ready" {
			n++
		}
	}
	return n
}

func waiting(d *insight.Document) (n int) {
	for _, l := range d.Status.Lanes {
		n += l.Waiting
	}
	return n
}
