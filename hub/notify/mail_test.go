package notify_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/notify"
	"github.com/doorpanel/doorpanel/hub/notify/notifytest"
)

func agree() error { return nil }

func mailer(t *testing.T, s *notifytest.Server, change func(*notify.MailOptions)) *notify.Mail {
	t.Helper()
	o := notify.MailOptions{
		Server: s.Addr, User: notifytest.User, Password: notifytest.Password, From: "Doors of Rome <doorhub@example.org>", CA: s.CA,
		Step: 20 * time.Second, Final: 20 * time.Second,
	}
	if change != nil {
		change(&o)
	}
	m, err := notify.NewMail(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func lost(to string) notify.Message {
	return notify.Message{ID: "via-roma.17.lost.anna.1", Site: "via-roma", Kind: "lost", Language: "it", To: to, Facts: []notify.Fact{
		{Name: "site", Value: "Città Üben 12"}, {Name: "panels", Value: "Portone"}, {Name: "since", Value: "2026-07-20T14:05:00+02:00"},
		{Name: "last_seen", Value: "2026-07-20T14:04:41+02:00"}, {Name: "cause", Value: "panel"},
	}}
}

func words(m notify.Message) notify.Text { return notify.Templates{}.Render(m) }

// failure fails the test unless err is a *notify.Failure that says all the words.
func failure(t *testing.T, err error, words ...string) *notify.Failure {
	t.Helper()
	var f *notify.Failure
	if !errors.As(err, &f) {
		t.Fatalf("%v is not a failure", err)
	}
	for _, w := range words {
		if !strings.Contains(f.Error(), w) {
			t.Errorf("%q does not say %q", f.Error(), w)
		}
	}
	return f
}

func TestMailArrivesWithItsWordsInEveryFormAndOnEachWayIn(t *testing.T) {
	s := notifytest.Start(t)
	ways := map[string]func(*notify.MailOptions){
		"STARTTLS, best AUTH": nil,
		"TLS at once":         func(o *notify.MailOptions) { o.Server, o.Security = s.TLS, notify.TLS },
		"PLAIN":               func(o *notify.MailOptions) { o.Auth = "PLAIN" },
		"LOGIN":               func(o *notify.MailOptions) { o.Auth = "LOGIN" },
		"CRAM-MD5":            func(o *notify.MailOptions) { o.Auth = "CRAM-MD5" },
	}
	for name, change := range ways {
		t.Run(name, func(t *testing.T) {
			before := len(s.Messages())
			m := lost("anna@example.org")
			committed := 0
			receipt, err := mailer(t, s, change).Send(t.Context(), m, words(m), func() error { committed++; return nil })
			if err != nil {
				t.Fatal(err)
			}
			if committed != 1 || !strings.Contains(receipt, "OK id=") {
				t.Errorf("committed %d times, receipt %q", committed, receipt)
			}
			all := s.Messages()
			if len(all) != before+1 {
				t.Fatalf("%d mails, want %d", len(all), before+1)
			}
			checkLost(t, all[len(all)-1])
		})
	}
}

func checkLost(t *testing.T, got notifytest.Mail) {
	t.Helper()
	subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range [][2]string{
		{subject, "Città Üben 12: nessun contatto con Portone"},
		{got.Header.Get("Message-Id"), "<via-roma.17.lost.anna.1@example.org>"},
		{got.Header.Get("Auto-Submitted"), "auto-generated"},
		{got.Header.Get("From"), `"Doors of Rome" <doorhub@example.org>`},
		{got.Header.Get("To"), "<anna@example.org>"},
		{got.Header.Get("Envelope-To"), "anna@example.org"},
	} {
		if h[0] != h[1] {
			t.Errorf("%q, want %q", h[0], h[1])
		}
	}
	parts := bodies(t, got)
	if plain := parts["text/plain"]; !strings.Contains(plain, "Non c'è contatto con Portone presso Città Üben 12.") || !strings.Contains(plain, "Da: 20/07/2026 14:05") {
		t.Errorf("plain text:\n%s", plain)
	}
	if page := parts["text/html"]; !strings.Contains(page, "Non c&#39;è contatto con Portone presso Città Üben 12.") {
		t.Errorf("page:\n%s", page)
	}
}

func bodies(t *testing.T, m notifytest.Mail) map[string]string {
	t.Helper()
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := bytes.Cut(bytes.ReplaceAll(m.Raw, []byte("\r\n"), []byte("\n")), []byte("\n\n"))
	reader := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	found := map[string]string{}
	for {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		kind, params, _ := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if !strings.EqualFold(params["charset"], "utf-8") {
			t.Errorf("%s has charset %q", kind, params["charset"])
		}
		text, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		found[kind] = string(text)
	}
}

func TestWhatAServerRefusesIsToldWithItsWordsAndWhetherToTryAgain(t *testing.T) {
	s := notifytest.Start(t)
	dead := notifytest.Start(t)
	dead.Stop()
	for _, c := range []struct {
		name                          string
		prepare                       func()
		to                            string
		change                        func(*notify.MailOptions)
		permanent, everybody, unclear bool
		words                         []string
	}{
		{name: "no server", change: func(o *notify.MailOptions) { o.Server = dead.Addr }, everybody: true, words: []string{"connection refused"}},
		{name: "wrong password", change: func(o *notify.MailOptions) { o.Password = "hush" }, everybody: true, words: []string{"535", "Incorrect authentication data", "doorhub@example.org"}},
		{name: "no login where one is needed", change: func(o *notify.MailOptions) { o.User = "" }, permanent: true, words: []string{"550", "Authentication required"}},
		{name: "untrusted certificate", change: func(o *notify.MailOptions) { o.CA = nil }, everybody: true, words: []string{"authority that is not trusted"}},
		{name: "certificate of another authority", change: func(o *notify.MailOptions) { o.CA = dead.CA }, everybody: true, words: []string{"authority that is not trusted"}},
		{name: "a way of AUTH that is not offered", change: func(o *notify.MailOptions) { o.Auth = "SCRAM-SHA-256" }, everybody: true, words: []string{"it offers AUTH by", "PLAIN"}},
		{name: "no such user", to: "unknown@example.org", permanent: true, words: []string{"550", "No such user here", "unknown@example.org"}},
		{name: "another domain", to: "anna@example.com", permanent: true, words: []string{"Relaying denied"}},
		{name: "greylisting", prepare: func() { s.Defer(notifytest.AtRecipient) }, words: []string{"451", "Greylisted"}},
		{name: "not now, after the text", prepare: func() { s.Defer(notifytest.AtEnd) }, words: []string{"451", "Mailbox is busy"}},
		{name: "never, after the text", prepare: func() { s.Deny(notifytest.AtEnd) }, permanent: true, words: []string{"550", "Looks like spam"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.prepare != nil {
				c.prepare()
				defer s.Accept()
			}
			m := lost(c.to)
			if c.to == "" {
				m.To = "anna@example.org"
			}
			_, err := mailer(t, s, c.change).Send(t.Context(), m, words(m), agree)
			f := failure(t, err, c.words...)
			if f.Permanent() != c.permanent || f.Down() != c.everybody || f.Unclear() != c.unclear {
				t.Errorf("permanent %v, down %v, unclear %v: %v", f.Permanent(), f.Down(), f.Unclear(), err)
			}
			if strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), notifytest.Password) {
				t.Errorf("%v shows the password", err)
			}
		})
	}
	if got := s.Messages(); len(got) != 0 {
		t.Errorf("%d mails arrived that were refused", len(got))
	}
}

