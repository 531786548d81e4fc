package control

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Master is what the commands act on. The methods are called by the goroutines of connections; an error is the answer of the command.
type Master interface {
	Workers() ([]Worker, error)
	Config() (map[string]any, error) // by the names of settings
	Stats() (Stats, error)
	Listeners() ([]Listener, error)
	Resize(by int) (before, after int, err error) // the number of workers; one remains at least
	Retire(pid int) (found bool, err error)       // lets a worker finish and replaces it
	Reload() error
	Reopen() error
	Shutdown(quick bool) error
	Upgrade() error
	Settings() ([]Setting, error)
	Logs(since uint64, n int, latest bool) (any, error) // lines of the error log, behind that number, see history.Journal
	Stacks(pid int) (string, error)                     // the Python stacks of a worker, which goes on
	Status() (any, error)                               // all that the server tells of itself, for programs: an object in JSON
	Companions
}

// Worker is one worker process. Up to LastHeartbeat the keys are gunicorn's, the rest are ours.
type Worker struct {
	PID           int      `json:"pid"`
	Type          string   `json:"type,omitempty"` // "web" in show all
	Age           int      `json:"age"`            // which one it is since the start: 1, 2, …
	Booted        bool     `json:"booted"`         // it has loaded the application
	Aborted       bool     `json:"aborted"`        // it was sent SIGABRT because a request took too long
	LastHeartbeat *float64 `json:"last_heartbeat"` // seconds since its longest request began, 0: it has none, nil: it boots
	State         string   `json:"state"`          // booting, ready or retiring
	Overflow      bool     `json:"overflow"`       // it is one of max_workers beyond workers
	Threads       int      `json:"threads"`
	Requests      int      `json:"requests"` // that it runs now
	Uptime        float64  `json:"uptime"`   // seconds
	RSS           int64    `json:"rss"`      // resident bytes, shared ones included; 0: unknown
}

// Stats are gunicorn's.
type Stats struct {
	Uptime         float64 `json:"uptime"` // seconds
	PID            int     `json:"pid"`
	WorkersCurrent int     `json:"workers_current"`
	WorkersTarget  int     `json:"workers_target"`
	WorkersSpawned uint64  `json:"workers_spawned"`
	WorkersKilled  uint64  `json:"workers_killed"` // that the server told to leave or killed, and that are gone
	Reloads        int     `json:"reloads"`        // that succeeded
	DirtyArbiter   *int    `json:"dirty_arbiter_pid"`
}

// Setting is one setting as it is in effect.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	From  string `json:"from"` // the flag, variable or file; "default"
}

// Listener is one listening socket.
type Listener struct {
	Address string `json:"address"`
	FD      int    `json:"fd"`
	Type    string `json:"type"` // tcp, tcp6 or unix
}

// maxStep is how many workers one command may add or remove; a slip of the finger is not to fork the machine to death.
const maxStep = 1000

const noDirty = "Dirty arbiter not running: gounicorn has none; run background work in a task queue, for example Celery"

// command is one row of the table.
type command struct {
	words, args, help string
	run               func(m Master, args []string) (any, error)
}

// commands is the one table of commands; the words and the keys of the answers are gunicorn's. It is a function because help shows it.
func commands() []command {
	return []command{
		{"show all", "", "Show the master and its workers", showAll},
		{"show workers", "", "List the workers and what they do", showWorkers},
		{"show dirty", "", "List dirty workers: there are none", showDirty},
		{"show config", "", "Show all settings as they are in effect", func(m Master, _ []string) (any, error) { return m.Config() }},
		{"show stats", "", "Show what the server has done so far", func(m Master, _ []string) (any, error) { return m.Stats() }},
		{"show listeners", "", "List the listening sockets", showListeners},
		{"status", "", "Show all there is to know, for gounicorn ctl, gounicorn top and other programs", func(m Master, _ []string) (any, error) { return m.Status() }},
		{"settings", "[NAME]", "Show settings and where each comes from", showSettings},
		{"logs", "[SINCE N]", "Show the last lines of the error log, or N behind the one with the number SINCE", logs},
		{"stacks", "<PID>", "Show what the threads of a worker are doing; it goes on", stacks},
		{"worker add", "[N]", "Start N more workers (default 1)", workerAdd},
		{"worker remove", "[N]", "Retire N workers (default 1); one remains", workerRemove},
		{"worker kill", "<PID>", "Let one worker finish its requests and replace it", workerKill},
		{"companions", "[NAME]", "List the programs beside the web workers", companions},
		companionAction("companion start", Master.StartCompanion),
		companionAction("companion stop", Master.StopCompanion),
		companionAction("companion restart", Master.RestartCompanion),
		{"companion signal", "<SIGNAL> <NAME>", "Send a signal to a companion", companionSignal},
		{"dirty add", "[N]", "Not available: there are no dirty workers", refuseDirty},
		{"dirty remove", "[N]", "Not available: there are no dirty workers", refuseDirty},
		{"reload", "", "Start new workers with the code and settings as they are now (HUP)", reload},
		{"reopen", "", "Reopen the log files (USR1)", reopen},
		{"upgrade", "", "Start a second master with the program as it is now (USR2)", upgrade},
		{"shutdown", "[graceful|quick]", "Stop the server, when its requests have ended or at once (TERM, INT)", shutdown},
		{"help", "", "Show this list", help},
	}
}

