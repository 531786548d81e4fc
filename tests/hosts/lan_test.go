package hosts

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// The addresses of deploy/haproxy/haproxy.cfg and of the settings of examples/hosts.
const (
	clientAddr = "10.0.0.1"
	edgeAddr   = "10.0.0.10"
	dataAddr   = "10.0.0.20"
)

// A lan is the network: a bridge in the namespace of the test, with the machines that hang on it. It is used by one goroutine.
type lan struct {
	tb     testing.TB
	venv   string // the Python environment of the site
	site   string // its source
	server string // gounicorn
	edge   *process
	hosts  []*host
}

// newLAN makes the network and starts PostgreSQL and Redis on a machine of it.
func newLAN(tb testing.TB) *lan {
	tb.Helper()
	root := harness.Root(tb)
	l := &lan{tb: tb, venv: filepath.Join(root, "build", "hosts-venv"), site: filepath.Join(root, "examples", "hosts"), server: harness.Binary(tb)}
	run(tb, nil, "ip", "link", "set", "lo", "up")
	run(tb, nil, "ip", "link", "add", "lan", "type", "bridge")
	run(tb, nil, "ip", "addr", "add", clientAddr+"/24", "dev", "lan")
	run(tb, nil, "ip", "link", "set", "lan", "up")
	l.machine("edge", edgeAddr)
	l.machine("data", dataAddr)
	l.data()
	return l
}

// machine adds a network namespace with an address, on a cable to the bridge whose end there has its name.
func (l *lan) machine(name, addr string) {
	l.tb.Helper()
	run(l.tb, nil, "ip", "netns", "add", name)
	l.cable(name, addr)
}

func (l *lan) cable(name, addr string) {
	l.tb.Helper()
	run(l.tb, nil, "ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
	run(l.tb, nil, "ip", "link", "set", name, "master", "lan", "up")
	for _, line := range []string{"link set lo up", "addr add " + addr + "/24 dev eth0", "link set eth0 up"} {
		run(l.tb, nil, "ip", append([]string{"-n", name}, strings.Fields(line)...)...)
	}
}

// data starts PostgreSQL and Redis, empty.
func (l *lan) data() {
	l.tb.Helper()
	owner, err := user.Lookup("postgres")
	if err != nil {
		l.tb.Fatalf("PostgreSQL does not run as root, and its package has made no user: %v", err)
	}
	uid, _ := strconv.Atoi(owner.Uid)
	gid, _ := strconv.Atoi(owner.Gid)
	as := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	const dir = "/run/postgres"
	if err := os.Mkdir(dir, 0o700); err != nil {
		l.tb.Fatal(err)
	}
	if err := os.Chown(dir, uid, gid); err != nil {
		l.tb.Fatal(err)
	}
	bin := programs(l.tb)
	run(l.tb, as, filepath.Join(bin, "initdb"), "-D", dir, "-A", "trust", "-E", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
	if err := appendTo(filepath.Join(dir, "pg_hba.conf"), "host all all 10.0.0.0/24 trust\n"); err != nil {
		l.tb.Fatal(err)
	}
	l.start("postgres", as, "data", nil, filepath.Join(bin, "postgres"), "-D", dir, "-k", dir, "-c", "listen_addresses=*", "-c", "fsync=off")
	l.start("redis", nil, "data", nil, "redis-server", "--bind", dataAddr, "--protected-mode", "no", "--save", "", "--dir", "/run")
	waitOpen(l.tb, dataAddr+":6379")
	waitOpen(l.tb, dataAddr+":5432")
	harness.Eventually(l.tb, budget, "PostgreSQL answers", func() bool {
		return exec.Command(filepath.Join(bin, "pg_isready"), "-h", dataAddr).Run() == nil
	})
	run(l.tb, nil, "psql", "-qh", dataAddr, "-U", "postgres", "-c", "CREATE ROLE shop LOGIN", "-c", "CREATE DATABASE shop OWNER shop")
}

// query asks PostgreSQL, and returns rows of fields.
func (l *lan) query(sql string) [][]string {
	l.tb.Helper()
	out := run(l.tb, nil, "psql", "-AtqF", "\t", "-h", dataAddr, "-U", "shop", "-c", sql, "shop")
	var rows [][]string
	for line := range strings.Lines(out) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return rows
}

// balance starts HAProxy with a configuration, in place of the one that runs.
func (l *lan) balance(text string) {
	l.tb.Helper()
	const file = "/run/haproxy/haproxy.cfg"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		l.tb.Fatal(err)
	}
	run(l.tb, nil, harness.Tool(l.tb, "haproxy"), "-c", "-f", file)
	if l.edge != nil {
		l.edge.kill()
	}
	l.edge = l.start("haproxy", nil, "edge", nil, harness.Tool(l.tb, "haproxy"), "-f", file)
	waitOpen(l.tb, edgeAddr+":80")
	for _, h := range l.hosts {
		h.waitSeen("UP")
	}
}

// states asks HAProxy what it thinks of each host.
func (l *lan) states() map[string]string {
	conn, err := net.Dial("unix", "/run/haproxy/admin.sock")
	if err != nil {
		return nil
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(harness.EventBudget))
	fmt.Fprintln(conn, "show stat site 4 -1")
	states := map[string]string{}
	for _, line := range readLines(conn) {
		if fields := strings.Split(line, ","); len(fields) > 17 && fields[0] == "site" {
			states[fields[1]] = fields[17]
		}
	}
	return states
}
