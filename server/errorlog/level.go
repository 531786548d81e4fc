package errorlog

import (
	"log/slog"
	"strings"
)

// The levels beside slog's own that gunicorn has.
const (
	LevelDebug    = slog.LevelDebug
	LevelInfo     = slog.LevelInfo
	LevelWarning  = slog.LevelWarn
	LevelError    = slog.LevelError
	LevelCritical = slog.Level(12)
)

// ParseLevel returns the level with that name in gunicorn's settings or
// Python's logging, in any case; ok is false for another, and the level Info.
func ParseLevel(name string) (level slog.Level, ok bool) {
	switch strings.ToLower(name) {
	case "debug":
		return LevelDebug, true
	case "info":
		return LevelInfo, true
	case "warning", "warn":
		return LevelWarning, true
	case "error":
		return LevelError, true
	case "critical", "fatal":
		return LevelCritical, true
	}
	return LevelInfo, false
}

// LevelName returns the word in the line.
func LevelName(l slog.Level) string {
	switch {
	case l >= LevelCritical:
		return "CRITICAL"
	case l >= LevelError:
		return "ERROR"
	case l >= LevelWarning:
		return "WARNING"
	case l >= LevelInfo:
		return "INFO"
	}
	return "DEBUG"
}
