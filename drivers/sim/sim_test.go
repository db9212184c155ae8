package sim

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// recorder collects callbacks as one line of text each.
type recorder chan string

func (r recorder) callbacks() Callbacks {
	return Callbacks{
		Press:      func(b int) { r <- fmt.Sprint("press ", b) },
		Badge:      func(reader, uid string) { r <- "badge " + reader + " " + uid },
		Key:        func(reader string, k rune) { r <- "key " + reader + " " + string(k) },
		Scan:       func(reader, text string) { r <- "scan " + reader + " " + text },
		ScanFailed: func(reader string, err error) { r <- "scan failed " + reader + " " + err.Error() },
		Contact:    func(door string, open bool) { r <- fmt.Sprint("contact ", door, " ", open) },
		Input:      func(input string, on bool) { r <- fmt.Sprint("input ", input, " ", on) },
		Clock:      func(now time.Time, trusted bool) { r <- fmt.Sprint("clock ", now.Format(time.RFC3339), " ", trusted) },
		Fault:      func(device string, dead bool) { r <- fmt.Sprint("fault ", device, " ", dead) },
	}
}

func (r recorder) next(t *testing.T) string {
	t.Helper()
	select {
	case s := <-r:
		return s
	case <-time.After(10 * time.Second):
		t.Fatal("no callback within 10 s")
		return ""
	}
}

// serve starts hardware and a server for it; both end with the test.
func serve(t *testing.T, o Options) (*Hardware, *httptest.Server, recorder) {
	t.Helper()
	r := make(recorder, 100)
	o.Callbacks = r.callbacks()
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	server := httptest.NewServer(h.Handler())
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return h, server, r
}

