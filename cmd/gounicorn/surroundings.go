package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// shells are programs that wait for what they have started, and hand on no signal.
var shells = []string{"sh", "bash", "dash", "ash", "busybox", "ksh", "zsh"}

// behindShell returns the name of a shell that is process 1 and our parent, or the parent of shells that are: whoever stops the container
// asks that one, and it does not tell us. proc is the folder /proc, pid who we are; empty: there is none.
func behindShell(proc string, pid int) string {
	name := ""
	for range 16 { // a chain of wrappers
		_, parent := processOf(proc, pid)
		if parent < 1 {
			return ""
		}
		if name, _ = processOf(proc, parent); !slices.Contains(shells, name) {
			return ""
		}
		if pid = parent; pid == 1 {
			return name
		}
	}
	return ""
}

// processOf reads by which name a process was started, a script by that of its shell, and its parent; parent is 0 when they cannot be read.
func processOf(proc string, pid int) (name string, parent int) {
	folder := filepath.Join(proc, strconv.Itoa(pid))
	text, err := os.ReadFile(filepath.Join(folder, "stat"))
	if err != nil {
		return "", 0
	}
	var state string
	if _, err := fmt.Sscan(string(text[strings.LastIndexByte(string(text), ')')+1:]), &state, &parent); err != nil {
		return "", 0
	}
	line, _ := os.ReadFile(filepath.Join(folder, "cmdline"))
	first, _, _ := strings.Cut(string(line), "\x00")
	return strings.TrimPrefix(filepath.Base(first), "-"), parent // a login shell has a hyphen
}

// inspect warns of surroundings in which something of ours does not work.
func (m *master) inspect() {
	if shell := behindShell("/proc", os.Getpid()); shell != "" {
		m.log.Warningf("Process 1 is a shell (%s), which keeps the signals that stop a container to itself: write exec before gounicorn in the command or script that it runs.", shell)
	}
	if most, err := m.server.CheckSpool(); err != nil {
		m.log.Warningf("Request bodies above %s, and long answers to slow clients, cannot be buffered: %v. Mount a folder that can be written there, or name one with --spool-dir.", size(most), err)
	}
}
