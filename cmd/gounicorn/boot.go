package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"github.com/gounicorn/gounicorn/python"
	"github.com/gounicorn/gounicorn/server/settings"
)

// bootDocument is what the zygote is told before it does anything; python/gounicorn/_zygote.py reads it.
type bootDocument struct {
	Version        int               `json:"version"`
	Argv           []string          `json:"argv"`
	App            string            `json:"app"`
	Preload        bool              `json:"preload"`
	Chdir          *string           `json:"chdir"`
	PythonPath     []string          `json:"pythonpath"`
	Env            map[string]string `json:"env"`
	Threads        int               `json:"threads"`
	MaxThreads     int               `json:"max_threads"` // never below threads
	Workers        int               `json:"workers"`
	SlowNice       int               `json:"slow_nice"` // added to the nice value of requests that are slow and compute
	ServerSoftware string            `json:"server_software"`
	GracefulTime   float64           `json:"graceful_timeout"` // seconds
	Sources        map[string]string `json:"sources"`
}

// newBootDocument returns the document as JSON.
func newBootDocument(v *settings.Values, workers int) ([]byte, error) {
	doc := bootDocument{
		Version: wire.Version, Argv: os.Args, App: v.WSGIApp, Preload: v.PreloadApp, PythonPath: v.PythonPath, Env: map[string]string{},
		Threads: v.Threads, MaxThreads: max(v.Threads, v.MaxThreads), Workers: workers, SlowNice: v.SlowNice,
		ServerSoftware: "gounicorn/" + version, GracefulTime: v.GracefulTimeout.Seconds(), Sources: python.Sources(),
	}
	if v.Chdir != "" {
		doc.Chdir = &v.Chdir
	}
	if doc.PythonPath == nil {
		doc.PythonPath = []string{}
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
