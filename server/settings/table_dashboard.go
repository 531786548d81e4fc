package settings

// dashboardRows are the settings of the page on which people watch a running server. docs/dashboard.md shows it.
var dashboardRows = []Setting{
	{
		Name: "dashboard_bind", Section: secBoard, Flags: []string{"--dashboard-bind"}, Kind: Listen, Metavar: "ADDRESS",
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Address of the dashboard, a web page that shows what the server does and has buttons to reload and scale it: 127.0.0.1:9001, or unix:PATH with the mode that " +
			"--umask leaves. It speaks plain HTTP; put a proxy with TLS in front of it if it is not for this machine only. Default: none.",
	},
	{
		Name: "dashboard_token_file", Section: secBoard, Flags: []string{"--dashboard-token-file"}, Kind: Path, Metavar: "FILE",
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "File whose first line is the token that opens the dashboard, 16 characters at least. If there is no such file it is made, with a new token, for the user of the " +
			"server only. Without this setting each start has a token of its own, which the error log tells once, in the URL of the dashboard.",
	},
	{
		Name: "dashboard_hosts", Section: secBoard, Flags: []string{"--dashboard-hosts"}, Kind: Comma, Metavar: "NAMES",
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Names under which browsers may ask for the dashboard, besides localhost and IP addresses: ops.example.com. Other names get 403, against DNS rebinding.",
	},
	{
		Name: "dashboard_read_only", Section: secBoard, Flags: []string{"--dashboard-read-only"}, Kind: Bool, Default: "false",
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Let the dashboard show but not reload or scale.",
	},
}
