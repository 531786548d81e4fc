package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Values holds one value for each row of All; the tag of a field is the name
// of its row, and hooks are asked for by Hook. A Values from Finish is complete
// and checked. Its lists, maps and messages are not to be written to.
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

	MaxWorkerAge       time.Duration `setting:"max_worker_age"`
	MaxWorkerAgeJitter time.Duration `setting:"max_worker_age_jitter"`
	MaxWorkerMemory    int64         `setting:"max_worker_memory"`
	Warmup             []string      `setting:"warmup"`
	ReloadOneByOne     bool          `setting:"reload_one_by_one"`

	MaxWorkers   int           `setting:"max_workers"` // 0 is Workers + SlowReserve
	ScaleWait    time.Duration `setting:"scale_wait"`
	OverflowIdle time.Duration `setting:"overflow_idle"`
	MaxThreads   int           `setting:"max_threads"` // 0 is Threads

	Lanes       []string      `setting:"lanes"`
	SlowReserve int           `setting:"slow_reserve"`
	SlowAfter   time.Duration `setting:"slow_after"`
	SlowNice    int           `setting:"slow_nice"`
	QueueTarget time.Duration `setting:"queue_target"`

	Timeout           time.Duration `setting:"timeout"`
	RequestTimeout    time.Duration `setting:"request_timeout"`
	SoftTimeout       time.Duration `setting:"soft_timeout"`
	QueueTimeout      time.Duration `setting:"queue_timeout"`
	GracefulTimeout   time.Duration `setting:"graceful_timeout"`
	BootTimeout       time.Duration `setting:"boot_timeout"`
	KeepAlive         time.Duration `setting:"keepalive"`
	KeepAliveRequests int           `setting:"keepalive_requests"`
	KeepAliveTime     time.Duration `setting:"keepalive_time"`
	HeaderTimeout     time.Duration `setting:"header_timeout"`
	BodyTimeout       time.Duration `setting:"body_timeout"`
	MinBodyRate       int64         `setting:"min_body_rate"`
	SendTimeout       time.Duration `setting:"send_timeout"`

	LimitRequestLine      int   `setting:"limit_request_line"`
	LimitRequestFields    int   `setting:"limit_request_fields"`
	LimitRequestFieldSize int   `setting:"limit_request_field_size"`
	LimitRequestBody      int64 `setting:"limit_request_body"`

	HealthPath           string        `setting:"health_path"`
	ReadyPath            string        `setting:"ready_path"`
	ReadyCheck           string        `setting:"ready_check"`
	ReadyCheckTimeout    time.Duration `setting:"ready_check_timeout"`
	DrainDelay           time.Duration `setting:"drain_delay"`
	AllowedHosts         []string      `setting:"allowed_hosts"`
	Redirects            []string      `setting:"redirects"`
	Allow                []string      `setting:"allow"`
	Deny                 []string      `setting:"deny"`
	RateLimits           []string      `setting:"rate_limits"`
	RateLimitDryRun      bool          `setting:"rate_limit_dry_run"`
	ConnectionsPerClient int           `setting:"connections_per_client"`
	BasicAuth            []string      `setting:"basic_auth"`
	LimitRequestBodyAt   []string      `setting:"limit_request_body_at"`

	SpoolMemory   int64  `setting:"spool_memory"`
	RequestMemory int64  `setting:"request_memory"`
	SpoolDisk     int64  `setting:"spool_disk"`
	SpoolDir      string `setting:"spool_dir"`

	Accel              []string `setting:"accel"`
	SendfileRoot       []string `setting:"sendfile_root"`
	Cache              []string `setting:"cache"`
	CacheMemory        int64    `setting:"cache_memory"`
	CacheIgnoreCookies []string `setting:"cache_ignore_cookies"`
	Compress           []string `setting:"compress"`
	CompressMinSize    int64    `setting:"compress_min_size"`
	ErrorPages         string   `setting:"error_pages"`
	ErrorPagesOverride bool     `setting:"error_pages_override"`

	AccessLog       string `setting:"accesslog"` // "" is none, "-" standard output
	AccessLogFormat string `setting:"access_log_format"`
	ErrorLog        string `setting:"errorlog"` // "-" is standard error
	LogLevel        string `setting:"loglevel"` // one of debug, info, warning, error, critical

	MetricsBind  Address `setting:"metrics_bind"`
	MetricsPprof bool    `setting:"metrics_pprof"`

	DashboardBind      Address  `setting:"dashboard_bind"`
	DashboardTokenFile string   `setting:"dashboard_token_file"`
	DashboardHosts     []string `setting:"dashboard_hosts"`
	DashboardReadOnly  bool     `setting:"dashboard_read_only"`

	CheckConfig bool `setting:"check_config"`

	Config                          string   `setting:"config"`
	PrintConfig                     bool     `setting:"print_config"`
	Paste                           string   `setting:"paste"`
	PasteGlobal                     []string `setting:"raw_paste_global_conf"`
	ScriptName                      string   `setting:"script_name"`
	ReusePort                       bool     `setting:"reuse_port"`
	Protocol                        string   `setting:"protocol"`
	UwsgiAllowIPs                   IPSet    `setting:"uwsgi_allow_ips"`
	HTTPParser                      string   `setting:"http_parser"`
	PermitObsoleteFolding           bool     `setting:"permit_obsolete_folding"`
	StripHeaderSpaces               bool     `setting:"strip_header_spaces"`
	PermitUnconventionalHTTPMethod  bool     `setting:"permit_unconventional_http_method"`
	PermitUnconventionalHTTPVersion bool     `setting:"permit_unconventional_http_version"`
	CasefoldHTTPMethod              bool     `setting:"casefold_http_method"`
	TmpUploadDir                    string   `setting:"tmp_upload_dir"`
	WorkerTmpDir                    string   `setting:"worker_tmp_dir"`
	Daemon                          bool     `setting:"daemon"`
	PIDFile                         string   `setting:"pidfile"`
	User                            string   `setting:"user"`
	Group                           string   `setting:"group"`
	InitGroups                      bool     `setting:"initgroups"`
	Umask                           int      `setting:"umask"`
	ProcName                        string   `setting:"proc_name"`
	DefaultProcName                 string   `setting:"default_proc_name"`
	EnableStdioInheritance          bool     `setting:"enable_stdio_inheritance"`
	Sendfile                        bool     `setting:"sendfile"`
	ControlSocket                   string   `setting:"control_socket"`
	ControlSocketMode               int      `setting:"control_socket_mode"`
	ControlSocketDisable            bool     `setting:"control_socket_disable"`
	Reload                          bool     `setting:"reload"`
	ReloadEngine                    string   `setting:"reload_engine"`
	ReloadExtraFiles                []string `setting:"reload_extra_files"`
	Spew                            bool     `setting:"spew"`

	LogFormat                     string          `setting:"log_format"`
	CaptureOutput                 bool            `setting:"capture_output"`
	DisableRedirectAccessToSyslog bool            `setting:"disable_redirect_access_to_syslog"`
	LoggerClass                   string          `setting:"logger_class"`
	LogConfig                     string          `setting:"logconfig"`
	LogConfigDict                 json.RawMessage `setting:"logconfig_dict"`
	LogConfigJSON                 string          `setting:"logconfig_json"`
	Syslog                        bool            `setting:"syslog"`
	SyslogAddr                    string          `setting:"syslog_addr"`
	SyslogPrefix                  string          `setting:"syslog_prefix"`
	SyslogFacility                string          `setting:"syslog_facility"`
	StatsdHost                    string          `setting:"statsd_host"`
	StatsdPrefix                  string          `setting:"statsd_prefix"`
	DogstatsdTags                 string          `setting:"dogstatsd_tags"`
	EnableBacklogMetric           bool            `setting:"enable_backlog_metric"`

	ForwardedAllowIPs   IPSet             `setting:"forwarded_allow_ips"`
	SecureSchemeHeaders map[string]string `setting:"secure_scheme_headers"`
	ForwarderHeaders    []string          `setting:"forwarder_headers"`
	HeaderMap           string            `setting:"header_map"`
	ProxyProtocol       string            `setting:"proxy_protocol"`
	ProxyAllowIPs       IPSet             `setting:"proxy_allow_ips"`
	ProxyHops           int               `setting:"proxy_hops"`
	ProxyHopsHeader     string            `setting:"proxy_hops_header"`
	DropForwarded       bool              `setting:"drop_forwarded"`

	Companions        json.RawMessage `setting:"companions"`
	CompanionCommands []string        `setting:"companion_commands"`
	Prestart          []string        `setting:"prestart"`
	PrestartTimeout   time.Duration   `setting:"prestart_timeout"`
	StopTimeout       time.Duration   `setting:"stop_timeout"`

	KeyFile                   string        `setting:"keyfile"`
	CertFile                  string        `setting:"certfile"`
	TLSCertificates           []string      `setting:"tls_certificates"`
	TLSStrictSNI              bool          `setting:"tls_strict_sni"`
	TLSMinVersion             string        `setting:"tls_min_version"`
	TLSHandshakeTimeout       time.Duration `setting:"tls_handshake_timeout"`
	TLSHandshakes             int           `setting:"tls_handshakes"`
	HTTPBind                  []Address     `setting:"http_bind"`
	TLSRedirect               bool          `setting:"tls_redirect"`
	ACMEDomains               []string      `setting:"acme_domains"`
	ACMEEmail                 string        `setting:"acme_email"`
	ACMEStaging               bool          `setting:"acme_staging"`
	ACMEDirectory             string        `setting:"acme_directory"`
	ACMECARoot                string        `setting:"acme_ca_root"`
	ACMECache                 string        `setting:"acme_cache"`
	CACerts                   string        `setting:"ca_certs"`
	CertReqs                  int           `setting:"cert_reqs"`
	Ciphers                   string        `setting:"ciphers"`
	SSLVersion                string        `setting:"ssl_version"`
	SuppressRaggedEOFs        bool          `setting:"suppress_ragged_eofs"`
	DoHandshakeOnConnect      bool          `setting:"do_handshake_on_connect"`
	HTTPProtocols             []string      `setting:"http_protocols"`
	HTTP2Cleartext            string        `setting:"http2_cleartext"`
	HTTP2MaxConcurrentStreams int           `setting:"http2_max_concurrent_streams"`
	HTTP2InitialWindowSize    int           `setting:"http2_initial_window_size"`
	HTTP2MaxFrameSize         int           `setting:"http2_max_frame_size"`
	HTTP2MaxHeaderListSize    int           `setting:"http2_max_header_list_size"`

	DjangoStatic       bool          `setting:"django_static"`
	Static             []string      `setting:"static"`
	Media              []string      `setting:"media"`
	StaticIndex        string        `setting:"static_index"`
	MediaTrusted       bool          `setting:"media_trusted"`
	StaticCacheControl bool          `setting:"static_cache_control"`
	StaticMaxAge       time.Duration `setting:"static_max_age"`
	StaticImmutable    []string      `setting:"static_immutable"`
	StaticHeader       []string      `setting:"static_header"`
	StaticType         []string      `setting:"static_type"`
	StaticHide         []string      `setting:"static_hide"`

	ASGILoop                  string        `setting:"asgi_loop"`
	ASGILifespan              string        `setting:"asgi_lifespan"`
	ASGIDisconnectGracePeriod time.Duration `setting:"asgi_disconnect_grace_period"`
	WebSocketMaxMessageSize   int           `setting:"websocket_max_message_size"`
	RootPath                  string        `setting:"root_path"`
	DirtyApps                 []string      `setting:"dirty_apps"`
	DirtyWorkers              int           `setting:"dirty_workers"`
	DirtyTimeout              time.Duration `setting:"dirty_timeout"`
	DirtyThreads              int           `setting:"dirty_threads"`
	DirtyGracefulTimeout      time.Duration `setting:"dirty_graceful_timeout"`

	// Warnings are sentences for the log: values that were accepted but
	// changed or ignored.
	Warnings []string

	origins map[string]Origin
	hooks   map[string]Callable
	dicts   map[string]json.RawMessage // as they were written: a map forgets the order
}

