package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/server/settings"
)

const explainUsage = `usage: gounicorn explain [--metrics-bind ADDRESS] [--client IP] [--json] REQUEST
`

const explainHelp = explainUsage + `
Asks a running gounicorn what it would do with a request that came now: which lane it goes
to, what is known of its route, whether it would start or wait, and why. The request itself
is not sent, and nothing changes.

REQUEST is a path as a client sends it, with a method before it unless it is GET.

  --metrics-bind ADDRESS
        The address that the server was given as --metrics-bind: HOST:PORT or unix:PATH. The log
        shows it as "Metrics at". Default: GOUNICORN_METRICS_BIND, or the flag in
        GOUNICORN_CMD_ARGS.
  --client IP
        Ask for this client. Clients take turns, so one with much waiting work waits longer.
  --json
        Print the answer as the server gives it, the same as GET /explain on that address.
  -h, --help
        Show this text.

Exit codes: 0 there is an answer, 1 no server or no answer, 2 a malformed command.

Examples
  gounicorn explain --metrics-bind 127.0.0.1:9100 /contract/7/download
        which lane is the PDF of a contract in?
  gounicorn explain --metrics-bind 127.0.0.1:9100 'POST /search?q=x' --json
        as JSON; the query does not matter for the lane
  curl 'http://127.0.0.1:9100/explain?method=POST&target=/search'
        the same without this program; GET /status shows all lanes, routes and workers

To serve an application in a module called explain write gounicorn explain:application.
`

// explainTimeout bounds the question. The server answers at once, also when all its workers are busy.
const explainTimeout = 10 * time.Second

// question is a parsed command line of the verb.
type question struct {
	method, target string
	client         string
	json           bool
	bind           []string // the flag --metrics-bind, as settings.Parse reads it
}

// explain is the verb: it returns the exit code.
func explain(p *Program, args []string) int {
	stdout, stderr := p.Stdout, p.Stderr
	q, err := parseQuestion(args)
	switch {
	case errors.Is(err, settings.ErrHelp):
		fmt.Fprint(stdout, explainHelp)
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "%sgounicorn explain: error: %v\n", explainUsage, err)
		return exitUsage
	}
	values, err := settings.Parse(q.bind, p.Env)
	if err != nil {
		fmt.Fprintf(stderr, "gounicorn explain: error: %v\n", err)
		return exitError
	}
	answer, err := ask(q, values.MetricsBind)
	if err != nil {
		fmt.Fprintf(stderr, "gounicorn explain: error: %v\n", err)
		return exitError
	}
	if q.json {
		_, _ = stdout.Write(answer)
		return exitOK
	}
	var x lane.Explanation
	if err := json.Unmarshal(answer, &x); err != nil {
		fmt.Fprintf(stderr, "gounicorn explain: error: the answer of %v is not understood: %v\n", values.MetricsBind, err)
		return exitError
	}
	inWords(stdout, q, x)
	return exitOK
}

// parseQuestion reads the words behind the verb. Any error but ErrHelp is a malformed command.
func parseQuestion(args []string) (question, error) {
	q := question{method: http.MethodGet}
	var words []string
	for i := 0; i < len(args); i++ {
		name, value, has := strings.Cut(args[i], "=")
		if !strings.HasPrefix(name, "-") {
			words = append(words, args[i])
			continue
		}
		switch name {
		case "-h", "--help":
			return q, settings.ErrHelp
		case "--json":
			q.json = true
			continue
		case "--client", "--metrics-bind":
		default:
			return q, fmt.Errorf("unrecognized arguments: %s", args[i])
		}
		if !has {
			if i++; i == len(args) {
				return q, fmt.Errorf("argument %s: expected one argument", name)
			}
			value = args[i]
		}
		if name == "--client" {
			q.client = value
		} else {
			q.bind = []string{name + "=" + value}
		}
	}
	if len(words) == 1 {
		words = strings.Fields(words[0])
	}
	switch len(words) {
	case 0:
		return q, errors.New("name the request, for example: gounicorn explain 'GET /contract/7/download'")
	case 1:
		q.target = words[0]
	case 2:
		q.method, q.target = strings.ToUpper(words[0]), words[1]
	default:
		return q, fmt.Errorf("one request at a time: %q is a method, a path and more", strings.Join(words, " "))
	}
	if !strings.HasPrefix(q.target, "/") && !strings.Contains(q.target, "://") {
		return q, fmt.Errorf("the path %q must begin with /", q.target)
	}
	return q, nil
}

