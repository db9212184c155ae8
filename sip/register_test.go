package sip

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	stack "github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

func (a *agent) registrar() string { return "sip:" + a.udp.LocalAddr().String() }

// accept grants what req asks for.
func (a *agent) accept(req *stack.Request, seconds int) {
	a.t.Helper()
	res := stack.NewResponseFromRequest(req, 200, "OK", nil)
	res.AppendHeader(stack.NewHeader("Contact", fmt.Sprintf("%s;expires=%d", req.Contact().Value(), seconds)))
	a.send(res.String())
}

func expires(req *stack.Request) string { return req.GetHeader("Expires").Value() }

// wantLogin checks the digest of req.
func wantLogin(t *testing.T, req *stack.Request, header, algorithm string) {
	t.Helper()
	h := req.GetHeader(header)
	if h == nil {
		t.Fatalf("%s has no %s", req.Method, header)
	}
	got, err := digest.ParseCredentials(h.Value())
	if err != nil {
		t.Fatal(err)
	}
	chal := &digest.Challenge{Realm: got.Realm, Nonce: got.Nonce, Algorithm: got.Algorithm}
	if got.QOP != "" {
		chal.QOP = []string{got.QOP}
	}
	want, err := digest.Digest(chal, digest.Options{Method: string(req.Method), URI: req.Recipient.String(), Username: "panel", Password: "s3cret", Cnonce: got.Cnonce, Count: got.Nc})
	if err != nil {
		t.Fatal(err)
	}
	if got.Response != want.Response || got.Algorithm != algorithm || got.URI != req.Recipient.String() {
		t.Errorf("the login is %s", h.Value())
	}
}

func TestAccountRegistersRefreshesAndUnregisters(t *testing.T) {
	t.Parallel()
	a := startAgent(t)
	t.Run("while the phone runs", func(t *testing.T) {
		p, w := startPhone(t, Options{KeepAlive: -1, Accounts: []Account{{Name: "pbx", Registrar: a.registrar(), User: "panel", Password: "s3cret"}}})
		p.SetAccount("pbx", true)
		wantAccount(w, Registering)
		first := a.request("REGISTER")
		if first.GetHeader("Authorization") != nil || expires(first) != "3600" {
			t.Errorf("first REGISTER:\n%s", first)
		}
		a.answer(first, 401, "", "",
			`WWW-Authenticate: Digest realm="pbx", nonce="n1", algorithm=MD5, qop="auth"`,
			`WWW-Authenticate: Digest realm="pbx", nonce="n2", algorithm=SHA-256, qop="auth, auth-int"`)
		second := a.request("REGISTER")
		wantLogin(t, second, "Authorization", "SHA-256")
		if second.CallID().Value() != first.CallID().Value() || second.CSeq().SeqNo <= first.CSeq().SeqNo {
			t.Error("a registration keeps its Call-ID and counts up (RFC 3261 section 10.2)")
		}
		a.accept(second, 2)
		wantAccount(w, Registered)
		refresh := a.request("REGISTER")
		a.accept(refresh, 600)
		go func() {
			bye := a.request("REGISTER")
			if expires(bye) != "0" {
				t.Errorf("the phone leaves with Expires: %s", expires(bye))
			}
			a.accept(bye, 0)
		}()
		p.Close()
		wantAccount(w, Off)
	})
}

func TestRegistrarThatRefusesIsAskedAgain(t *testing.T) {
	t.Parallel()
	a := startAgent(t)
	p, w := startPhone(t, Options{Accounts: []Account{{Name: "pbx", Registrar: a.registrar(), User: "panel", Expires: 30 * time.Second}}})
	p.SetAccount("pbx", true)
	wantAccount(w, Registering)
	a.answer(a.request("REGISTER"), 503, "", "", "Retry-After: 1 (busy)")
	if e := wantAccount(w, Unavailable); e.Status != 503 || e.Text == "" {
		t.Errorf("got %+v", e)
	}
	wantAccount(w, Registering)
	a.answer(a.request("REGISTER"), 423, "", "", "Min-Expires: 120")
	longer := a.request("REGISTER")
	if expires(longer) != "120" {
		t.Errorf("after 423 the phone asks for %s s", expires(longer))
	}
	a.accept(longer, 120)
	wantAccount(w, Registered)
	p.SetAccount("pbx", false)
	bye := a.request("REGISTER")
	a.accept(bye, 0)
	wantAccount(w, Off)
}

