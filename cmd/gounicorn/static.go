package main

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gounicorn/gounicorn/server/settings"
	"github.com/gounicorn/gounicorn/server/site"
)

// applyWait is how long a generation's start may wait for a look at its folders; on a file system that hangs they follow later.
const applyWait = time.Second

// siteOptions are the settings of section "Static files".
func siteOptions(v *settings.Values) (site.Options, error) {
	o := site.Options{Django: v.DjangoStatic, Index: v.StaticIndex, MaxAge: v.StaticMaxAge, TrustedMedia: v.MediaTrusted, Hide: v.StaticHide, Types: map[string]string{}, DropClaims: v.DropForwarded, Hosts: slices.Equal(v.AllowedHosts, []string{"auto"})}
	if !v.StaticCacheControl {
		o.MaxAge = site.NoAge
	}
	var err error
	for _, list := range []struct {
		name string
		from []string
		to   *[]site.Mount
	}{{"static", v.Static, &o.Static}, {"media", v.Media, &o.Media}} {
		for _, text := range list.from {
			mount, err := site.ParseMount(text)
			if err != nil {
				return o, badSetting(v, list.name, text, err)
			}
			if !filepath.IsAbs(mount.Dir) {
				mount.Dir = filepath.Join(v.Chdir, mount.Dir)
			}
			*list.to = append(*list.to, mount)
		}
	}
	for _, text := range v.StaticHeader {
		rule, err := site.ParseHeader(text)
		if err != nil {
			return o, badSetting(v, "static_header", text, err)
		}
		o.Rules = append(o.Rules, rule)
	}
	for _, text := range v.StaticType {
		name, mime, err := site.ParseType(text)
		if err != nil {
			return o, badSetting(v, "static_type", text, err)
		}
		o.Types[name] = mime
	}
	if o.Immutable, err = site.ParseImmutable(v.StaticImmutable); err != nil {
		return o, badSetting(v, "static_immutable", v.Text("static_immutable"), err)
	}
	if o.ScriptName, err = url.PathUnescape(v.ScriptName); err != nil {
		o.ScriptName = v.ScriptName
	}
	return o, o.Check()
}

// sites has the site document of the generation that is to come: there is one at a time. Its methods may be called concurrently.
type sites struct {
	mu         sync.Mutex
	generation int
	document   []byte
}

// told takes the document of a generation.
func (s *sites) told(generation int, document []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation, s.document = generation, document
}

// take returns the document of a generation that serves from now on, once; nil: there is none.
func (s *sites) take(generation int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	document := s.document
	s.document = nil
	if s.generation != generation {
		return nil
	}
	return document
}

// decideFiles decides which files are served of an application with that site document; nil: it has given none.
func decideFiles(text []byte, o site.Options) (*site.Decision, error) {
	document := &site.Document{}
	if text != nil {
		var err error
		if document, err = site.Parse(text); err != nil {
			return nil, err
		}
	}
	return site.Decide(document, o, site.Look), nil
}

// serveFiles lets the files of a generation be served that takes over. It is done before the first page of that generation can have been read.
func (m *master) serveFiles(generation int, in *intent) {
	document, done := m.sites.take(generation), make(chan struct{})
	go func() {
		defer close(done)
		decision, err := decideFiles(document, in.site)
		if err != nil {
			m.log.Errorf("%v", err)
			return
		}
		for _, line := range decision.Lines {
			if line.Warning {
				m.log.Warningf("%s", line.Text)
			} else {
				m.log.Infof("%s", line.Text)
			}
		}
		m.front.rules.SetSiteHosts(decision.AllowedHosts)
		m.front.readiness.setHost(decision.Host)
		m.server.SetHSTS(decision.HSTS)
		if err := m.site.Apply(decision, m.log.Warningf); err != nil {
			m.log.Errorf("Static files: %v", err)
		}
	}()
	select {
	case <-done:
	case <-time.After(applyWait):
	}
}

// checkFiles says what is wrong with the files of an application that was only loaded.
func (m *master) checkFiles() error {
	o, err := siteOptions(&m.v)
	if err != nil {
		return err
	}
	decision, err := decideFiles(m.sites.take(1), o)
	if err != nil {
		return err
	}
	for _, line := range decision.Lines {
		if line.Warning {
			fmt.Fprintf(m.stderr, "Warning: %s\n", line.Text)
		}
	}
	return nil
}
