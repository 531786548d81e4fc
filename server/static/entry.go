package static

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// errChanged means that a file is not what it was when it was looked at.
var errChanged = errors.New("file changed")

// look asks the disk for a name of a mount. Without an error it is a directory, and the entry nil, or a file.
func look(m *mount, clean, name string, now int64) (*entry, error) {
	e := &entry{path: clean, name: name, mount: m, number: m.generation.Load()}
	var err error
	if e.found, err = m.find(name); err != nil {
		return nil, err
	}
	if e.info.IsDir() {
		return nil, nil
	}
	if m.Kind == Assets && e.isSibling() {
		return nil, fs.ErrNotExist
	}
	e.stamps[identity] = stampOf(e.info)
	for c := zstd; c < identity && m.Kind == Assets; c++ {
		info, err := e.handle.stat(e.found.name + codingTable[c].suffix)
		if err == nil && info.Mode().IsRegular() && info.Size() < e.info.Size() && info.ModTime().Unix() >= e.info.ModTime().Unix() {
			e.stamps[c] = stampOf(info)
		}
	}
	e.checked.Store(now)
	return e, nil
}

// isSibling reports whether the file is the compressed form of another one: it is that one's variant, and no file of its own.
func (e *entry) isSibling() bool {
	for c := zstd; c < identity; c++ {
		if source, ok := strings.CutSuffix(e.found.name, codingTable[c].suffix); ok && source != "" && !strings.HasSuffix(source, "/") {
			if info, err := e.handle.stat(source); err == nil && info.Mode().IsRegular() {
				return true
			}
		}
	}
	return false
}

// choose returns the coding to send: the one that the client likes best, of those the smallest. It returns codings if it accepts none.
func (e *entry) choose(w *weights) coding {
	best := codings
	for c := range codings {
		if e.stamps[c] == (stamp{}) || w[c] == 0 {
			continue
		}
		if best == codings || w[c] > w[best] || w[c] == w[best] && e.stamps[c].size < e.stamps[best].size {
			best = c
		}
	}
	return best
}

// variant returns the file in a coding, ready to be sent: from memory, or with an open file of its own. errChanged means that the entry is
// out of date.
func (e *entry) variant(c coding, kept *cache) (representation, error) {
	if r := e.variants[c].Load(); r != nil {
		if r.content != nil {
			return *r, nil
		}
		f, err := e.open(c)
		return r.over(f), err
	}
	f, err := e.open(c)
	if err != nil {
		return representation{}, err
	}
	e.loading.Lock()
	defer e.loading.Unlock()
	if r := e.variants[c].Load(); r != nil && r.content == nil {
		return r.over(f), nil
	} else if r != nil {
		f.Close()
		return *r, nil
	}
	r, err := e.load(f, c, kept)
	if err != nil {
		f.Close()
		return r, err
	}
	if r.content != nil {
		if r.pages == nil {
			f.Close()
		}
		return r, nil
	}
	return r.over(f), nil
}

// over returns the representation with an open file, which it closes in the end.
func (r representation) over(f *os.File) representation {
	if f != nil {
		r.file, r.release = f, func() { f.Close() }
	}
	return r
}

// open opens the file of a coding, if it is the one that was looked at.
func (e *entry) open(c coding) (*os.File, error) {
	f, now, err := e.handle.open(e.found.name + codingTable[c].suffix)
	if err != nil {
		return nil, err
	}
	if now != e.stamps[c] {
		f.Close()
		return nil, errChanged
	}
	return f, nil
}

// load makes a variant, with its content if it is small, and remembers it. The caller holds loading.
func (e *entry) load(f *os.File, c coding, kept *cache) (representation, error) {
	s := e.stamps[c]
	full, brief := e.mount.fieldsOf(e.name, c)
	r := representation{body: body{size: s.size}, fields: full, brief: brief}
	var content []byte
	if s.size <= e.mount.config.MemoryFile {
		content = make([]byte, s.size)
		if _, err := f.ReadAt(content, 0); err != nil && !(errors.Is(err, io.EOF) && s.size == 0) {
			return r, changedBy(err)
		}
		// What was read is what the stamp says only if it still is the stamp.
		if info, err := f.Stat(); err != nil || stampOf(info) != s {
			return r, errChanged
		}
	}
	modified := time.Unix(0, s.mtime)
	if known(modified) {
		r.modified, r.lastModified = modified.Unix(), httpDate(modified.Unix())
	}
	var err error
	if r.etag, err = e.tag(f, c, content, known(modified)); err != nil {
		return r, err
	}
	sent := r // with content now, whether or not it may stay in memory
	sent.content = content
	if content != nil && kept.charge(e, s.size) {
		r.content = content
		if s.size >= leastSendfile && kept.mayOpen(e) {
			r.pages, sent.pages = f, f
		}
	}
	e.variants[c].Store(&r)
	return sent, nil
}

// asIs returns the file as it is when it is opened, without validators.
func (e *entry) asIs() (representation, error) {
	f, now, err := e.handle.open(e.found.name)
	full, brief := e.mount.fieldsOf(e.name, identity)
	return representation{body: body{size: now.size}, fields: full, brief: brief}.over(f), err
}

// changedBy turns the end of a file that has become shorter into errChanged.
func changedBy(err error) error {
	if errors.Is(err, io.EOF) {
		return errChanged
	}
	return err
}

// maxHashed is the size in bytes up to which a large file without a time is read for its entity-tag; beyond it has none.
const maxHashed = 256 << 20

// tag makes the strong entity-tag of a variant. Immutable files have it from their content, so that every host says the same: from the
// bytes, or if they are many from the hash that is in the name. Other files have it from their state on disk, if that has a time.
func (e *entry) tag(f *os.File, c coding, content []byte, timed bool) ([]byte, error) {
	s := e.stamps[c]
	immutable := e.mount.immutable(e.name)
	hash := sha256.New()
	switch {
	case timed && !immutable:
		tag := strconv.AppendInt([]byte(`"`), s.mtime, 16)
		tag = strconv.AppendInt(append(tag, '-'), s.size, 16)
		return append(append(tag, codingTable[c].tag...), '"'), nil
	case content != nil:
		_, _ = hash.Write(content) // it never fails
	case immutable:
		_, _ = io.WriteString(hash, e.name+" "+strconv.FormatInt(s.size, 10))
	case s.size > maxHashed:
		return nil, nil
	default:
		if _, err := io.Copy(hash, io.NewSectionReader(f, 0, s.size)); err != nil {
			return nil, err
		}
	}
	tag := hex.AppendEncode([]byte(`"`), hash.Sum(nil)[:16])
	return append(append(tag, codingTable[c].tag...), '"'), nil
}