func TestWrongPasswordIsNotTriedAgainAtOnce(t *testing.T) {
	t.Parallel()
	a := startAgent(t)
	p, w := startPhone(t, Options{Accounts: []Account{{Name: "pbx", Registrar: a.registrar(), User: "panel", Password: "wrong"}}})
	p.SetAccount("pbx", true)
	wantAccount(w, Registering)
	for range 2 {
		a.answer(a.request("REGISTER"), 401, "", "", `WWW-Authenticate: Digest realm="pbx", nonce="n"`)
	}
	if e := wantAccount(w, Unavailable); !strings.Contains(e.Text, "password") {
		t.Errorf("got %+v", e)
	}
	if err := a.udp.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, _, err := a.udp.ReadFromUDP(make([]byte, 2048)); err == nil {
		t.Errorf("%d more bytes came at once", n)
	}
}

func TestLostExchangeIsFoundByTheKeepAlive(t *testing.T) {
	t.Parallel()
	a := startAgent(t)
	p, w := startPhone(t, Options{KeepAlive: time.Second, ReplyTimeout: 200 * time.Millisecond, Accounts: []Account{{Name: "pbx", Registrar: a.registrar(), User: "panel"}}})
	p.SetAccount("pbx", true)
	wantAccount(w, Registering)
	a.accept(a.request("REGISTER"), 600)
	wantAccount(w, Registered)
	ping := a.request("OPTIONS")
	a.answer(ping, 404, "", "") // any answer is a sign of life
	a.request("OPTIONS")
	wantAccount(w, Unavailable)
	wantAccount(w, Registering)
}

func TestCallThroughAnAccountLogsIn(t *testing.T) {
	t.Parallel()
	a := startAgent(t)
	p, w := startPhone(t, Options{Accounts: []Account{{Name: "pbx", Registrar: a.registrar(), User: "panel", Password: "s3cret"}}})
	p.Place("c", "101", "pbx")
	invite := a.request("INVITE")
	if got, want := invite.Recipient.String(), strings.Replace(a.registrar(), "sip:", "sip:101@", 1); got != want {
		t.Errorf("the call goes to %s, want %s", got, want)
	}
	a.answer(invite, 407, "x", "", `Proxy-Authenticate: Digest realm="pbx", nonce="n", qop="auth"`)
	a.request("ACK")
	again := a.request("INVITE")
	wantLogin(t, again, "Proxy-Authorization", "")
	a.answer(again, 200, "anna1", a.sdp())
	a.request("ACK")
	w.want(Answered, "c")
	a.send(a.within("INFO", again, "anna1", 5, "application/dtmf", "1"))
	w.want(Digit, "c")
	a.end(p, "c")
	w.want(Ended, "c")

	p.Place("d", "sip:anna@other.example", "pbx")
	far := a.request("INVITE")
	if r := far.Route(); r == nil || far.Recipient.Host != "other.example" {
		t.Errorf("a call to elsewhere does not go by the exchange:\n%s", far)
	}
	a.answer(far, 407, "x", "", `Proxy-Authenticate: Digest realm="pbx", nonce="n"`)
	a.request("ACK")
	a.answer(a.request("INVITE"), 407, "x", "", `Proxy-Authenticate: Digest realm="pbx", nonce="n"`)
	if e := w.want(Failed, "d"); e.Reason != Refused || !strings.Contains(e.Text, "password") {
		t.Errorf("got %+v", e)
	}
}

func TestAccountsAreChecked(t *testing.T) {
	for _, a := range []Account{
		{Name: "pbx", Registrar: "pbx.lan", User: "u"}, {Name: "pbx", Registrar: "sips:pbx.lan", User: "u"}, {Name: "pbx", Registrar: "sip:u@pbx.lan", User: "u"},
		{Name: "pbx", Registrar: "sip:pbx.lan;transport=tls", User: "u"}, {Name: "", Registrar: "sip:pbx.lan", User: "u"}, {Name: "pbx", Registrar: "sip:pbx.lan", User: ""},
		{Name: "pbx", Registrar: "sip:pbx.lan", User: "a\r\nb"},
	} {
		if p, err := New(Options{Listen: "127.0.0.1:0", Accounts: []Account{a}}); err == nil {
			p.Close()
			t.Errorf("%+v is taken", a)
		}
	}
}

func TestPasswordsAreNotPrinted(t *testing.T) {
	a := Account{Name: "pbx", Password: "s3cret"}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "password", a.Password, "account", a)
	for _, s := range []string{fmt.Sprintf("%v %+v %#v %s %q", a, a, a, a.Password, a.Password), log.String()} {
		if strings.Contains(s, "s3cret") {
			t.Errorf("printed: %s", s)
		}
	}
}

func TestBackOffGrowsAndIsBounded(t *testing.T) {
	for tries := range 40 {
		d := backOff(tries)
		if d < firstRetry/2 || d > lastRetry {
			t.Errorf("try %d waits %v", tries, d)
		}
		if tries >= 9 && d < lastRetry/2 {
			t.Errorf("try %d waits only %v", tries, d)
		}
	}
}
