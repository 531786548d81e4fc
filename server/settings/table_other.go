package settings

// otherRows are the settings of gunicorn for other than WSGI applications.
var otherRows = []Setting{
	{
		Name: "asgi_loop", Section: secOther, Flags: []string{"--asgi-loop"}, Kind: String, Default: "auto", Metavar: "LOOP", Choices: []string{"auto", "asyncio", "uvloop"},
		Reload: Worker, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Event loop of ASGI workers.",
		Note: "it is for ASGI applications, which this server does not run; leave it out, or serve the application by an ASGI server",
	},
	{
		Name: "asgi_lifespan", Section: secOther, Flags: []string{"--asgi-lifespan"}, Kind: String, Default: "auto", Metavar: "MODE", Choices: []string{"auto", "on", "off"},
		Reload: Worker, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Lifespan protocol of ASGI.",
		Note: "it is for ASGI applications, which this server does not run; leave it out, or serve the application by an ASGI server",
	},
	{
		Name: "asgi_disconnect_grace_period", Section: secOther, Flags: []string{"--asgi-disconnect-grace-period"}, Kind: Seconds, Default: "3", Metavar: "SECONDS",
		Reload: Worker, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Time of an ASGI application after its client left.",
		Note: "it is for ASGI applications, which this server does not run; leave it out, or serve the application by an ASGI server",
	},
	{
		Name: "websocket_max_message_size", Section: secOther, Flags: []string{"--websocket-max-message-size"}, Kind: Int, Default: "16777216", Metavar: "BYTES",
		Reload: Worker, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Largest WebSocket message of an ASGI application, in bytes.",
		Note: "it is for ASGI applications, which this server does not run; leave it out, or serve the application by an ASGI server",
	},
	{
		Name: "root_path", Section: secOther, Flags: []string{"--root-path"}, Kind: String, Metavar: "PATH", Blank: true,
		Reload: Worker, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Mount path of an ASGI application.",
		Note: "it is for ASGI applications; a WSGI application is mounted with the variable SCRIPT_NAME=/path",
	},
	{
		Name: "dirty_apps", Section: secOther, Flags: []string{"--dirty-app"}, Kind: List, Metavar: "APP",
		Reload: Worker, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Application of gunicorn's second pool of workers, for long work.",
		Note: "there is no second pool of workers; use --max-threads and --lane for slow requests, and a task queue for work without a request",
	},
	{
		Name: "dirty_workers", Section: secOther, Flags: []string{"--dirty-workers"}, Kind: Int, Default: "0", Metavar: "N",
		Reload: Worker, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Workers of that pool.",
		Note: "there is no second pool of workers; use --max-threads and --lane for slow requests, and a task queue for work without a request",
	},
	{
		Name: "dirty_timeout", Section: secOther, Flags: []string{"--dirty-timeout"}, Kind: Seconds, Default: "300", Metavar: "SECONDS",
		Reload: Worker, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Silence after which such a worker is ended.",
		Note: "there is no second pool of workers; use --max-threads and --lane for slow requests, and a task queue for work without a request",
	},
	{
		Name: "dirty_threads", Section: secOther, Flags: []string{"--dirty-threads"}, Kind: Int, Default: "1", Metavar: "N",
		Reload: Worker, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Threads of such a worker.",
		Note: "there is no second pool of workers; use --max-threads and --lane for slow requests, and a task queue for work without a request",
	},
	{
		Name: "dirty_graceful_timeout", Section: secOther, Flags: []string{"--dirty-graceful-timeout"}, Kind: Seconds, Default: "30", Metavar: "SECONDS",
		Reload: Worker, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Time of such a worker to finish.",
		Note: "there is no second pool of workers; use --max-threads and --lane for slow requests, and a task queue for work without a request",
	},
	{
		Name: "on_dirty_starting", Section: secOther, Kind: Hook, Metavar: "arbiter", Arity: []int{1},
		Reload: Worker, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Function that is called in that second pool.",
		Note: "there is no second pool of workers; use --max-threads and --lane for slow requests, and a task queue for work without a request",
	},
	{
		Name: "dirty_post_fork", Section: secOther, Kind: Hook, Metavar: "arbiter, worker", Arity: []int{2},
		Reload: Worker, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Function that is called in that second pool.",
		Note: "there is no second pool of workers; use --max-threads and --lane for slow requests, and a task queue for work without a request",
	},
	{
		Name: "dirty_worker_init", Section: secOther, Kind: Hook, Metavar: "worker", Arity: []int{1},
		Reload: Worker, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Function that is called in that second pool.",
		Note: "there is no second pool of workers; use --max-threads and --lane for slow requests, and a task queue for work without a request",
	},
	{
		Name: "dirty_worker_exit", Section: secOther, Kind: Hook, Metavar: "arbiter, worker", Arity: []int{2},
		Reload: Worker, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Function that is called in that second pool.",
		Note: "there is no second pool of workers; use --max-threads and --lane for slow requests, and a task queue for work without a request",
	},
}
