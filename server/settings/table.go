package settings

import "slices"

// The sections, in the order of --help and SETTINGS.md.
const (
	secConfig  = "Configuration"
	secApp     = "Application"
	secListen  = "Listening"
	secWorkers = "Workers"
	secLanes   = "Lanes"
	secTimes   = "Timeouts"
	secLimits  = "Limits of a request"
	secEdge    = "Edge rules"
	secHTTP    = "Strictness of HTTP"
	secTrust   = "Proxies in front"
	secSpool   = "Buffered bodies"
	secAnswer  = "Answers of the application"
	secLog     = "Logging"
	secMetrics = "Metrics"
	secBoard   = "Dashboard"
	secProcess = "Process"
	secControl = "Control"
	secDevelop = "Development"
	secHooks   = "Hooks"

	secCompanions = "Companions"

	secTLS   = "TLS and HTTP/2"
	secOther = "Other kinds of application"
)

// Sections are the headings of the table in order.
var Sections = []string{
	secConfig, secApp, secListen, secWorkers, secLanes, secTimes, secLimits, secEdge, secHTTP, secTrust, secStatic, secSpool, secAnswer, secLog, secMetrics, secBoard,
	secProcess, secCompanions, secControl, secDevelop, secHooks, secTLS, secOther,
}

// since is the version all settings of the first release carry.
const since = "0.1"

// autoText is the value of an Auto setting that the server chooses.
const autoText = "auto"

// since2 is the version that brought the rest of gunicorn's settings.
const since2 = "0.2"

// since3 is the version that faces clients without a proxy, and brought companions.
const since3 = "0.3"

// All is the table: one row per setting. --help has them by section.
var All = slices.Concat(servingRows, edgeRows, mechanicsRows, loggingRows, trustRows, answerRows, hookRows, tlsRows, staticRows, otherRows, companionRows, dashboardRows)

