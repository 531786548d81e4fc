package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

var proxyExample = regexp.MustCompile("(?s)```sh\ngounicorn (.*?) ?shop.wsgi\n```\n```http\n(.*?)```\n```text\n(.*?)```")

// The examples of docs/proxies.md do what it says, with this host as the proxy.
func TestProxyExamplesOfTheDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(harness.Root(t), "docs", "proxies.md"))
	if err != nil {
		t.Fatal(err)
	}
	examples := proxyExample.FindAllStringSubmatch(string(text), -1)
	if blocks := strings.Count(string(text), "```sh\n"); len(examples) != blocks || blocks < 8 {
		t.Fatalf("%d of %d examples can be read", len(examples), blocks)
	}
	for i, example := range examples {
		t.Run(fmt.Sprint(i, " ", example[1]), func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(strings.ReplaceAll(example[1], "10.0.0.0/8", "127.0.0.0/8"))
			if at := slices.Index(args, "--bind"); at >= 0 {
				args = slices.Delete(args, at, at+2) // the harness chooses a port
			}
			s := start(t, "echo:app", append(args, "-w", "1")...)
			before, line, fields := "", "GET / HTTP/1.1\r\n", ""
			for text := range strings.Lines(example[2]) {
				text = strings.TrimSuffix(text, "\n") + "\r\n"
				switch {
				case strings.HasPrefix(text, "PROXY "):
					before = text
				case strings.HasPrefix(text, "GET "):
					line = strings.TrimSuffix(text, "\r\n") + " HTTP/1.1\r\n"
				default:
					fields += text
				}
			}
			echo := echoOver(t, s, before+line+"Host: shop.example\r\n"+fields+"Connection: close\r\n\r\n")
			for text := range strings.Lines(example[3]) {
				key, want, _ := strings.Cut(strings.TrimSpace(text), " ")
				if got := echo.Environ[key].Value; got != strings.TrimSpace(want) {
					t.Errorf("%s is %v, want %s", key, got, strings.TrimSpace(want))
				}
			}
		})
	}
}