// Commands returns the words of all commands, for completion.
func Commands() []string {
	var all []string
	for _, c := range commands() {
		all = append(all, c.words)
	}
	return all
}

// dispatch runs a command and returns its data.
func dispatch(m Master, words []string) (any, error) {
	if len(words) == 0 {
		return nil, fmt.Errorf("Empty command; try help")
	}
	first, second := strings.ToLower(words[0]), ""
	if len(words) > 1 {
		second = strings.ToLower(words[1])
	}
	var group []string
	for _, c := range commands() {
		name, sub, pair := strings.Cut(c.words, " ")
		switch {
		case name != first:
		case !pair:
			return c.run(m, words[1:])
		case sub == second:
			return c.run(m, words[2:])
		default:
			group = append(group, sub)
		}
	}
	switch {
	case len(group) == 0:
		return nil, fmt.Errorf("Unknown command: %s; try help", words[0])
	case second == "":
		return nil, fmt.Errorf("%s what? Say %s %s", first, first, strings.Join(group, "|"))
	}
	return nil, fmt.Errorf("Unknown command: %s %s; say %s %s", first, words[1], first, strings.Join(group, "|"))
}

// fields splits a command into words.
func fields(text string) []string { return strings.Fields(text) }

func showWorkers(m Master, _ []string) (any, error) {
	workers, err := m.Workers()
	if err != nil {
		return nil, err
	}
	return struct {
		Workers []Worker `json:"workers"`
		Count   int      `json:"count"`
	}{list(workers), len(workers)}, nil
}

func showAll(m Master, _ []string) (any, error) {
	stats, err := m.Stats()
	if err != nil {
		return nil, err
	}
	workers, err := m.Workers()
	if err != nil {
		return nil, err
	}
	for i := range workers {
		workers[i].Type = "web"
	}
	type arbiter struct {
		PID  int    `json:"pid"`
		Type string `json:"type"`
		Role string `json:"role"`
	}
	return struct {
		Arbiter          arbiter  `json:"arbiter"`
		WebWorkers       []Worker `json:"web_workers"`
		WebWorkerCount   int      `json:"web_worker_count"`
		DirtyArbiter     *arbiter `json:"dirty_arbiter"`
		DirtyWorkers     []Worker `json:"dirty_workers"`
		DirtyWorkerCount int      `json:"dirty_worker_count"`
	}{arbiter{stats.PID, "arbiter", "master"}, list(workers), len(workers), nil, []Worker{}, 0}, nil
}

func showListeners(m Master, _ []string) (any, error) {
	listeners, err := m.Listeners()
	if err != nil {
		return nil, err
	}
	return struct {
		Listeners []Listener `json:"listeners"`
		Count     int        `json:"count"`
	}{list(listeners), len(listeners)}, nil
}

func showDirty(Master, []string) (any, error) {
	return struct {
		Enabled bool     `json:"enabled"`
		PID     *int     `json:"pid"`
		Workers []string `json:"workers"`
		Apps    []string `json:"apps"`
	}{Workers: []string{}, Apps: []string{}}, nil
}

// list is never null in JSON.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

// number is the argument [N].
func number(args []string) (int, error) {
	switch len(args) {
	case 0:
		return 1, nil
	case 1:
		if n, err := strconv.Atoi(args[0]); err == nil && n >= 1 && n <= maxStep {
			return n, nil
		}
	}
	return 0, fmt.Errorf("Invalid argument: %s; say how many, from 1 to %d", strings.Join(args, " "), maxStep)
}

