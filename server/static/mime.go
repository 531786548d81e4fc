package static

import (
	"path"
	"strings"
)

// unknownType is the type of what is in no table: it is never guessed from the content.
const unknownType = "application/octet-stream"

// typeOf returns the media type of a file by its whole name or its extension, first from the operator's table.
func typeOf(name string, own map[string]string) string {
	name = strings.ToLower(path.Base(name))
	extension := path.Ext(name)
	for _, table := range []map[string]string{own, types} {
		for _, key := range []string{name, extension} {
			if t, ok := table[key]; ok && key != "" {
				return withCharset(t)
			}
		}
	}
	return unknownType
}

// TypeOf returns the media type of a file by its name: from own, whose keys are whole names and extensions with their dot, in lower case, or
// else from a table that is the same everywhere.
func TypeOf(name string, own map[string]string) string { return typeOf(name, own) }

// withCharset says of text that it is UTF-8, unless the table says something else.
func withCharset(t string) string {
	if strings.HasPrefix(t, "text/") && !strings.Contains(t, ";") {
		return t + "; charset=utf-8"
	}
	return t
}

// runs reports whether a browser that opens a file of the type would run scripts in it.
func runs(mediaType string) bool {
	t, _, _ := strings.Cut(mediaType, ";")
	return t == "text/html" || t == "text/xml" || t == "application/xml" || t == "text/xsl" || strings.HasSuffix(t, "+xml")
}

