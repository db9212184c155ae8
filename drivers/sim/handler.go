package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"strconv"
	"time"
)

const (
	maxJSON = 64 << 10
	// heartbeat keeps proxies from closing a quiet event stream.
	heartbeat = 15 * time.Second
	// slowReader is how long one write to a reader of the event stream may take before it is sent away.
	slowReader = 10 * time.Second
)

// problem is an RFC 9457 problem details object, and the error that becomes one.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
}

func (p *problem) Error() string { return p.Detail }

func fail(status int, kind, detail string) *problem {
	return &problem{"urn:doorpanel:problem:" + kind, http.StatusText(status), status, detail}
}

type route struct {
	method string
	serve  func(h *Hardware, w http.ResponseWriter, r *http.Request) error
}

// Handler serves /sim/... for this hardware. A POST is answered 204 when the hardware took it, which says nothing
// about the decision; what was wrong comes as problem details.
func (h *Hardware) Handler() http.Handler {
	routes := map[string]route{
		"/sim/press":   {http.MethodPost, (*Hardware).servePress},
		"/sim/badge":   {http.MethodPost, (*Hardware).serveBadge},
		"/sim/keys":    {http.MethodPost, (*Hardware).serveKeys},
		"/sim/scan":    {http.MethodPost, (*Hardware).serveScan},
		"/sim/contact": {http.MethodPost, (*Hardware).serveContact},
		"/sim/input":   {http.MethodPost, (*Hardware).serveInput},
		"/sim/clock":   {http.MethodPost, (*Hardware).serveClock},
		"/sim/fault":   {http.MethodPost, (*Hardware).serveFault},
		"/sim/state":   {http.MethodGet, (*Hardware).serveState},
		"/sim/events":  {http.MethodGet, (*Hardware).serveEvents},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route, known := routes[r.URL.Path]
		if !known {
			writeProblem(w, fail(http.StatusNotFound, "not-found", "there is no "+r.URL.Path))
			return
		}
		if r.Method != route.method {
			w.Header().Set("Allow", route.method)
			writeProblem(w, fail(http.StatusMethodNotAllowed, "method-not-allowed", "use "+route.method))
			return
		}
		if err := route.serve(h, w, r); err != nil {
			writeProblem(w, asProblem(err))
			return
		}
		if route.method == http.MethodPost {
			w.WriteHeader(http.StatusNoContent)
		}
	})
}

func asProblem(err error) *problem {
	var p *problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, ErrNoDevice):
		return fail(http.StatusBadRequest, "no-such-device", err.Error())
	case errors.Is(err, ErrDead):
		return fail(http.StatusConflict, "dead-device", err.Error())
	case errors.Is(err, ErrBusy):
		return fail(http.StatusServiceUnavailable, "busy", err.Error())
	default:
		return fail(http.StatusBadRequest, "bad-request", err.Error())
	}
}

func writeProblem(w http.ResponseWriter, p *problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // a reader that went away needs no answer
}

// body reads the whole body, which may have limit bytes.
func body(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, fail(http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("the body has more than %d bytes", limit))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read body: %w", err)
	}
	return b, nil
}

// decode reads one JSON object without unknown fields.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	// What curl -d sends when it is told nothing else is taken for JSON, too: scripts at a bench are the callers here.
	if t := r.Header.Get("Content-Type"); t != "" && mediaType(t) != "application/json" && mediaType(t) != "application/x-www-form-urlencoded" {
		return fail(http.StatusUnsupportedMediaType, "unsupported-media-type", fmt.Sprintf("the body is %q; send application/json", t))
	}
	b, err := body(w, r, maxJSON)
	if err != nil {
		return err
	}
	return unmarshal(b, into)
}

func mediaType(header string) string {
	t, _, err := mime.ParseMediaType(header)
	if err != nil {
		return ""
	}
	return t
}

func missing(field string) error {
	return fail(http.StatusBadRequest, "bad-request", fmt.Sprintf("the field %q is missing", field))
}

func (h *Hardware) servePress(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Button *int `json:"button"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if in.Button == nil {
		return missing("button")
	}
	return h.Press(*in.Button)
}

func (h *Hardware) serveBadge(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Reader string `json:"reader"`
		UID    string `json:"uid"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	return h.Badge(in.Reader, in.UID)
}

