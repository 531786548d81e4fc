// Package pages reads error pages from a folder into memory, so that they are there when nothing else is.
package pages

import (
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
	exact map[int][]byte
	tens  map[int][]byte // 50x.html
	class map[int][]byte // 5xx.html
}

var name = regexp.MustCompile(`^([1-5])([0-9x])([0-9x])\.html$`)

// Read reads a folder: 404.html for one status, 50x.html for ten of them, 5xx.html for all of a class. Other files are not looked at.
// Pages are HTML in UTF-8.
func Read(dir string) (*Pages, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("error pages: %w", err)
	}
	p := &Pages{exact: map[int][]byte{}, tens: map[int][]byte{}, class: map[int][]byte{}}
	for _, entry := range entries {
		digits := name.FindStringSubmatch(entry.Name())
		if digits == nil || (digits[2] == "x" && digits[3] != "x") {
			continue
		}
		if len(p.exact)+len(p.tens)+len(p.class) == most {
			return nil, fmt.Errorf("error pages: %s has more than %d of them", dir, most)
		}
		text, err := read(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("error pages: %w", err)
		}
		switch n, _ := strconv.Atoi(digits[1] + digits[2] + digits[3]); {
		case digits[2] == "x":
			p.class[int(digits[1][0]-'0')] = text
		case digits[3] == "x":
			n, _ = strconv.Atoi(digits[1] + digits[2])
			p.tens[n] = text
		default:
			p.exact[n] = text
		}
	}
	if len(p.exact)+len(p.tens)+len(p.class) == 0 {
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

// Get returns the page of a status, the most special one, or nil. It must not be written to.
func (p *Pages) Get(status int) []byte {
	if p == nil {
		return nil
	}
	if page, ok := p.exact[status]; ok {
		return page
	}
	if page, ok := p.tens[status/10]; ok {
		return page
	}
	return p.class[status/100]
}
