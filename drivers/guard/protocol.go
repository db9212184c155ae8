package guard

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// maxLine is the longest message in bytes; the longest is the first one, with every door.
const maxLine = 64 << 10

// request is one line of JSON from the panel to its guard. The first names the doors; the others set one door, or
// none: such a one only asks for an answer.
type request struct {
	Number uint64        `json:"n"` // counted from 1; the answer carries it
	Doors  []Door        `json:"doors,omitempty"`
	Door   string        `json:"door,omitempty"`
	On     bool          `json:"on,omitempty"`
	Length time.Duration `json:"length,omitempty"` // nanoseconds
}

// reply is one line of JSON from the guard: the answer to a request, or, with number 0, word of a door that the guard
// could not lock.
type reply struct {
	Number uint64 `json:"n,omitempty"`
	Door   string `json:"door,omitempty"`
	Error  string `json:"error,omitempty"`
}

// lines reads bounded lines of JSON.
type lines struct{ s *bufio.Scanner }

func newLines(r io.Reader) lines {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 4096), maxLine)
	return lines{s}
}

// next returns io.EOF after the last line.
func (l lines) next(into any) error {
	if !l.s.Scan() {
		if err := l.s.Err(); err != nil {
			return fmt.Errorf("cannot read message: %w", err)
		}
		return io.EOF
	}
	return decode(l.s.Bytes(), into)
}

func decode(line []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("cannot read message %.80q: %w", line, err)
	}
	if d.More() {
		return fmt.Errorf("cannot read message %.80q: more than one object", line)
	}
	return nil
}

func encode(message any) ([]byte, error) {
	b, err := json.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("cannot write message: %w", err)
	}
	if len(b) >= maxLine {
		return nil, errors.New("cannot write message: too many doors")
	}
	return append(b, '\n'), nil
}
