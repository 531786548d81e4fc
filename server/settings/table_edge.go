package settings

// edgeRows are the rules that requests meet before the application does. docs/edge.md has examples, beside nginx's directives.
var edgeRows = []Setting{
	{
		Name: "health_path", Section: secEdge, Flags: []string{"--health-path"}, Kind: String, Default: "/healthz", Metavar: "PATH",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Path that tells orchestrators that the server lives, with 200 and a little JSON. No worker, no other rule and no access log is involved, so it does not fail " +
			"because the application is slow. Empty leaves the path to the application.",
	},
	{
		Name: "ready_path", Section: secEdge, Flags: []string{"--ready-path"}, Kind: String, Default: "/readyz", Metavar: "PATH",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Path that tells load balancers whether to send requests here: 200, or 503 with the reason while no worker is ready or the server stops; otherwise as --health-path. " +
			"Empty leaves the path to the application.",
	},
	{
		Name: "ready_check", Section: secEdge, Flags: []string{"--ready-check"}, Kind: String, Metavar: "PATH",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Path of the application that --ready-path asks too, such as /ready/: a GET in a worker, as if it came over https for a host of --allowed-hosts or ALLOWED_HOSTS. " +
			"Anything but 200 to 299 within --ready-check-timeout makes --ready-path answer 503 with the reason; --health-path does not mind. " +
			"The application is asked once a second at most, however many ask.",
	},
	{
		Name: "ready_check_timeout", Section: secEdge, Flags: []string{"--ready-check-timeout"}, Kind: Seconds, Default: "0.9", Metavar: "SECONDS",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Time for the answer of --ready-check. Probes of Kubernetes give up after 1 second unless timeoutSeconds says otherwise.",
	},
	{
		Name: "drain_delay", Section: secEdge, Flags: []string{"--drain-delay"}, Kind: Seconds, Default: "0", Metavar: "SECONDS",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Time after TERM for which everything is served as before but --ready-path, so that load balancers see it and stop sending; then the graceful stop begins. " +
			"5 to 10 suits Kubernetes. INT ends it at once.",
	},
	{
		Name: "allowed_hosts", Section: secEdge, Flags: []string{"--allowed-hosts"}, Kind: List, Default: "auto", Metavar: "HOSTS",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Hosts that are served, separated by commas or in flags of their own, as in Django's ALLOWED_HOSTS: example.com, .example.com with all below it, * for any; others get 400 without a worker. " +
			"auto takes ALLOWED_HOSTS of a Django site, so that scanners cause no mails about an invalid HTTP_HOST, and allows all for other applications. " +
			"app leaves it to the application.",
	},
	{
		Name: "redirects", Section: secEdge, Flags: []string{"--redirect"}, Kind: List, Metavar: "RULE",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Redirect FROM=TO[ STATUS], before anything else but the health paths. FROM is a host or a path with all below it, TO an URL, or for a path another path; what " +
			"follows and the query are kept. STATUS is 301, 302, 307 or 308; 301 if it is left out. For example --redirect www.example.com=https://example.com. " +
			"May be repeated; the first that fits counts.",
	},
	{
		Name: "allow", Section: secEdge, Flags: []string{"--allow"}, Kind: List, Metavar: "RULE",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Only these clients may ask for a path and all below it; others get 403: PREFIX=ADDRESSES, such as /admin/=10.0.0.0/8,192.0.2.7, or PREFIX=all. " +
			"The client is who --forwarded-allow-ips and --proxy-hops make it; one that comes over a unix socket without an address is never refused. " +
			"May be repeated; of several prefixes the longest counts.",
	},
	{
		Name: "deny", Section: secEdge, Flags: []string{"--deny"}, Kind: List, Metavar: "RULE",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "These clients may not ask for a path and all below it, whatever --allow says: PREFIX=ADDRESSES, as there. May be repeated; of several prefixes the longest counts.",
	},
	{
		Name: "rate_limits", Section: secEdge, Flags: []string{"--rate-limit"}, Kind: List, Metavar: "RULE",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Requests of one client for a path and all below it; more get 429 with Retry-After: 'PREFIX=RATE burst=N', such as '/login/=5/m burst=10', or PREFIX=off. RATE is a " +
			"number with /s, /m or /h. N is how many more than one may come at once, as limit_req of nginx with nodelay has it; without it as many as RATE in all. " +
			"A client is an IPv4 address or a /64 of IPv6. May be repeated; of several prefixes the longest counts.",
	},
	{
		Name: "rate_limit_dry_run", Section: secEdge, Flags: []string{"--rate-limit-dry-run"}, Kind: Bool, Default: "false",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Only count and log what --rate-limit would refuse.",
	},
	{
		Name: "connections_per_client", Section: secEdge, Flags: []string{"--max-connections-per-client"}, Kind: Int, Default: "0", Metavar: "N",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Connections that one client, as --rate-limit counts them, may have open; more are closed at once. Browsers open six, and many people may share an address. " +
			"Proxies of --forwarded-allow-ips and --proxy-allow-from are not limited. 0 means no limit.",
	},
	{
		Name: "basic_auth", Section: secEdge, Flags: []string{"--basic-auth"}, Kind: List, Metavar: "RULE",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Ask for a user and a password for a path and all below it: PREFIX=FILE, with a file of htpasswd (bcrypt, apr1, SHA), or PREFIX=off. The application gets the name as " +
			"REMOTE_USER. The file is read again on a reload. May be repeated; of several prefixes the longest counts.",
	},
	{
		Name: "limit_request_body_at", Section: secEdge, Flags: []string{"--limit-request-body-at"}, Kind: List, Metavar: "RULE",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "In place of --limit-request-body for a path and all below it: PREFIX=SIZE, such as /upload/=2G; 0 means no limit. May be repeated; of several prefixes the longest counts.",
	},
}
