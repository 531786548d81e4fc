package settings

// hookRows are the functions of a config file that are called at a moment.
var hookRows = []Setting{
	{
		Name: "on_starting", Section: secHooks, Kind: Hook, Metavar: "server", Arity: []int{1},
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Called when the master begins, before it listens.",
	},
	{
		Name: "on_reload", Section: secHooks, Kind: Hook, Metavar: "server", Arity: []int{1},
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Called at a reload, in place of on_starting.",
	},
	{
		Name: "when_ready", Section: secHooks, Kind: Hook, Metavar: "server", Arity: []int{1},
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Called when the server listens, before workers are forked.",
	},
	{
		Name: "pre_fork", Section: secHooks, Kind: Hook, Metavar: "server, worker", Arity: []int{2},
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Called before each worker is forked.",
	},
	{
		Name: "post_fork", Section: secHooks, Kind: Hook, Metavar: "server, worker", Arity: []int{2},
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Called in each new worker, before the application is loaded; the place for OpenTelemetry, Datadog and connection pools.",
	},
	{
		Name: "post_worker_init", Section: secHooks, Kind: Hook, Metavar: "worker", Arity: []int{1},
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Called in the worker when the application is loaded.",
	},
	{
		Name: "worker_int", Section: secHooks, Kind: Hook, Metavar: "worker", Arity: []int{1},
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Called in the worker at INT or QUIT.",
	},
	{
		Name: "worker_abort", Section: secHooks, Kind: Hook, Metavar: "worker", Arity: []int{1},
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Called in the worker at ABRT, which ends one that is silent for too long.",
	},
	{
		Name: "pre_exec", Section: secHooks, Kind: Hook, Metavar: "server", Arity: []int{1},
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Called before a new master is started (USR2).",
	},
	{
		Name: "pre_request", Section: secHooks, Kind: Hook, Metavar: "worker, req", Arity: []int{2},
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Called in the worker before each request.",
	},
	{
		Name: "post_request", Section: secHooks, Kind: Hook, Metavar: "worker, req, environ, resp", Arity: []int{2, 3, 4},
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Called in the worker after each request; environ and resp may be left out.",
	},
	{
		Name: "child_exit", Section: secHooks, Kind: Hook, Metavar: "server, worker", Arity: []int{2},
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Called after a worker has ended, in the process that forked it; the place for prometheus_client.multiprocess.mark_process_dead.",
	},
	{
		Name: "worker_exit", Section: secHooks, Kind: Hook, Metavar: "server, worker", Arity: []int{2},
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Called in the worker as it ends.",
	},
	{
		Name: "nworkers_changed", Section: secHooks, Kind: Hook, Metavar: "server, new_value, old_value", Arity: []int{3},
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Called when the number of workers changes; at the start old_value is None.",
	},
	{
		Name: "on_exit", Section: secHooks, Kind: Hook, Metavar: "server", Arity: []int{1},
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Called last, before the server ends.",
	},
	{
		Name: "ssl_context", Section: secHooks, Kind: Hook, Metavar: "config, default_ssl_context_factory", Arity: []int{2},
		Reload: Worker, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Called to make the TLS settings of a connection.",
		Note: "an SSLContext of Python cannot be used by the master; say the same with certfile, tls_certificates, ciphers, tls_min_version, cert_reqs and ca_certs",
	},
}
