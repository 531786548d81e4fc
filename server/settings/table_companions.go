package settings

// companionRows are the programs beside the web workers.
var companionRows = []Setting{
	{
		Name: "companions", Section: secCompanions, Kind: JSON, Metavar: "JSON", Plain: true, Secret: "environment",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Programs that run beside the web workers, such as a task queue, a scheduler or a timer: a dictionary of names, each with a command or with a " +
			"dictionary of its settings (docs/companions.md). They start when the server serves and stop after the web workers. A reload starts, stops " +
			"and restarts those that have changed.",
	},
	{
		Name: "companion_commands", Section: secCompanions, Flags: []string{"--companion"}, Kind: List, Metavar: "NAME=COMMAND",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "One such program, with all its settings at their defaults, such as worker=\"celery -A proj worker\". The command is split as by a shell, and run " +
			"without one. For a name that companions has, it is the command there that changes. May be repeated.",
	},
	{
		Name: "prestart", Section: secCompanions, Flags: []string{"--prestart"}, Kind: List, Metavar: "COMMAND",
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Command that is run to its end before the server listens, such as \"python manage.py migrate\", as the user of the server. If it fails the server " +
			"does not start (exit code 6). A reload does not run it again. May be repeated; they run one after another.",
	},
	{
		Name: "prestart_timeout", Section: secCompanions, Flags: []string{"--prestart-timeout"}, Kind: Seconds, Default: "600", Metavar: "SECONDS",
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Time for each of these commands. 0 is no limit.",
	},
	{
		Name: "stop_timeout", Section: secCompanions, Flags: []string{"--stop-timeout"}, Kind: Seconds, Default: "0", Metavar: "SECONDS",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Time for the whole graceful stop, web workers and companions together; what still runs then is killed. 0: graceful_timeout for the web workers, then " +
			"what each companion may take.",
	},
}
