package settings

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Values holds one value for each row of All; the tag of a field is the name
// of its row. A Values from Parse is complete and checked.
type Values struct {
	WSGIApp    string   `setting:"wsgi_app"`
	Chdir      string   `setting:"chdir"`
	PythonPath []string `setting:"pythonpath"`
	RawEnv     []string `setting:"raw_env"`
	Python     string   `setting:"python"`
	WorkerBin  string   `setting:"worker_bin"`

	Bind           []Address `setting:"bind"`
	Backlog        int       `setting:"backlog"`
	MaxConnections int       `setting:"max_connections"`

	Workers           int    `setting:"workers"` // 0 is auto, see DefaultWorkers
	WorkerClass       string `setting:"worker_class"`
	Threads           int    `setting:"threads"`
	WorkerConnections int    `setting:"worker_connections"`
	MaxRequests       int    `setting:"max_requests"`
	MaxRequestsJitter int    `setting:"max_requests_jitter"`
	PreloadApp        bool   `setting:"preload_app"`

	MaxWorkers   int           `setting:"max_workers"` // 0 is Workers + SlowReserve
	OverflowIdle time.Duration `setting:"overflow_idle"`
	MaxThreads   int           `setting:"max_threads"` // 0 is Threads

	Lanes       []string      `setting:"lanes"`
	SlowReserve int           `setting:"slow_reserve"`
	SlowAfter   time.Duration `setting:"slow_after"`
	SlowNice    int           `setting:"slow_nice"`
	QueueTarget time.Duration `setting:"queue_target"`

	Timeout         time.Duration `setting:"timeout"`
	RequestTimeout  time.Duration `setting:"request_timeout"`
	SoftTimeout     time.Duration `setting:"soft_timeout"`
	QueueTimeout    time.Duration `setting:"queue_timeout"`
	GracefulTimeout time.Duration `setting:"graceful_timeout"`
	BootTimeout     time.Duration `setting:"boot_timeout"`
	KeepAlive       time.Duration `setting:"keepalive"`
	HeaderTimeout   time.Duration `setting:"header_timeout"`
	BodyTimeout     time.Duration `setting:"body_timeout"`
	SendTimeout     time.Duration `setting:"send_timeout"`

	LimitRequestLine      int   `setting:"limit_request_line"`
	LimitRequestFields    int   `setting:"limit_request_fields"`
	LimitRequestFieldSize int   `setting:"limit_request_field_size"`
	LimitRequestBody      int64 `setting:"limit_request_body"`

	SpoolMemory int64  `setting:"spool_memory"`
	SpoolDisk   int64  `setting:"spool_disk"`
	SpoolDir    string `setting:"spool_dir"`

	AccessLog       string `setting:"accesslog"` // "" is none, "-" standard output
	AccessLogFormat string `setting:"access_log_format"`
	ErrorLog        string `setting:"errorlog"` // "-" is standard error
	LogLevel        string `setting:"loglevel"` // one of debug, info, warning, error, critical

	MetricsBind  Address `setting:"metrics_bind"`
	MetricsPprof bool    `setting:"metrics_pprof"`

	CheckConfig bool `setting:"check_config"`

	// Warnings are sentences for the log: values that were accepted but
	// changed or ignored.
	Warnings []string

	origins map[string]Origin
}

// Layer is where a value came from, lowest first.
type Layer uint8

// The layers in rising precedence.
const (
	FromDefault Layer = iota
	FromEnv
	FromGunicornArgs
	FromGounicornArgs
	FromCommandLine
)

// Origin tells where a value came from.
type Origin struct {
	Layer Layer
	Name  string // the flag or the environment variable, "" for a default
}

// String says it in a word or two, e.g. "default", "WEB_CONCURRENCY",
// "--workers in GUNICORN_CMD_ARGS".
func (o Origin) String() string {
	switch o.Layer {
	case FromEnv:
		return o.Name
	case FromGunicornArgs:
		return o.Name + " in " + gunicornArgs
	case FromGounicornArgs:
		return o.Name + " in " + gounicornArgs
	case FromCommandLine:
		return o.Name
	}
	return "default"
}

// Origin tells where the value of the named setting came from.
func (v *Values) Origin(name string) Origin { return v.origins[name] }

// Text returns the value of the named setting as the user would type it; the
// items of a list are joined by a comma. It is "" for an unknown name.
func (v *Values) Text(name string) string {
	f := v.field(name)
	if !f.IsValid() {
		return ""
	}
	switch x := f.Interface().(type) {
	case time.Duration:
		return fmt.Sprint(x.Seconds())
	case []string:
		return strings.Join(x, ",")
	case []Address:
		texts := make([]string, len(x))
		for i, a := range x {
			texts[i] = a.String()
		}
		return strings.Join(texts, ",")
	case Address:
		return x.String()
	case int:
		if x == 0 && Lookup(name).Kind == Auto {
			return autoText
		}
		return fmt.Sprint(x)
	default:
		return fmt.Sprint(x)
	}
}

