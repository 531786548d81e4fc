package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gounicorn/gounicorn/server"
	"github.com/gounicorn/gounicorn/server/accel"
	"github.com/gounicorn/gounicorn/server/cache"
	onthefly "github.com/gounicorn/gounicorn/server/compress" // compress is the command
	"github.com/gounicorn/gounicorn/server/pages"
	"github.com/gounicorn/gounicorn/server/settings"
)

// answers is what the settings make of the application's answers.
type answers struct {
	server.Answers
	cache cache.Config
}

// newAnswers reads the settings, and the error pages. It adds to the warnings of v.
func newAnswers(v *settings.Values) (a answers, err error) {
	var files accel.Config
	for _, text := range v.Accel {
		m, err := accel.ParseMap(text)
		if err == nil {
			m.Dir, err = absolute(v, m.Dir)
		}
		if err != nil {
			return a, badSetting(v, "accel", text, err)
		}
		files.Maps = append(files.Maps, m)
	}
	for _, text := range v.SendfileRoot {
		dir, err := absolute(v, text)
		if err != nil {
			return a, badSetting(v, "sendfile_root", text, err)
		}
		files.Roots = append(files.Roots, dir)
	}
	for _, dir := range append(slices.Clone(files.Roots), dirs(files.Maps)...) {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			v.Warnings = append(v.Warnings, fmt.Sprintf("%s, of --accel or --sendfile-root, is no folder now, so that files in it are not found", dir))
		}
	}
	a.Files = accel.New(files)
	a.cache = cache.Config{Memory: v.CacheMemory, IgnoreCookies: v.CacheIgnoreCookies}
	for _, text := range v.Cache {
		rule, err := cacheRule(text)
		if err != nil {
			return a, badSetting(v, "cache", text, err)
		}
		a.cache.Rules = append(a.cache.Rules, rule)
	}
	for _, t := range v.Compress {
		if t != "default" && (strings.Count(t, "/") != 1 || strings.ContainsAny(t, " ;\"")) {
			return a, badSetting(v, "compress", t, errors.New("it is a media type such as text/html, all of a kind such as text/*, or the word default"))
		}
	}
	a.Compress = onthefly.New(onthefly.Config{Types: v.Compress, MinSize: v.CompressMinSize})
	if v.ErrorPages != "" {
		dir, err := absolute(v, v.ErrorPages)
		if err == nil {
			a.Pages, err = pages.Read(dir)
		}
		if err != nil {
			return a, badSetting(v, "error_pages", v.ErrorPages, err)
		}
		a.OverridePages = v.ErrorPagesOverride
	} else if v.ErrorPagesOverride {
		return a, badSetting(v, "error_pages_override", "true", errors.New("there are no pages: name their folder with --error-pages DIR"))
	}
	return a, nil
}

func dirs(maps []accel.Map) (all []string) {
	for _, m := range maps {
		all = append(all, m.Dir)
	}
	return all
}

// absolute is a folder of the settings, which may be relative to the application's.
func absolute(v *settings.Values, dir string) (string, error) {
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(cmp.Or(v.Chdir, "."), dir)
	}
	return filepath.Abs(dir)
}

// cacheRule reads "/blog/=5", the value of --cache.
func cacheRule(text string) (cache.Rule, error) {
	prefix, number, ok := strings.Cut(text, "=")
	n, err := strconv.ParseFloat(number, 64)
	if !ok || !strings.HasPrefix(prefix, "/") || err != nil || !(n >= 0.1 && n <= 1e6) {
		return cache.Rule{}, errors.New("it must look like /blog/=5: a path, beginning with a slash, and for how many seconds answers are kept")
	}
	return cache.Rule{Prefix: prefix, For: time.Duration(n * float64(time.Second))}, nil
}