func TestNoMailLeavesWithoutConsentToCommit(t *testing.T) {
	s := notifytest.Start(t)
	refused := errors.New("the disk is full")
	m := lost("anna@example.org")
	if _, err := mailer(t, s, nil).Send(t.Context(), m, words(m), func() error { return refused }); !errors.Is(err, refused) {
		t.Errorf("%v, want the outbox's own words", err)
	}
	if got := s.Messages(); len(got) != 0 {
		t.Errorf("%d mails arrived", len(got))
	}
}

func TestNoMailLeavesWhenTheHubStopsBeforeItCommits(t *testing.T) {
	s := notifytest.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	m := lost("anna@example.org")
	_, err := mailer(t, s, nil).Send(ctx, m, words(m), func() error { cancel(); return nil })
	if f := failure(t, err); f.Unclear() {
		t.Errorf("%v: the final dot was not sent", err)
	}
	if got := s.Messages(); len(got) != 0 {
		t.Errorf("%d mails arrived", len(got))
	}
}

func TestSettingsAreTriedWithoutAMail(t *testing.T) {
	s := notifytest.Start(t)
	if err := mailer(t, s, nil).Try(t.Context()); err != nil {
		t.Error(err)
	}
	failure(t, mailer(t, s, func(o *notify.MailOptions) { o.Password = "wrong" }).Try(t.Context()), "535")
	if got := s.Messages(); len(got) != 0 {
		t.Errorf("%d mails arrived", len(got))
	}
}

