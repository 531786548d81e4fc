package settings

import (
	"net/netip"
	"slices"
	"strings"
)

// TLS reports whether the addresses of bind speak https.
func (v *Values) TLS() bool {
	return v.CertFile != "" || len(v.TLSCertificates) > 0 || len(v.ACMEDomains) > 0
}

// CheckTLS returns an error for settings of TLS that lack another one. It reads no files.
func (v *Values) CheckTLS() error {
	wrong := func(name, problem string) error {
		return &ValueError{Setting: Lookup(name), From: v.Origin(name), Value: v.Text(name), Problem: problem}
	}
	switch {
	case v.CertReqs < 0 || v.CertReqs > 2:
		return wrong("cert_reqs", "it must be 0, 1 or 2")
	case v.KeyFile != "" && v.CertFile == "":
		return wrong("keyfile", "it needs --certfile, the certificate that the key belongs to")
	case v.CertReqs > 0 && v.CACerts == "":
		return wrong("cert_reqs", "it needs --ca-certs, the authorities that the certificates of clients are from")
	case v.CertReqs > 0 && !v.TLS():
		return wrong("cert_reqs", "it needs a certificate of the server: --certfile, --tls-certificate or --acme-domain")
	case v.TLSRedirect && !v.TLS():
		return wrong("tls_redirect", "there is no https to redirect to; it needs --certfile, --tls-certificate or --acme-domain")
	case v.TLSRedirect && len(v.HTTPBind) == 0:
		return wrong("tls_redirect", "nothing speaks plain HTTP; name an address with --http-bind, such as 0.0.0.0:80")
	case v.ACMEStaging && v.ACMEDirectory != "":
		return wrong("acme_staging", "it is the staging service of Let's Encrypt, and --acme-directory names another authority; leave one out")
	}
	for _, text := range v.TLSCertificates {
		if cert, key, both := strings.Cut(text, ":"); cert == "" || both && key == "" {
			return wrong("tls_certificates", "it must be CERT:KEY, two files, or CERT for one that holds both; a name cannot have a colon")
		}
	}
	for _, a := range v.HTTPBind {
		if slices.Contains(v.Bind, a) && a.Port != 0 {
			return wrong("http_bind", "--bind has the same address; plain HTTP needs one of its own, such as 0.0.0.0:80")
		}
	}
	for _, host := range v.ACMEDomains {
		_, err := netip.ParseAddr(host)
		switch {
		case strings.Contains(host, "*"):
			return wrong("acme_domains", "a wildcard can be had by DNS only, which is not done here; name each host, or get the certificate by another tool and give its files")
		case err == nil || !validHost(host) || strings.Contains(host, ":") || !strings.Contains(host, "."):
			return wrong("acme_domains", "it must be the name of a host, such as www.example.com")
		}
	}
	return nil
}
