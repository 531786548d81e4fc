package settings

// tlsRows are the settings of TLS and HTTP/2.
var tlsRows = []Setting{
	{
		Name: "keyfile", Section: secTLS, Flags: []string{"--keyfile"}, Kind: Path, Metavar: "FILE",
		Reload: Restart, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "File of the private key, PEM.",
		Note: "this version speaks plain HTTP only; let a proxy in front do TLS (nginx, Caddy, a load balancer)",
	},
	{
		Name: "certfile", Section: secTLS, Flags: []string{"--certfile"}, Kind: Path, Metavar: "FILE",
		Reload: Restart, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "File of the certificate, PEM.",
		Note: "this version speaks plain HTTP only; let a proxy in front do TLS (nginx, Caddy, a load balancer)",
	},
	{
		Name: "ca_certs", Section: secTLS, Flags: []string{"--ca-certs"}, Kind: Path, Metavar: "FILE",
		Reload: Restart, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "File of the authorities for certificates of clients.",
		Note: "this version speaks plain HTTP only; let a proxy in front do TLS (nginx, Caddy, a load balancer)",
	},
	{
		Name: "cert_reqs", Section: secTLS, Flags: []string{"--cert-reqs"}, Kind: Int, Default: "0", Metavar: "N",
		Reload: Restart, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Whether clients need a certificate: 0 no, 1 may have one, 2 yes.",
		Note: "this version speaks plain HTTP only; let a proxy in front do TLS (nginx, Caddy, a load balancer)",
	},
	{
		Name: "ciphers", Section: secTLS, Flags: []string{"--ciphers"}, Kind: String, Metavar: "CIPHERS",
		Reload: Restart, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Ciphers of TLS up to 1.2, in the words of OpenSSL.",
		Note: "this version speaks plain HTTP only; let a proxy in front do TLS (nginx, Caddy, a load balancer)",
	},
	{
		Name: "ssl_version", Section: secTLS, Flags: []string{"--ssl-version"}, Kind: String, Default: "2", Metavar: "VERSION",
		Reload: Restart, Status: Accepted, Origin: Gunicorn, Since: since2,
		Help: "Version of TLS in Python's ssl module.",
		Note: "gunicorn ignores it too",
	},
	{
		Name: "suppress_ragged_eofs", Section: secTLS, Flags: []string{"--suppress-ragged-eofs"}, Kind: Bool, Default: "true",
		Reload: Restart, Status: Accepted, Origin: Gunicorn, Since: since2,
		Help: "Detail of Python's ssl module.",
		Note: "it is a detail of Python's ssl module, which is not used here",
	},
	{
		Name: "do_handshake_on_connect", Section: secTLS, Flags: []string{"--do-handshake-on-connect"}, Kind: Bool, Default: "false",
		Reload: Restart, Status: Accepted, Origin: Gunicorn, Since: since2,
		Help: "Detail of Python's ssl module.",
		Note: "it is a detail of Python's ssl module, which is not used here",
	},
	{
		Name: "http_protocols", Section: secTLS, Flags: []string{"--http-protocols"}, Kind: Comma, Default: "h1", Metavar: "PROTOCOLS", Choices: []string{"h1", "h2", "h3"},
		Reload: Restart, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Versions of HTTP, the preferred one first: h1, h2, h3.",
		Note: "this version speaks HTTP/1 only; let a proxy in front speak HTTP/2 to the clients",
	},
	{
		Name: "http2_cleartext", Section: secTLS, Flags: []string{"--http2-cleartext"}, Kind: String, Default: "off", Metavar: "MODE", Choices: []string{"off", "prior-knowledge", "upgrade", "both"},
		Reload: Restart, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "HTTP/2 without TLS: off, prior-knowledge, upgrade or both.",
		Note: "this version speaks HTTP/1 only; let the proxy speak HTTP/1.1 to it",
	},
	{
		Name: "http2_max_concurrent_streams", Section: secTLS, Flags: []string{"--http2-max-concurrent-streams"}, Kind: Int, Default: "100", Metavar: "N", Min: 1,
		Reload: Restart, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Streams of one connection at once.",
		Note: "this version speaks HTTP/1 only, so leave it out",
	},
	{
		Name: "http2_initial_window_size", Section: secTLS, Flags: []string{"--http2-initial-window-size"}, Kind: Int, Default: "65535", Metavar: "N",
		Reload: Restart, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Bytes in flight on one stream.",
		Note: "this version speaks HTTP/1 only, so leave it out",
	},
	{
		Name: "http2_max_frame_size", Section: secTLS, Flags: []string{"--http2-max-frame-size"}, Kind: Int, Default: "16384", Metavar: "N", Min: 16384,
		Reload: Restart, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Largest frame of HTTP/2, in bytes.",
		Note: "this version speaks HTTP/1 only, so leave it out",
	},
	{
		Name: "http2_max_header_list_size", Section: secTLS, Flags: []string{"--http2-max-header-list-size"}, Kind: Int, Default: "65536", Metavar: "N",
		Reload: Restart, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "Largest list of header fields.",
		Note: "this version speaks HTTP/1 only, so leave it out",
	},
}
