package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
)

const (
	writeTime = 30 * time.Second // for one answer
	// heartbeat keeps proxies from closing a quiet stream, and is how often a session is looked at again.
	heartbeat  = 15 * time.Second
	streamPage = 100
)

type (
	pressRequest struct {
		Button int `json:"button"`
	}
	keyRequest struct {
		Key string `json:"key"`
	}
)

// wait takes one of the places for those who wait. ctx ends with the request, with the server and after limit (0: never).
func (s *Server) wait(w http.ResponseWriter, r *http.Request, limit time.Duration) (ctx context.Context, leave func(), err error) {
	select {
	case s.streams <- struct{}{}:
	default:
		d := problem(http.StatusServiceUnavailable, "busy", "too many pages are waiting for news; close one")
		d.RetryAfter = 5
		return nil, nil, d
	}
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(s.done, cancel)
	// The deadline for reading the request would otherwise end the wait.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	end := cancel
	if limit > 0 {
		ctx, end = context.WithTimeout(ctx, limit)
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(limit + writeTime))
	}
	return ctx, func() {
		stop()
		end()
		cancel()
		<-s.streams
	}, nil
}

// stream writes server-sent events to one reader.
type stream struct {
	w http.ResponseWriter
	c *http.ResponseController
}

func openStream(w http.ResponseWriter) (stream, error) {
	w.Header().Set("Content-Type", "text/event-stream")
	st := stream{w, http.NewResponseController(w)}
	return st, st.write(": news of the panel\n\n")
}

func (st stream) write(format string, args ...any) error {
	// Recorders in tests know no deadlines; a real connection always does.
	_ = st.c.SetWriteDeadline(time.Now().Add(writeTime))
	if _, err := fmt.Fprintf(st.w, format, args...); err != nil {
		return err
	}
	return st.c.Flush()
}

func (st stream) event(id uint64, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return st.write("id: %d\nevent: %s\ndata: %s\n\n", id, name, data)
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

// journalRoutes are the journal.
func (s *Server) journalRoutes() []route {
	return []route{
		{Method: "GET", Pattern: api + "/journal", Access: AsInstaller, Handler: s.getJournal, Status: 200, Query: []string{"after", "before", "limit", "kind", "door", "who", "since", "until"}, Summary: "Entries younger than after, oldest first; or older than before, newest first. With a filter next tells where to go on",
			Response: object{"entries": []JournalEntry{}, "next": 0}},
		{Method: "GET", Pattern: api + "/journal/export", Access: AsInstaller, Handler: s.exportJournal, Status: 200, Query: []string{"format", "kind", "door", "who", "since", "until"}, Summary: "All entries that fit, as lines of JSON or as CSV"},
		{Method: "POST", Pattern: api + "/journal/tidy", Access: AsAdministrator, Handler: s.tidyJournal, Status: 200, Summary: "Take persons and old entries out as the configuration says, at once",
			Response: JournalTidied{Erased: 12}},
		{Method: "GET", Pattern: api + "/journal/events", Access: AsInstaller, Handler: s.journalEvents, Status: 200, Query: []string{"after"}, Summary: "New entries as they are written (server-sent events, id = seq)"},
	}
}

func (s *Server) getJournal(w http.ResponseWriter, r *http.Request, _ caller) error {
	q := r.URL.Query()
	limit, err := limitOf(q.Get("limit"))
	if err != nil {
		return err
	}
	filter, err := filterOf(q, s.zone())
	if err != nil {
		return err
	}
	read, name := s.o.Journal.After, "after"
	if q.Has("before") {
		read, name = s.o.Journal.Before, "before"
	}
	from, err := seqOf(name, q.Get(name))
	if err != nil {
		return err
	}
	if filter.empty() {
		entries, err := read(from, limit)
		if err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, object{"entries": list(entries)})
	}
	entries, next, err := filter.search(read, from, limit)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{"entries": list(entries), "next": next})
}

func seqOf(name, text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, problem(http.StatusBadRequest, "bad-query", name+" is a sequence number")
	}
	return n, nil
}