func workerAdd(m Master, args []string) (any, error) {
	n, err := number(args)
	if err != nil {
		return nil, err
	}
	before, after, err := m.Resize(n)
	if err != nil {
		return nil, err
	}
	return struct {
		Added    int `json:"added"`
		Previous int `json:"previous"`
		Total    int `json:"total"`
	}{after - before, before, after}, nil
}

func workerRemove(m Master, args []string) (any, error) {
	n, err := number(args)
	if err != nil {
		return nil, err
	}
	before, after, err := m.Resize(-n)
	if err != nil {
		return nil, err
	}
	return struct {
		Removed  int `json:"removed"`
		Previous int `json:"previous"`
		Total    int `json:"total"`
	}{before - after, before, after}, nil
}

// outcome is the answer of what can fail in gunicorn's way: the status is ok, and the data says that it is not.
type outcome struct {
	Success bool   `json:"success"`
	Killed  int    `json:"killed,omitempty"`
	Error   string `json:"error,omitempty"`
}

func workerKill(m Master, args []string) (any, error) {
	if len(args) != 1 {
		return nil, fmt.Errorf("Invalid argument: say worker kill PID; show workers lists them")
	}
	pid, err := strconv.Atoi(args[0])
	if err != nil || pid < 1 {
		return nil, fmt.Errorf("Invalid argument: %s is no process id; show workers lists them", args[0])
	}
	found, err := m.Retire(pid)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return outcome{Error: fmt.Sprintf("Worker %d not found; show workers lists them", pid)}, nil
	}
	return outcome{Success: true, Killed: pid}, nil
}

func refuseDirty(Master, []string) (any, error) { return outcome{Error: noDirty}, nil }

// begun is the answer of what goes on after it.
type begun struct {
	Status string `json:"status"`
	Mode   string `json:"mode,omitempty"`
}

// lastLines is how many lines logs shows.
const lastLines = 50

func logs(m Master, args []string) (any, error) {
	since, n := uint64(0), lastLines
	if len(args) > 0 {
		var err error
		if since, err = strconv.ParseUint(args[0], 10, 64); err == nil && len(args) == 2 {
			n, err = strconv.Atoi(args[1])
		}
		if err != nil || len(args) != 2 || n < 1 {
			return nil, fmt.Errorf("Invalid argument: %s; say logs, or logs SINCE N with two numbers", strings.Join(args, " "))
		}
	}
	lines, err := m.Logs(since, n, len(args) == 0)
	return map[string]any{"lines": lines}, err
}

func stacks(m Master, args []string) (any, error) {
	if len(args) != 1 {
		return nil, fmt.Errorf("Invalid argument: say stacks PID; show workers lists them")
	}
	pid, err := strconv.Atoi(args[0])
	if err != nil || pid < 1 {
		return nil, fmt.Errorf("Invalid argument: %s is no process id; show workers lists them", args[0])
	}
	text, err := m.Stacks(pid)
	return map[string]any{"pid": pid, "stacks": text}, err
}

func showSettings(m Master, args []string) (any, error) {
	all, err := m.Settings()
	if err != nil {
		return nil, err
	}
	if len(args) > 0 {
		all = slices.DeleteFunc(all, func(s Setting) bool { return !slices.Contains(args, s.Name) })
		if len(all) == 0 {
			return nil, fmt.Errorf("Unknown setting: %s; settings lists them", strings.Join(args, " "))
		}
	}
	return map[string]any{"settings": list(all)}, nil
}

func upgrade(m Master, _ []string) (any, error) { return begun{Status: "upgrading"}, m.Upgrade() }

func reload(m Master, _ []string) (any, error) { return begun{Status: "reloading"}, m.Reload() }

func reopen(m Master, _ []string) (any, error) { return begun{Status: "reopening"}, m.Reopen() }

func shutdown(m Master, args []string) (any, error) {
	mode := "graceful"
	if len(args) > 0 {
		mode = strings.ToLower(args[0])
	}
	if len(args) > 1 || mode != "graceful" && mode != "quick" {
		return nil, fmt.Errorf("Invalid argument: %s; say shutdown graceful or shutdown quick", strings.Join(args, " "))
	}
	return begun{"shutting_down", mode}, m.Shutdown(mode == "quick")
}

func help(Master, []string) (any, error) {
	all := map[string]string{}
	for _, c := range commands() {
		all[strings.TrimSpace(c.words+" "+c.args)] = c.help
	}
	return map[string]any{"commands": all}, nil
}
