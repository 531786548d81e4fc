package settings

// mechanicsRows are the settings of the process and what surrounds it.
var mechanicsRows = []Setting{
	{
		Name: "config", Section: secConfig, Flags: []string{"-c", "--config"}, Kind: String, Default: "./gunicorn.conf.py", Metavar: "CONFIG", Outside: true,
		Reload: Restart, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "The config file: a path, file:PATH, or python:MODULE. It is Python, run by the interpreter of the application, at the start and again at every reload. " +
			"Without this flag gounicorn.conf.py in the current folder is read, or else gunicorn.conf.py. In it a setting of gunicorn has its own name; one of " +
			"gounicorn alone is written gounicorn_NAME, and in a gounicorn.conf.py just NAME, so that a helper variable of a file written for gunicorn is never " +
			"taken for a setting.",
	},
	{
		Name: "print_config", Section: secConfig, Flags: []string{"--print-config"}, Kind: Bool, Default: "false",
		Reload: Restart, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Print all settings as name = value in the order of the alphabet, then check them as --check-config does.",
	},
	{
		Name: "paste", Section: secApp, Flags: []string{"--paste", "--paster"}, Kind: String, Metavar: "FILE",
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Load the application from this file of PasteDeploy, FILE.ini or FILE.ini#SECTION, in place of MODULE:APPLICATION. Its section [loggers] becomes the " +
			"setting logconfig.",
	},
	{
		Name: "raw_paste_global_conf", Section: secApp, Flags: []string{"--paste-global"}, Kind: List, Metavar: "NAME=VALUE",
		Reload: Worker, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Variable for the file of PasteDeploy, NAME=VALUE. An = in the name is written \\=. May be repeated.",
	},
	{
		Name: "script_name", Section: secApp, Kind: String, Metavar: "PATH", Env: "SCRIPT_NAME", Outside: true,
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since2,
		Help: "Path under which the site is mounted, such as /shop: it is taken off the path of each request and given to the application as SCRIPT_NAME. gunicorn " +
			"reads it from the same variable, also from one set with --env.",
	},
	{
		Name: "reuse_port", Section: secListen, Flags: []string{"--reuse-port"}, Kind: Bool, Default: "false",
		Reload: Restart, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Listen with SO_REUSEPORT, so that several servers share a port, and the kernel spreads the connections over them.",
	},
	{
		Name: "protocol", Section: secListen, Flags: []string{"--protocol"}, Kind: String, Default: "http", Metavar: "PROTOCOL", Choices: []string{"http", "uwsgi"},
		Reload: Restart, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "The protocol spoken at all addresses: http.",
		Note: "the uwsgi protocol is not spoken here; let the proxy speak HTTP (nginx: proxy_pass in place of uwsgi_pass)",
	},
	{
		Name: "uwsgi_allow_ips", Section: secListen, Flags: []string{"--uwsgi-allow-from"}, Kind: IPs, Default: "127.0.0.1,::1", Metavar: "IPS",
		Reload: Restart, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Who may speak the uwsgi protocol.",
		Note: "the uwsgi protocol is not spoken here; let the proxy speak HTTP (nginx: proxy_pass in place of uwsgi_pass)",
	},
	{
		Name: "http_parser", Section: secHTTP, Flags: []string{"--http-parser"}, Kind: String, Default: "auto", Metavar: "PARSER", Choices: []string{"auto", "fast", "python"},
		Reload: Restart, Status: Accepted, Origin: Gunicorn, Since: since2,
		Help: "Which of gunicorn's parsers of HTTP to use.",
		Note: "requests are parsed by the master, which has one parser",
	},
	{
		Name: "permit_obsolete_folding", Section: secHTTP, Flags: []string{"--permit-obsolete-folding"}, Kind: Bool, Default: "false",
		Reload: Restart, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Take header fields folded over several lines.",
		Note: "a folded field gets 400, since proxies and applications disagree on what it says (RFC 9112, 5.2); let the client or the proxy send it on one line",
	},
	{
		Name: "strip_header_spaces", Section: secHTTP, Flags: []string{"--strip-header-spaces"}, Kind: Bool, Default: "false",
		Reload: Restart, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Take header fields with a space before the colon.",
		Note: "a space before the colon gets 400, since requests can be smuggled with it (RFC 9112, 5.1); let the client or the proxy leave it out",
	},
	{
		Name: "permit_unconventional_http_method", Section: secHTTP, Flags: []string{"--permit-unconventional-http-method"}, Kind: Bool, Default: "false",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Take methods that have lower-case letters or a #, or are shorter than 3 or longer than 20 letters.",
	},
	{
		Name: "permit_unconventional_http_version", Section: secHTTP, Flags: []string{"--permit-unconventional-http-version"}, Kind: Bool, Default: "false",
		Reload: Restart, Status: Accepted, Origin: Gunicorn, Since: since2,
		Help: "Take versions other than 1.0 and 1.1.",
		Note: "only HTTP/1.0 and HTTP/1.1 are spoken, and other versions get an error all the same",
	},
	{
		Name: "casefold_http_method", Section: secHTTP, Flags: []string{"--casefold-http-method"}, Kind: Bool, Default: "false",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Write methods in capitals, whatever the client sent.",
	},
	{
		Name: "tmp_upload_dir", Section: secSpool, Kind: Path, Metavar: "DIR",
		Reload: Restart, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Folder for the files of buffered bodies where --spool-dir names none. gunicorn has the setting and does not use it.",
	},
	{
		Name: "worker_tmp_dir", Section: secProcess, Flags: []string{"--worker-tmp-dir"}, Kind: Path, Metavar: "DIR",
		Reload: Worker, Status: Accepted, Origin: Gunicorn, Since: since2,
		Help: "Folder for the heartbeat file of gunicorn's workers.",
		Note: "workers have no heartbeat file, so no slow disk can stall them",
	},
	{
		Name: "daemon", Section: secProcess, Flags: []string{"-D", "--daemon"}, Kind: Bool, Default: "false",
		Reload: Restart, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Run in the background, detached from the terminal.",
	},
	{
		Name: "pidfile", Section: secProcess, Flags: []string{"-p", "--pid"}, Kind: Path, Metavar: "FILE",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "File that holds the process id of the master. Default: none.",
	},
	{
		Name: "user", Section: secProcess, Flags: []string{"-u", "--user"}, Kind: String, Metavar: "USER",
		Reload: Restart, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "User, by name or number, that the server becomes once it listens; master and workers alike, where in gunicorn the master stays root. Default: who " +
			"starts it.",
	},
	{
		Name: "group", Section: secProcess, Flags: []string{"-g", "--group"}, Kind: String, Metavar: "GROUP",
		Reload: Restart, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Group, by name or number, that the server becomes once it listens. Default: that of who starts it.",
	},
	{
		Name: "initgroups", Section: secProcess, Flags: []string{"--initgroups"}, Kind: Bool, Default: "false",
		Reload: Restart, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Take on the supplementary groups of --user too.",
	},
	{
		Name: "umask", Section: secProcess, Flags: []string{"-m", "--umask"}, Kind: Octal, Default: "0", Metavar: "MASK", Max: 511,
		Reload: Restart, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Permissions that new files do not get, such as 0022 or 0o22; a number without a leading 0 is decimal, as in gunicorn. With 0 a unix socket is open to " +
			"all.",
	},
	{
		Name: "proc_name", Section: secProcess, Flags: []string{"-n", "--name"}, Kind: String, Metavar: "NAME",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Name of the processes in ps, and part of the tag in syslog. Default: the application.",
	},
	{
		Name: "default_proc_name", Section: secProcess, Kind: String, Default: "gunicorn", Metavar: "NAME",
		Reload: Restart, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Name of the processes where --name gives none; it is set to the application.",
	},
	{
		Name: "enable_stdio_inheritance", Section: secProcess, Flags: []string{"-R", "--enable-stdio-inheritance"}, Kind: Bool, Default: "false",
		Reload: Restart, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Keep standard input, output and error when running in the background.",
	},
	{
		Name: "sendfile", Section: secProcess, Flags: []string{"--no-sendfile"}, Kind: Bool, Default: "true", Const: "false", Env: "SENDFILE", Empty: true,
		Reload: Restart, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Let the kernel send files of the application's file wrapper. In gunicorn sendfile = True in a config file switches it off too; here only False does.",
	},
	{
		Name: "control_socket", Section: secControl, Flags: []string{"--control-socket"}, Kind: Path, Metavar: "PATH",
		Reload: Restart, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Unix socket on which gounicornc talks to the server. Default: gunicorn.ctl in $XDG_RUNTIME_DIR, or in ~/.gunicorn.",
	},
	{
		Name: "control_socket_mode", Section: secControl, Flags: []string{"--control-socket-mode"}, Kind: Octal, Default: "0600", Metavar: "MODE", Max: 511,
		Reload: Restart, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Permissions of that socket; 0660 lets its group in.",
	},
	{
		Name: "control_socket_disable", Section: secControl, Flags: []string{"--no-control-socket"}, Kind: Bool, Default: "false",
		Reload: Restart, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Have no control socket.",
	},
	{
		Name: "reload", Section: secDevelop, Flags: []string{"--reload"}, Kind: Bool, Default: "false",
		Reload: Restart, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Start new workers when a file of the application changes, be it a module, a template or the config file. While it does not load, every request gets the traceback. For development.",
	},
	{
		Name: "reload_engine", Section: secDevelop, Flags: []string{"--reload-engine"}, Kind: String, Default: "auto", Metavar: "ENGINE", Choices: []string{"auto", "poll", "inotify"},
		Reload: Restart, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "How --reload finds out that a file changed: auto and inotify are told by the system; poll looks at every file twice a second, for file systems of a network.",
	},
	{
		Name: "reload_extra_files", Section: secDevelop, Flags: []string{"--reload-extra-file"}, Kind: List, Metavar: "FILE",
		Reload: Restart, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Further file to watch, a folder, or a pattern such as templates/**/*.html. May be repeated. A plain file must exist.",
	},
	{
		Name: "spew", Section: secDevelop, Flags: []string{"--spew"}, Kind: Bool, Default: "false",
		Reload: Worker, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Print every line of Python that runs.",
		Note: "run one request under \"python -m trace --trace\", or set a trace function with sys.settrace in a post_worker_init hook",
	},
}
