package site

import (
	"errors"
	"fmt"
	mimetypes "mime"
	"path"
	"regexp"
	"strings"

	"github.com/gounicorn/gounicorn/server/static"
)

// Mount is a folder whose files are served below a path.
type Mount struct {
	URL string // begins and ends with a slash; "/" is the root, from which a miss falls through to the application
	Dir string
}

// ParseMount reads URL=DIR.
func ParseMount(text string) (Mount, error) {
	url, dir, ok := strings.Cut(text, "=")
	switch {
	case !ok || url == "" || dir == "":
		return Mount{}, errors.New("it must be a path and a folder, such as /static/=/srv/site/static")
	case !strings.HasPrefix(url, "/"):
		return Mount{}, fmt.Errorf("the path must begin with a slash: /%s=%s", url, dir)
	case strings.ContainsAny(url, "?#%\\\x00"):
		return Mount{}, errors.New("the path is written without percent signs, query or fragment, as the application sees it")
	}
	clean := path.Clean(url)
	if clean != "/" {
		clean += "/"
	}
	if given := strings.TrimSuffix(url, "/") + "/"; given != clean {
		return Mount{}, fmt.Errorf("the path has empty or dotted parts; write %s=%s", clean, dir)
	}
	return Mount{clean, dir}, nil
}

// ParseHeader reads GLOB:NAME:VALUE. static.Config.Check says what is wrong with the parts.
func ParseHeader(text string) (static.Rule, error) {
	parts := strings.SplitN(text, ":", 3)
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || strings.TrimSpace(parts[2]) == "" {
		return static.Rule{}, errors.New("it must be a pattern of names, a header and its value, such as *.woff2:Timing-Allow-Origin:*")
	}
	glob := parts[0]
	if !strings.Contains(glob, "/") {
		glob = "**/" + glob // wherever it is
	}
	return static.Rule{Glob: glob, Headers: []static.Header{{Name: parts[1], Value: strings.TrimSpace(parts[2])}}}, nil
}

// ParseType reads NAME=TYPE.
func ParseType(text string) (name, mime string, err error) {
	name, mime, ok := strings.Cut(text, "=")
	if !ok || name == "" || strings.Contains(name, "/") {
		return "", "", errors.New("it must be an extension or a name and a media type, such as .glb=model/gltf-binary")
	}
	if _, _, err := mimetypes.ParseMediaType(mime); err != nil || !strings.Contains(mime, "/") {
		return "", "", fmt.Errorf("%q is no media type, such as model/gltf-binary", mime)
	}
	return name, mime, nil
}

// ParseImmutable makes one regular expression of several, nil of none.
func ParseImmutable(texts []string) (*regexp.Regexp, error) {
	var all []string
	for _, text := range texts {
		if _, err := regexp.Compile(text); err != nil {
			return nil, fmt.Errorf("%q is no regular expression: %w", text, err)
		}
		all = append(all, "(?:"+text+")")
	}
	if all == nil {
		return nil, nil
	}
	return regexp.Compile(strings.Join(all, "|"))
}
