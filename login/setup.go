package login

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Limits of the setup window.
const (
	SetupTime  = 10 * time.Minute
	setupTries = 5
)

// SetupWords are the program's own sentences about its setup window.
type SetupWords struct {
	Locked string // tries are refused after too many wrong ones
	Last   string // this was the last wrong one
	Closed string // there is no window now
	Wrong  string // not the code; how many tries are left is added
}

// Setup is the window in which whoever reads the code where the program shows it may make the first administrator. It is safe
// for concurrent use.
type Setup struct {
	now   func() time.Duration
	show  func(string)
	words SetupWords

	mu     sync.Mutex
	code   string // empty: closed
	until  time.Duration
	wrong  int
	locked time.Duration // no tries until then
	timer  *time.Timer
}

// NewSetup makes a closed window; now is a monotonic time. show is given the code, and "" when it is withdrawn; it must not
// wait, nor call the Setup.
func NewSetup(now func() time.Duration, show func(string), words SetupWords) *Setup {
	return &Setup{now: now, show: show, words: words}
}

// Open draws a new code. After too many wrong ones it counts only when the wait is over: opening anew is no way to go on
// guessing.
func (s *Setup) Open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := max(s.now(), s.locked)
	s.code, s.wrong, s.until = drawDigits(8), 0, from+SetupTime
	if s.timer != nil {
		s.timer.Stop()
	}
	s.timer = time.AfterFunc(s.until-s.now(), s.Expire)
	s.show(s.code)
}

// Expire withdraws a code whose time is over, as the timer of the window does.
func (s *Setup) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.code != "" && s.now() >= s.until {
		s.closeLocked()
	}
}

// Hide withdraws the code.
func (s *Setup) Hide() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.code != "" {
		s.closeLocked()
	}
}

func (s *Setup) closeLocked() {
	s.code = ""
	if s.timer != nil {
		s.timer.Stop()
	}
	s.show("")
}

// State is how long the window is still open and how long tries are refused.
func (s *Setup) State() (open bool, left, locked time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	locked = max(0, s.locked-now)
	if s.code == "" || now >= s.until {
		return false, 0, locked
	}
	return true, s.until - now, locked
}

// Check compares a code. The caller calls Hide once the administrator is stored. The error is a *Refusal.
func (s *Setup) Check(code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if wait := s.locked - now; wait > 0 {
		return TooMany(s.words.Locked, wait)
	}
	if s.code == "" || now >= s.until {
		return &Refusal{Status: http.StatusForbidden, Slug: "setup-closed", Detail: s.words.Closed}
	}
	if subtle.ConstantTimeCompare([]byte(code), []byte(s.code)) == 1 {
		return nil
	}
	s.wrong++
	if s.wrong >= setupTries {
		s.locked = now + SetupTime
		s.closeLocked()
		return TooMany(s.words.Last, SetupTime)
	}
	return &Refusal{Status: http.StatusForbidden, Slug: "wrong-code", Detail: fmt.Sprintf("%s; %d tries are left", s.words.Wrong, setupTries-s.wrong)}
}

// drawDigits draws n decimal digits, each as likely as the others.
func drawDigits(n int) string {
	digits := make([]byte, 0, n)
	for len(digits) < n {
		var b [1]byte
		_, _ = rand.Read(b[:]) // never fails: documented to end the process instead
		if b[0] < 250 {
			digits = append(digits, '0'+b[0]%10)
		}
	}
	return string(digits)
}