// journalEvents sends entries from now on, or after the one named by Last-Event-ID or ?after=.
func (s *Server) journalEvents(w http.ResponseWriter, r *http.Request, c caller) error {
	from := r.Header.Get("Last-Event-ID")
	if from == "" {
		from = r.URL.Query().Get("after")
	}
	seq, err := seqOf("after", from)
	if err != nil {
		return err
	}
	if from == "" {
		last, err := s.o.Journal.Before(math.MaxUint64, 1)
		if err != nil {
			return err
		}
		if len(last) > 0 {
			seq = last[0].Seq
		}
	}
	ctx, leave, err := s.wait(w, r, 0)
	if err != nil {
		return err
	}
	defer leave()
	st, err := openStream(w)
	if err != nil {
		return nil
	}
	news := func(ctx context.Context) error { return s.o.Journal.Wait(ctx, seq) }
	still := func() bool {
		again := caller{}
		return c.Token == "" || s.permit(r, &again, AsInstaller) == nil
	}
	for {
		entries, err := s.o.Journal.After(seq, streamPage)
		if err != nil {
			s.log.Warn("journal stream ended", "error", err)
			return nil
		}
		for _, e := range entries {
			if st.event(e.Seq, "entry", e) != nil {
				return nil
			}
			seq = e.Seq
		}
		if len(entries) == 0 && !st.idle(ctx, news, still) {
			return nil
		}
	}
}

// faceRoutes are what a visitor sees and presses.
func (s *Server) faceRoutes() []route {
	return []route{
		{Method: "GET", Pattern: api + "/face", Access: Public, Handler: s.getFace, Status: 200, Summary: "What a visitor sees",
			Response: FaceView{Site: "12 Mill Lane", Light: "off", Buttons: []ButtonView{{Number: 1, Label: "Reception", Active: true}}}},
		{Method: "GET", Pattern: api + "/face/events", Access: Public, Handler: s.faceEvents, Status: 200, Summary: "The same whenever it changes (server-sent events)"},
		{Method: "POST", Pattern: api + "/face/press", Access: Loopback, Handler: s.postPress, Status: 204, Summary: "Press a call button on the panel's own display",
			Request: pressRequest{Button: 1}},
		{Method: "POST", Pattern: api + "/face/key", Access: Loopback, Handler: s.postKey, Status: 204, Summary: "Press a key of the keypad on the panel's own display",
			Request: keyRequest{Key: "5"}},
	}
}

func (s *Server) face(c caller) FaceView {
	v := s.o.Face.Face()
	now := s.o.Clock()
	v.Site, v.Language, v.Time, v.Trusted = s.o.SiteName, s.o.Language, now.Wall, now.Trusted
	v.Touch = c.Local && s.o.Touch != nil
	v.Simulated = c.Local && s.o.Sim != nil
	v.Code, _ = s.board.shown()
	v.Setup, v.Notice = s.faceSetup(), s.endingNotice(c)
	v.Buttons = append([]ButtonView{}, v.Buttons...)
	for i := range v.Buttons {
		v.Buttons[i].Target = "" // whom a button calls is not for the street
	}
	return v
}

func (s *Server) getFace(w http.ResponseWriter, _ *http.Request, c caller) error {
	return writeJSON(w, http.StatusOK, s.face(c))
}

func (s *Server) faceEvents(w http.ResponseWriter, r *http.Request, c caller) error {
	ctx, leave, err := s.wait(w, r, 0)
	if err != nil {
		return err
	}
	defer leave()
	st, err := openStream(w)
	if err != nil {
		return nil
	}
	for {
		// What is closed at the next change is taken first: a change while the view is made must not be missed.
		_, changed := s.board.shown()
		v := s.face(c)
		if st.event(v.Version, "face", v) != nil {
			return nil
		}
		news := func(ctx context.Context) error { return s.waitFace(ctx, v, changed, c) }
		if !st.idle(ctx, news, func() bool { return true }) {
			return nil
		}
	}
}

func (s *Server) postPress(w http.ResponseWriter, r *http.Request, _ caller) error {
	if s.o.Touch == nil {
		return problem(http.StatusNotFound, "not-found", "the display of this panel cannot be pressed")
	}
	var in pressRequest
	if err := decode(w, r, &in); err != nil {
		return err
	}
	return gone(w, s.o.Touch.Press(in.Button))
}

func (s *Server) postKey(w http.ResponseWriter, r *http.Request, _ caller) error {
	if s.o.Touch == nil {
		return problem(http.StatusNotFound, "not-found", "the display of this panel cannot be pressed")
	}
	var in keyRequest
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if len(in.Key) != 1 || (in.Key[0] < '0' || in.Key[0] > '9') && in.Key != "#" && in.Key != "*" {
		return problem(http.StatusUnprocessableEntity, "not-valid", "a key is 0 to 9, # or *")
	}
	return gone(w, s.o.Touch.Key(rune(in.Key[0])))
}