func (h *Hardware) serveKeys(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Reader string `json:"reader"`
		Keys   string `json:"keys"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	return h.Keys(in.Reader, in.Keys)
}

func (h *Hardware) serveScan(w http.ResponseWriter, r *http.Request) error {
	reader := r.URL.Query().Get("reader")
	t := mediaType(r.Header.Get("Content-Type"))
	switch t {
	case "text/plain", "image/png", "image/jpeg":
	default:
		return fail(http.StatusUnsupportedMediaType, "unsupported-media-type",
			fmt.Sprintf("the body is %q; send text/plain, image/png or image/jpeg", r.Header.Get("Content-Type")))
	}
	b, err := body(w, r, MaxImage)
	if err != nil {
		return err
	}
	if t == "text/plain" {
		return h.Scan(reader, string(b))
	}
	return h.ScanImage(reader, b)
}

func (h *Hardware) serveContact(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Door string `json:"door"`
		Open *bool  `json:"open"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if in.Open == nil {
		return missing("open")
	}
	return h.Contact(in.Door, *in.Open)
}

func (h *Hardware) serveInput(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Input string `json:"input"`
		On    *bool  `json:"on"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if in.On == nil {
		return missing("on")
	}
	return h.Input(in.Input, *in.On)
}

// serveClock keeps the running time when only "trusted" is given, and the trust when only "now" is.
func (h *Hardware) serveClock(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Now     *time.Time `json:"now"`
		Trusted *bool      `json:"trusted"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if in.Now == nil && in.Trusted == nil {
		return missing("now")
	}
	now, trusted := h.Clock()
	if in.Now != nil {
		now = *in.Now
	}
	if in.Trusted != nil {
		trusted = *in.Trusted
	}
	return h.SetClock(now, trusted)
}

func (h *Hardware) serveFault(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Device string `json:"device"`
		Dead   *bool  `json:"dead"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if in.Dead == nil {
		return missing("dead")
	}
	return h.Fault(in.Device, *in.Dead)
}

func (h *Hardware) serveState(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(h.state()) // a reader that went away needs no answer
	return nil
}

func (h *Hardware) state() map[string]any {
	state := map[string]any{"phone": map[string]any{}}
	if h.o.Extra != nil {
		maps.Copy(state, h.o.Extra())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	trace := append([]Item{}, h.trace...)
	maps.Copy(state, map[string]any{
		"time":          h.now(),
		"clock_trusted": h.trusted,
		"setup_code":    h.setupCode,
		"strikes":       maps.Clone(h.strikes),
		"lights":        maps.Clone(h.lights),
		"contacts":      maps.Clone(h.contacts),
		"inputs":        maps.Clone(h.inputs),
		"dead":          maps.Clone(h.dead),
		"readers":       h.o.Readers,
		"buttons":       h.o.Buttons,
		"text":          h.text,
		"trace":         trace,
		"last":          h.last,
	})
	return state
}

// serveEvents streams the trace from now on; after the number in Last-Event-ID or ?after= when one is given.
func (h *Hardware) serveEvents(w http.ResponseWriter, r *http.Request) error {
	wake, sent, err := h.watch()
	if err != nil {
		return err
	}
	defer h.unwatch(wake)
	from := r.Header.Get("Last-Event-ID")
	if from == "" {
		from = r.URL.Query().Get("after")
	}
	if from != "" {
		n, err := strconv.ParseUint(from, 10, 64)
		if err != nil {
			return fail(http.StatusBadRequest, "bad-request", fmt.Sprintf("Last-Event-ID %.40q is not a number", from))
		}
		// A number from before a restart is larger than ours: that reader starts from now.
		sent = min(n, sent)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	c := http.NewResponseController(w)
	write := func(format string, args ...any) error {
		// Recorders in tests know no deadlines; a real connection always does.
		_ = c.SetWriteDeadline(time.Now().Add(slowReader))
		if _, err := fmt.Fprintf(w, format, args...); err != nil {
			return err
		}
		return c.Flush()
	}
	if write(": trace of the simulated hardware\n\n") != nil {
		return nil
	}
	// The connection may serve other requests afterwards.
	defer func() { _ = c.SetWriteDeadline(time.Time{}) }()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for started := false; ; started = true {
		items, first := h.after(sent)
		if started && first > sent+1 {
			return nil // too slow: the trace has moved on
		}
		for i, item := range items {
			data, err := json.Marshal(item)
			if err != nil {
				return nil
			}
			sent = first + uint64(i)
			if write("event: %s\nid: %d\ndata: %s\n\n", item.Kind, sent, data) != nil {
				return nil
			}
		}
		select {
		case <-wake:
		case <-beat.C:
			if write(": still here\n\n") != nil {
				return nil
			}
		case <-r.Context().Done():
			return nil
		case <-h.done:
			return nil
		}
	}
}

// unmarshal reads exactly one JSON object and refuses fields that into does not have, so that a misspelled name is
// found by whoever wrote it.
func unmarshal(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("cannot read JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("cannot read JSON: there is more after the object")
	}
	return nil
}