func do(t *testing.T, server *httptest.Server, method, path, contentType, body string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequest(method, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

func TestWhatIsDoneAtTheHardwareArrivesInOrder(t *testing.T) {
	_, server, r := serve(t, Options{Decode: func(b []byte) (string, error) {
		if bytes.Contains(b, []byte("code")) {
			return "DP1:FROM-PICTURE", nil
		}
		return "", errors.New("no code in the picture")
	}})
	const js = "application/json"
	tests := []struct {
		path, contentType, body string
		want                    []string
	}{
		{"/sim/press", js, `{"button":1}`, []string{"press 1"}},
		{"/sim/press", "", `{"button":8}`, []string{"press 8"}},
		{"/sim/badge", js, `{"reader":"front-in","uid":"04a1b2c3"}`, []string{"badge front-in 04A1B2C3"}},
		{"/sim/badge", js, `{"reader":"front-out","uid":"04:a1:b2:c3:d4:e5:f6"}`, []string{"badge front-out 04A1B2C3D4E5F6"}},
		{"/sim/keys", js, `{"reader":"front-in","keys":"12#*"}`, []string{"key front-in 1", "key front-in 2", "key front-in #", "key front-in *"}},
		{"/sim/scan", "text/plain", "DP1:ABC", []string{"scan front-in DP1:ABC"}},
		{"/sim/scan?reader=front-out", "text/plain; charset=utf-8", "DP1:ABC", []string{"scan front-out DP1:ABC"}},
		{"/sim/scan", "image/png", "a code", []string{"scan front-in DP1:FROM-PICTURE"}},
		{"/sim/scan", "image/jpeg", "a cat", []string{"scan failed front-in no code in the picture"}},
		{"/sim/scan", "text/plain", strings.Repeat("A", MaxText+1), []string{"scan failed front-in cannot read code: 4097 bytes; the scanner reads at most 4096"}},
		{"/sim/contact", js, `{"door":"front","open":true}`, []string{"contact front true"}},
		{"/sim/input", js, `{"input":"exit","on":true}`, []string{"input exit true"}},
		{"/sim/input", js, `{"input":"fire","on":false}`, []string{"input fire false"}},
		{"/sim/clock", js, `{"now":"2026-12-01T08:00:00Z","trusted":false}`, []string{"clock 2026-12-01T08:00:00Z false"}},
		{"/sim/fault", js, `{"device":"front-in","dead":true}`, []string{"fault front-in true"}},
	}
	for _, test := range tests {
		status, body, _ := do(t, server, "POST", test.path, test.contentType, test.body)
		if status != 204 || body != "" {
			t.Errorf("%s %s: %d %s, want 204", test.path, test.body, status, body)
			continue
		}
		for _, want := range test.want {
			if got := r.next(t); got != want {
				t.Errorf("%s %s: callback %q, want %q", test.path, test.body, got, want)
			}
		}
	}
}

func TestWhatTheHardwareDoesNotHaveIsRefusedWithProblemDetails(t *testing.T) {
	_, server, r := serve(t, Options{})
	const js = "application/json"
	tests := []struct {
		method, path, contentType, body string
		status                          int
		kind                            string
	}{
		{"POST", "/sim/press", js, `{"button":0}`, 400, "no-such-device"},
		{"POST", "/sim/press", js, `{"button":9}`, 400, "no-such-device"},
		{"POST", "/sim/press", js, `{}`, 400, "bad-request"},
		{"POST", "/sim/press", js, `null`, 400, "bad-request"},
		{"POST", "/sim/press", js, `{"buton":1}`, 400, "bad-request"},
		{"POST", "/sim/press", js, `{"button":1}{"button":2}`, 400, "bad-request"},
		{"POST", "/sim/press", js, `{"button":"1"}`, 400, "bad-request"},
		{"POST", "/sim/press", js, ``, 400, "bad-request"},
		{"POST", "/sim/press", js, strings.Repeat(" ", maxJSON) + `{"button":1}`, 413, "too-large"},
		{"POST", "/sim/press", "text/plain", `{"button":1}`, 415, "unsupported-media-type"},
		{"POST", "/sim/badge", js, `{"reader":"back","uid":"04A1B2C3"}`, 400, "no-such-device"},
		{"POST", "/sim/badge", js, `{"uid":"04A1B2C3"}`, 400, "no-such-device"},
		{"POST", "/sim/badge", js, `{"reader":"front-in","uid":"card of anna"}`, 400, "bad-request"},
		{"POST", "/sim/badge", js, `{"reader":"front-in","uid":""}`, 400, "bad-request"},
		{"POST", "/sim/keys", js, `{"reader":"front-in","keys":"12A"}`, 400, "no-such-device"},
		{"POST", "/sim/keys", js, `{"reader":"front-in","keys":""}`, 400, "bad-request"},
		{"POST", "/sim/keys", js, `{"reader":"front-in","keys":"` + strings.Repeat("1", 65) + `"}`, 400, "bad-request"},
		{"POST", "/sim/scan?reader=back", "text/plain", `DP1:`, 400, "no-such-device"},
		{"POST", "/sim/scan", "image/gif", `GIF89a`, 415, "unsupported-media-type"},
		{"POST", "/sim/scan", "", `DP1:`, 415, "unsupported-media-type"},
		{"POST", "/sim/scan", "image/png", strings.Repeat("x", MaxImage+1), 413, "too-large"},
		{"POST", "/sim/contact", js, `{"door":"back","open":true}`, 400, "no-such-device"},
		{"POST", "/sim/contact", js, `{"door":"front"}`, 400, "bad-request"},
		{"POST", "/sim/input", js, `{"input":"flood","on":true}`, 400, "no-such-device"},
		{"POST", "/sim/input", js, `{"input":"fire"}`, 400, "bad-request"},
		{"POST", "/sim/clock", js, `{}`, 400, "bad-request"},
		{"POST", "/sim/clock", js, `{"now":"tomorrow"}`, 400, "bad-request"},
		{"POST", "/sim/fault", js, `{"device":"engine","dead":true}`, 400, "no-such-device"},
		{"POST", "/sim/fault", js, `{"device":"front"}`, 400, "bad-request"},
		{"GET", "/sim/press", "", ``, 405, "method-not-allowed"},
		{"POST", "/sim/state", js, `{}`, 405, "method-not-allowed"},
		{"DELETE", "/sim/events", "", ``, 405, "method-not-allowed"},
		{"GET", "/sim/", "", ``, 404, "not-found"},
		{"GET", "/sim/events?after=x", "", ``, 400, "bad-request"},
	}
	for _, test := range tests {
		status, body, header := do(t, server, test.method, test.path, test.contentType, test.body)
		var p problem
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Errorf("%s %s %.40s: %d %q is no problem object: %v", test.method, test.path, test.body, status, body, err)
			continue
		}
		if status != test.status || p.Status != test.status || !strings.HasSuffix(p.Type, ":"+test.kind) || p.Detail == "" || p.Title == "" ||
			header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s %.40s: %d %s, want %d %s", test.method, test.path, test.body, status, body, test.status, test.kind)
		}
		if status == 405 && header.Get("Allow") == "" {
			t.Errorf("%s %s: 405 without Allow", test.method, test.path)
		}
	}
	select {
	case s := <-r:
		t.Errorf("a refused request reached the callbacks: %s", s)
	default:
	}
}