// script is a mail server that says what the test says. It needs no TLS, as it is on this host.
func script(t *testing.T, play func(say func(string), hear func() string, conn net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				reader := bufio.NewReader(conn)
				hear := func() string { line, _ := reader.ReadString('\n'); return strings.TrimRight(line, "\r\n") }
				play(func(line string) { _, _ = io.WriteString(conn, line+"\r\n") }, hear, conn)
			}()
		}
	}()
	return listener.Addr().String()
}

// polite answers everything up to DATA and returns with the text being sent.
func polite(say func(string), hear func() string) {
	say("220 here")
	for {
		switch line := hear(); {
		case line == "DATA":
			say("354 go on")
			return
		case line == "":
			return
		default:
			say("250 OK")
		}
	}
}

func plainly(addr string) notify.MailOptions {
	return notify.MailOptions{Server: addr, Security: notify.Plain, From: "doorhub@example.org", Step: 5 * time.Second, Final: 5 * time.Second}
}

func TestACutConnectionIsUnclearOnlyAfterTheFinalDot(t *testing.T) {
	for _, c := range []struct {
		name      string
		play      func(say func(string), hear func() string, conn net.Conn)
		unclear   bool
		permanent bool
		everybody bool
	}{
		{"before the greeting", func(_ func(string), _ func() string, conn net.Conn) { _ = conn.Close() }, false, false, true},
		{"at the greeting", func(say func(string), _ func() string, _ net.Conn) { say("421 too many") }, false, false, true},
		{"instead of 354", func(say func(string), hear func() string, _ net.Conn) {
			say("220 here")
			for range 3 {
				hear()
				say("250 OK")
			}
			hear()
		}, false, false, true},
		{"421 to the recipient", func(say func(string), hear func() string, _ net.Conn) { refuseRecipient(say, hear, "421 closing") }, false, false, true},
		{"530 to the recipient", func(say func(string), hear func() string, _ net.Conn) { refuseRecipient(say, hear, "530 log in first") }, false, false, true},
		{"450 to the recipient", func(say func(string), hear func() string, _ net.Conn) { refuseRecipient(say, hear, "450 busy") }, false, false, false},
		{"550 to the recipient", func(say func(string), hear func() string, _ net.Conn) { refuseRecipient(say, hear, "550 nobody") }, false, true, false},
		{"after the final dot", func(say func(string), hear func() string, conn net.Conn) {
			polite(say, hear)
			readToDot(hear)
			_ = conn.Close()
		}, true, false, false},
		{"silence after the final dot", func(say func(string), hear func() string, _ net.Conn) {
			polite(say, hear)
			readToDot(hear)
			hear()
		}, true, false, false},
		{"nonsense after the final dot", func(say func(string), hear func() string, _ net.Conn) {
			polite(say, hear)
			readToDot(hear)
			say("hello there")
		}, true, false, false},
		{"4xx after the final dot", func(say func(string), hear func() string, _ net.Conn) {
			polite(say, hear)
			readToDot(hear)
			say("452 full")
			hear()
		}, false, false, false},
		{"5xx after the final dot", func(say func(string), hear func() string, _ net.Conn) {
			polite(say, hear)
			readToDot(hear)
			say("554 no")
			hear()
		}, false, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := plainly(script(t, c.play))
			o.Step, o.Final = time.Second, time.Second
			m, err := notify.NewMail(o)
			if err != nil {
				t.Fatal(err)
			}
			message := lost("anna@example.org")
			_, err = m.Send(t.Context(), message, words(message), agree)
			f := failure(t, err)
			if f.Unclear() != c.unclear || f.Permanent() != c.permanent || f.Down() != c.everybody {
				t.Errorf("unclear %v, permanent %v, down %v: %v", f.Unclear(), f.Permanent(), f.Down(), err)
			}
		})
	}
}

