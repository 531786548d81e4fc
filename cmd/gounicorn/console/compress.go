package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gounicorn/gounicorn/server/precompress"
	"github.com/gounicorn/gounicorn/server/settings"
)

const compressUsage = `usage: gounicorn compress [--dry-run] [--quiet] [--threads N] DIR
`

const compressHelp = compressUsage + `
Compresses the static files below a folder, so that gounicorn can send the small form without
computing anything: beside app.js it makes app.js.gz, app.js.br and app.js.zst. Run it after
collectstatic, when the site is built; another run does only what has changed.

A file that is compressed already (images, fonts, archives) is passed over, and so is one that
would not get smaller by 5 %, one above 64 MiB, and every dot file. The siblings have the
modification time of their source, by which gounicorn sees that they belong to it.

  --dry-run
        Name the files that are to be compressed, and do nothing.
  --quiet
        Print nothing but errors.
  --threads N
        Files at once. Default: one for each processor.
  -h, --help
        Show this text.

Exit codes: 0 done, 1 a file or the folder could not be read or written, 2 a malformed command.

Example
  python manage.py collectstatic --noinput && gounicorn compress staticfiles

To serve an application in a module called compress write gounicorn compress:application.
`

// progressEvery is how often a terminal is told how far it is.
const progressEvery = 200 * time.Millisecond

// compressFiles is the verb: it returns the exit code.
func compressFiles(p *Program, args []string) int {
	stdout, stderr := p.Stdout, p.Stderr
	task, quiet, err := parseCompress(args)
	switch {
	case errors.Is(err, settings.ErrHelp):
		fmt.Fprint(stdout, compressHelp)
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "%sgounicorn compress: error: %v\n", compressUsage, err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	terminal, _ := stderr.(*os.File)
	t := tally{dry: task.DryRun, quiet: quiet, out: stdout, complaints: stderr, live: !quiet && terminal != nil && isTerminal(terminal)}
	task.Report = t.file
	err = precompress.Run(ctx, task)
	t.wipe()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		fmt.Fprintf(stderr, "gounicorn compress: error: the folder %s does not exist; for Django run python manage.py collectstatic first\n", task.Dir)
	case errors.Is(err, context.Canceled):
		fmt.Fprintf(stderr, "gounicorn compress: interrupted after %d files; what is done is complete\n", t.files)
	case err != nil:
		fmt.Fprintf(stderr, "gounicorn compress: error: %v\n", err)
	}
	if err != nil {
		return exitError
	}
	if !quiet {
		t.sum()
	}
	if t.failed > 0 {
		return exitError
	}
	return exitOK
}

// parseCompress reads the words behind the verb. Any error but ErrHelp is a malformed command.
func parseCompress(args []string) (task precompress.Config, quiet bool, err error) {
	task.Threads = runtime.NumCPU()
	for i := 0; i < len(args); i++ {
		name, value, has := strings.Cut(args[i], "=")
		switch {
		case !strings.HasPrefix(name, "-") && task.Dir == "":
			task.Dir = args[i]
		case !strings.HasPrefix(name, "-"):
			return task, quiet, fmt.Errorf("one folder at a time: %s and %s", task.Dir, args[i])
		case name == "-h" || name == "--help":
			return task, quiet, settings.ErrHelp
		case name == "--dry-run" && !has:
			task.DryRun = true
		case name == "--quiet" && !has:
			quiet = true
		case name == "--threads":
			if !has && i+1 < len(args) {
				i++
				value = args[i]
			}
			if task.Threads, err = strconv.Atoi(value); err != nil || task.Threads < 1 {
				return task, quiet, fmt.Errorf("argument --threads: %q is no number of threads, which is 1 or more", value)
			}
		default:
			return task, quiet, fmt.Errorf("unrecognized arguments: %s", args[i])
		}
	}
	if task.Dir == "" {
		err = errors.New("name the folder, for example: gounicorn compress staticfiles")
	}
	return task, quiet, err
}

// tally counts what was done and says so.
type tally struct {
	dry, quiet, live  bool
	out, complaints   io.Writer
	files, done, made int
	passed, failed    int
	from, to          int64 // bytes of the sources that were compressed, and of the smallest siblings
	told              time.Time
}

func (t *tally) file(f precompress.File) {
	t.files++
	switch {
	case f.Err != nil:
		t.failed++
		t.wipe()
		fmt.Fprintf(t.complaints, "gounicorn compress: %s: %v\n", f.Name, f.Err)
	case f.Why != "":
		t.passed++
	default:
		t.done++
		t.made += len(f.Made)
		t.from += f.Size
		t.to += f.Least
		if t.dry && !t.quiet {
			fmt.Fprintf(t.out, "%s (%s)\n", f.Name, strings.Join(f.Made, " "))
		}
	}
	if t.live && !t.dry && time.Since(t.told) > progressEvery {
		t.told = time.Now()
		fmt.Fprintf(t.complaints, "\r\x1b[K%d files, %d compressed", t.files, t.done)
	}
}

// wipe removes the line of the progress.
func (t *tally) wipe() {
	if t.live && !t.told.IsZero() {
		fmt.Fprint(t.complaints, "\r\x1b[K")
	}
}

func (t *tally) sum() {
	if t.dry {
		fmt.Fprintf(t.out, "%d of %d files are to be compressed\n", t.done, t.files)
		return
	}
	fmt.Fprintf(t.out, "%d files: %d compressed, %d left as they are", t.files, t.done, t.passed)
	if t.failed > 0 {
		fmt.Fprintf(t.out, ", %d failed", t.failed)
	}
	if t.done > 0 {
		fmt.Fprintf(t.out, "; %d files made, %s become %s", t.made, bytesText(t.from), bytesText(t.to))
	}
	fmt.Fprintln(t.out)
}

func bytesText(n int64) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