func TestStateShowsWhatTheOutputsDid(t *testing.T) {
	h, server, r := serve(t, Options{Extra: func() map[string]any { return map[string]any{"phone": map[string]any{"state": "ringing"}} }})
	if err := h.SetClock(time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC), true); err != nil {
		t.Fatal(err)
	}
	r.next(t)
	for _, err := range []error{
		h.SetStrike("front", true), h.SetStrike("front", true), h.SetStrike("front", false), h.SetStrike("front", true),
		h.Light("door", "green"), h.Light("door", "green"), h.Tone("granted"), h.Text("Come in"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	h.SetupCode("12345678")
	status, body, header := do(t, server, "GET", "/sim/state", "", "")
	if status != 200 || header.Get("Content-Type") != "application/json" {
		t.Fatalf("state: %d %s", status, header)
	}
	var state struct {
		Time    time.Time
		Setup   string `json:"setup_code"`
		Strikes map[string]Strike
		Lights  map[string]string
		Text    string
		Phone   map[string]any
		Trace   []Item
	}
	if err := json.Unmarshal([]byte(body), &state); err != nil {
		t.Fatal(err)
	}
	if d := state.Time.Sub(time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)); d < 0 || d > time.Minute {
		t.Errorf("time is %s", state.Time)
	}
	if s := state.Strikes["front"]; !s.On || s.Since.Year() != 2026 || s.Since.Month() != 12 {
		t.Errorf("strike is %+v", s)
	}
	if state.Setup != "12345678" || state.Lights["door"] != "green" || state.Text != "Come in" || state.Phone["state"] != "ringing" {
		t.Errorf("state is %s", body)
	}
	var got []string
	for _, item := range state.Trace {
		got = append(got, fmt.Sprint(item.Kind, " ", item.Name, " ", item.Value))
	}
	want := []string{"strike front true", "strike front false", "strike front true", "light door green", "tone speaker granted", "text display Come in"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("trace is %q, want %q", got, want)
	}
}

func TestEmptyStateHasEveryFieldOfTheContract(t *testing.T) {
	_, server, _ := serve(t, Options{})
	_, body, _ := do(t, server, "GET", "/sim/state", "", "")
	for _, field := range []string{`"time":"`, `"setup_code":""`, `"strikes":{"front":{"on":false,"since":"`, `"lights":{}`, `"text":""`, `"phone":{}`, `"trace":[]`} {
		if !strings.Contains(body, field) {
			t.Errorf("state has no %s: %s", field, body)
		}
	}
}

func TestDeadDevicesTakeNothingAndSaySo(t *testing.T) {
	h, server, r := serve(t, Options{})
	if err := h.SetStrike("front", true); err != nil {
		t.Fatal(err)
	}
	for _, device := range []string{"front", "front-in", "exit", Display, Lights, Speaker} {
		if status, body, _ := do(t, server, "POST", "/sim/fault", "application/json", fmt.Sprintf(`{"device":%q,"dead":true}`, device)); status != 204 {
			t.Fatalf("fault of %s: %d %s", device, status, body)
		}
		r.next(t)
	}
	if h.Strikes()["front"].On {
		t.Error("a dead strike is still on")
	}
	for name, err := range map[string]error{
		"strike": h.SetStrike("front", true), "light": h.Light("door", "red"), "tone": h.Tone("refused"), "text": h.Text("x"),
		"badge": h.Badge("front-in", "04A1B2C3"), "keys": h.Keys("front-in", "1"), "scan": h.Scan("", "x"), "picture": h.ScanImage("front-in", nil),
		"contact": h.Contact("front", true), "input": h.Input("exit", true),
	} {
		if !errors.Is(err, ErrDead) {
			t.Errorf("%s of a dead device: %v", name, err)
		}
	}
	if status, body, _ := do(t, server, "POST", "/sim/badge", "application/json", `{"reader":"front-in","uid":"04A1B2C3"}`); status != 409 || !strings.Contains(body, "dead-device") {
		t.Errorf("badge at a dead reader: %d %s", status, body)
	}
	if err := h.Fault("front", false); err != nil {
		t.Fatal(err)
	}
	if err := h.SetStrike("front", true); err != nil {
		t.Errorf("a strike that came back: %v", err)
	}
}

