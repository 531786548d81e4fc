package settings

import (
	"fmt"
	"slices"
	"strings"
)

// protocols reads http_protocols as gunicorn does: in any case, each once, h1 if there is none.
func (v *Values) protocols() error {
	s := Lookup("http_protocols")
	wrong := func(problem string) error {
		return &ValueError{Setting: s, From: v.Origin(s.Name), Value: v.Text(s.Name), Problem: problem}
	}
	list := make([]string, 0, len(v.HTTPProtocols))
	for _, p := range v.HTTPProtocols {
		switch p = strings.ToLower(p); {
		case !slices.Contains(s.Choices, p):
			return wrong("it is made of " + strings.Join(s.Choices, ", "))
		case slices.Contains(list, p):
			return wrong("it names " + p + " twice")
		}
		list = append(list, p)
	}
	if len(list) == 0 {
		list = append(list, "h1")
	}
	v.HTTPProtocols = list
	if slices.Contains(list, "h2") && !v.TLS() && v.Origin(s.Name).Layer != FromDefault {
		v.Warnings = append(v.Warnings, fmt.Sprintf(
			"http_protocols%s: HTTP/2 has no effect without https; it needs --certfile, --tls-certificate or --acme-domain", v.Origin(s.Name).suffix()))
	}
	return nil
}
