package control

import (
	"fmt"
	"strings"
)

// Companions are what the commands about programs beside the web workers act on. An action waits for its effect, but not for long.
type Companions interface {
	Companions() ([]Companion, error)
	StartCompanion(name string) error
	StopCompanion(name string) error
	RestartCompanion(name string) error
	SignalCompanion(name, signal string) error
}

// Companion is one process of a program, by the names of supervisord.
type Companion struct {
	Name     string  `json:"name"`    // NAME, or NAME:0, NAME:1, … of several
	Program  string  `json:"program"` // NAME
	State    string  `json:"state"`   // STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED or FATAL
	Healthy  bool    `json:"healthy"` // it is as it should be
	PID      int     `json:"pid"`     // 0: it does not run
	Uptime   float64 `json:"uptime"`  // seconds; 0: it does not run
	Restarts int     `json:"restarts"`
	LastExit string  `json:"last_exit"` // how the run before ended; empty: there was none
	Note     string  `json:"note"`      // what it waits for, or why it failed
	Next     string  `json:"next"`      // the next run of a timer; empty: none
}

// companionList is the answer of companions. Healthy is false when one of them is not as it should be.
type companionList struct {
	Companions []Companion `json:"companions"`
	Count      int         `json:"count"`
	Healthy    bool        `json:"healthy"`
}

func companions(m Master, args []string) (any, error) {
	all, err := m.Companions()
	if err != nil {
		return nil, err
	}
	answer := companionList{Companions: []Companion{}, Healthy: true}
	for _, c := range all {
		if len(args) > 0 && args[0] != c.Name && args[0] != c.Program {
			continue
		}
		answer.Companions = append(answer.Companions, c)
		answer.Healthy = answer.Healthy && c.Healthy
	}
	answer.Count = len(answer.Companions)
	if answer.Count == 0 && len(args) > 0 {
		return nil, fmt.Errorf("Companion %s not found; companions lists them", args[0])
	}
	return answer, nil
}

// companionAction is the command that does something to one program and answers with what became of it.
func companionAction(words string, act func(m Master, name string) error) command {
	verb := strings.TrimPrefix(words, "companion ")
	return command{words, "<NAME>", strings.ToUpper(verb[:1]) + verb[1:] + " a companion, or one process of it as NAME:0", func(m Master, args []string) (any, error) {
		if len(args) != 1 {
			return nil, fmt.Errorf("Invalid argument: say %s NAME; companions lists them", words)
		}
		if err := act(m, args[0]); err != nil {
			return outcome{Error: err.Error()}, nil
		}
		return companions(m, args)
	}}
}

func companionSignal(m Master, args []string) (any, error) {
	if len(args) != 2 {
		return nil, fmt.Errorf("Invalid argument: say companion signal SIGNAL NAME, such as companion signal USR1 worker")
	}
	if err := m.SignalCompanion(args[1], args[0]); err != nil {
		return outcome{Error: err.Error()}, nil
	}
	return outcome{Success: true}, nil
}
