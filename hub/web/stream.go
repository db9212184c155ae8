package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	writeTime = 30 * time.Second // for one answer
	// heartbeat keeps proxies from closing a quiet stream, and is how often a session is looked at again.
	heartbeat  = 15 * time.Second
	streamPage = 100
)

// stream takes one of the places for those who wait, and begins to answer with server-sent events. ctx ends with the request
// and with the server.
func (v *visit) stream() (ctx context.Context, st stream, leave func(), err error) {
	select {
	case v.s.streams <- struct{}{}:
	default:
		d := problem(http.StatusServiceUnavailable, "busy", "too many pages are waiting for news; close one")
		d.RetryAfter = 5
		return nil, stream{}, nil, d
	}
	ctx, cancel := context.WithCancel(v.r.Context())
	stop := context.AfterFunc(v.s.done, cancel)
	// The deadline for reading the request would otherwise end the wait.
	_ = http.NewResponseController(v.w).SetReadDeadline(time.Time{})
	v.w.Header().Set("Content-Type", "text/event-stream")
	v.w.Header().Set("X-Accel-Buffering", "no")
	st = stream{v.w, http.NewResponseController(v.w)}
	leave = func() {
		stop()
		cancel()
		<-v.s.streams
	}
	if err := st.write(": news of the hub\n\n"); err != nil {
		leave()
		return nil, stream{}, nil, err
	}
	return ctx, st, leave, nil
}

// still reports whether who began the stream may go on reading it, and looks at his rights anew: what is taken from him ends at
// once here, too.
func (v *visit) still() bool {
	if v.caller.Token == "" {
		v.caller.land = v.s.newLand()
		return true
	}
	again := caller{Via: v.caller.Via, Peer: v.caller.Peer, Local: v.caller.Local}
	if v.s.permit(v.r, &again, v.needs) != nil {
		return false
	}
	v.caller = again
	return true
}

// goOn looks at the caller's rights anew before another page of a long answer, and cuts the connection when they are gone: nobody takes a
// part for the whole then.
func (v *visit) goOn(what string) {
	if !v.still() {
		v.s.log.Info("ended early: the right to it was taken", "answer", what, "user", v.caller.User)
		panic(http.ErrAbortHandler)
	}
}

// stream writes server-sent events to one reader.
type stream struct {
	w http.ResponseWriter
	c *http.ResponseController
}

func (st stream) write(format string, args ...any) error {
	// Recorders in tests know no deadlines; a real connection always does.
	_ = st.c.SetWriteDeadline(time.Now().Add(writeTime))
	if _, err := fmt.Fprintf(st.w, format, args...); err != nil {
		return err
	}
	return st.c.Flush()
}

// json sends a value under a number and a name.
func (st stream) json(id uint64, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return st.write("id: %d\nevent: %s\ndata: %s\n\n", id, name, data)
}

// part sends a part of a page, which htmx puts where the page says.
func (st stream) part(id uint64, html string) error {
	return st.write("id: %d\ndata: %s\n\n", id, strings.ReplaceAll(strings.ReplaceAll(html, "\r", " "), "\n", "\ndata: "))
}

// idle waits for news by calling news, and keeps the stream alive meanwhile. It returns false when the stream is over.
func (st stream) idle(ctx context.Context, news func(context.Context) error, still func() bool) bool {
	for {
		quiet, cancel := context.WithTimeout(ctx, heartbeat)
		err := news(quiet)
		cancel()
		switch {
		case err == nil:
			return true
		case ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) || !still() || st.write(": still here\n\n") != nil:
			return false
		}
	}
}
