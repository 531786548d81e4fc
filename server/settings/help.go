package settings

import (
	"fmt"
	"strings"
)

// helpWidth is the width of --help in columns, readable in half a screen.
const helpWidth = 90

// helpIndent is where the explanation of a flag begins.
const helpIndent = 8

// Usage returns the lines that precede a UsageError.
func Usage() string {
	return "usage: gounicorn [OPTIONS] MODULE:APPLICATION\n       gounicorn --help explains every option\n"
}

// Help returns the text of --help: every flag with its default, by section,
// and examples at the end, where the eye is when the text has scrolled by.
func Help() string {
	var b strings.Builder
	b.WriteString("usage: gounicorn [OPTIONS] MODULE:APPLICATION\n\n")
	wrap(&b, "Serves a WSGI application over HTTP: worker processes, the HTTP side, timeouts, logs and metrics in one program. "+
		"Options take a value as --option VALUE or --option=VALUE and may be shortened while they stay unique.", 0)
	for _, section := range Sections {
		fmt.Fprintf(&b, "\n%s\n", section)
		for i := range All {
			if s := &All[i]; s.Section == section {
				helpRow(&b, s)
			}
		}
	}
	b.WriteString("\nOthers\n  -h, --help\n")
	wrap(&b, "Show this text.", helpIndent)
	b.WriteString("  -v, --version\n")
	wrap(&b, "Show the version.", helpIndent)
	b.WriteString("\nEnvironment\n")
	wrap(&b, "Every setting can also be given as GOUNICORN_<NAME>, for example GOUNICORN_GRACEFUL_TIMEOUT=10, and flags as GUNICORN_CMD_ARGS or GOUNICORN_CMD_ARGS. "+
		"WEB_CONCURRENCY sets the workers and PORT the port. Each of these wins over the one before: the default, a variable, the config file, "+
		"GUNICORN_CMD_ARGS, GOUNICORN_CMD_ARGS, the command line.", 2)
	b.WriteString(examples)
	return b.String()
}

// examples end the help; a test parses each of them.
const examples = `
Examples
  gounicorn myproject.wsgi
        Django, on http://127.0.0.1:8000
  gounicorn -b :8000 -w 4 --access-logfile - myproject.wsgi
        all interfaces, four workers, requests logged to the terminal
  gounicorn -b unix:/run/site.sock --preload --max-requests 5000 app:app
        Flask, behind a proxy, workers share memory and are replaced now and then
  gounicorn --metrics-bind 127.0.0.1:9100 --timeout 60 "app:create_app('production')"
        an application factory, with metrics for Prometheus
  gounicorn --check-config myproject.wsgi
        does it load? for deploy scripts
`

// helpRow writes one setting.
func helpRow(b *strings.Builder, s *Setting) {
	if len(s.Flags) == 0 {
		fmt.Fprintf(b, "  %s\n", s.headless())
	} else {
		line := strings.Join(s.Flags, ", ")
		if s.optional() {
			line += " [" + s.Metavar + "]"
		} else if s.takesValue() {
			line += " " + s.Metavar
		}
		fmt.Fprintf(b, "  %s\n", line)
	}
	text := s.explanation()
	if s.Default != "" && s.Kind != Bool {
		text += " [" + s.Default + "]"
	}
	wrap(b, text, helpIndent)
}

// explanation is the help with what holds instead of it.
func (s *Setting) explanation() string {
	switch s.Status {
	case Accepted:
		return s.Help + " It has no effect here: " + s.Note + "."
	case Later:
		return s.Help + " It is refused: " + s.Note + "."
	}
	return s.Help
}

// headless is the heading of a setting without a flag.
func (s *Setting) headless() string {
	if s.Name == "wsgi_app" {
		return "MODULE:APPLICATION"
	}
	if s.Kind == Hook {
		return "def " + s.Name + "(" + s.Metavar + ")"
	}
	names := s.EnvNames()
	return names[0] + "=" + s.Metavar
}

// wrap writes text in lines of at most helpWidth columns.
func wrap(b *strings.Builder, text string, indent int) {
	column := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case column == 0:
			b.WriteString(strings.Repeat(" ", indent))
			column = indent
		case column+1+len(word) > helpWidth:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	b.WriteByte('\n')
}
