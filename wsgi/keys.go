package wsgi

import (
	"fmt"
	"strings"
)

// Key is an index into the table of well-known environ names; 0 means a name spelt out. The numbers are part of the pipe
// protocol: master and worker are built from the same table, and the version of both is compared at start.
type Key uint8

// Keys that the master sets by name.
const (
	KeyLiteral Key = iota
	KeyRequestMethod
	KeyScriptName
	KeyRawURI
	KeyPathInfo
	KeyQueryString
	KeyServerName
	KeyServerPort
	KeyServerProtocol
	KeyURLScheme
	KeyRemoteAddr
	KeyRemotePort
	KeyContentType
	KeyContentLength
	firstHeaderKey
)

// keyNames is the table: index = Key. The entries from firstHeaderKey on are request fields that browsers and proxies send often;
// order and membership are free, since both sides are built from this table.
var keyNames = []string{
	"", "REQUEST_METHOD", "SCRIPT_NAME", "RAW_URI", "PATH_INFO", "QUERY_STRING", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL",
	"wsgi.url_scheme", "REMOTE_ADDR", "REMOTE_PORT", "CONTENT_TYPE", "CONTENT_LENGTH",
	"HTTP_HOST", "HTTP_USER_AGENT", "HTTP_ACCEPT", "HTTP_ACCEPT_ENCODING", "HTTP_ACCEPT_LANGUAGE", "HTTP_CONNECTION", "HTTP_COOKIE",
	"HTTP_REFERER", "HTTP_ORIGIN", "HTTP_AUTHORIZATION", "HTTP_CACHE_CONTROL", "HTTP_PRAGMA", "HTTP_RANGE", "HTTP_IF_RANGE",
	"HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE", "HTTP_EXPECT", "HTTP_DNT",
	"HTTP_UPGRADE_INSECURE_REQUESTS", "HTTP_SEC_FETCH_SITE", "HTTP_SEC_FETCH_MODE", "HTTP_SEC_FETCH_DEST", "HTTP_SEC_FETCH_USER",
	"HTTP_SEC_CH_UA", "HTTP_SEC_CH_UA_MOBILE", "HTTP_SEC_CH_UA_PLATFORM", "HTTP_SEC_GPC", "HTTP_PRIORITY", "HTTP_TE", "HTTP_VIA",
	"HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT",
	"HTTP_X_REAL_IP", "HTTP_X_REQUEST_ID", "HTTP_X_REQUESTED_WITH", "HTTP_X_CSRFTOKEN", "HTTP_TRACEPARENT", "HTTP_TRACESTATE",
	"HTTP_TRANSFER_ENCODING",
}

var keyOf = func() map[string]Key {
	m := make(map[string]Key, len(keyNames))
	for i, name := range keyNames[1:] {
		m[name] = Key(i + 1)
	}
	return m
}()

// String returns the environ name of a well-known key.
func (k Key) String() string {
	if int(k) >= len(keyNames) {
		return fmt.Sprintf("key(%d)", uint8(k))
	}
	return keyNames[k]
}

// CHeader returns the table as a C header for the worker. cmd/gendocs writes it to pyworker/gp_keys.h.
func CHeader() string {
	var b strings.Builder
	b.WriteString("/* Generated from wsgi/keys.go by cmd/gendocs; do not edit. */\n#ifndef GP_KEYS_H\n#define GP_KEYS_H\n\n")
	fmt.Fprintf(&b, "#define GP_KEY_COUNT %d\n", len(keyNames))
	for k := KeyRequestMethod; k < firstHeaderKey; k++ {
		fmt.Fprintf(&b, "#define GP_KEY_%s %d\n", strings.ToUpper(strings.ReplaceAll(keyNames[k], ".", "_")), k)
	}
	b.WriteString("\nstatic const char *const gp_key_names[GP_KEY_COUNT] = {\n")
	for _, name := range keyNames {
		fmt.Fprintf(&b, "    %q,\n", name)
	}
	b.WriteString("};\n\n#endif\n")
	return b.String()
}
