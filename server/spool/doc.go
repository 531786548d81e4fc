// Package spool keeps bodies that are on their way: request bodies until they are complete, responses until a slow client has taken
// them. Small ones stay in memory, larger ones go to unlinked temporary files, and both share a budget, so that no number of slow
// peers can exhaust the machine.
package spool