// ConnectionLimit returns the number of client connections the server may
// hold at once with that many workers, 0 for no limit: max_connections, lowered
// to what worker_connections would have allowed gunicorn if that was set.
func (v *Values) ConnectionLimit(workers int) int {
	limit := v.MaxConnections
	if v.WorkerConnections > 0 {
		if all := v.WorkerConnections * max(workers, 1); limit == 0 || all < limit {
			limit = all
		}
	}
	return limit
}

// field returns the field of the named setting, or the zero reflect.Value.
func (v *Values) field(name string) reflect.Value {
	rv := reflect.ValueOf(v).Elem()
	t := rv.Type()
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("setting") == name {
			return rv.Field(i)
		}
	}
	return reflect.Value{}
}

// finish checks what concerns more than one setting, after all layers.
func (v *Values) finish() error {
	class, err := workerClass(v.WorkerClass)
	if err != nil {
		return &ValueError{Setting: Lookup("worker_class"), From: v.Origin("worker_class"), Value: v.WorkerClass, Problem: err.Error()}
	}
	v.WorkerClass = class
	if v.WorkerClass == "sync" && max(v.Threads, v.MaxThreads) > 1 {
		v.WorkerClass = "gthread"
	}
	v.LogLevel = strings.ToLower(v.LogLevel)
	if !slices.Contains(logLevels, v.LogLevel) {
		v.Warnings = append(v.Warnings, fmt.Sprintf("log level %q is unknown, using info; the levels are %s",
			v.LogLevel, strings.Join(logLevels, ", ")))
		v.LogLevel = "info"
	}
	if v.LimitRequestFieldSize == 0 {
		v.LimitRequestFieldSize = int(Lookup("limit_request_field_size").Max)
	}
	for _, e := range v.RawEnv {
		if i := strings.IndexByte(e, '='); i <= 0 || strings.IndexByte(e, 0) >= 0 {
			return &ValueError{Setting: Lookup("raw_env"), From: v.Origin("raw_env"), Value: e, Problem: "it must look like NAME=VALUE"}
		}
	}
	if slots := v.Workers * v.Threads; v.Workers > 0 && slots > 1 && v.SlowReserve >= max(v.Workers, 2) {
		text := fmt.Sprintf("slow_reserve %d leaves no slot for slow requests with --workers %d, using %d", v.SlowReserve, v.Workers, v.Workers-1)
		if v.Threads > 1 { // which Python it is shows only later
			text += "; only with a Python without the global lock each thread is a slot"
		}
		v.Warnings = append(v.Warnings, text)
		v.SlowReserve = min(v.SlowReserve, slots-1)
	}
	if v.MaxWorkers > 0 && v.MaxWorkers < v.Workers {
		v.Warnings = append(v.Warnings, fmt.Sprintf("max_workers %d is less than the %d workers, using %[2]d", v.MaxWorkers, v.Workers))
		v.MaxWorkers = v.Workers
	}
	if v.MaxThreads > 0 && v.MaxThreads < v.Threads {
		v.Warnings = append(v.Warnings, fmt.Sprintf("max_threads %d is less than the %d threads, using %[2]d", v.MaxThreads, v.Threads))
		v.MaxThreads = v.Threads
	}
	if t := v.Timeout; v.SoftTimeout > 0 && t > 0 && v.SoftTimeout >= t {
		v.Warnings = append(v.Warnings, fmt.Sprintf("soft_timeout %v is not below timeout %v, so a silent request is killed before it hears of it", v.SoftTimeout, t))
	}
	return nil
}

// logLevels are gunicorn's.
var logLevels = []string{"debug", "info", "warning", "error", "critical"}

// nativeEquivalents name what gounicorn has in place of a worker class.
var nativeEquivalents = []struct{ prefix, advice string }{
	{"gevent", "the master holds the connections, so slow clients cost no worker; use --threads for requests that wait"},
	{"eventlet", "eventlet was removed from gunicorn too; use --threads for requests that wait"},
	{"tornado", "the master holds the connections; a Tornado application runs under its own server"},
	{"asgi", "gounicorn runs WSGI applications; use an ASGI server for ASGI ones, or the framework's WSGI entry point"},
	{"uvicorn", "gounicorn runs WSGI applications; use an ASGI server for ASGI ones, or the framework's WSGI entry point"},
}

// workerClass maps the spellings of gunicorn's two native classes to sync and
// gthread and refuses the others.
func workerClass(s string) (string, error) {
	switch s {
	case "sync", "gunicorn.workers.sync.SyncWorker", "egg:gunicorn#sync":
		return "sync", nil
	case "gthread", "gunicorn.workers.gthread.ThreadWorker", "egg:gunicorn#gthread":
		return "gthread", nil
	}
	short := strings.TrimPrefix(strings.TrimPrefix(s, "egg:gunicorn#"), "gunicorn.workers.")
	for _, n := range nativeEquivalents {
		if strings.HasPrefix(short, n.prefix) {
			return "", fmt.Errorf("there is no such worker here and none is needed: %s", n.advice)
		}
	}
	return "", fmt.Errorf("custom worker classes do not exist here: use sync (one request at a time in a process) or gthread (--threads requests)")
}
