package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/doorpanel/doorpanel/license"
)

// faceCodeTime is how long a code for another panel stays on the display: long enough to hold a camera to it.
const faceCodeTime = 2 * time.Minute

// setupFresh is how long an identity on the display is kept: its address may change.
const setupFresh = 10 * time.Second

type (
	faceCodeRequest struct {
		Text string `json:"text"`
	}
	faceCodeAnswer struct {
		Seconds int `json:"seconds"`
	}
	// FaceCode is a code on the display, for the camera of another panel.
	FaceCode struct {
		Title   string `json:"title"`
		SVG     string `json:"svg"`
		Seconds int    `json:"seconds"` // for which it is still shown
	}
	// FaceSetup is shown while the panel has no administrator.
	FaceSetup struct {
		Panel   string `json:"panel"` // its id
		Name    string `json:"name"`
		Address string `json:"address,omitempty"` // of its pages; empty: not known
		SVG     string `json:"svg"`               // its identity
	}
)

// faceCodeRoutes put a code for another panel's camera on the display.
func (s *Server) faceCodeRoutes() []route {
	return []route{
		{Method: "POST", Pattern: api + "/face/code", Access: AsInstaller, Handler: s.postFaceCode, Status: 200, Summary: "Show a code for another panel on the display, for two minutes",
			Request: faceCodeRequest{Text: "DS1:…"}, Response: faceCodeAnswer{120}},
		{Method: "DELETE", Pattern: api + "/face/code", Access: AsInstaller, Handler: s.deleteFaceCode, Status: 204, Summary: "Take the code off the display"},
	}
}

func (s *Server) postFaceCode(w http.ResponseWriter, r *http.Request, _ caller) error {
	var in faceCodeRequest
	if err := decode(w, r, &in); err != nil {
		return err
	}
	text := strings.TrimSpace(in.Text)
	title, shown := faceCodeTitle(text)
	if !shown {
		// Everybody in the street could take a picture of a license or a release, and be the first to use it.
		return notValid("the display shows only what is of use to one panel: an identity (DI1:…), a share (DS1:…) or a share given back (DB1:…)")
	}
	svg := codeSVG(text)
	if svg == "" {
		return notValid("the text is too long for a QR code; copy it to the other panel's page")
	}
	s.board.show(FaceCode{Title: title, SVG: svg})
	return writeJSON(w, http.StatusOK, faceCodeAnswer{int(faceCodeTime / time.Second)})
}

func (s *Server) deleteFaceCode(w http.ResponseWriter, _ *http.Request, _ caller) error {
	s.board.clear()
	return gone(w, nil)
}

func faceCodeTitle(text string) (title string, shown bool) {
	switch {
	case strings.HasPrefix(text, "DI1:"):
		return "This panel's identity", true
	case strings.HasPrefix(text, "DS1:"):
		return "For the other panel", true
	case strings.HasPrefix(text, "DB1:"):
		return "Given back to the other panel", true
	}
	return "", false
}

// board is what the pages themselves put on the display.
type board struct {
	now func() time.Duration

	mu      sync.Mutex
	code    FaceCode
	until   time.Duration // no code is shown from then on
	timer   *time.Timer
	changed chan struct{} // closed at each change

	setup      FaceSetup
	setupUntil time.Duration // made anew from then on; 0: not made
}

func newBoard(now func() time.Duration) *board {
	return &board{now: now, changed: make(chan struct{})}
}

func (b *board) show(code FaceCode) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopLocked()
	b.code, b.until = code, b.now()+faceCodeTime
	b.timer = time.AfterFunc(faceCodeTime, b.wake)
	b.wakeLocked()
}

func (b *board) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopLocked()
	b.until = 0
	b.wakeLocked()
}

func (b *board) stopLocked() {
	if b.timer != nil {
		b.timer.Stop()
	}
}

// wake lets every face be drawn anew.
func (b *board) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wakeLocked()
}

func (b *board) wakeLocked() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// shown is the code on the display, if there is one, and what is closed at the next change.
func (b *board) shown() (code *FaceCode, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	left := b.until - b.now()
	if left <= 0 {
		return nil, b.changed
	}
	shown := b.code
	shown.Seconds = int((left + time.Second - 1) / time.Second)
	return &shown, b.changed
}

// waitFace returns nil once the face is another one than v, and the cause when ctx ends before. changed belongs to v.
func (s *Server) waitFace(ctx context.Context, v FaceView, changed <-chan struct{}, c caller) error {
	news, cancel := context.WithCancel(ctx)
	defer cancel()
	poked := make(chan struct{})
	go func() {
		select {
		case <-changed:
			close(poked)
			cancel()
		case <-news.Done():
		}
	}()
	err := s.o.Face.WaitFace(news, v.Version)
	select {
	case <-poked:
		return nil
	default:
	}
	// Nothing wakes a face when a license begins to end: it is looked at with every heartbeat.
	if errors.Is(err, context.DeadlineExceeded) {
		code, _ := s.board.shown()
		if s.endingNotice(c) != v.Notice || (code == nil) != (v.Code == nil) {
			return nil
		}
	}
	return err
}

// faceSetup is what the face shows while there is no administrator; nil otherwise.
func (s *Server) faceSetup() *FaceSetup {
	has, err := s.hasAdministrator()
	if err != nil || has {
		return nil
	}
	return s.board.signed(func() FaceSetup {
		identity := s.o.Bindings.Identity()
		setup := FaceSetup{Panel: identity.Panel, Name: identity.Name, SVG: codeSVG(identity.Text)}
		if s.o.Address != nil {
			setup.Address = s.o.Address()
		}
		return setup
	})
}

// signed keeps what the face says of the panel for a moment: signing and drawing are work, and everybody may ask.
func (b *board) signed(sign func() FaceSetup) *FaceSetup {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := b.now(); b.setupUntil == 0 || now >= b.setupUntil {
		b.setup, b.setupUntil = sign(), now+setupFresh
	}
	setup := b.setup
	return &setup
}

// endingNotice is the line for the installer, on the panel's own display only, while a license ends within 30 days.
func (s *Server) endingNotice(c caller) string {
	if !c.Local {
		return ""
	}
	var first license.Entry
	for _, e := range s.o.Licenses.Entitlements().List() {
		if e.Status == license.Ending && (first.Until.IsZero() || e.Until.Before(first.Until)) {
			first = e
		}
	}
	if first.Until.IsZero() {
		return ""
	}
	return fmt.Sprintf("For the installer: %s ends %s", first.Title, s.endsIn(first.Until))
}

// endsIn says when something ends, in days where the clock is believed.
func (s *Server) endsIn(until time.Time) string {
	now := s.o.Clock()
	left := until.Sub(now.Wall)
	days := int((left + 24*time.Hour - 1) / (24 * time.Hour))
	switch {
	case !now.Trusted || left <= 0:
		return "on " + until.Format("2 January 2006")
	case days == 1:
		return "within a day"
	}
	return fmt.Sprintf("in %d days", days)
}