// types are the media types by extension, in lower case (IANA's registry; what browsers need is in it whether registered or not). The host's
// tables are never asked: they differ.
var types = map[string]string{
	// Pages, styles and scripts
	".html": "text/html", ".htm": "text/html", ".shtml": "text/html", ".xhtml": "application/xhtml+xml",
	".css": "text/css", ".js": "text/javascript", ".mjs": "text/javascript", ".cjs": "text/javascript", ".wasm": "application/wasm",
	".map": "application/json", ".json": "application/json", ".json5": "application/json5", ".jsonld": "application/ld+json",
	".geojson": "application/geo+json", ".topojson": "application/json", ".webmanifest": "application/manifest+json",
	".xml": "text/xml", ".xsl": "text/xsl", ".xslt": "text/xsl", ".rss": "application/rss+xml", ".atom": "application/atom+xml",
	".rdf": "application/rdf+xml", ".mathml": "application/mathml+xml", ".mml": "application/mathml+xml", ".kml": "application/vnd.google-earth.kml+xml",
	".kmz": "application/vnd.google-earth.kmz", ".gpx": "application/gpx+xml", ".htc": "text/x-component", ".jad": "text/vnd.sun.j2me.app-descriptor",
	".appcache": "text/cache-manifest", ".vtt": "text/vtt", ".srt": "text/plain",
	"apple-app-site-association": "application/json", "assetlinks.json": "application/json",
	// Text
	".txt": "text/plain", ".text": "text/plain", ".log": "text/plain", ".md": "text/markdown", ".markdown": "text/markdown", ".rst": "text/plain",
	".csv": "text/csv", ".tsv": "text/tab-separated-values", ".ics": "text/calendar", ".vcf": "text/vcard", ".ini": "text/plain",
	".yaml": "application/yaml", ".yml": "application/yaml", ".toml": "application/toml", ".asc": "text/plain", ".diff": "text/plain", ".patch": "text/plain",
	".c": "text/plain", ".h": "text/plain", ".go": "text/plain", ".rs": "text/plain", ".tsx": "text/plain", ".jsx": "text/javascript",
	".less": "text/plain", ".scss": "text/plain", ".vue": "text/plain", ".po": "text/plain", ".sql": "application/sql", ".graphql": "text/plain",
	// Images
	".png": "image/png", ".apng": "image/apng", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".jfif": "image/jpeg", ".gif": "image/gif",
	".webp": "image/webp", ".avif": "image/avif", ".avifs": "image/avif", ".heic": "image/heic", ".heif": "image/heif", ".jxl": "image/jxl",
	".jp2": "image/jp2", ".svg": "image/svg+xml", ".svgz": "image/svg+xml", ".ico": "image/x-icon", ".cur": "image/x-icon", ".bmp": "image/bmp",
	".tif": "image/tiff", ".tiff": "image/tiff", ".wbmp": "image/vnd.wap.wbmp", ".jng": "image/x-jng", ".psd": "image/vnd.adobe.photoshop",
	// Fonts
	".woff": "font/woff", ".woff2": "font/woff2", ".ttf": "font/ttf", ".otf": "font/otf", ".ttc": "font/collection", ".eot": "application/vnd.ms-fontobject",
	// Sound and film
	".mp3": "audio/mpeg", ".m4a": "audio/mp4", ".aac": "audio/aac", ".ogg": "audio/ogg", ".oga": "audio/ogg", ".opus": "audio/ogg", ".wav": "audio/wav",
	".flac": "audio/flac", ".weba": "audio/webm", ".mid": "audio/midi", ".midi": "audio/midi", ".kar": "audio/midi", ".ra": "audio/x-realaudio",
	".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm", ".ogv": "video/ogg", ".mov": "video/quicktime", ".mkv": "video/x-matroska",
	".avi": "video/x-msvideo", ".mpeg": "video/mpeg", ".mpg": "video/mpeg", ".3gp": "video/3gpp", ".3gpp": "video/3gpp", ".flv": "video/x-flv",
	".wmv": "video/x-ms-wmv", ".asf": "video/x-ms-asf", ".asx": "video/x-ms-asf", ".mng": "video/x-mng", ".m2ts": "video/mp2t", ".ts": "video/mp2t",
	".m3u8": "application/vnd.apple.mpegurl", ".mpd": "application/dash+xml", ".m4s": "video/iso.segment",
	// Documents
	".pdf": "application/pdf", ".ps": "application/postscript", ".eps": "application/postscript", ".ai": "application/postscript", ".rtf": "application/rtf",
	".epub": "application/epub+zip", ".doc": "application/msword", ".xls": "application/vnd.ms-excel", ".ppt": "application/vnd.ms-powerpoint",
	".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	".odt":  "application/vnd.oasis.opendocument.text", ".ods": "application/vnd.oasis.opendocument.spreadsheet",
	".odp": "application/vnd.oasis.opendocument.presentation", ".odg": "application/vnd.oasis.opendocument.graphics",
	".tex": "application/x-tex", ".sqlite": "application/vnd.sqlite3", ".parquet": "application/vnd.apache.parquet",
	// Archives and programs
	".zip": "application/zip", ".gz": "application/gzip", ".tgz": "application/gzip", ".br": unknownType, ".zst": "application/zstd",
	".bz2": "application/x-bzip2", ".xz": "application/x-xz", ".7z": "application/x-7z-compressed", ".rar": "application/vnd.rar", ".tar": "application/x-tar",
	".jar": "application/java-archive", ".war": "application/java-archive", ".ear": "application/java-archive", ".apk": "application/vnd.android.package-archive",
	".deb": unknownType, ".rpm": "application/x-rpm", ".dmg": unknownType, ".exe": unknownType, ".msi": unknownType, ".iso": unknownType, ".img": unknownType,
	".bin": unknownType, ".dll": unknownType, ".whl": "application/zip", ".swf": "application/x-shockwave-flash", ".xpi": "application/x-xpinstall",
	".crt": "application/x-x509-ca-cert", ".pem": "application/x-x509-ca-cert", ".der": "application/x-x509-ca-cert", ".cer": "application/x-x509-ca-cert",
	".jnlp": "application/x-java-jnlp-file", ".jardiff": "application/x-java-archive-diff", ".sit": "application/x-stuffit", ".sea": "application/x-sea",
	".hqx": "application/mac-binhex40", ".run": "application/x-makeself", ".pl": "application/x-perl", ".pm": "application/x-perl", ".tcl": "application/x-tcl",
	".tk": "application/x-tcl", ".cco": "application/x-cocoa", ".pdb": "application/x-pilot", ".prc": "application/x-pilot", ".wml": "text/vnd.wap.wml",
	".wmlc": "application/vnd.wap.wmlc", ".xspf": "application/xspf+xml",
	// Models and maps
	".gltf": "model/gltf+json", ".glb": "model/gltf-binary", ".obj": "model/obj", ".stl": "model/stl", ".usdz": "model/vnd.usdz+zip", ".pmtiles": "application/vnd.pmtiles",
	".pbf": "application/x-protobuf", ".mvt": "application/vnd.mapbox-vector-tile",
}
