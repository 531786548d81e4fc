package settings

// secStatic is the section of what the master serves without asking the application.
const secStatic = "Static files"

// staticRows say which files are served, and how.
var staticRows = []Setting{
	{
		Name: "django_static", Section: secStatic, Flags: []string{"--no-django-static"}, Kind: Bool, Default: "true", Const: "false",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Serve the static files of a Django application as its settings say: STATIC_URL, STATIC_ROOT, the staticfiles manifest, the headers of SecurityMiddleware. " +
			"The flag leaves them to the application or to a proxy in front. The log says at the start what is served.",
	},
	{
		Name: "static", Section: secStatic, Flags: []string{"--static"}, Kind: List, Metavar: "URL=DIR",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Serve the files of a folder below a path, such as --static /static/=/srv/site/static, without asking the application; what is not there is 404. " +
			"A relative folder is below --chdir. With /=DIR a miss goes to the application. May be repeated; the longest path counts, and of folders at the same path the first that has the file.",
	},
	{
		Name: "media", Section: secStatic, Flags: []string{"--media"}, Kind: List, Metavar: "URL=DIR",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "The same for files that users have uploaded: whoever knows the address can fetch them, none is run as a page (Content-Security-Policy: sandbox; HTML, SVG and XML as " +
			"attachments), and none has the headers that let other sites read it. Never on by itself. May be repeated.",
	},
	{
		Name: "media_trusted", Section: secStatic, Flags: []string{"--media-trusted"}, Kind: Bool, Default: "false",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Let browsers show the files of --media like pages of the site: without sandbox, and HTML, SVG and XML not as attachments. For sites on which only trusted people upload.",
	},
	{
		Name: "static_index", Section: secStatic, Flags: []string{"--static-index"}, Kind: String, Metavar: "NAME",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "The file that stands for its folder, such as index.html; a folder's address without the slash at its end is redirected to the one with it. " +
			"Default: none, and a folder is 404. Folders are never listed. Only for --static.",
	},
	{
		Name: "static_max_age", Section: secStatic, Flags: []string{"--static-max-age"}, Kind: Seconds, Default: "60", Metavar: "SECONDS",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "For how long browsers and caches may use a static file without asking whether it has changed. " +
			"Files with a hash in their name may be kept for ten years, and media none. With DEBUG it is 0.",
	},
	{
		Name: "static_cache_control", Section: secStatic, Flags: []string{"--no-static-cache-control"}, Kind: Bool, Default: "true", Const: "false",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Say with static files how long they may be used (--static-max-age). The flag says nothing, as WHITENOISE_MAX_AGE = None, and leaves it to browsers and caches; " +
			"files that never change say so all the same.",
	},
	{
		Name: "static_immutable", Section: secStatic, Flags: []string{"--static-immutable"}, Kind: List, Metavar: "REGEX",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Regular expression (RE2) of paths below --static that never change, such as '[-.][0-9A-Za-z_-]{8}\\.(js|css)$' for the names that Vite makes. " +
			"Those of Django's manifest are known without it. May be repeated.",
	},
	{
		Name: "static_header", Section: secStatic, Flags: []string{"--static-header"}, Kind: List, Metavar: "GLOB:NAME:VALUE",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Header for the static files that a pattern fits, such as '*.wasm:Cross-Origin-Resource-Policy:same-origin'; it replaces one that would be sent otherwise. " +
			"A pattern with a slash is for the path below the folder, where ** is any number of folders; another one is for names in all of them. May be repeated; the last counts.",
	},
	{
		Name: "static_type", Section: secStatic, Flags: []string{"--static-type"}, Kind: List, Metavar: "NAME=TYPE",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Media type of files with an extension or a name, such as .glb=model/gltf-binary or apple-app-site-association=application/json. It comes before the built-in " +
			"table; the system's own tables are never used. May be repeated.",
	},
	{
		Name: "static_hide", Section: secStatic, Flags: []string{"--static-hide"}, Kind: List, Metavar: "GLOB",
		Reload: Live, Status: Works, Origin: Gounicorn, Since: since3,
		Help: "Names of files that are never served, such as '*.map'. Never served in any case are dot files (but below /.well-known/), those of Python and SQLite, " +
			"staticfiles.json and the backups of editors. May be repeated.",
	},
}
