package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"github.com/gounicorn/gounicorn/python"
	"github.com/gounicorn/gounicorn/server/settings"
)

// task is what a zygote is told before it does anything (CONFIGURE); python/gounicorn/_zygote.py reads it.
type task struct {
	Argv           []string          `json:"argv"`
	Directory      string            `json:"directory"` // where gounicorn was started
	Config         string            `json:"config"`    // absolute path or python:MODULE, empty for none
	Settings       []string          `json:"settings"`  // the names that a config file may set
	Hooks          []string          `json:"hooks"`     // those of them that are functions
	Defaults       map[string]any    `json:"defaults"`  // of the settings, as cfg has them
	Paste          string            `json:"paste"`     // the file of PasteDeploy, empty for none
	ServerSoftware string            `json:"server_software"`
	Sources        map[string]string `json:"sources"`
}

// bootDocument is what the zygote is told once the settings are complete (BOOT); python/gounicorn/_zygote.py reads it.
type bootDocument struct {
	Version        int               `json:"version"`
	Generation     int               `json:"generation"` // 1 at the start, more after a reload
	Check          bool              `json:"check"`      // only load the application
	PID            int               `json:"pid"`        // of the master
	App            string            `json:"app"`
	Settings       map[string]any    `json:"settings"`    // all, as cfg has them
	PythonLogs     bool              `json:"python_logs"` // the configuration's own logger writes the logs
	ProcName       string            `json:"proc_name"`   // empty: the application
	Preload        bool              `json:"preload"`
	Chdir          *string           `json:"chdir"`
	PythonPath     []string          `json:"pythonpath"`
	Env            map[string]string `json:"env"`
	Address        []any             `json:"address"` // [host, port] or a path
	Threads        int               `json:"threads"`
	MaxThreads     int               `json:"max_threads"` // never below threads
	MultiThread    bool              `json:"multithread"` // what the environ says
	Workers        int               `json:"workers"`
	WorkersBefore  *int              `json:"workers_before"` // before a reload
	Warmup         []string          `json:"warmup"`         // URLs
	WarmupHost     string            `json:"warmup_host"`    // of those that are only a path; empty: what the application says
	SlowNice       int               `json:"slow_nice"`      // added to the nice value of requests that are slow and compute
	ServerSoftware string            `json:"server_software"`
	Timeout        float64           `json:"timeout"`          // seconds
	GracefulTime   float64           `json:"graceful_timeout"` // seconds
	UID            *int              `json:"uid"`              // who the zygote becomes; none: it stays who it is
	GID            *int              `json:"gid"`
	Groups         []int             `json:"groups"` // supplementary groups; none: they stay
}

// pastePrefix begins an app spec that is a file of PasteDeploy; python/gounicorn/_paste.py reads it.
const pastePrefix = "paste:"

// newTask returns the document of CONFIGURE as JSON.
func newTask(directory, config, paste string) ([]byte, error) {
	t := task{
		Argv: os.Args, Directory: directory, Config: config, Settings: settings.FileNames(),
		Defaults: settings.DefaultCfg(), Paste: paste, ServerSoftware: "gounicorn/" + version, Sources: python.Sources(),
	}
	for i := range settings.All {
		if s := &settings.All[i]; s.Kind == settings.Hook {
			t.Hooks = append(t.Hooks, s.Name)
		}
	}
	text, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("task of the zygote: %w", err)
	}
	return text, nil
}

// newBootDocument returns the document of BOOT as JSON. before is how many workers there were, -1 at the start; host is that of warm-up
// requests which name none, empty if it is not known.
func newBootDocument(v *settings.Values, generation, workers, before int, host string, owner *ownership) ([]byte, error) {
	doc := bootDocument{
		Version: wire.Version, Generation: generation, Check: v.CheckConfig || v.PrintConfig, PID: os.Getpid(), App: v.WSGIApp, ProcName: v.ProcName,
		Settings: v.Cfg(), PythonLogs: v.LogsInPython(),
		Preload: v.PreloadApp, PythonPath: v.PythonPath, Env: map[string]string{}, Threads: v.Threads, MaxThreads: max(v.Threads, v.MaxThreads),
		MultiThread: v.WorkerClass == "gthread", Workers: workers, SlowNice: v.SlowNice, ServerSoftware: "gounicorn/" + version,
		Timeout: v.Timeout.Seconds(), GracefulTime: v.GracefulTimeout.Seconds(),
	}
	doc.Settings["workers"] = workers
	doc.Warmup, doc.WarmupHost = v.Warmup, host
	if v.Paste != "" {
		path, err := filepath.Abs(v.Paste)
		if err != nil {
			return nil, fmt.Errorf("--paste: %w", err)
		}
		doc.App = pastePrefix + path
	}
	if before >= 0 {
		doc.WorkersBefore = &before
	}
	if owner.changes() && !doc.Check {
		doc.UID, doc.GID, doc.Groups = &owner.uid, &owner.gid, owner.groups
	}
	if v.Chdir != "" {
		doc.Chdir = &v.Chdir
	}
	if doc.PythonPath == nil {
		doc.PythonPath = []string{}
	}
	for _, a := range v.Bind {
		doc.Address = append(doc.Address, pythonAddress(a))
	}
	for _, e := range v.RawEnv {
		name, value, _ := strings.Cut(e, "=")
		doc.Env[name] = value
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("boot document: %w", err)
	}
	return text, nil
}

// pythonAddress is an address as gunicorn's objects have it: host and port, the path of a unix socket, or the number of a descriptor.
func pythonAddress(a settings.Address) any {
	switch network, address, ok := a.ListenArgs(); {
	case !ok:
		return a.FD
	case network == "unix":
		return address
	default:
		return []any{a.Host, a.Port}
	}
}
