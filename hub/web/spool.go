package web

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
)

// maxSpools bounds the answers that are made before they are sent: each takes room on the disk until its reader has it.
const maxSpools = 4

// spool is an answer that is made as a whole before it is sent. It is in a file without a name, so that nothing is left of it
// whatever happens. What is read from the store for it is not held while a slow reader takes it, and what goes wrong can still be said.
type spool struct {
	file  *os.File
	in    *bufio.Writer
	leave func()
}

// spooling takes one of the places for large answers.
func (s *Server) spooling() (leave func(), err error) {
	select {
	case s.spools <- struct{}{}:
		return func() { <-s.spools }, nil
	default:
		d := problem(http.StatusServiceUnavailable, "busy", "as many reports and backups are being downloaded as the hub makes at a time; try again")
		d.RetryAfter = 5
		return nil, d
	}
}

func (s *Server) spool() (*spool, error) {
	leave, err := s.spooling()
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(s.o.SpoolDir, ".doorhub-answer-*")
	if err == nil {
		err = os.Remove(file.Name())
	}
	if err != nil {
		leave()
		return nil, err
	}
	return &spool{file, bufio.NewWriter(file), leave}, nil
}

func (p *spool) close() {
	_ = p.file.Close() // nobody reads it again
	p.leave()
}

// send answers with what was made, as a file.
func (p *spool) send(v *visit, name, media string) error {
	err := p.in.Flush()
	if err == nil {
		_, err = p.file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("cannot make answer %s: %w", name, err)
	}
	v.w.Header().Set("Content-Type", media)
	v.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	_, err = io.Copy(&slowly{v.w, http.NewResponseController(v.w)}, p.file)
	if err != nil && v.r.Context().Err() == nil {
		// What was begun cannot be answered with a problem any more: the connection is cut, so that a part is not taken for the whole.
		v.s.log.Warn("answer ended early", "name", name, "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}
