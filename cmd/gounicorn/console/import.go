package console

import (
	"fmt"
	"strings"

	"github.com/gounicorn/gounicorn/prefork/companion/adopt"
)

const importUsage = `usage: gounicorn import FILE
`

const importHelp = importUsage + `
Reads the configuration of supervisord (supervisord.conf) or Circus (circus.ini) and prints what does
the same here: the setting companions for gunicorn.conf.py, flags, and what has no equivalent. Nothing
is run or changed. Included files are read too.

  -h, --help
        Show this text.

Exit codes: 0 it was translated, 1 the file cannot be read, 2 a malformed command.

Examples
  gounicorn import /etc/supervisor/supervisord.conf
        shows it
  gounicorn import circus.ini >> gunicorn.conf.py
        adds it to the config file

To serve an application in a module called import write gounicorn import:application.
`

// translate is the verb; it returns the exit code.
func translate(p *Program, args []string) int {
	stdout, stderr := p.Stdout, p.Stderr
	switch {
	case len(args) == 1 && (args[0] == "-h" || args[0] == "--help"):
		fmt.Fprint(stdout, importHelp)
		return exitOK
	case len(args) != 1 || strings.HasPrefix(args[0], "-"):
		fmt.Fprintf(stderr, "%sgounicorn import: error: name one file, such as /etc/supervisor/supervisord.conf\n", importUsage)
		return exitUsage
	}
	plan, err := adopt.Read(args[0])
	if err != nil {
		fmt.Fprintf(stderr, "gounicorn import: error: %v\n", err)
		return exitError
	}
	fmt.Fprint(stdout, plan.Text(args[0]))
	return exitOK
}
