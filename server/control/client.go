package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// Client is one connection to a control socket, gounicorn's or gunicorn's. It is for one goroutine.
type Client struct {
	conn    net.Conn
	timeout time.Duration
	last    int
}

// CommandError is what the server answered instead of data; the connection can be used further.
type CommandError struct{ Text string }

// Error returns the server's sentence.
func (e *CommandError) Error() string { return e.Text }

// Dial connects to the socket at path. timeout is for each command.
func Dial(path string, timeout time.Duration) (*Client, error) {
	conn, err := net.DialTimeout("unix", path, timeout)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("no socket at %s: is the server running, with a control socket? Name its --control-socket with -s", path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("nobody listens at %s: the server that made it has ended", path)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("no permission for %s: run this as the user of the server or as root", path)
	case errors.Is(err, syscall.EINVAL):
		return nil, fmt.Errorf("%s is too long for the path of a socket (107 bytes)", path)
	case err != nil:
		return nil, fmt.Errorf("cannot connect to %s: %w", path, err)
	}
	return &Client{conn: conn, timeout: timeout}, nil
}

// Do sends a command and returns its data as JSON. The error is a *CommandError when the server refused; after any other the connection
// is of no use.
func (c *Client) Do(command string) (json.RawMessage, error) {
	c.last++
	payload, err := json.Marshal(map[string]any{"id": c.last, "command": command, "args": []string{}})
	if err != nil {
		return nil, err
	}
	if err := c.conn.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return nil, err
	}
	// Who is turned away is told so without being asked, and may have been hung up on already: the answer counts.
	sent := writeFrame(c.conn, payload)
	answer, err := readFrame(c.conn, MaxAnswer)
	switch {
	case errors.Is(err, io.EOF) || err != nil && sent != nil:
		return nil, errors.New("the server closed the connection")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fmt.Errorf("no answer within %v", c.timeout)
	case err != nil:
		return nil, err
	}
	var r struct {
		Status string          `json:"status"`
		Data   json.RawMessage `json:"data"`
		Error  string          `json:"error"`
	}
	if err := json.Unmarshal(answer, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFrame, err)
	}
	if r.Status != statusOK {
		return nil, &CommandError{r.Error}
	}
	return r.Data, nil
}

// Close closes the connection.
func (c *Client) Close() { _ = c.conn.Close() }
