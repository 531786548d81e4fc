package settings

// loggingRows are the rest of the settings of logs and metrics.
var loggingRows = []Setting{
	{
		Name: "log_format", Section: secLog, Flags: []string{"--log-format"}, Kind: String, Default: "text", Metavar: "FORMAT", Choices: []string{"text", "json"},
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since2,
		Help: "Form of the error and access log: text is gunicorn's, json one object for each line, escaped, with the times a request spent where. --access-logformat " +
			"does not count with json.",
	},
	{
		Name: "capture_output", Section: secLog, Flags: []string{"--capture-output"}, Kind: Bool, Default: "false",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Send what the application prints to the error log, if that is a file.",
	},
	{
		Name: "disable_redirect_access_to_syslog", Section: secLog, Flags: []string{"--disable-redirect-access-to-syslog"}, Kind: Bool, Default: "false",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Keep the access log out of syslog.",
	},
	{
		Name: "logger_class", Section: secLog, Flags: []string{"--logger-class"}, Kind: Class, Default: "gunicorn.glogging.Logger", Metavar: "CLASS",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Class of Python that writes the logs, for example a subclass of gunicorn.glogging.Logger. With the default the master writes them itself, which is " +
			"faster.",
	},
	{
		Name: "logconfig", Section: secLog, Flags: []string{"--log-config"}, Kind: Path, Metavar: "FILE",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Configuration of Python's logging, as an ini file; the loggers are gunicorn.error and gunicorn.access. logconfig_dict goes before logconfig_json and " +
			"that before this.",
	},
	{
		Name: "logconfig_dict", Section: secLog, Kind: JSON, Default: "{}", Metavar: "JSON",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "The same as a dictionary in the config file.",
	},
	{
		Name: "logconfig_json", Section: secLog, Flags: []string{"--log-config-json"}, Kind: Path, Metavar: "FILE",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "The same as a JSON file.",
	},
	{
		Name: "syslog", Section: secLog, Flags: []string{"--log-syslog"}, Kind: Bool, Default: "false",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Send the logs to syslog too.",
	},
	{
		Name: "syslog_addr", Section: secLog, Flags: []string{"--log-syslog-to"}, Kind: String, Default: "udp://localhost:514", Metavar: "ADDRESS",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Where syslog is: udp://HOST:PORT, tcp://HOST:PORT, or unix://PATH with #dgram or #stream if need be.",
	},
	{
		Name: "syslog_prefix", Section: secLog, Flags: []string{"--log-syslog-prefix"}, Kind: String, Metavar: "PREFIX",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Word in the tag of a syslog line, gunicorn.PREFIX.error. Default: the name of the processes.",
	},
	{
		Name: "syslog_facility", Section: secLog, Flags: []string{"--log-syslog-facility"}, Kind: String, Default: "user", Metavar: "FACILITY",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Facility of the syslog lines.",
	},
	{
		Name: "statsd_host", Section: secMetrics, Flags: []string{"--statsd-host"}, Kind: String, Metavar: "ADDRESS",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Where statsd is: HOST:PORT or unix://PATH. Default: none; it gets gunicorn's metrics under their names.",
	},
	{
		Name: "statsd_prefix", Section: secMetrics, Flags: []string{"--statsd-prefix"}, Kind: String, Metavar: "PREFIX", Blank: true,
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Text before the names of the statsd metrics; a dot is added.",
	},
	{
		Name: "dogstatsd_tags", Section: secMetrics, Flags: []string{"--dogstatsd-tags"}, Kind: String, Metavar: "TAGS", Blank: true,
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Tags for Datadog at every statsd metric, separated by commas.",
	},
	{
		Name: "enable_backlog_metric", Section: secMetrics, Flags: []string{"--enable-backlog-metric"}, Kind: Bool, Default: "false",
		Reload: Restart, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Send the length of the kernel's queue of connections to statsd.",
	},
}
