// Package precompress makes the compressed siblings of static files: beside app.js the files app.js.gz, app.js.br and app.js.zst, which
// server/static sends to clients that take them.
//
// What is made depends on the source alone: another run, or another machine, makes the same bytes. A sibling has the modification time of its
// source, which is how server/static and the next run see that it belongs to it. It appears whole, by rename, or not at all.
package precompress

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// Limits of what is worth it.
const (
	worthPercent = 95       // a sibling that has more of its source's size is not kept
	maxSource    = 64 << 20 // bytes; brotli takes a minute for so many, and who serves larger files rarely serves text
	zstdWindow   = 8 << 20  // bytes; browsers take no larger one (RFC 9659)
)

// coding is one way to compress.
type coding struct {
	suffix string
	writer func(io.Writer) (io.WriteCloser, error)
}

var codings = []coding{
	{".gz", func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, gzip.BestCompression) }}, // its time is 0
	{".br", func(w io.Writer) (io.WriteCloser, error) {
		return brotli.NewWriterLevel(w, brotli.BestCompression), nil
	}},
	{".zst", func(w io.Writer) (io.WriteCloser, error) {
		return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstdWindow))
	}},
}

// compressed are the extensions of files that are compressed already.
var compressed = strings.Fields(`.gz .br .zst .tgz .zip .bz2 .tbz .xz .txz .7z .rar .jar .whl .apk .deb .rpm .dmg
	.jpg .jpeg .png .gif .webp .avif .heic .jxl .woff .woff2 .mp3 .m4a .ogg .oga .opus .flac .mp4 .m4v .mov .webm .ogv .mkv .avi .wmv .asf .3gp .mpg .mpeg
	.pdf .docx .xlsx .pptx .odt .ods .odp .epub .swf .flv`)

// Config says what to do.
type Config struct {
	Dir     string
	DryRun  bool // only report
	Threads int  // files at once; at least 1
	// Report is called for each file that was looked at, from one goroutine at a time. It may be nil.
	Report func(File)
}

// File is what became of one source.
type File struct {
	Name  string   // below Dir, with slashes
	Size  int64    // bytes of the source
	Why   string   // why there is nothing to do for it, empty if there was
	Made  []string // suffixes of the siblings that were made; with DryRun, of those that are missing or not up to date
	Least int64    // bytes of the smallest that was made, 0 if none was
	Err   error
}

// Run makes the siblings of all files below a folder. Links to folders are not followed, and what is never served is passed over: dot files,
// and what is no regular file. The error says that the folder cannot be read, or that ctx has ended; what is wrong with a file is reported.
func Run(ctx context.Context, c Config) error {
	if info, err := os.Stat(c.Dir); err != nil {
		return err
	} else if !info.IsDir() {
		return fmt.Errorf("%s is no folder", c.Dir)
	}
	names := make(chan string)
	var reporting sync.Mutex
	var crew sync.WaitGroup
	for range max(c.Threads, 1) {
		crew.Go(func() {
			for name := range names {
				f := c.file(ctx, name)
				reporting.Lock()
				if c.Report != nil && ctx.Err() == nil {
					c.Report(f)
				}
				reporting.Unlock()
			}
		})
	}
	err := fs.WalkDir(os.DirFS(c.Dir), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && name == ".":
			return err
		case err != nil:
			reporting.Lock()
			defer reporting.Unlock()
			if c.Report != nil {
				c.Report(File{Name: name, Err: err})
			}
			return fs.SkipDir
		case name != "." && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir() || c.isSibling(name):
			return nil
		}
		names <- name
		return nil
	})
	close(names)
	crew.Wait()
	if err == nil {
		err = ctx.Err()
	}
	return err
}

// file makes the siblings of one file.
func (c *Config) file(ctx context.Context, name string) File {
	f := File{Name: name}
	full := filepath.Join(c.Dir, filepath.FromSlash(name))
	before, err := os.Stat(full) // of what a link points to: collectstatic --link makes such
	if err != nil {
		f.Err = err
		return f
	}
	f.Size = before.Size()
	switch {
	case !before.Mode().IsRegular():
		f.Why = "no regular file"
		return f
	case isCompressed(name):
		f.Why = "compressed already"
		return f
	case f.Size == 0:
		f.Why = "empty"
		return f
	case f.Size > maxSource:
		f.Why = "too large"
		return f
	}
	current, tried := 0, 0
	for _, how := range codings {
		if ctx.Err() != nil {
			return f
		}
		if is, err := os.Stat(full + how.suffix); err == nil && is.ModTime().Equal(before.ModTime()) {
			current++
			continue
		}
		if tried++; c.DryRun {
			f.Made = append(f.Made, how.suffix)
			continue
		}
		size, err := makeSibling(ctx, full, how, before)
		switch {
		case err != nil:
			f.Err = err
			return f
		case size > 0:
			f.Made = append(f.Made, how.suffix)
			if f.Least == 0 || size < f.Least {
				f.Least = size
			}
		}
	}
	switch {
	case len(f.Made) > 0:
	case tried == 0:
		f.Why = "up to date"
	default:
		f.Why = "little to gain"
	}
	return f
}

// isSibling reports whether a file stands beside the one that it is the compressed form of.
func (c *Config) isSibling(name string) bool {
	for _, how := range codings {
		if source, ok := strings.CutSuffix(name, how.suffix); ok {
			_, err := os.Stat(filepath.Join(c.Dir, filepath.FromSlash(source)))
			return err == nil
		}
	}
	return false
}

func isCompressed(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	for _, known := range compressed {
		if ext == known {
			return true
		}
	}
	return false
}

// makeSibling makes one sibling and returns its size, 0 if it is not worth it and there is none.
func makeSibling(ctx context.Context, full string, how coding, before fs.FileInfo) (size int64, err error) {
	source, err := os.Open(full)
	if err != nil {
		return 0, err
	}
	defer source.Close()
	temp, err := os.CreateTemp(filepath.Dir(full), ".gounicorn-*") // a dot file is never served
	if err != nil {
		return 0, err
	}
	defer func() {
		_ = temp.Close()
		if err != nil || size == 0 {
			_ = os.Remove(temp.Name())
		}
	}()
	encoder, err := how.writer(temp)
	if err != nil {
		return 0, err
	}
	if _, err := io.Copy(encoder, reader{ctx, source}); err != nil {
		return 0, err
	}
	if err := encoder.Close(); err != nil {
		return 0, err
	}
	info, err := temp.Stat()
	if err != nil {
		return 0, err
	}
	if info.Size()*100 > before.Size()*worthPercent {
		return 0, nil
	}
	if err := temp.Chmod(before.Mode().Perm()); err != nil {
		return 0, err
	}
	if err := temp.Close(); err != nil {
		return 0, err
	}
	if err := os.Chtimes(temp.Name(), before.ModTime(), before.ModTime()); err != nil {
		return 0, err
	}
	after, err := os.Stat(full)
	if err != nil {
		return 0, err
	}
	if !os.SameFile(before, after) || after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return 0, errors.New("it was changed while it was compressed")
	}
	return info.Size(), os.Rename(temp.Name(), full+how.suffix)
}

// reader ends when its context does.
type reader struct {
	ctx context.Context
	io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
