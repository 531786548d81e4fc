package main

import (
	"errors"
	"net/url"
	"strings"

	"github.com/gounicorn/gounicorn/server/settings"
)

// maxWarmup is the length of a warm-up URL, far below what a request line may have.
const maxWarmup = 4096

// checkWarmup refuses what is no request that an application could get.
func checkWarmup(v *settings.Values) error {
	for _, text := range v.Warmup {
		if err := checkURL(text); err != nil {
			return badSetting(v, "warmup", text, err)
		}
	}
	return nil
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case len(text) > maxWarmup:
		return errors.New("it is longer than 4096 bytes")
	case err != nil:
		return errors.Unwrap(err)
	case u.Fragment != "" || u.User != nil || strings.ContainsAny(text, " \\"):
		return errors.New("give a path such as /products/ or a URL such as https://www.example.com/products/, without user or fragment")
	case u.Scheme == "" && u.Host == "" && strings.HasPrefix(u.Path, "/"):
		return nil
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && strings.HasPrefix(u.Path, "/"):
		return nil
	}
	return errors.New("give a path such as /products/ or a URL such as https://www.example.com/products/")
}

// host is the first host of --allowed-hosts that stands for itself, empty when there is none.
func (in *intent) host() string {
	for _, host := range in.rules.Hosts {
		if !strings.HasPrefix(host, ".") && !strings.Contains(host, "*") {
			return host
		}
	}
	return ""
}