// Layer is where a value came from, lowest first.
type Layer uint8

// The layers in rising precedence.
const (
	FromDefault Layer = iota
	FromEnv
	FromFramework
	FromFile
	FromGunicornArgs
	FromGounicornArgs
	FromCommandLine
)

// Origin tells where a value came from.
type Origin struct {
	Layer Layer
	Name  string // the flag, the environment variable or the file, "" for a default
}

// String says it in a word or two, e.g. "default", "WEB_CONCURRENCY",
// "--workers in GUNICORN_CMD_ARGS".
func (o Origin) String() string {
	switch o.Layer {
	case FromDefault:
		return "default"
	case FromGunicornArgs:
		return o.Name + " in " + gunicornArgs
	case FromGounicornArgs:
		return o.Name + " in " + gounicornArgs
	}
	return o.Name
}

// suffix is o in brackets for a message, "" for a default.
func (o Origin) suffix() string {
	if o.Layer == FromDefault {
		return ""
	}
	return " (from " + o.String() + ")"
}

// Hook returns the function that the config file gives for the named hook, ok
// false if it gives none.
func (v *Values) Hook(name string) (c Callable, ok bool) {
	c, ok = v.hooks[name]
	return c, ok
}

// Hooked reports whether the config file gives a function for the named hook.
func (v *Values) Hooked(name string) bool {
	_, ok := v.hooks[name]
	return ok
}