func TestACallbackThatWaitsNeverHoldsUpARequest(t *testing.T) {
	release, entered := make(chan struct{}), make(chan struct{}, 2*eventQueue)
	h, err := New(Options{Callbacks: Callbacks{Press: func(int) { entered <- struct{}{}; <-release }}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- h.Run(ctx) }()
	if err := h.Press(1); err != nil {
		t.Fatal(err)
	}
	<-entered
	taken := 0
	for h.Press(1) == nil {
		taken++
	}
	if taken != eventQueue {
		t.Errorf("%d events were queued behind a waiting callback, want %d", taken, eventQueue)
	}
	if err := h.Keys("front-in", "123"); !errors.Is(err, ErrBusy) {
		t.Errorf("keys into a full queue: %v", err)
	}
	w := httptest.NewRecorder()
	h.Handler().ServeHTTP(w, httptest.NewRequest("POST", "/sim/press", strings.NewReader(`{"button":1}`)))
	if w.Code != 503 {
		t.Errorf("a press into a full queue: %d", w.Code)
	}
	close(release)
	for range eventQueue {
		<-entered
	}
	cancel()
	<-ended
}

func TestStrikesAreOffAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- h.Run(ctx) }()
		if h.Strikes()["front"].On || len(h.Trace()) != 0 {
			t.Error("a strike moved at boot")
		}
		if err := h.SetStrike("front", true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second) // fake time
		cancel()
		<-ended
		trace := h.Trace()
		if h.Strikes()["front"].On || len(trace) != 2 || trace[1].MonoMS-trace[0].MonoMS != 3000 {
			t.Errorf("after the end: %+v, %+v", h.Strikes(), trace)
		}
	})
}

func TestClockSetBackDoesNotMoveTheMonotonicOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := New(Options{ClockUntrusted: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, trusted := h.Clock(); trusted {
			t.Error("the clock is trusted")
		}
		_ = h.Tone("a")
		if err := h.SetClock(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // fake time
		_ = h.Tone("b")
		trace := h.Trace()
		now, trusted := h.Clock()
		if want := time.Date(2000, 1, 1, 0, 1, 0, 0, time.UTC); !trusted || !now.Equal(want) || !trace[1].At.Equal(want) || trace[1].MonoMS != 60000 {
			t.Errorf("clock %s (trusted %t), trace %+v", now, trusted, trace)
		}
	})
}

func TestTraceKeepsTheLastThousand(t *testing.T) {
	h, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range TraceLength + 5 {
		_ = h.Text(fmt.Sprint(i))
	}
	trace := h.Trace()
	if len(trace) != TraceLength || trace[0].Value != "5" || trace[TraceLength-1].Value != "1004" {
		t.Errorf("%d items from %v to %v", len(trace), trace[0].Value, trace[len(trace)-1].Value)
	}
}

// stream reads server-sent events.
type stream struct {
	*bufio.Scanner
	close func()
}

func listen(t *testing.T, server *httptest.Server, lastID string) stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	req, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/sim/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("events: %s %s", resp.Status, resp.Header)
	}
	s := stream{bufio.NewScanner(resp.Body), func() { cancel(); resp.Body.Close() }}
	if !s.Scan() || !strings.HasPrefix(s.Text(), ":") {
		t.Fatalf("the stream starts with %q", s.Text())
	}
	return s
}

func (s stream) next(t *testing.T) (kind, id string, item Item) {
	t.Helper()
	for s.Scan() {
		name, value, _ := strings.Cut(s.Text(), ": ")
		switch name {
		case "event":
			kind = value
		case "id":
			id = value
		case "data":
			if err := json.Unmarshal([]byte(value), &item); err != nil {
				t.Fatal(err)
			}
			return kind, id, item
		}
	}
	t.Fatalf("the stream ended: %v", s.Err())
	return
}

