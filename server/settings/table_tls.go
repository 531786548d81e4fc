package settings

// tlsRows are the settings of TLS and HTTP/2.
var tlsRows = []Setting{
	{
		Name: "keyfile", Section: secTLS, Flags: []string{"--keyfile"}, Kind: Path, Metavar: "FILE",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since3,
		Help: "File of the private key, PEM, without a passphrase. Without it the key is in --certfile.",
	},
	{
		Name: "certfile", Section: secTLS, Flags: []string{"--certfile"}, Kind: Path, Metavar: "FILE",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since3,
		Help: "File of the certificate, PEM, followed by those of its authorities. With it all addresses of --bind speak https. " +
			"It is read again when it changes; a file that cannot be used leaves the old certificate in use, and the log says so.",
	},
	{
		Name: "tls_certificates", Section: secTLS, Flags: []string{"--tls-certificate"}, Kind: List, Metavar: "CERT:KEY",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Files of a certificate and its key, for the hosts that the certificate names; CERT alone holds both. May be repeated. " +
			"Clients that name no host get --certfile, or the first of these.",
	},
	{
		Name: "tls_strict_sni", Section: secTLS, Flags: []string{"--tls-strict-sni"}, Kind: Bool, Default: "false",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "End the handshake with a client that names a host which no certificate is for, and with one that names none unless a certificate is for the address: " +
			"ssl_reject_handshake of nginx's default server. Scanners then learn no host from a certificate.",
	},
	{
		Name: "ca_certs", Section: secTLS, Flags: []string{"--ca-certs"}, Kind: Path, Metavar: "FILE",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since3,
		Help: "File of the authorities for certificates of clients, PEM.",
	},
	{
		Name: "cert_reqs", Section: secTLS, Flags: []string{"--cert-reqs"}, Kind: Int, Default: "0", Metavar: "N",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since3,
		Help: "Whether clients need a certificate: 0 no, 1 may have one, 2 yes. With 1 and 2 the environ has SSL_CLIENT_VERIFY and, of a client with a certificate, " +
			"SSL_CLIENT_S_DN and others, which no header can forge.",
	},
	{
		Name: "ciphers", Section: secTLS, Flags: []string{"--ciphers"}, Kind: String, Metavar: "CIPHERS",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since3,
		Help: "Ciphers of TLS 1.2, in the words of OpenSSL. Those of TLS 1.3 cannot be chosen, nor the order; only ciphers with forward secrecy are served.",
	},
	{
		Name: "tls_min_version", Section: secTLS, Flags: []string{"--tls-min-version"}, Kind: String, Default: "1.2", Metavar: "VERSION", Choices: []string{"1.2", "1.3"},
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "The oldest version of TLS that is served, 1.2 or 1.3.",
	},
	{
		Name: "tls_handshake_timeout", Section: secTLS, Flags: []string{"--tls-handshake-timeout"}, Kind: Seconds, Default: "10", Metavar: "SECONDS",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Time that a client has for its handshake, from the connection on. 0 means 10.",
	},
	{
		Name: "tls_handshakes", Section: secTLS, Flags: []string{"--tls-handshakes"}, Kind: Int, Default: "512", Metavar: "N", Min: 1,
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Handshakes under way at once; one more, and the slowest is given up. A client that means it needs milliseconds.",
	},
	{
		Name: "http_bind", Section: secTLS, Flags: []string{"--http-bind"}, Kind: Bind, Metavar: "ADDRESS",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Address that speaks plain HTTP beside those of --bind that speak https, such as 0.0.0.0:80. May be repeated.",
	},
	{
		Name: "tls_redirect", Section: secTLS, Flags: []string{"--tls-redirect"}, Kind: Bool, Default: "false",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Answer plain HTTP with a redirect to https: 301 for GET and HEAD, 308 for others. What an ACME authority asks for is answered all the same. " +
			"A trusted proxy that says https is not redirected.",
	},
	{
		Name: "acme_domains", Section: secTLS, Flags: []string{"--acme-domain"}, Kind: List, Metavar: "HOST",
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Host to get a certificate for from Let's Encrypt or another ACME authority, and to renew it in time. May be repeated. All addresses of --bind then speak https. " +
			"The authority must reach this server at port 443 of that host, or at port 80 with --http-bind. Using it means to agree to the authority's terms.",
	},
	{
		Name: "acme_email", Section: secTLS, Flags: []string{"--acme-email"}, Kind: String, Metavar: "ADDRESS",
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Address for the letters of the ACME authority.",
	},
	{
		Name: "acme_staging", Section: secTLS, Flags: []string{"--acme-staging"}, Kind: Bool, Default: "false",
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Ask the staging service of Let's Encrypt, whose certificates no browser believes and whose limits nobody reaches: for trying out.",
	},
	{
		Name: "acme_directory", Section: secTLS, Flags: []string{"--acme-directory"}, Kind: String, Metavar: "URL",
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "URL of the directory of another ACME authority.",
	},
	{
		Name: "acme_ca_root", Section: secTLS, Flags: []string{"--acme-ca-root"}, Kind: Path, Metavar: "FILE",
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "File of the authority that the directory's own certificate is from, PEM, if it is not a public one.",
	},
	{
		Name: "acme_cache", Section: secTLS, Flags: []string{"--acme-cache"}, Kind: Path, Metavar: "DIR",
		Reload: Restart, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Folder for ACME accounts, keys and certificates; it is made with mode 0700 and belongs to --user. Default: acme below the variable STATE_DIRECTORY, " +
			"or as root /var/lib/gounicorn/acme, else .local/share/gounicorn/acme below HOME. Keep it: without it certificates are asked for again, and authorities limit that.",
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
		Name: "http_protocols", Section: secTLS, Flags: []string{"--http-protocols"}, Kind: Comma, Default: "h2,h1", Metavar: "PROTOCOLS", Choices: []string{"h1", "h2", "h3"},
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since3,
		Differs: "browsers load a page faster by HTTP/2, and it needs nothing to be installed",
		Help: "Versions of HTTP that addresses with https offer, the preferred one first: h1, h2, h3. Clients take the first they know; " +
			"the requests of one HTTP/2 connection run side by side on all workers. h3 is accepted and offered to nobody.",
	},
	{
		Name: "http2_cleartext", Section: secTLS, Flags: []string{"--http2-cleartext"}, Kind: String, Default: "off", Metavar: "MODE", Choices: []string{"off", "prior-knowledge", "upgrade", "both"},
		Reload: Restart, Status: Later, Origin: Gunicorn, Since: since2,
		Help: "HTTP/2 without TLS: off, prior-knowledge, upgrade or both.",
		Note: "HTTP/2 is served over TLS only; let the proxy speak HTTP/1.1 to it",
	},
	{
		Name: "http2_max_concurrent_streams", Section: secTLS, Flags: []string{"--http2-max-concurrent-streams"}, Kind: Int, Default: "100", Metavar: "N", Min: 1,
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since3,
		Help: "Requests of one HTTP/2 connection at once, those included that the client gave up and a worker still runs.",
	},
	{
		Name: "http2_initial_window_size", Section: secTLS, Flags: []string{"--http2-initial-window-size"}, Kind: Int, Default: "1048576", Metavar: "N", Max: 1<<31 - 1,
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since3,
		Differs: "65535 makes uploads slow, and as bodies are read while they come, more costs no memory",
		Help:    "Bytes of a request body that an HTTP/2 client may send before the server has read any. More makes large uploads over long distances faster. 0 means 1048576.",
	},
	{
		Name: "http2_max_frame_size", Section: secTLS, Flags: []string{"--http2-max-frame-size"}, Kind: Int, Default: "16384", Metavar: "N", Min: 16384, Max: 1<<24 - 1,
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since3,
		Help: "Largest frame that an HTTP/2 client may send, in bytes.",
	},
	{
		Name: "http2_max_header_list_size", Section: secTLS, Flags: []string{"--http2-max-header-list-size"}, Kind: Int, Default: "65536", Metavar: "N",
		Reload: Live, Status: Works, Origin: Gunicorn, Since: since3,
		Help: "Largest head of an HTTP/2 request in bytes, with 32 more for each field. The limits of HTTP/1 (--limit-request-field_size and others) hold as well. 0 means 65536.",
	},
}
