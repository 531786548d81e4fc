package control

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Bounds of the protocol. gunicorn's client sends and takes up to 16 MB; a request of more than some words is no command.
const (
	MaxRequest = 64 << 10 // bytes of a request's JSON
	MaxAnswer  = 16 << 20 // bytes of an answer's JSON
)

// ErrFrame is wrapped by every error about bytes that are not this protocol.
var ErrFrame = errors.New("not gunicorn's control protocol")

// readFrame reads one message: four bytes of length, big endian, then as many of JSON. It returns io.EOF when the stream ends before
// the message begins. Memory grows with what has arrived, not with the length that was announced.
func readFrame(r io.Reader, limit int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("%w: the stream ended within a length", ErrFrame)
		}
		return nil, err
	}
	length := binary.BigEndian.Uint32(head[:])
	if int64(length) > int64(limit) {
		return nil, fmt.Errorf("%w: a message of %d bytes, and %d are allowed", ErrFrame, length, limit)
	}
	var payload bytes.Buffer
	if _, err := io.CopyN(&payload, r, int64(length)); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%w: the stream ended within a message", ErrFrame)
		}
		return nil, err
	}
	return payload.Bytes(), nil
}

// writeFrame writes one message.
func writeFrame(w io.Writer, payload []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(payload)), uint32(len(payload))), payload...))
	return err
}

// request is what a client asks.
type request struct {
	ID      json.RawMessage `json:"id"` // comes back as it is
	Command string          `json:"command"`
	Args    []any           `json:"args"` // words that follow the command's
}

// response is the answer: Data when Status is "ok", Error when it is "error".
type response struct {
	ID     json.RawMessage `json:"id"`
	Status string          `json:"status"`
	Data   any             `json:"data,omitempty"`
	Error  string          `json:"error,omitempty"`
}

const (
	statusOK    = "ok"
	statusError = "error"
)

// parseRequest reads a request. The words of the command and of its arguments are one list, as gunicorn has it.
func parseRequest(payload []byte) (id json.RawMessage, words []string, err error) {
	var r request
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	if err := d.Decode(&r); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrFrame, err)
	}
	if d.More() {
		return nil, nil, fmt.Errorf("%w: more than one value in a message", ErrFrame)
	}
	words = fields(r.Command)
	for _, a := range r.Args {
		switch a := a.(type) {
		case string:
			words = append(words, a)
		case json.Number:
			words = append(words, a.String())
		default:
			return r.ID, nil, fmt.Errorf("argument %v is neither a text nor a number", a)
		}
	}
	return r.ID, words, nil
}

// encode makes the message of an answer.
func encode(r response) []byte {
	if len(r.ID) == 0 {
		r.ID = json.RawMessage("0")
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return encode(response{ID: r.ID, Status: statusError, Error: "the answer cannot be written as JSON: " + err.Error()})
	}
	if b.Len() > MaxAnswer {
		return encode(response{ID: r.ID, Status: statusError, Error: fmt.Sprintf("the answer has %d bytes, and the protocol allows %d", b.Len(), MaxAnswer)})
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
