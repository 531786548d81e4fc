// Package sim plays arrival traces against a simulated machine, to compare gounicorn's scheduler (package lane, the real code) with
// the ways in which other servers choose who runs next.
//
// A Machine has processors that are shared by weight (nice), processes that have one interpreter lock each, and threads in them. A
// Trace says who asks for what and when; a Policy decides who is started where. Everything is deterministic: time is simulated, and
// chance comes from seeded generators.
//
// What it leaves out: the cost of handing a request over, caches, the granularity and the load balancing of a real kernel
// scheduler, memory. So its figures are ratios between policies, not predictions; docs/benchmarks.md has what was measured.
//
// Only tests and cmd/gendocs, which writes docs/simulation.md with it, import this package.
package sim