// Origin tells where the value of the named setting came from.
func (v *Values) Origin(name string) Origin { return v.origins[name] }

// Text returns the value of the named setting as the user would type it; the
// items of a list are joined by a comma. It is "" for an unknown name.
func (v *Values) Text(name string) string {
	if c, ok := v.hooks[name]; ok {
		return c.Name
	}
	if raw, ok := v.dicts[name]; ok {
		return string(raw)
	}
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
	case json.RawMessage:
		return string(Lookup(name).conceal(x))
	case int:
		switch kind := Lookup(name).Kind; {
		case x == 0 && kind == Auto:
			return autoText
		case kind == Octal && x > 0:
			return fmt.Sprintf("%04o", x)
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

// fieldIndex is the place of a setting's field in Values.
var fieldIndex = func() map[string]int {
	index := map[string]int{}
	t := reflect.TypeFor[Values]()
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("setting"); name != "" {
			index[name] = i
		}
	}
	return index
}()

// field returns the field of the named setting, or the zero reflect.Value.
func (v *Values) field(name string) reflect.Value {
	i, ok := fieldIndex[name]
	if !ok {
		return reflect.Value{}
	}
	return reflect.ValueOf(v).Elem().Field(i)
}

// finish checks what concerns more than one setting, after all layers.
func (v *Values) finish() error {
	if err := v.native(); err != nil {
		return err
	}
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
		v.LimitRequestFieldSize = defaultFieldSize
	}
	if v.LimitRequestFields == 0 {
		v.LimitRequestFields = int(Lookup("limit_request_fields").Max)
	}
	v.Threads, v.Backlog = max(v.Threads, 1), max(v.Backlog, 1)
	if v.SpoolDir == "" {
		v.SpoolDir = v.TmpUploadDir
	}
	for _, e := range v.RawEnv {
		if i := strings.IndexByte(e, '='); i <= 0 || strings.IndexByte(e, 0) >= 0 {
			return &ValueError{Setting: Lookup("raw_env"), From: v.Origin("raw_env"), Value: e, Problem: "it must look like NAME=VALUE"}
		}
		if path, ok := strings.CutPrefix(e, "SCRIPT_NAME="); ok {
			v.ScriptName = path
		}
	}
	if v.StatsdHost != "" {
		if _, _, _, err := statsdAddress(v.StatsdHost); err != nil {
			return &ValueError{Setting: Lookup("statsd_host"), From: v.Origin("statsd_host"), Value: v.StatsdHost, Problem: err.Error()}
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

// statsdPort is where statsd listens when nobody says.
const statsdPort = 8125

// statsdAddress reads where statsd is: the path of a unix socket, or a host
// and a port. unix:PORT is a host named unix, as in gunicorn.
func statsdAddress(text string) (path, host string, port int, err error) {
	if rest, ok := strings.CutPrefix(text, "unix:"); ok && strings.Trim(rest, "0123456789") != "" {
		return strings.TrimPrefix(rest, "//"), "", 0, nil
	}
	a, err := parseTCP(text, strings.TrimPrefix(text, "tcp://"))
	if err != nil || text == "" {
		return "", "", 0, errors.New("Value must be one of ('host:port', 'unix://PATH')")
	}
	if !strings.Contains(strings.TrimPrefix(text, "["+a.Host+"]"), ":") {
		a.Port = statsdPort
	}
	return "", a.Host, a.Port, nil
}

// defaultFieldSize is what gunicorn makes of 0.
const defaultFieldSize = 8190

// native refuses what gunicorn has and gounicorn has not, and warns of what
// has no effect.
func (v *Values) native() error {
	standard := defaults()
	for i := range All {
		s := &All[i]
		if s.Status == Works || v.origins[s.Name].Layer == FromDefault {
			continue
		}
		if s.Kind != Hook && reflect.DeepEqual(v.field(s.Name).Interface(), standard.field(s.Name).Interface()) {
			continue
		}
		if s.Status == Later {
			return &RefusedError{Setting: s, From: v.Origin(s.Name), Value: v.Text(s.Name)}
		}
		v.Warnings = append(v.Warnings, fmt.Sprintf("%s%s has no effect: %s", s.Name, v.Origin(s.Name).suffix(), s.Note))
	}
	return v.protocols()
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
	switch s = strings.TrimPrefix(s, "#"); s {
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
