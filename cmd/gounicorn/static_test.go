package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/cmd/gounicorn/console"
	"github.com/gounicorn/gounicorn/server/settings"
)

func TestStaticFlagsSayWhatToWrite(t *testing.T) {
	for args, want := range map[string]string{
		"--static /s/=a --static /=b --media /m/=c --static-hide *.map --static-type .glb=model/gltf-binary --static-immutable [-.][0-9]+$ --static-header *.js:A:b": "",
		"--static static=x":                          "must begin with a slash: /static=x",
		"--static /static/":                          "such as /static/=/srv/site/static",
		"--media m":                                  "such as /static/=/srv/site/static",
		"--static /x/=a --media /x/=b":               "give each its own",
		"--static-header *.js":                       "such as *.woff2",
		"--static /s/=a --static-header *.js:ETag:x": "cannot be set",
		"--static /s/=a --static-header [/x:A:b":     "malformed",
		"--static-type glb":                          "such as .glb=model/gltf-binary",
		"--static-immutable (":                       "no regular expression",
		"--static-hide [":                            "hidden name",
		"--static /s/=a --static-index a/b":          "without a slash",
		"--static-max-age x":                         "static-max-age",
	} {
		v, err := settings.Parse(append(strings.Fields(args), "app:app"), func(string) (string, bool) { return "", false })
		if err == nil {
			_, err = siteOptions(&v)
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

func TestStaticSettingsOfAFile(t *testing.T) {
	file, err := settings.ParseFile([]byte(`{"path": "gunicorn.conf.py", "values": {
		"gounicorn_static": ["/assets/=public/assets", "/=public"], "gounicorn_static_max_age": 300, "gounicorn_django_static": false, "chdir": "app"}}`))
	if err != nil {
		t.Fatal(err)
	}
	command, err := settings.ParseCommand([]string{"app:app"}, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	v, err := command.Finish(file)
	if err != nil {
		t.Fatal(err)
	}
	o, err := siteOptions(&v)
	if err != nil || len(o.Static) != 2 || o.Static[1].Dir != "app/public" || o.MaxAge != 5*time.Minute || o.Django {
		t.Errorf("%+v, %v", o, err)
	}
}

// The commands of the document are ones that this program takes.
func TestStaticDocumentHasCommandsThatWork(t *testing.T) {
	text, err := os.ReadFile("../../docs/static-files.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^(?:\w+=\S+ )*gounicorn (.*)$`).FindAllStringSubmatch(string(text), -1)
	if len(commands) < 5 {
		t.Fatalf("found %q", commands)
	}
	for _, c := range commands {
		args := strings.Fields(c[1])
		if console.Find(args) != nil {
			if code, _, complaint := ran(nil, append(args, "--dry-run")...); code == exitUsage {
				t.Errorf("gounicorn %s: %s", c[1], complaint)
			}
		} else if _, err = settings.ParseCommand(args, func(string) (string, bool) { return "", false }); err != nil {
			t.Errorf("gounicorn %s: %v", c[1], err)
		}
	}
	for _, flag := range regexp.MustCompile("`(--[a-z-]+)").FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(settings.Help(), flag[1]) {
			t.Errorf("there is no %s", flag[1])
		}
	}
}
