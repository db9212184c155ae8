package login

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// slugOf is the word of a refusal; "" when there is none.
func slugOf(err error) string {
	var r *Refusal
	if !errors.As(err, &r) {
		return ""
	}
	return r.Slug
}

func TestPasswordsThatAreGuessedFirstAreRefused(t *testing.T) {
	for _, test := range []struct {
		password, user string
		good           bool
	}{
		{"four words are easy", "ines", true},
		{"nineteen-", "ines", false},
		{"tenletters", "ines", true},
		{strings.Repeat("long enough ", 11), "ines", false},
		{"abcabcabcabc", "ines", false},
		{"qwertyuiopas", "ines", false},
		{"98765432109", "ines", false},
		{"Password2026!", "ines", false},
		{"ines12345678!", "ines", false},
		{"ines12345678!", "otto", true},
		{"turnstile1234", "ines", false},
		{"Turnstile-123", "ines", false},
	} {
		err := CheckPassword(test.password, test.user, []string{"turnstile"})
		if good := err == nil; good != test.good || !good && slugOf(err) != "weak-password" {
			t.Errorf("%q of %s: %v", test.password, test.user, err)
		}
	}
}

func TestUserNamesCanStandInAnAddressAndInALog(t *testing.T) {
	for _, name := range []string{"ines", "i", "o.t-t_o2", strings.Repeat("a", MaxUserName)} {
		if err := CheckUserName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "root", "Ines", ".ines", "i nes", "ines/", "in\nes", "inès", strings.Repeat("a", MaxUserName+1)} {
		if slugOf(CheckUserName(name)) != "not-valid" {
			t.Errorf("%q is taken", name)
		}
	}
}

func TestGuardRemembersOnlySoMany(t *testing.T) {
	now := time.Duration(0)
	g := NewGuard(func() time.Duration { return now })
	for i := range 3 * maxGuarded {
		now += time.Millisecond
		g.Wrong(GuardKeys(strings.Repeat("x", i%5000), fmt.Sprintf("10.0.%d.%d", i/256, i%256)))
	}
	if len(g.tries) > maxGuarded {
		t.Errorf("%d remembered, want at most %d", len(g.tries), maxGuarded)
	}
}

func TestGuardBlocksLongerEachTimeAndForgetsAfterAnHour(t *testing.T) {
	now := time.Duration(0)
	g := NewGuard(func() time.Duration { return now })
	keys := GuardKeys("ines", "10.0.0.1")
	for range FreeTries - 1 {
		g.Wrong(keys)
	}
	if wait := g.Wait(keys); wait > 0 {
		t.Fatalf("blocked for %s before %d wrong ones", wait, FreeTries)
	}
	for _, want := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute} {
		g.Wrong(keys)
		if wait := g.Wait(keys); wait != want {
			t.Errorf("blocked for %s, want %s", wait, want)
		}
		if wait := g.Wait(GuardKeys("otto", "10.0.0.1")); wait != want {
			t.Errorf("another user from there is blocked for %s, want %s", wait, want)
		}
		if wait := g.Wait(GuardKeys("ines", "10.0.0.2")); wait != want {
			t.Errorf("the user from elsewhere is blocked for %s, want %s", wait, want)
		}
		now += want
	}
	now += forgetIn + time.Second
	g.Wrong(keys)
	if wait := g.Wait(keys); wait > 0 {
		t.Errorf("blocked for %s an hour after the last wrong one", wait)
	}
	for range FreeTries {
		g.Wrong(keys)
	}
	g.Right(keys)
	if wait := g.Wait(keys); wait > 0 {
		t.Errorf("blocked for %s after a right one", wait)
	}
}

func TestOneNetworkOfIPv6CountsAsOneAddress(t *testing.T) {
	one, other := GuardKeys("", "2001:db8::1")[1], GuardKeys("", "2001:db8::ffff:2")[1]
	if one != other {
		t.Errorf("%s and %s are counted apart", one, other)
	}
	if GuardKeys("", "10.0.0.1")[1] == GuardKeys("", "10.0.0.2")[1] {
		t.Error("two addresses of IPv4 are counted as one")
	}
}

// window is a setup window with its own time and the code that it shows.
type window struct {
	*Setup
	now  time.Duration
	code string
}

func newWindow() *window {
	w := &window{}
	w.Setup = NewSetup(func() time.Duration { return w.now }, func(code string) { w.code = code }, SetupWords{"locked", "last", "closed", "wrong"})
	return w
}