// servingRows are the settings that decide how requests are taken and run.
var servingRows = []Setting{
	{
		Name: "wsgi_app", Section: secApp, Kind: String, Metavar: "APP",
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since,
		Help: "The application: MODULE:NAME, where NAME may be a call of a factory with literal arguments. " +
			"A MODULE alone means MODULE:application. It is the first word on the command line that is no flag.",
	},
	{
		Name: "chdir", Section: secApp, Flags: []string{"--chdir"}, Kind: Path, Metavar: "DIR",
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since,
		Help: "Folder to change to before the application is loaded; it also stands first on Python's path. Default: the current folder.",
	},
	{
		Name: "pythonpath", Section: secApp, Flags: []string{"--pythonpath"}, Kind: Comma, Metavar: "DIRS",
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since,
		Help: "Folders to put first on Python's path, separated by commas.",
	},
	{
		Name: "raw_env", Section: secApp, Flags: []string{"-e", "--env"}, Kind: List, Metavar: "NAME=VALUE",
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since,
		Help: "Environment variable for the application, NAME=VALUE. May be repeated.",
	},
	{
		Name: "python", Section: secApp, Flags: []string{"--python"}, Kind: Path, Metavar: "FILE", Outside: true,
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since,
		Help: "The Python interpreter of the application. Default: the one of the active virtual environment, else python3 from PATH.",
	},
	{
		Name: "worker_bin", Section: secApp, Kind: Path, Metavar: "FILE", Env: "GOUNICORN_WORKER", Outside: true,
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since,
		Help: "The worker program, for developers of gounicorn and packagers. Default: gounicorn-worker beside gounicorn. There is no flag.",
	},

	{
		Name: "bind", Section: secListen, Flags: []string{"-b", "--bind"}, Kind: Bind, Default: "127.0.0.1:8000", Metavar: "ADDRESS", Env: "PORT",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since,
		Help: "Address to listen on: HOST, HOST:PORT, :PORT, [V6]:PORT, unix:PATH or fd://N. May be repeated. " +
			"Port 0 takes a free port, which the log names. With the variable PORT set the default is 0.0.0.0:$PORT.",
	},
	{
		Name: "backlog", Section: secListen, Flags: []string{"--backlog"}, Kind: Int, Default: "2048", Metavar: "N",
		Reload: Restart, Status: Works, Origin: Gunicorn, Since: since,
		Help: "Connections the kernel keeps waiting to be accepted. The kernel lowers it to net.core.somaxconn.",
	},
	{
		Name: "max_connections", Section: secListen, Flags: []string{"--max-connections"}, Kind: Int, Default: "10000", Metavar: "N",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Client connections held open at once, all addresses together; idle ones are closed first when it is reached. " +
			"0 means no limit but the number of files the system allows.",
	},

	{
		Name: "workers", Section: secWorkers, Flags: []string{"-w", "--workers"}, Kind: Auto, Default: autoText, Metavar: "N", Env: "WEB_CONCURRENCY", Empty: true, Min: 1,
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since,
		Help: "Worker processes. The default is computed: twice the CPUs of the container or machine plus one, " +
			"lowered to what its memory holds, at least 2 (gunicorn: 1), since with one process any slow page blocks the whole site.",
		Differs: "with one process any slow page blocks the whole site",
	},
	{
		Name: "worker_class", Section: secWorkers, Flags: []string{"-k", "--worker-class"}, Kind: Class, Default: "sync", Metavar: "CLASS",
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since,
		Help: "sync: never two requests at once in one process. gthread: --threads requests at once. sync with --threads above 1 means gthread. " +
			"The classes gevent, eventlet, tornado and asgi are refused with the native way to the same end.",
	},
	{
		Name: "threads", Section: secWorkers, Flags: []string{"--threads"}, Kind: Int, Default: "1", Metavar: "N",
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since,
		Help: "Requests that one worker process runs at once. 0 is 1. More than 1 needs a thread-safe application; it helps requests that wait, not requests that compute.",
	},
	{
		Name: "worker_connections", Section: secWorkers, Flags: []string{"--worker-connections"}, Kind: Int, Default: "0", Metavar: "N",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since,
		Help:    "If set, N times the number of workers is a second limit beside --max-connections. Workers hold no client connections here, so gunicorn's default of 1000 does not apply.",
		Differs: "0 is no limit of its own; the master holds the connections, and they cost no worker",
	},
	{
		Name: "max_requests", Section: secWorkers, Flags: []string{"--max-requests"}, Kind: Int, Default: "0", Metavar: "N",
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since,
		Help: "Requests after which a worker is replaced, against slow memory leaks; it goes on until its successor is ready, where gunicorn's stops. 0 means never.",
	},
	{
		Name: "max_requests_jitter", Section: secWorkers, Flags: []string{"--max-requests-jitter"}, Kind: Int, Default: "0", Metavar: "N",
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since,
		Help: "A random number up to N is added to --max-requests for each worker, so that they are not all replaced together.",
	},
	{
		Name: "max_worker_age", Section: secWorkers, Flags: []string{"--max-worker-age"}, Kind: Seconds, Default: "0", Metavar: "SECONDS",
		Reload: Worker, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Age at which a worker is replaced. As for --max-requests and --max-worker-memory, one worker is replaced at a time, and it serves until its successor is ready; " +
			"where memory does not hold both, it leaves first. 0 means never.",
	},
	{
		Name: "max_worker_age_jitter", Section: secWorkers, Flags: []string{"--max-worker-age-jitter"}, Kind: Seconds, Default: "0", Metavar: "SECONDS",
		Reload: Worker, Status: Works, Origin: Gounicorn, Since: since,
		Help: "A random time up to that is added to --max-worker-age for each worker, so that they are not all due together.",
	},
	{
		Name: "max_worker_memory", Section: secWorkers, Flags: []string{"--max-worker-memory"}, Kind: Bytes, Default: "0", Metavar: "SIZE",
		Reload: Worker, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Memory with which a worker is replaced: what it has for itself and its share of what it shares (PSS), measured every 5 seconds. " +
			"A worker that has more as soon as the application is loaded is not replaced for it, which the log says. 0 means no limit.",
	},
	{
		Name: "warmup", Section: secWorkers, Flags: []string{"--warmup"}, Kind: List, Metavar: "URL",
		Reload: Worker, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Request that each new worker answers to itself before it gets any other: a path such as /products/, or a URL such as https://www.example.com/products/ for an application " +
			"that looks at host and scheme; with a path the host is the first of --allowed-hosts, else what Django allows, else localhost. An exception or an answer of 500 and more is a failed start " +
			"and fails a reload; in a worker that joins others which serve it is a warning. --boot-timeout bounds it. May be repeated.",
	},
	{
		Name: "reload_one_by_one", Section: secWorkers, Flags: []string{"--reload-one-by-one"}, Kind: Bool, Default: "false",
		Reload: Worker, Status: Works, Origin: Gounicorn, Since: since,
		Help: "At a reload the new workers take the place of the old ones one by one, with half of them serving at any time, instead of all at once. " +
			"It is done without being asked for where the memory does not hold both; the log says so.",
	},
	{
		Name: "preload_app", Section: secWorkers, Flags: []string{"--preload"}, Kind: Bool, Default: "false",
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since,
		Help: "Load the application once, before the workers are forked, so that they share its memory. Unlike in gunicorn a reload loads it again.",
	},
	{
		Name: "max_workers", Section: secWorkers, Flags: []string{"--max-workers"}, Kind: Int, Default: "0", Metavar: "N",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Worker processes at most. When slow requests hold every slot and others wait, or requests wait for longer than --scale-wait, " +
			"further workers are forked, one at a time, if the memory allows it. " +
			"0 means --workers plus --slow-reserve: slow work may then use as many slots as there are --workers, and the reserve comes on top. " +
			"The same number as --workers switches it off. Each further worker may open the application's database connections, so count them.",
	},
	{
		Name: "scale_wait", Section: secWorkers, Flags: []string{"--scale-wait"}, Kind: Seconds, Default: "0.5", Metavar: "SECONDS",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Wait from which on one more worker is forked, up to --max-workers: when requests of a lane have waited longer than that for a second, " +
			"and half a processor at least is idle. 0 leaves it to requests that hold every slot.",
	},
	{
		Name: "overflow_idle", Section: secWorkers, Flags: []string{"--overflow-idle"}, Kind: Seconds, Default: "10", Metavar: "SECONDS",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Time after which a worker beyond --workers, or a thread beyond --threads, ends when it was not needed. 0 means 10.",
	},
	{
		Name: "max_threads", Section: secWorkers, Flags: []string{"--max-threads"}, Kind: Int, Default: "0", Metavar: "N",
		Reload: Worker, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Threads of one worker at most, for requests that wait: for a database, another service, a sleep. Threads beyond --threads are started while such requests " +
			"find no free one, and end when idle. 0 means --threads. Above 1 the application must be thread-safe, as with --threads. " +
			"Requests that compute never get such a thread; it would make the others of its process slow. " +
			"Count the database connections: Django holds one for each thread, so up to --max-workers times --max-threads.",
	},

	{
		Name: "lanes", Section: secLanes, Flags: []string{"--lane"}, Kind: List, Metavar: "RULE",
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Rule that puts requests into a lane, in place of what the server learns: PATTERN=NAME, then any of ,concurrency=N ,queue=N ,deadline=SECONDS ,priority=N. " +
			"PATTERN is a path in which * is one segment and a ** at the end the rest, with a method and a space before it if only that method is meant. " +
			"NAME fast or slow says what the route is; any other name is a lane of its own for slow work, with its own limits: running at once, waiting at once, " +
			"longest wait, and its turn (the lower goes first; fast 0, new 10, slow 20). For example --lane '/report/**=report,concurrency=2,deadline=60'. " +
			"May be repeated; the first that matches counts. docs/lanes.md has more.",
	},
	{
		Name: "slow_reserve", Section: secLanes, Flags: []string{"--slow-reserve"}, Kind: Int, Default: "1", Metavar: "N",
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Slots that requests known to be slow may not use, so that the home page stays fast. 0 lets slow requests fill every slot. " +
			"A slot is a worker, or with a Python without the global lock a thread.",
	},
	{
		Name: "slow_after", Section: secLanes, Flags: []string{"--slow-after"}, Kind: Seconds, Default: "0.1", Metavar: "SECONDS",
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Time that requests of a route need from which on the route counts as slow; time spent waiting for a processor is not part of it. " +
			"Raise it if pages that visitors click through are in the slow lane. 0 means 0.1.",
	},
	{
		Name: "slow_nice", Section: secLanes, Flags: []string{"--slow-nice"}, Kind: Int, Default: "10", Metavar: "N", Max: 19,
		Reload: Worker, Status: Works, Origin: Gounicorn, Since: since,
		Help: "How far slow requests that compute step back from the processor while they run (nice value, 0 to 19). Their thread must be allowed to come back: " +
			"CAP_SYS_NICE, or a limit such as LimitNICE=20 in systemd; without it they do not step back. 0 switches it off.",
	},
	{
		Name: "queue_target", Section: secLanes, Flags: []string{"--queue-target"}, Kind: Seconds, Default: "5", Metavar: "SECONDS",
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Wait that is still good. When the requests of a lane have waited longer for that long again, what has waited longest gets 503 with Retry-After " +
			"until the wait is short again, the least urgent lane first; so overload costs some requests and not all. A lane with a deadline goes by that in place of this. " +
			"0 leaves it to --queue-timeout alone.",
	},

	{
		Name: "timeout", Section: secTimes, Flags: []string{"-t", "--timeout"}, Kind: Seconds, Default: "30", Metavar: "SECONDS",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since,
		Help: "Silence of a running request after which its worker is killed and the client gets 504; every piece of a response starts it anew. 0 means never. " +
			"It holds for threads too, where gunicorn has no limit.",
	},
	{
		Name: "request_timeout", Section: secTimes, Flags: []string{"--request-timeout"}, Kind: Seconds, Default: "0", Metavar: "SECONDS",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Time for the whole of a request in a worker, whether silent or not; then as --timeout. 0 means no such limit.",
	},
	{
		Name: "soft_timeout", Section: secTimes, Flags: []string{"--soft-timeout"}, Kind: Seconds, Default: "0", Metavar: "SECONDS",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Time in a worker after which gounicorn.SoftTimeout is raised in the view, once, so that the site's own error reporting sees it and the worker lives. " +
			"It should be well below --timeout, which ends what does not listen. 0 means never.",
	},
	{
		Name: "queue_timeout", Section: secTimes, Flags: []string{"--queue-timeout"}, Kind: Seconds, Default: "30", Metavar: "SECONDS",
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Time a request may wait for a free worker; then the client gets 503 with Retry-After, and the request has not been started. 0 means no limit.",
	},
	{
		Name: "graceful_timeout", Section: secTimes, Flags: []string{"--graceful-timeout"}, Kind: Seconds, Default: "30", Metavar: "SECONDS",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since,
		Help: "Time for running requests to finish when the server stops or a worker is replaced; then they are ended. 0 ends them at once.",
	},
	{
		Name: "boot_timeout", Section: secTimes, Flags: []string{"--boot-timeout"}, Kind: Seconds, Default: "120", Metavar: "SECONDS",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Time for a worker to load the application; then it is killed, which counts as a failed start. 0 means no limit, as in gunicorn.",
	},
	{
		Name: "keepalive", Section: secTimes, Flags: []string{"--keep-alive"}, Kind: Seconds, Default: "75", Metavar: "SECONDS",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since,
		Help: "Time an idle client connection is kept open. gunicorn's default is 2, for a server that only a proxy on the same machine talks to and whose workers hold the connections. " +
			"Here clients and load balancers connect directly and an idle connection costs no worker; 75 is longer than the 60 of common load balancers, " +
			"which otherwise reuse a connection just as it is closed. 0 closes after every response.",
		Differs: "clients connect directly, and an idle connection costs no worker",
	},
	{
		Name: "keepalive_requests", Section: secTimes, Flags: []string{"--keep-alive-requests"}, Kind: Int, Default: "0", Metavar: "N",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Requests after which a connection is closed, or a client of HTTP/2 asked to make a new one: keepalive_requests of nginx. 0 means no limit.",
	},
	{
		Name: "keepalive_time", Section: secTimes, Flags: []string{"--keep-alive-time"}, Kind: Seconds, Default: "3600", Metavar: "SECONDS",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Age of a connection from which on the next answer is its last, so that clients find their way to new addresses: keepalive_time of nginx. 0 means no limit.",
	},
	{
		Name: "header_timeout", Section: secTimes, Flags: []string{"--header-timeout"}, Kind: Seconds, Default: "30", Metavar: "SECONDS",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Time for a client to send the whole head of a request, from its first byte. 0 means no limit.",
	},
	{
		Name: "body_timeout", Section: secTimes, Flags: []string{"--body-timeout"}, Kind: Seconds, Default: "60", Metavar: "SECONDS",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Longest pause of a client while it sends a body. 0 means no limit.",
	},
	{
		Name: "min_body_rate", Section: secTimes, Flags: []string{"--min-body-rate"}, Kind: Bytes, Default: "100", Metavar: "SIZE",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Bytes per second that a client must send of a body on average, once it has had 20 seconds; less gets 408. It ends uploads of a byte now and then, " +
			"which --body-timeout alone allows for ever; no worker waits for them either way. 0 means no minimum.",
	},
	{
		Name: "send_timeout", Section: secTimes, Flags: []string{"--send-timeout"}, Kind: Seconds, Default: "60", Metavar: "SECONDS",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Longest pause of a client while it takes a response. 0 means no limit.",
	},

	{
		Name: "limit_request_line", Section: secLimits, Flags: []string{"--limit-request-line"}, Kind: Int, Default: "4094", Metavar: "BYTES", Max: 8190,
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since,
		Help: "Longest request line; a longer one gets 414. 0 means the largest, 8190, as in gunicorn's code (its documents say unlimited).",
	},
	{
		Name: "limit_request_fields", Section: secLimits, Flags: []string{"--limit-request-fields"}, Kind: Int, Default: "100", Metavar: "N", Max: 32768,
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since,
		Help: "Most header fields in a request; more get 431. 0 means the largest, 32768, as in gunicorn.",
	},
	{
		Name: "limit_request_field_size", Section: secLimits, Flags: []string{"--limit-request-field_size"}, Kind: Int, Default: "8190", Metavar: "BYTES",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since,
		Help: "Longest header field; a longer one gets 431. 0 means 8190, as in gunicorn's code (its documents say unlimited). The underscore in the flag is gunicorn's.",
	},
	{
		Name: "limit_request_body", Section: secLimits, Flags: []string{"--limit-request-body"}, Kind: Bytes, Default: "100M", Metavar: "SIZE",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Largest request body; a larger one gets 413, before it is read if its length was announced. gunicorn has no limit and leaves it to the proxy in front (nginx: 1M), " +
			"which is gone here; 100M holds the uploads of most sites and stops a client from filling the disk. 0 means no limit.",
	},

	{
		Name: "spool_memory", Section: secSpool, Flags: []string{"--spool-memory"}, Kind: Bytes, Default: "256M", Metavar: "SIZE",
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Memory for all buffered bodies together; what exceeds it goes to files. 0 means no limit.",
	},
	{
		Name: "spool_disk", Section: secSpool, Flags: []string{"--spool-disk"}, Kind: Bytes, Default: "4G", Metavar: "SIZE",
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Disk space for all buffered bodies together; when it is used up, requests with a body get 503. 0 means no limit.",
	},
	{
		Name: "request_memory", Section: secSpool, Flags: []string{"--request-memory"}, Kind: Bytes, Default: "128M", Metavar: "SIZE",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Memory for requests under way beyond what each connection has for itself: heads above 8 KiB, and streams of HTTP/2. When it is used up, requests that wait for slow clients " +
			"are cut off, the oldest first, and if there are none new ones get 503. 0 means no limit.",
	},
	{
		Name: "spool_dir", Section: secSpool, Flags: []string{"--spool-dir"}, Kind: Path, Metavar: "DIR",
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Folder for the files of buffered bodies, which have no name there and vanish with the server. It should be a disk, not memory. Default: TMPDIR, else the system's folder for temporary files.",
	},

	{
		Name: "accesslog", Section: secLog, Flags: []string{"--access-logfile"}, Kind: Path, Metavar: "FILE",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since,
		Help: "File of the access log, - for standard output. Default: no access log.",
	},
	{
		Name: "access_log_format", Section: secLog, Flags: []string{"--access-logformat"}, Kind: String, Metavar: "FORMAT",
		Default: `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`,
		Reload:  Live, Status: Works, Origin: Gunicorn, Since: since,
		Help: "Line of the access log, made of gunicorn's atoms and, for time in the queue and the like, %({queue}x)s, %({run}x)s, %({worker}x)s, %({lane}x)s.",
	},
	{
		Name: "errorlog", Section: secLog, Flags: []string{"--error-logfile", "--log-file"}, Kind: Path, Default: "-", Metavar: "FILE",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since,
		Help: "File of the error log, - for standard error. Despite its name it is the log of everything but requests.",
	},
	{
		Name: "loglevel", Section: secLog, Flags: []string{"--log-level"}, Kind: String, Default: "info", Metavar: "LEVEL",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since,
		Help: "Least level that reaches the error log: debug, info, warning, error or critical. An unknown one means info, with a warning.",
	},

	{
		Name: "metrics_bind", Section: secMetrics, Flags: []string{"--metrics-bind"}, Kind: Listen, Metavar: "ADDRESS",
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Address that serves /metrics for Prometheus, and /status and /explain, which gounicorn explain asks. It has no password, so keep it private. Default: none.",
	},
	{
		Name: "metrics_pprof", Section: secMetrics, Flags: []string{"--metrics-pprof"}, Kind: Bool, Default: "false",
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since,
		Help: "Serve profiles of the master under /debug/pprof on that address too, for developers of gounicorn.",
	},

	{
		Name: "check_config", Section: secConfig, Flags: []string{"--check-config"}, Kind: Bool, Default: "false",
		Reload: Restart, Status: Works, Origin: Gunicorn, Since: since,
		Help: "Check the settings and load the application, then exit: 0 if all is well, 1 if not.",
	},
}
