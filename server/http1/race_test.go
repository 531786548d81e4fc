//go:build race

package http1_test

// raceEnabled: the race detector makes pools forget on purpose.
const raceEnabled = true
