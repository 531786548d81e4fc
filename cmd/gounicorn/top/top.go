// Package top is the screen of `gounicorn top`: a running server, looked at once a second.
//
//	top.go    Config, Run: the program at a terminal, or one screen for a script
//	model.go  what keys and looks change
//	view.go   the screen, made of what the model has
//	table.go  columns, colours, sparklines: how things are written
//
// It reads insight.Documents and nothing else. What comes from the server is cleaned of control characters before it is shown, because
// paths are what clients like to send.
package top

import (
	"errors"
	"fmt"
	"io"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/gounicorn/gounicorn/cmd/gounicorn/insight"
)

// Server is what the screen looks at. Look is called by one goroutine at a time, the other methods beside it.
type Server interface {
	Look() (insight.Document, error)
	Stacks(pid int) (string, error) // the Python stacks of a worker
	Reload() error                  // begins a reload
	Scale(by int) error             // changes the number of workers
}

// Config says how to look.
type Config struct {
	Server   Server
	Interval time.Duration // between two looks; 0: 1 s
	Input    io.Reader     // nil: standard input
	Output   io.Writer
}

// Run shows the screen until q is pressed. The error says why there was no terminal to show it on.
func Run(c Config) error {
	if c.Interval <= 0 {
		c.Interval = time.Second
	}
	options := []tea.ProgramOption{tea.WithOutput(c.Output)}
	if c.Input != nil {
		options = append(options, tea.WithInput(c.Input))
	}
	_, err := tea.NewProgram(newModel(c.Server, c.Interval), options...).Run()
	if errors.Is(err, tea.ErrInterrupted) {
		return nil
	}
	return err
}

// Once writes one screen of a width, without colours and as long as it has to be.
func Once(w io.Writer, d *insight.Document, width int) error {
	m := newModel(nil, time.Second)
	m.width, m.height = max(width, narrowest), 0
	m.took(*d)
	_, err := fmt.Fprintln(w, plainText(m.text()))
	return err
}
