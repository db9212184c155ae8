package daemon

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// InProcess answers requests by a handler, without a wire.
type InProcess struct{ Handler http.Handler }

// RoundTrip returns when the answer begins; the rest is read while the handler writes it.
func (t InProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	reader, writer := io.Pipe()
	answer := &answer{header: http.Header{}, body: writer, begun: make(chan *http.Response, 1)}
	r.RequestURI = r.URL.RequestURI()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	go answer.from(t.Handler, r)
	response := <-answer.begun
	response.Request, response.Body, response.ContentLength = r, reader, -1
	return response, nil
}

// answer is what a handler writes, on its way to whoever asked.
type answer struct {
	header http.Header
	body   *io.PipeWriter
	begun  chan *http.Response // gets status and header, once
	once   sync.Once
}

// from lets the handler answer, and ends the answer with it. A panic that is no broken answer ends the program, as it would
// without this goroutine.
func (a *answer) from(h http.Handler, r *http.Request) {
	defer func() {
		cause := recover()
		if cause != nil && cause != http.ErrAbortHandler {
			panic(cause)
		}
		if cause != nil {
			_ = a.body.CloseWithError(errors.New("the answer broke off"))
		}
		a.WriteHeader(http.StatusOK)
		_ = a.body.Close() // io.Pipe documents that it returns nil
	}()
	h.ServeHTTP(a, r)
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	a.once.Do(func() {
		a.begun <- &http.Response{StatusCode: status, Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), Header: a.header.Clone()}
	})
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// FlushError is asked for by whoever streams; nothing is kept back here.
func (*answer) FlushError() error { return nil }