// refuseRecipient is a server that takes greeting and sender and answers so to the recipient.
func refuseRecipient(say func(string), hear func() string, answer string) {
	say("220 here")
	for range 2 {
		hear()
		say("250 OK")
	}
	hear()
	say(answer)
	hear()
}

func readToDot(hear func() string) {
	for hear() != "." {
	}
}

func TestAConnectionCutWithinTheTextIsTriedAgain(t *testing.T) {
	o := plainly(script(t, func(say func(string), hear func() string, conn net.Conn) {
		polite(say, hear)
		hear()
		_ = conn.(*net.TCPConn).SetLinger(0)
	}))
	m, err := notify.NewMail(o)
	if err != nil {
		t.Fatal(err)
	}
	message := lost("anna@example.org")
	refused := errors.New("stop here")
	// What was written meanwhile may lie in a buffer, so that the cut is seen at the dot: never a promise that it was taken.
	_, err = m.Send(t.Context(), message, words(message), func() error { return refused })
	var f *notify.Failure
	if !errors.Is(err, refused) && (!errors.As(err, &f) || f.Unclear() || f.Permanent()) {
		t.Error(err)
	}
}

func TestAServerThatDoesNotOfferSTARTTLSGetsNoMailAndNoPassword(t *testing.T) {
	heard := make(chan string, 100)
	addr := script(t, func(say func(string), hear func() string, _ net.Conn) {
		say("220 here")
		for line := hear(); line != ""; line = hear() {
			heard <- line
			if strings.HasPrefix(line, "EHLO") {
				say("250-here\r\n250 AUTH PLAIN LOGIN")
				continue
			}
			say("250 OK")
		}
		close(heard)
	})
	m, err := notify.NewMail(notify.MailOptions{Server: addr, User: "u", Password: "hush", From: "doorhub@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	message := lost("anna@example.org")
	_, err = m.Send(t.Context(), message, words(message), agree)
	if f := failure(t, err, "does not offer STARTTLS"); !f.Down() {
		t.Error("it concerns all mail")
	}
	for line := range heard {
		if !strings.HasPrefix(line, "EHLO") {
			t.Errorf("said %q in the clear", line)
		}
	}
}

func TestAServerThatTalksWithoutEndIsCutOff(t *testing.T) {
	for _, line := range []string{"220-" + strings.Repeat("x", 1000) + "\r\n", strings.Repeat("x", 1000)} {
		addr := script(t, func(_ func(string), _ func() string, conn net.Conn) {
			for {
				if _, err := io.WriteString(conn, line); err != nil {
					return
				}
			}
		})
		m, err := notify.NewMail(plainly(addr))
		if err != nil {
			t.Fatal(err)
		}
		failure(t, m.Try(t.Context()), "more than anybody should")
	}
}

func TestMailSettingsThatWouldNotDoAreRefused(t *testing.T) {
	good := notify.MailOptions{Server: "mail.example.org", From: "doors@example.org"}
	for _, c := range []struct {
		change func(*notify.MailOptions)
		words  string
	}{
		{func(o *notify.MailOptions) { o.Security = notify.Plain }, "plain is for this host alone"},
		{func(o *notify.MailOptions) { o.Security = "ssl" }, "unknown security"},
		{func(o *notify.MailOptions) { o.Server = "" }, "not a host"},
		{func(o *notify.MailOptions) { o.Server = "mail.example.org:0" }, "not a host"},
		{func(o *notify.MailOptions) { o.Server = "mail.example.org:99999" }, "not a host"},
		{func(o *notify.MailOptions) { o.Server = "https://mail.example.org" }, "not a host"},
		{func(o *notify.MailOptions) { o.From = "doors" }, "not a mailbox"},
		{func(o *notify.MailOptions) { o.From = "a@example.org\r\nBcc: b@example.org" }, "not a mailbox"},
		{func(o *notify.MailOptions) { o.Auth = "NTLM" }, "unknown way of AUTH"},
		{func(o *notify.MailOptions) { o.CA = []byte("none") }, "holds no certificate"},
	} {
		o := good
		o.Password = "hush"
		c.change(&o)
		_, err := notify.NewMail(o)
		if err == nil || !strings.Contains(err.Error(), c.words) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%v, want %q", err, c.words)
		}
	}
	if _, err := notify.NewMail(good); err != nil {
		t.Error(err)
	}
}

func TestNoAddressCanSayMoreThanAnAddress(t *testing.T) {
	for _, bad := range []string{
		"", "anna", "@example.org", "anna@", "anna@example.org\r\nDATA", "anna@example.org>\r\nRCPT TO:<b@example.org", "a b@example.org", "<anna@example.org>",
		"anna@example.org,b@example.org", "Anna <anna@example.org>", `"a b"@example.org`, "anna@exämple.org", "anna@@example.org", "anna@[127.0.0.1]",
		strings.Repeat("a", 65) + "@example.org", "anna@" + strings.Repeat("a", 254), "anna@example..org", "anna\x00@example.org", "anna@example.org\u202e",
	} {
		if err := notify.CheckMailbox(bad); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
	for _, good := range []string{"anna@example.org", "a.b+c@mail.example.org", "root@localhost"} {
		if err := notify.CheckMailbox(good); err != nil {
			t.Error(err)
		}
	}
}

func TestNamesFromOutsideCannotAddHeadersOrLines(t *testing.T) {
	s := notifytest.Start(t)
	m := lost("anna@example.org")
	for i := range m.Facts {
		m.Facts[i].Value = "Evil\r\nBcc: eve@example.org\r\n\r\n.\r\nMAIL FROM:<x>\u202e\u0000<script>"
	}
	m.ID = "x>\r\nBcc: eve@example.org\r\n"
	text := words(m)
	if _, err := mailer(t, s, nil).Send(t.Context(), m, text, agree); err != nil {
		t.Fatal(err)
	}
	// Whoever hands over texts of his own cannot either.
	text.Subject = "Hello\r\nBcc: eve@example.org"
	m.ID = "second"
	if _, err := mailer(t, s, nil).Send(t.Context(), m, text, agree); err != nil {
		t.Fatal(err)
	}
	all := s.Messages()
	if len(all) != 2 {
		t.Fatalf("%d mails arrived", len(all))
	}
	for _, got := range all {
		if got.Header.Get("Bcc") != "" || got.Header.Get("Envelope-To") != "anna@example.org" {
			t.Errorf("a name added to the header: %v", got.Header)
		}
		for kind, text := range bodies(t, got) {
			if strings.ContainsAny(text, "\u202e\x00") || kind == "text/html" && strings.Contains(text, "<script>") {
				t.Errorf("%s:\n%s", kind, text)
			}
		}
	}
}
