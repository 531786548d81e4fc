package settings

import (
	"strings"
	"testing"
)

func TestSettingsOfTLSNeedEachOther(t *testing.T) {
	for args, want := range map[string]string{
		"": "", "--certfile c --keyfile k": "", "--certfile c": "", "--tls-certificate a:b --cert-reqs 2 --ca-certs x": "",
		"--keyfile k":                                   "needs --certfile",
		"--certfile c --cert-reqs 1":                    "needs --ca-certs",
		"--certfile c --cert-reqs 3 --ca-certs x":       "must be 0, 1 or 2",
		"--cert-reqs 1 --ca-certs x":                    "needs a certificate of the server",
		"--tls-redirect --http-bind :80":                "no https to redirect to",
		"--certfile c --tls-redirect":                   "with --http-bind",
		"--certfile c --tls-redirect --http-bind :80":   "",
		"--acme-domain a.test --acme-domain b.test":     "",
		"--tls-certificate :k":                          "CERT:KEY",
		"--tls-certificate c:":                          "CERT:KEY",
		"--tls-certificate c":                           "",
		"-b :80 -b :443 --http-bind :80":                "address; plain HTTP needs one of its own",
		"--acme-domain *.a.test":                        "name each host",
		"--acme-domain 192.0.2.1":                       "name of a host",
		"--acme-domain localhost":                       "name of a host",
		"--acme-domain a.test:443":                      "name of a host",
		"--acme-domain https://a.test":                  "name of a host",
		"--acme-domain a.test --acme-staging":           "",
		"--acme-staging --acme-directory https://x.com": "leave one out",
	} {
		v, err := Parse(strings.Fields(args), noEnv)
		if err != nil {
			t.Fatal(err)
		}
		err = v.CheckTLS()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
}