func TestEventsFollowTheTraceAndResumeAfterALoss(t *testing.T) {
	h, server, _ := serve(t, Options{})
	_ = h.Text("before")
	s := listen(t, server, "")
	_ = h.SetStrike("front", true)
	_ = h.Tone("granted")
	if kind, id, item := s.next(t); kind != "strike" || id != "2" || item.Name != "front" || item.Value != true || item.Kind != kind {
		t.Errorf("first event: %s %s %+v", kind, id, item)
	}
	if kind, id, item := s.next(t); kind != "tone" || id != "3" || item.Value != "granted" {
		t.Errorf("second event: %s %s %+v", kind, id, item)
	}
	s.close()
	_ = h.SetStrike("front", false)

	s = listen(t, server, "2")
	for _, want := range []string{"3", "4"} {
		if _, id, _ := s.next(t); id != want {
			t.Errorf("after a loss came event %s, want %s", id, want)
		}
	}
	s.close()

	s = listen(t, server, "99999")
	_ = h.Text("new")
	if _, id, _ := s.next(t); id != "5" {
		t.Errorf("a number from before a restart resumed at %s, want 5", id)
	}
	s.close()
}

func TestEventStreamsEndWithTheHardware(t *testing.T) {
	h, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h.Handler())
	defer server.Close()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- h.Run(ctx) }()
	s := listen(t, server, "")
	defer s.close()
	cancel()
	<-ended
	for s.Scan() {
	}
	if s.Err() != nil {
		t.Errorf("the stream did not end by itself: %v", s.Err())
	}
}

// stalled is a reader that does not read until it is let go; then it counts what comes.
type stalled struct {
	http.ResponseWriter
	first, release chan struct{}
	writes         int
}

func (s *stalled) Write(b []byte) (int, error) {
	s.writes++
	if s.writes == 2 {
		close(s.first)
		<-s.release
	}
	return s.ResponseWriter.Write(b)
}

func (s *stalled) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func TestASlowReaderIsSentAwayAndBlocksNobody(t *testing.T) {
	h, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &stalled{ResponseWriter: httptest.NewRecorder(), first: make(chan struct{}), release: make(chan struct{})}
	ended := make(chan struct{})
	_ = h.Text("0")
	go func() {
		h.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/sim/events?after=0", nil))
		close(ended)
	}()
	<-w.first
	for i := range 2 * TraceLength {
		_ = h.Text(fmt.Sprint(i))
	}
	close(w.release)
	<-ended
	if w.writes > 2 {
		t.Errorf("the reader that lost its place got %d more writes", w.writes-2)
	}
}

func TestTooManyReadersAreRefused(t *testing.T) {
	h, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range maxWatchers {
		if _, _, err := h.watch(); err != nil {
			t.Fatal(err)
		}
	}
	w := httptest.NewRecorder()
	h.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/sim/events", nil))
	if w.Code != 503 {
		t.Errorf("reader %d: %d, want 503", maxWatchers+1, w.Code)
	}
}

func TestNewRefusesAmbiguousNames(t *testing.T) {
	for name, o := range map[string]Options{
		"same door twice":        {Doors: []string{"a", "a"}},
		"door named like reader": {Doors: []string{"front-in"}},
		"empty":                  {Inputs: []string{""}},
		"reserved":               {Inputs: []string{Display}},
		"buttons":                {Buttons: -1},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzRequests(f *testing.F) {
	for _, path := range []string{"press", "badge", "keys", "scan", "contact", "input", "clock", "fault"} {
		f.Add(path, `{"button":1,"reader":"front-in","uid":"04","keys":"1#","door":"front","open":true}`)
	}
	f.Add("clock", `{"now":"9999-12-31T23:59:59Z"}`)
	f.Fuzz(func(t *testing.T, path, body string) {
		h, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("POST", "/sim/", strings.NewReader(body))
		r.URL.Path = "/sim/" + path
		w := httptest.NewRecorder()
		if path == "scan" {
			r.Header.Set("Content-Type", "text/plain")
		}
		h.Handler().ServeHTTP(w, r)
		if w.Code >= 500 || len(h.Trace()) != 0 {
			t.Errorf("%s %q: %d, trace %v", path, body, w.Code, h.Trace())
		}
		if w := httptest.NewRecorder(); true {
			h.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/sim/state", nil))
			if !json.Valid(w.Body.Bytes()) {
				t.Errorf("after %s %q the state is %q", path, body, w.Body)
			}
		}
	})
}
