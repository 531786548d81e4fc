module github.com/gounicorn/gounicorn

go 1.26.0

require (
	github.com/go-python/cpy3 v0.2.0
	github.com/google/go-cmp v0.7.0
	github.com/prometheus/client_golang v1.25.0
	github.com/spf13/pflag v1.1.0
	golang.org/x/net v0.62.0
	golang.org/x/sys v0.49.0
)
