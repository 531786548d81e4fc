// Command load is the load generator of the benchmarks, for what wrk cannot do.
//
// "load mixed" asks for one page at a fixed rate whatever the server does (open loop: a late answer delays no later
// question, and every latency counts from the moment the question was due), while other visitors ask for something slow,
// each the next time as soon as it is answered, or at a rate as well. Every visitor has a loopback address of its own.
//
// "load echo" sends requests that each carry a nonce and checks that every answer is that request's own, while somebody
// else kills the server's workers.
//
// Both are bounded in time and count, print one JSON object on stdout and tell their progress on stderr. The package
// imports the standard library only.
package main
