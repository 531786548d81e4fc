package site

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// Document is the site document: what python/gounicorn/_site.py found in the settings of the application. The zero value is an
// application of which nothing is known.
type Document struct {
	Framework       string      `json:"framework"` // "django" or ""
	Debug           bool        `json:"debug"`
	StaticURL       string      `json:"static_url"`
	StaticRoot      string      `json:"static_root"` // absolute; empty: not set
	ForceScriptName string      `json:"force_script_name"`
	MediaURL        string      `json:"media_url"`
	MediaRoot       string      `json:"media_root"`
	StaticFiles     bool        `json:"staticfiles"`     // django.contrib.staticfiles is installed
	WhiteNoise      bool        `json:"whitenoise"`      // its middleware is
	WhiteNoiseRoot  string      `json:"whitenoise_root"` // WHITENOISE_ROOT
	Manifest        *Manifest   `json:"manifest"`        // nil: the storage has none
	Finders         [][2]string `json:"finders"`         // with Debug: prefix without slashes, and folder, in order
	Security        *Security   `json:"security"`        // nil: SecurityMiddleware is not installed
	ProxySSLHeader  []string    `json:"proxy_ssl_header"`
	AllowedHosts    []string    `json:"allowed_hosts"`
	HostsChecked    bool        `json:"hosts_checked"`    // every request for another host is refused, whatever the view
	ForwardedHost   bool        `json:"x_forwarded_host"` // USE_X_FORWARDED_HOST
	Problems        []string    `json:"problems"`         // what could not be found out
}

// Manifest is what ManifestStaticFilesStorage or the like has written.
type Manifest struct {
	Path    string   `json:"path"`
	Missing bool     `json:"missing"`
	Names   []string `json:"names"` // those with a hash in them, below StaticURL
}

// Security is what Django's SecurityMiddleware goes by.
type Security struct {
	NoSniff               bool     `json:"nosniff"`
	ReferrerPolicy        string   `json:"referrer_policy"`            // as it is sent, empty: none
	OpenerPolicy          string   `json:"cross_origin_opener_policy"` // likewise
	HSTSSeconds           int      `json:"hsts_seconds"`
	HSTSIncludeSubdomains bool     `json:"hsts_include_subdomains"`
	HSTSPreload           bool     `json:"hsts_preload"`
	SSLRedirect           bool     `json:"ssl_redirect"`
	SSLHost               string   `json:"ssl_host"`
	RedirectExempt        []string `json:"redirect_exempt"` // regular expressions
}

// Parse reads a site document. Its size is bounded by the protocol that carries it.
func Parse(text []byte) (*Document, error) {
	d := &Document{}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("site document: %w", err)
	}
	return d, nil
}

// prefix is where the application's static files are in its URLs, with a slash at both ends: the path of STATIC_URL without
// FORCE_SCRIPT_NAME, which is WhiteNoise's rule. elsewhere tells that they are on another host, host empty otherwise.
func (d *Document) prefix() (prefix, host string) {
	path := d.StaticURL
	if u, err := url.Parse(d.StaticURL); err == nil {
		path, host = u.Path, u.Host
	}
	if d.ForceScriptName != "" {
		path = strings.TrimPrefix(path, strings.TrimRight(d.ForceScriptName, "/"))
	}
	if path = strings.Trim(path, "/"); path == "" {
		return "/", host
	}
	return "/" + path + "/", host
}

// hsts is the value of Strict-Transport-Security, empty for none.
func (s *Security) hsts() string {
	if s == nil || s.HSTSSeconds == 0 {
		return ""
	}
	value := fmt.Sprintf("max-age=%d", s.HSTSSeconds)
	if s.HSTSIncludeSubdomains {
		value += "; includeSubDomains"
	}
	if s.HSTSPreload {
		value += "; preload"
	}
	return value
}

// allowedHosts is ALLOWED_HOSTS as Django goes by it; nil: nothing is known.
func (d *Document) allowedHosts() []string {
	switch {
	case d.Framework == "":
		return nil
	case d.Debug && len(d.AllowedHosts) == 0:
		return []string{".localhost", "127.0.0.1", "[::1]"}
	case d.AllowedHosts == nil:
		return []string{}
	}
	return d.AllowedHosts
}
