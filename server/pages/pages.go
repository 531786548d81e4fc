// Package pages reads error pages from a folder into memory, so that they are there when nothing else is.
package pages

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"golang.org/x/sys/unix"
)

// Bounds of a folder of pages.
const (
	largest = 256 << 10 // bytes of one page
	most    = 64        // pages
)

// Pages are error pages by status. The nil Pages has none. It does not change.
type Pages struct {
	html, json set
	count      int
}

// set is the pages of one kind.
type set struct {
	exact, tens, class map[int][]byte // 503.html, 50x.html, 5xx.html
}

func newSet() set { return set{map[int][]byte{}, map[int][]byte{}, map[int][]byte{}} }

var name = regexp.MustCompile(`^([1-5])([0-9x])([0-9x])\.(html|json)$`)

// Read reads a folder: 404.html for one status, 50x.html for ten of them, 5xx.html for all of a class. Other files are not looked at.
// Pages are HTML in UTF-8, or JSON for clients that ask for it.
func Read(dir string) (*Pages, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("error pages: %w", err)
	}
	p := &Pages{html: newSet(), json: newSet()}
	for _, entry := range entries {
		digits := name.FindStringSubmatch(entry.Name())
		if digits == nil || (digits[2] == "x" && digits[3] != "x") {
			continue
		}
		if p.count == most {
			return nil, fmt.Errorf("error pages: %s has more than %d of them", dir, most)
		}
		text, err := read(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("error pages: %w", err)
		}
		kind := &p.html
		if digits[4] == "json" {
			if kind = &p.json; !json.Valid(text) {
				return nil, fmt.Errorf("error pages: %s is not JSON", filepath.Join(dir, entry.Name()))
			}
		}
		p.count++
		switch n, _ := strconv.Atoi(digits[1] + digits[2] + digits[3]); {
		case digits[2] == "x":
			kind.class[int(digits[1][0]-'0')] = text
		case digits[3] == "x":
			n, _ = strconv.Atoi(digits[1] + digits[2])
			kind.tens[n] = text
		default:
			kind.exact[n] = text
		}
	}
	if p.count == 0 {
		return nil, fmt.Errorf("error pages: %s has none: they are named 404.html, 503.html, 50x.html or 5xx.html", dir)
	}
	return p, nil
}

func read(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > largest {
		return nil, fmt.Errorf("%s must be a regular file of at most %d KiB", path, largest>>10)
	}
	text, err := io.ReadAll(io.LimitReader(f, largest))
	if err != nil {
		return nil, err
	}
	return text, nil
}

// Get returns the page of a status, the most special one, or nil; as JSON if that is asked for. It is an exchange.PageSource.
func (p *Pages) Get(status int, asJSON bool) []byte {
	switch {
	case p == nil:
		return nil
	case asJSON:
		return p.json.get(status)
	}
	return p.html.get(status)
}

// Has reports whether there is a page of a status, of whatever kind.
func (p *Pages) Has(status int) bool {
	return p.Get(status, false) != nil || p.Get(status, true) != nil
}

func (s *set) get(status int) []byte {
	if page, ok := s.exact[status]; ok {
		return page
	}
	if page, ok := s.tens[status/10]; ok {
		return page
	}
	return s.class[status/100]
}
