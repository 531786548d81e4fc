package settings

// answerRows say what becomes of the application's answers.
var answerRows = []Setting{
	{
		Name: "accel", Section: secAnswer, Flags: []string{"--accel"}, Kind: List, Metavar: "PREFIX=DIR",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Folder of files that the application may send by naming them in X-Accel-Redirect, as with nginx: --accel /protected/=DIR. Nobody can ask for them " +
			"directly. DIR is allowed for X-Sendfile too. May be repeated.",
	},
	{
		Name: "sendfile_root", Section: secAnswer, Flags: []string{"--sendfile-root"}, Kind: List, Metavar: "DIR",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Folder of files that the application may send by naming them in X-Sendfile, with their absolute path. May be repeated.",
	},
	{
		Name: "cache", Section: secAnswer, Flags: []string{"--cache"}, Kind: List, Metavar: "PREFIX=SECONDS",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Keep answers to anonymous GETs below a path for at most so many seconds: --cache /blog/=5; equal requests that come at once cost one run. Cache-Control, Expires, Vary and " +
			"Set-Cookie of the answer are obeyed. A reload drops everything. May be repeated.",
	},
	{
		Name: "cache_memory", Section: secAnswer, Flags: []string{"--cache-memory"}, Kind: Bytes, Default: "64M", Metavar: "SIZE", Min: 1 << 20,
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Memory for all kept answers together; an answer that takes more than an eighth of it is not kept.",
	},
	{
		Name: "cache_ignore_cookies", Section: secAnswer, Flags: []string{"--cache-ignore-cookies"}, Kind: Comma, Metavar: "NAMES",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Cookies that do not make a request personal for --cache, separated by commas; _ga* is all that begin so. Requests with other cookies are never answered from the cache.",
	},
	{
		Name: "compress", Section: secAnswer, Flags: []string{"--compress"}, Kind: Comma, Metavar: "TYPES",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Compress answers of these media types for clients that accept it (zstd, br, gzip): default for the usual text types, or types such as text/html,application/json or text/*. " +
			"Off unless set: over TLS, compressing pages that hold a secret and echo input lets an attacker find the secret (BREACH).",
	},
	{
		Name: "compress_min_size", Section: secAnswer, Flags: []string{"--compress-min-size"}, Kind: Bytes, Default: "1K", Metavar: "SIZE",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Bodies below this size are not compressed.",
	},
	{
		Name: "error_pages", Section: secAnswer, Flags: []string{"--error-pages"}, Kind: Path, Metavar: "DIR",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Folder of pages for answers that the server itself gives when the application cannot: 404.html, 503.html, 50x.html, 5xx.html, and 503.json or the like for clients whose Accept names JSON and not HTML. They are read at start and reload.",
	},
	{
		Name: "error_pages_override", Section: secAnswer, Flags: []string{"--error-pages-override"}, Kind: Bool, Default: "false",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Use the error pages also in place of the application's own answers with a status from 500 on.",
	},
}
