package settings

// trustRows say whom to believe.
var trustRows = []Setting{
	{
		Name: "forwarded_allow_ips", Section: secTrust, Flags: []string{"--forwarded-allow-ips"}, Kind: IPs, Default: "127.0.0.1,::1", Metavar: "IPS", Env: "FORWARDED_ALLOW_IPS", Empty: true,
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Proxies whose headers are believed: addresses, networks such as 10.0.0.0/8, or * for all, separated by commas. A unix socket is always believed.",
	},
	{
		Name: "secure_scheme_headers", Section: secTrust, Kind: Dict, Default: `{"X-FORWARDED-PROTOCOL": "ssl", "X-FORWARDED-PROTO": "https", "X-FORWARDED-SSL": "on"}`, Metavar: "JSON",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Header fields of those proxies that say whether the client came by https, and the value that says so; any other value says http.",
	},
	{
		Name: "forwarder_headers", Section: secTrust, Flags: []string{"--forwarder-headers"}, Kind: Comma, Default: "SCRIPT_NAME,PATH_INFO", Metavar: "NAMES",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Header names with an underscore that those proxies may send, separated by commas; * is all.",
	},
	{
		Name: "header_map", Section: secTrust, Flags: []string{"--header-map"}, Kind: String, Default: "drop", Metavar: "MODE", Choices: []string{"drop", "refuse", "dangerous"},
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "What becomes of other header fields with an underscore in the name, which look like ones with a hyphen to the application: drop them, refuse the " +
			"request with 400, or dangerous: pass them on.",
	},
	{
		Name: "proxy_protocol", Section: secTrust, Flags: []string{"--proxy-protocol"}, Kind: String, Default: "off", Metavar: "MODE", Const: "auto", Choices: []string{"off", "v1", "v2", "auto"},
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Expect the PROXY protocol: off, v1, v2 or auto; the flag alone is auto. The flag takes the next word as its value, so write --proxy-protocol=auto " +
			"before the application.",
	},
	{
		Name: "proxy_allow_ips", Section: secTrust, Flags: []string{"--proxy-allow-from"}, Kind: IPs, Default: "127.0.0.1,::1", Metavar: "IPS",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since2,
		Help: "Who may use the PROXY protocol: addresses and networks, or * for all, separated by commas.",
	},
	{
		Name: "proxy_hops", Section: secTrust, Flags: []string{"--proxy-hops"}, Kind: Int, Default: "0", Metavar: "N",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since2,
		Help: "Proxies in front that each add an address to X-Forwarded-For. With N above 0 and a believed peer the application gets the Nth address from the end as " +
			"REMOTE_ADDR. 0 leaves the address of the connection, as gunicorn does.",
	},
	{
		Name: "proxy_hops_header", Section: secTrust, Flags: []string{"--proxy-hops-header"}, Kind: String, Default: "X-Forwarded-For", Metavar: "NAME",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since2,
		Help: "The header for --proxy-hops: a list of addresses such as X-Forwarded-For, a single one such as X-Real-IP or CF-Connecting-IP, or Forwarded (RFC 7239). " +
			"Name the one that every proxy in front writes; others are not looked at.",
	},
	{
		Name: "drop_forwarded", Section: secTrust, Flags: []string{"--drop-forwarded"}, Kind: Bool, Default: "false",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since2,
		Help: "Drop Forwarded, X-Forwarded-*, X-Real-IP and X-Client-IP from peers that are not in --forwarded-allow-ips, so that the application cannot believe a " +
			"client's claims about itself. gunicorn passes them on, and so does gounicorn without this.",
	},
}