func TestSetupWindowTakesFiveTriesForTenMinutes(t *testing.T) {
	w := newWindow()
	if slugOf(w.Check("")) != "setup-closed" {
		t.Error("an empty code opens a closed window")
	}
	w.Open()
	code := w.code
	if len(code) != 8 || w.Check(code) != nil {
		t.Fatalf("the code shown is %q and does not count", code)
	}
	for range setupTries - 1 {
		if got := slugOf(w.Check("nothing")); got != "wrong-code" {
			t.Fatalf("a wrong code is answered with %q", got)
		}
	}
	if got := slugOf(w.Check("nothing")); got != "too-many-tries" || w.code != "" {
		t.Errorf("the last wrong code is answered with %q, %q is shown", got, w.code)
	}
	w.Open()
	if slugOf(w.Check(w.code)) != "too-many-tries" {
		t.Error("opening anew ended the wait: that is a way to go on guessing")
	}
	w.now += SetupTime
	if err := w.Check(w.code); err != nil {
		t.Errorf("the new code does not count after the wait: %v", err)
	}
	w.now += SetupTime
	last := w.code
	w.Expire()
	if w.code != "" || slugOf(w.Check(last)) != "setup-closed" {
		t.Error("a code counts, or is shown, when its time is over")
	}
}

func TestHiddenCodeCountsNoMore(t *testing.T) {
	w := newWindow()
	w.Open()
	code := w.code
	w.Hide()
	if w.code != "" || slugOf(w.Check(code)) != "setup-closed" {
		t.Error("a withdrawn code counts, or is shown")
	}
	if open, _, _ := w.State(); open {
		t.Error("the window is open")
	}
}

func TestTokenComesFromTheHeaderBeforeTheCookie(t *testing.T) {
	names := Cookies("turnstile")
	r := httptest.NewRequest("GET", "/", nil)
	if token, _ := names.Token(r); token != "" {
		t.Errorf("token %q out of nothing", token)
	}
	r.AddCookie(names.Cookie(r, "from-cookie"))
	if token, header := names.Token(r); token != "from-cookie" || header {
		t.Errorf("%q, from a header: %v", token, header)
	}
	r.Header.Set("Authorization", "bearer from-header")
	if token, header := names.Token(r); token != "from-header" || !header {
		t.Errorf("%q, from a header: %v", token, header)
	}
	r.Header.Set("Authorization", "Basic from-header")
	if token, _ := names.Token(r); token != "from-cookie" {
		t.Errorf("%q is taken of another scheme", token)
	}
	r = httptest.NewRequest("GET", "/", nil)
	r.TLS = &tls.ConnectionState{}
	r.AddCookie(names.Cookie(httptest.NewRequest("GET", "/", nil), "planted"))
	if token, _ := names.Token(r); token != "" {
		t.Error("over TLS a cookie counts that any host of the domain can set")
	}
	if c := names.Cookie(r, "x"); c.Name != "__Host-turnstile" || !c.Secure || !c.HttpOnly {
		t.Errorf("over TLS the cookie is %v", c)
	}
}

func TestOnlyTheHashOfATokenIsStored(t *testing.T) {
	one, other := NewToken(), NewToken()
	if one == other || len(one) != 43 {
		t.Errorf("%q and %q are drawn", one, other)
	}
	if hash := HashToken(one); len(hash) != 64 || hash == HashToken(other) || strings.Contains(hash, one) {
		t.Errorf("hash %q", hash)
	}
}

func TestNobodyTakesAsLongAsSomebody(t *testing.T) {
	h := NewHasher()
	hash, err := h.Hash(t.Context(), "four words are easy")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		password, hash string
		match          bool
	}{{"four words are easy", hash, true}, {"four words are hard", hash, false}, {"", "", false}, {"four words are easy", "", false}} {
		if match, err := h.Matches(t.Context(), test.password, test.hash); match != test.match || err != nil {
			t.Errorf("%q against %.12q: %v, %v", test.password, test.hash, match, err)
		}
	}
	// The comparison with nobody is one with a hash of the same cost.
	if nobody, err := h.nobody(); err != nil || nobody[:strings.LastIndex(nobody[:40], "$")] != hash[:strings.LastIndex(hash[:40], "$")] {
		t.Errorf("nobody is %.40s, somebody %.40s: %v", nobody, hash, err)
	}
}

func TestWhoeverComesWhenTooManyWaitIsToldToComeAgain(t *testing.T) {
	h := NewHasher()
	for range maxQueue {
		h.queue <- struct{}{}
	}
	_, err := h.Hash(t.Context(), "four words are easy")
	var r *Refusal
	if !errors.As(err, &r) || r.Status != 503 || r.RetryAfter() != 1 {
		t.Errorf("%v", err)
	}
}