// ask gets the answer of the server whose private listener is at an address.
func ask(q question, at settings.Address) ([]byte, error) {
	network, address, err := dialArgs(at)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), explainTimeout)
	defer cancel()
	query := url.Values{"method": {q.method}, "target": {q.target}}
	if q.client != "" {
		query.Set("client", q.client)
	}
	// The host is for the head only: the connection goes to the address.
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://gounicorn/explain?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}}
	res, err := client.Do(req)
	if err != nil {
		var why *net.OpError
		if errors.As(err, &why) {
			err = why.Err
		}
		return nil, fmt.Errorf("no server answers at %v (%w): start it with --metrics-bind %v, or name the address that its log shows as \"Metrics at\"",
			at, err, at)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer of %v: %w", at, err)
	}
	if res.StatusCode == http.StatusOK {
		return text, nil
	}
	var why struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(text, &why) != nil || why.Error == "" {
		return nil, fmt.Errorf("what answers at %v does not know /explain (status %d): is it the --metrics-bind of a gounicorn?", at, res.StatusCode)
	}
	return nil, errors.New(why.Error)
}

// dialArgs returns the arguments of net.Dial for an address to listen at.
func dialArgs(a settings.Address) (network, address string, err error) {
	switch {
	case a.IsZero():
		return "", "", errors.New("which server? Start it with --metrics-bind 127.0.0.1:9100 and give the same flag here, or set GOUNICORN_METRICS_BIND for both")
	case a.Network == settings.FD:
		return "", "", fmt.Errorf("%v is a descriptor of the server: name the address behind it with --metrics-bind", a)
	case a.Network != settings.Unix && a.Port == 0:
		return "", "", fmt.Errorf("%v is any free port: give --metrics-bind the one that the server's log shows as \"Metrics at\"", a)
	}
	if ip := net.ParseIP(a.Host); ip != nil && ip.IsUnspecified() { // all interfaces
		a.Host = "127.0.0.1"
		if a.Network == settings.TCP6 {
			a.Host = "::1"
		}
	}
	network, address, _ = a.ListenArgs()
	return network, address, nil
}

// inWords prints an answer for people.
func inWords(w io.Writer, q question, x lane.Explanation) {
	fmt.Fprintf(w, "%s %s\n", q.method, q.target)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(table, "  %s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("lane", "%s", laneInWords(x))
	if x.Route == "" {
		row("route", "%s, never seen so far", x.Key)
	} else {
		row("route", "%s", x.Route)
	}
	if x.Requests > 0 {
		row("estimate", "%v of its own, from %s", seconds(x.Estimate), plural(x.Requests, "request"))
	} else {
		row("estimate", "none yet")
	}
	if x.Decision == "waits" {
		row("now", "it would wait for about %v", seconds(x.Wait))
	} else {
		row("now", "it would start at once (%s)", x.Decision)
	}
	name := "because"
	for _, sentence := range x.Why {
		row(name, "%s", sentence)
		name = ""
	}
	_ = table.Flush()
}

// laneInWords says which lane it is and what that means.
func laneInWords(x lane.Explanation) string {
	kind := map[string]string{
		lane.FastName: "goes first and may use every slot", lane.NewName: "its route has yet to be judged",
		lane.SlowName: "leaves the reserved slots to others",
	}[x.Class]
	if x.Waits {
		kind += "; it waits rather than computes"
	}
	if x.Lane != x.Class {
		kind = x.Class + "; " + kind
	}
	return x.Lane + " (" + kind + ")"
}

func plural(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// seconds is a number of seconds as people read it.
func seconds(s float64) time.Duration {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d >= time.Second:
		return d.Round(100 * time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Microsecond)
}
