package sip

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/sip/siptest"
)

func TestBaresipAnswersAndPressesKeys(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			b := siptest.StartBaresip(t, siptest.BaresipOptions{Transport: transport})
			p, w := startPhone(t, Options{DisplayName: "Front door"})
			p.Place("c", b.Target(), "")
			w.want(Ringing, "c")
			b.Wait("CALL_INCOMING")
			b.Answer()
			w.want(Answered, "c")
			b.Wait("CALL_ESTABLISHED")
			for _, key := range "1*" {
				b.Digit(key)
				if e := w.want(Digit, "c"); e.Digit != key {
					t.Fatalf("got key %q, want %q", e.Digit, key)
				}
			}
			p.HangUp("c")
			w.want(Ended, "c")
			b.Wait("CALL_CLOSED")
		})
	}
}

func TestBaresipHangsUpAndDeclines(t *testing.T) {
	b := siptest.StartBaresip(t, siptest.BaresipOptions{})
	p, w := startPhone(t, Options{})
	p.Place("c", b.Target(), "")
	w.want(Ringing, "c")
	b.Wait("CALL_INCOMING")
	b.Answer()
	w.want(Answered, "c")
	b.Wait("CALL_ESTABLISHED")
	b.Hangup()
	w.want(Ended, "c")

	p.Place("d", b.Target(), "")
	w.want(Ringing, "d")
	b.Wait("CALL_INCOMING")
	b.Hangup()
	if e := w.want(Failed, "d"); e.Reason != Busy {
		t.Errorf("baresip declines with 486, got %+v", e)
	}
}

func TestSIPpRefuses(t *testing.T) {
	for _, c := range []struct {
		status int
		reason Reason
	}{{486, Busy}, {600, Busy}, {603, Refused}, {403, Refused}, {480, NoAnswer}, {404, UnknownTarget}, {503, Unreachable}, {302, Refused}} {
		peer := siptest.StartSIPp(t, siptest.Refuses(c.status, "No"))
		p, w := startPhone(t, Options{})
		p.Place("c", "sip:anna@"+peer.Addr(), "")
		e := w.next()
		if e.Kind == Ringing {
			e = w.next()
		}
		if e.Kind != Failed || e.Reason != c.reason || e.Status != c.status {
			t.Errorf("%d: got %+v, want %s", c.status, e, c.reason)
		}
		peer.Wait()
	}
}

func TestSIPpIsCanceledWhenNobodyAnswers(t *testing.T) {
	peer := siptest.StartSIPp(t, siptest.RingsOnly())
	p, w := startPhone(t, Options{RingTimeout: 300 * time.Millisecond})
	p.Place("c", "sip:anna@"+peer.Addr(), "")
	w.want(Ringing, "c")
	if e := w.want(Failed, "c"); e.Reason != NoAnswer {
		t.Errorf("got %+v", e)
	}
	peer.Wait()
}

func TestSIPpSendsInfo(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		args := []string{}
		if transport == "tcp" {
			args = []string{"-t", "t1"}
		}
		peer := siptest.StartSIPp(t, siptest.AnswersAndSendsInfo("5#"), args...)
		p, w := startPhone(t, Options{})
		p.Place("c", "sip:anna@"+peer.Addr()+";transport="+transport, "")
		w.answered("c")
		for _, key := range "5#" {
			if e := w.want(Digit, "c"); e.Digit != key {
				t.Errorf("%s: got %q, want %q", transport, e.Digit, key)
			}
		}
		p.HangUp("c")
		w.want(Ended, "c")
		peer.Wait()
	}
}

func TestSIPpPlaysRecordedKeys(t *testing.T) {
	dir := filepath.Join("..", "..", "shared", "testdata", "sipp-scenarios", "sipp-pcap")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("left out: the recorded keys are in ../shared/testdata, which is not here")
	}
	for name, key := range map[string]rune{"1": '1', "0": '0', "star": '*', "pound": '#'} {
		capture, err := filepath.Abs(filepath.Join(dir, "dtmf_2833_"+name+".pcap"))
		if err != nil {
			t.Fatal(err)
		}
		peer := siptest.StartSIPp(t, siptest.AnswersAndPlays(capture))
		p, w := startPhone(t, Options{})
		p.Place("c", "sip:anna@"+peer.Addr(), "")
		w.answered("c")
		if e := w.want(Digit, "c"); e.Digit != key {
			t.Errorf("%s: got %q", name, e.Digit)
		}
		p.HangUp("c")
		w.want(Ended, "c")
		peer.Wait()
	}
}

func TestSIPpRegistrarChecksTheLogin(t *testing.T) {
	const md5 = `Digest realm="pbx", nonce="4f8a", algorithm=MD5, qop="auth"`
	for name, challenges := range map[string][]string{
		"MD5":                     {md5},
		"old, without protection": {`Digest realm="pbx", nonce="4f8a"`},
		"after one nobody can do": {`Digest realm="pbx", nonce="4f8a", algorithm=SHA3-999, qop="auth"`, md5},
	} {
		t.Run(strings.ReplaceAll(name, ",", ""), func(t *testing.T) {
			peer := siptest.StartSIPp(t, siptest.Registrar("panel", "s3cret", challenges...))
			p, w := startPhone(t, Options{Accounts: []Account{{Name: "pbx", Registrar: "sip:" + peer.Addr(), User: "panel", Password: "s3cret"}}})
			p.SetAccount("pbx", true)
			wantAccount(w, Registering)
			wantAccount(w, Registered)
			p.SetAccount("pbx", false)
			wantAccount(w, Off)
			peer.Wait()
		})
	}
}

func wantAccount(w watch, want AccountState) Event {
	w.t.Helper()
	e := w.want(AccountChanged, "")
	if e.State != want {
		w.t.Fatalf("the account is %+v, want %s", e, want)
	}
	return e
}
