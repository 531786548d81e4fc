// Package hosts runs a site on three hosts behind HAProxy, with PostgreSQL and Redis beside them, and counts what is lost, done
// twice or mixed up when all of them get a new release and when one of them dies under load.
//
// A host is a network namespace with a pid namespace in it, whose process 1 is gounicorn: KILL to that process is the death of the
// host, and a link that is taken down is a host without power. The test binary starts itself again in namespaces of its own and is
// process 1 there, so nothing of it outlives it, however it ends, and the network of the machine is not touched. That needs root.
//
// The site is examples/hosts, the configuration deploy/haproxy/haproxy.cfg, both as users copy them; docs/several-hosts.md tells what
// each line of it is for, and the subtests of "without" show it. make hosts runs all of it in less than three minutes, and
//
//	go test -short ./tests/hosts
//
// a part: the restart of one of two hosts and the death of one.
package hosts
