// Package companion runs the programs beside the web workers: task queues, schedulers, timers, steps before the start.
//
// [Parse] makes [Program]s of a dictionary; a [Manager] runs them. Each process of a program has one goroutine, which owns its state and
// takes what is asked of it from a channel of its own, so that one that stops slowly keeps nobody else waiting. The states have
// supervisord's names.
//
// Invariants: a process is the leader of a session and group of its own; stop signals go to the leader, KILL goes to the group; what
// has left the group is known by a variable in its environment. Nothing is started while anything of the run before lives. Only wait
// decides that a process is dead. Whoever else reaps children of this process asks [Manager.Owns] first.
//
// The package knows nothing of HTTP, Python or logs: checks that need HTTP, and what is done with lines, come in through [Config].
package companion
