package notify_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/hub/notify"
)

// asked is a request as a gateway saw it.
type asked struct {
	Method, URI string
	Header      http.Header
	Body        string
}

// service is an HTTP server that remembers what it is asked and answers as the test says.
type service struct {
	URL string

	mu  sync.Mutex
	all []asked
}

func serve(t testing.TB, answer http.HandlerFunc) *service {
	t.Helper()
	s := &service{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // half a request is none
		}
		s.mu.Lock()
		s.all = append(s.all, asked{r.Method, r.RequestURI, r.Header.Clone(), string(body)})
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

func (s *service) requests() []asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]asked(nil), s.all...)
}

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

func gateways(t testing.TB, options ...notify.GatewayOptions) *notify.SMS {
	t.Helper()
	s, err := notify.NewSMS(options...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var toAnna = notify.Message{ID: "d1", Kind: "lost", To: "+39 347 123-4567"}

func TestATwilioLikeGatewayIsAskedItsWay(t *testing.T) {
	s := serve(t, status(201, `{"sid": "SM42", "status": "queued"}`))
	sms := gateways(t, notify.GatewayOptions{Name: "Tw", Twilio: true, URL: s.URL + "/2010-04-01", Account: "AC1", Token: "t0p", From: "+3906"})
	committed := 0
	receipt, err := sms.Send(t.Context(), toAnna, notify.Text{Short: "Città & co: 100%"}, func() error { committed++; return nil })
	if err != nil || receipt != "Tw SM42" || committed != 1 {
		t.Fatalf("%q, %v, committed %d times", receipt, err, committed)
	}
	got := s.requests()[0]
	form, _ := url.ParseQuery(got.Body)
	if got.Method != "POST" || got.URI != "/2010-04-01/Accounts/AC1/Messages.json" || form.Get("To") != "+393471234567" || form.Get("From") != "+3906" || form.Get("Body") != "Città & co: 100%" || len(form) != 3 {
		t.Errorf("%+v", got)
	}
	if want := "Basic " + base64.StdEncoding.EncodeToString([]byte("AC1:t0p")); got.Header.Get("Authorization") != want {
		t.Errorf("authorization %q", got.Header.Get("Authorization"))
	}
}

func TestAGenericGatewayIsAskedAsItsTemplateSays(t *testing.T) {
	nasty := "a\"b\\c & <d> {to} %41 é"
	for _, c := range []struct {
		name  string
		o     notify.GatewayOptions
		check func(t *testing.T, got asked)
	}{
		{"JSON", notify.GatewayOptions{Body: `{"messages": [{"to": "{to}", "body": "X: {text}", "n": 7}], "from": "{from}"}`, Token: "k"}, func(t *testing.T, got asked) {
			var document struct {
				Messages []struct{ To, Body string }
				From     string
			}
			if err := json.Unmarshal([]byte(got.Body), &document); err != nil || document.Messages[0].Body != "X: "+nasty || document.Messages[0].To != "+393471234567" || document.From != "me" {
				t.Errorf("%s: %v", got.Body, err)
			}
			if got.Header.Get("Authorization") != "Bearer k" || got.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%v", got.Header)
			}
		}},
		{"form", notify.GatewayOptions{Body: "to={digits}&text={text}&key={token}", Token: "k&k"}, func(t *testing.T, got asked) {
			form, err := url.ParseQuery(got.Body)
			if err != nil || form.Get("text") != nasty || form.Get("to") != "393471234567" || form.Get("key") != "k&k" || len(form) != 3 {
				t.Errorf("%s: %v", got.Body, err)
			}
			if got.Header.Get("Authorization") != "" {
				t.Error("the key is sent twice")
			}
		}},
		{"XML", notify.GatewayOptions{Body: "<sms to=\"{to}\"><t>{text}</t></sms>", Type: "text/xml; charset=utf-8"}, func(t *testing.T, got asked) {
			var document struct {
				To   string `xml:"to,attr"`
				Text string `xml:"t"`
			}
			if err := xml.Unmarshal([]byte(got.Body), &document); err != nil || document.Text != nasty || document.To != "+393471234567" {
				t.Errorf("%s: %v", got.Body, err)
			}
		}},
		{"GET", notify.GatewayOptions{Method: "GET", URL: "/send/{account}?t={text}&to={to}", Account: "a/b?c"}, func(t *testing.T, got asked) {
			u, err := url.ParseRequestURI(got.URI)
			if err != nil || u.Query().Get("t") != nasty || u.Query().Get("to") != "+393471234567" || u.EscapedPath() != "/send/a%2Fb%3Fc" {
				t.Errorf("%s: %v", got.URI, err)
			}
		}},
		{"headers", notify.GatewayOptions{Body: "{to}{text}", Type: "text/plain", Headers: []notify.Header{{Name: "X-Id", Value: "{id}"}, {Name: "X-Text", Value: "{text}\r\nEvil: 1"}}}, func(t *testing.T, got asked) {
			if got.Header.Get("X-Id") != "d1" || got.Header.Get("Evil") != "" || !strings.HasPrefix(got.Header.Get("X-Text"), "a\"b") {
				t.Errorf("%v", got.Header)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, status(200, "OK"))
			c.o.Name, c.o.URL, c.o.From = "G", s.URL+c.o.URL, "me"
			if _, err := gateways(t, c.o).Send(t.Context(), toAnna, notify.Text{Short: nasty}, agree); err != nil {
				t.Fatal(err)
			}
			c.check(t, s.requests()[0])
		})
	}
}

func TestAGatewaysAnswerIsReadForWhatItMeans(t *testing.T) {
	type is struct{ sent, permanent, down, unclear bool }
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   is
		words  string
	}{
		{"accepted", status(202, `{"data": [{"id": 7}]}`), is{sent: true}, ""},
		{"accepted without its id", status(202, `{"data": []}`), is{unclear: true}, "names no data.0.id"},
		{"garbage", status(202, "<html>Log in</html>"), is{unclear: true}, "cannot be told"},
		{"nested without end", status(202, strings.Repeat("[", 1<<20)), is{unclear: true}, ""},
		{"another success", status(200, `{"data": [{"id": 7}]}`), is{unclear: true}, "answers 200"},
		{"bad number", status(400, `{"message": "not a mobile"}`), is{permanent: true}, "answers 400: not a mobile"},
		{"wrong password", status(401, `{"error": {"message": "key hush is wrong"}}`), is{down: true}, "key *** is wrong"},
		{"no money", status(402, ""), is{down: true}, "402"},
		{"elsewhere", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) }, is{down: true}, "points elsewhere"},
		{"too many", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "90")
			w.WriteHeader(429)
		}, is{down: true}, "429"},
		{"broken", status(500, "oops"), is{down: true}, "500: oops"},
		{"somebody in between", status(502, ""), is{unclear: true}, "502"},
		{"in between, too late", status(504, ""), is{unclear: true}, "504"},
		{"closed without an answer", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, is{unclear: true}, "did not say whether it sends"},
		{"silence", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, is{unclear: true}, "did not answer in time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, c.answer)
			sms := gateways(t, notify.GatewayOptions{Name: "G", URL: s.URL, Token: "hush", Body: `{"t":"{text}","to":"{to}"}`, Status: []int{202}, Receipt: "data.0.id", Timeout: time.Second})
			receipt, err := sms.Send(t.Context(), toAnna, notify.Text{Short: "x"}, agree)
			if c.want.sent {
				if err != nil || receipt != "G 7" {
					t.Fatalf("%q, %v", receipt, err)
				}
				return
			}
			f := failure(t, err, c.words, "G")
			if got := (is{false, f.Permanent(), f.Down(), f.Unclear()}); got != c.want {
				t.Errorf("%+v, want %+v: %v", got, c.want, err)
			}
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("%v shows the key", err)
			}
			if c.name == "too many" && f.RetryAfter() != 90*time.Second {
				t.Errorf("retry after %v", f.RetryAfter())
			}
			if n := len(s.requests()); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

func TestAGatewayThatCountsAMessageOnceMayBeAskedAgain(t *testing.T) {
	s := serve(t, status(504, ""))
	sms := gateways(t, notify.GatewayOptions{Name: "G", URL: s.URL, Body: "{to}{text}{id}", Type: "text/plain", Counts: true})
	_, err := sms.Send(t.Context(), toAnna, notify.Text{Short: "x"}, func() error { t.Error("asked for consent"); return nil })
	if f := failure(t, err); f.Unclear() || f.Permanent() {
		t.Error(err)
	}
}

func TestNoGatewayHearsOfAMessageWithoutConsentToCommit(t *testing.T) {
	refused := errors.New("the disk is full")
	for _, o := range []notify.GatewayOptions{{Body: "{to}{text}", Type: "text/plain"}, {Method: "GET", URL: "/?to={to}&text={text}"}} {
		s := serve(t, status(200, ""))
		o.Name, o.URL = "G", s.URL+o.URL
		_, err := gateways(t, o).Send(t.Context(), toAnna, notify.Text{Short: "x"}, func() error { return refused })
		if !errors.Is(err, refused) {
			t.Errorf("%v, want the outbox's own words", err)
		}
		if got := s.requests(); len(got) != 0 {
			t.Errorf("the gateway was asked: %+v", got)
		}
	}
}

func TestTheNextGatewayIsAskedOnlyWhenTheOneBeforeSurelyDidNotSend(t *testing.T) {
	dead := httptest.NewServer(nil)
	dead.Close()
	for _, c := range []struct {
		name  string
		first string
		sent  bool
	}{
		{"dead", dead.URL, true},
		{"wrong password", serve(t, status(401, "")).URL, true},
		{"refuses the number", serve(t, status(422, "")).URL, true},
		{"busy", serve(t, status(503, "")).URL, true},
		{"unclear", serve(t, status(504, "")).URL, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			second := serve(t, status(200, ""))
			o := notify.GatewayOptions{Name: "first", URL: c.first, Body: "{to}{text}", Type: "text/plain"}
			p := o
			p.Name, p.URL = "second", second.URL
			sms := gateways(t, o, p)
			receipt, err := sms.Send(t.Context(), toAnna, notify.Text{Short: "x"}, agree)
			if c.sent != (err == nil) || c.sent != (receipt == "second") || c.sent != (len(second.requests()) == 1) {
				t.Errorf("%q, %v, %d requests", receipt, err, len(second.requests()))
			}
			if !c.sent && !failure(t, err).Unclear() {
				t.Error("it is not unclear")
			}
			states := sms.States()
			if states[0].Name != "first" || states[0].Failing.IsZero() == (c.name != "refuses the number") || !states[1].Failing.IsZero() {
				t.Errorf("%+v", states)
			}
		})
	}
}

func TestAllGatewaysMustSayNoForEverToLoseAMessage(t *testing.T) {
	never, later := serve(t, status(400, "")), serve(t, status(503, ""))
	one := notify.GatewayOptions{Name: "never", URL: never.URL, Body: "{to}{text}", Type: "text/plain"}
	two := one
	two.Name, two.URL = "later", later.URL
	_, err := gateways(t, one, two).Send(t.Context(), toAnna, notify.Text{Short: "x"}, agree)
	if f := failure(t, err, "never", "later"); f.Permanent() || f.Down() {
		t.Error(err)
	}
	_, err = gateways(t, one, one).Send(t.Context(), toAnna, notify.Text{Short: "x"}, agree)
	if f := failure(t, err); !f.Permanent() {
		t.Error(err)
	}
}

func TestAHubThatStopsBeforeTheGatewayIsAskedSendsNothing(t *testing.T) {
	s := serve(t, status(200, ""))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := gateways(t, notify.GatewayOptions{Name: "G", URL: s.URL, Body: "{to}{text}", Type: "text/plain"}).Send(ctx, toAnna, notify.Text{Short: "x"}, agree)
	var f *notify.Failure
	if err == nil && len(s.requests()) == 0 || err != nil && (!errors.As(err, &f) || f.Permanent()) {
		t.Error(err)
	}
}

func TestGatewaySettingsThatWouldNotDoAreRefused(t *testing.T) {
	good := notify.GatewayOptions{Name: "G", URL: "https://sms.example.org/send", Body: `{"to":"{to}","text":"{text}"}`, Token: "hush"}
	for _, c := range []struct {
		change func(*notify.GatewayOptions)
		words  string
	}{
		{func(o *notify.GatewayOptions) { o.URL = "http://sms.example.org" }, "everybody on the way could read it"},
		{func(o *notify.GatewayOptions) { o.URL = "https://u:hush@sms.example.org" }, "a password in it"},
		{func(o *notify.GatewayOptions) { o.URL = "https://{account}.example.org" }, "which host is asked"},
		{func(o *notify.GatewayOptions) { o.URL = "sms.example.org" }, "not a web address"},
		{func(o *notify.GatewayOptions) { o.URL += "?x={txt}" }, "unknown placeholder {txt}; there are {to}"},
		{func(o *notify.GatewayOptions) { o.Body = `{"to":"{to}","text":"{txt}"}` }, "unknown placeholder {txt}"},
		{func(o *notify.GatewayOptions) { o.Body = `{"to":"{to}","text":{text}}`; o.Type = "application/json" }, "not JSON"},
		{func(o *notify.GatewayOptions) { o.Body += "{}" }, "more than one JSON document"},
		{func(o *notify.GatewayOptions) { o.Body = `{"to":"{to}"}` }, "says nowhere {text}"},
		{func(o *notify.GatewayOptions) { o.Body = `{"text":"{text}"}` }, "says nowhere {to}"},
		{func(o *notify.GatewayOptions) { o.Body = `{"{to}":"{text}"}` }, "says nowhere {to}"},
		{func(o *notify.GatewayOptions) { o.Type = "image/png" }, "unknown content type"},
		{func(o *notify.GatewayOptions) { o.Method = "DELETE" }, "unknown method"},
		{func(o *notify.GatewayOptions) { o.Method = "GET" }, "GET has no body"},
		{func(o *notify.GatewayOptions) { o.Headers = []notify.Header{{Name: "X Y", Value: ""}} }, "not the name of a header"},
		{func(o *notify.GatewayOptions) { o.Headers = []notify.Header{{Name: "X", Value: "{x}"}} }, "unknown placeholder {x}"},
		{func(o *notify.GatewayOptions) { o.Twilio = true }, "asks for an account"},
		{func(o *notify.GatewayOptions) { o.CA = []byte("x") }, "holds no certificate"},
	} {
		o := good
		c.change(&o)
		if _, err := notify.NewSMS(o); err == nil || !strings.Contains(err.Error(), c.words) || strings.Contains(err.Error(), "hush@") {
			t.Errorf("%v, want %q", err, c.words)
		}
	}
	if _, err := notify.NewSMS(good); err != nil {
		t.Error(err)
	}
	if _, err := notify.NewSMS(); err == nil {
		t.Error("no gateway at all passes")
	}
}

func TestASecretPrintsAsStars(t *testing.T) {
	o := notify.GatewayOptions{Token: "hush"}
	written, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(o.Token), fmt.Sprintf("%v %+v %#v %x %q", o, o, o, o.Token, o.Token), string(written)} {
		if strings.Contains(text, "hush") || strings.Contains(text, "68757368") || !strings.Contains(text, "***") {
			t.Errorf("%s", text)
		}
	}
	if notify.Secret("").String() != "" {
		t.Error("no secret prints as one")
	}
}

func TestShortMessagesAreCountedAndFitted(t *testing.T) {
	for _, c := range []struct {
		text  string
		count int
		gsm   bool
	}{
		{"", 0, true}, {"a", 1, true}, {strings.Repeat("a", 160), 1, true}, {strings.Repeat("a", 161), 2, true}, {strings.Repeat("a", 306), 2, true},
		{strings.Repeat("a", 307), 3, true}, {strings.Repeat("€", 80), 1, true}, {strings.Repeat("€", 81), 2, true}, {"Città è già così", 1, true},
		{"È", 1, false}, {strings.Repeat("ё", 70), 1, false}, {strings.Repeat("ё", 71), 2, false}, {strings.Repeat("😀", 35), 1, false}, {strings.Repeat("😀", 36), 2, false},
		// An escape pair is not divided: 152 and a pair do not go into one part.
		{strings.Repeat(strings.Repeat("a", 152)+"€", 2), 3, true},
	} {
		if count, gsm := notify.Segments(c.text); count != c.count || gsm != c.gsm {
			t.Errorf("%.20q...: %d %v, want %d %v", c.text, count, gsm, c.count, c.gsm)
		}
	}
}

func TestAMessageThatIsTooLongIsCutAtAWord(t *testing.T) {
	for text, want := range map[string]string{
		strings.Repeat("word ", 100):         strings.TrimRight(strings.Repeat("word ", 91), " ") + "...",
		strings.Repeat("ё", 300):             strings.Repeat("ё", 198) + "...",
		"“Città” – l’ora… and more":          `"Città" - l'ora... and more`,
		strings.Repeat("word ", 91) + "abcd": strings.Repeat("word ", 91) + "abcd",
	} {
		if got := sentAs(t, text); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// sentAs is what a gateway gets for a text.
func sentAs(t testing.TB, text string) string {
	s := serve(t, status(200, ""))
	if _, err := gateways(t, notify.GatewayOptions{Name: "G", URL: s.URL + "/{digits}", Body: "{text}", Type: "text/plain"}).Send(t.Context(), toAnna, notify.Text{Short: text}, agree); err != nil {
		t.Fatal(err)
	}
	return s.requests()[0].Body
}

func TestNoMessageIsEverLongerThanThreeParts(t *testing.T) {
	s := serve(t, status(200, ""))
	sms := gateways(t, notify.GatewayOptions{Name: "G", URL: s.URL + "/{digits}", Body: "{text}", Type: "text/plain"})
	rapid.Check(t, func(rt *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"word ", "€", "ё", "😀", "a", "…", " ", "\n"}), 1, 600).Draw(rt, "text"), "")
		if _, err := sms.Send(t.Context(), toAnna, notify.Text{Short: text}, agree); err != nil {
			rt.Fatal(err)
		}
		all := s.requests()
		got := all[len(all)-1].Body
		if n, _ := notify.Segments(got); n > 3 || !utf8.ValidString(got) {
			rt.Errorf("%d parts: %q", n, got)
		}
	})
}

func TestTelephoneNumbersAreThoseOfE164(t *testing.T) {
	for text, want := range map[string]string{"+39 347 1234567": "+393471234567", "+49 (30) 123-45.67": "+49301234567", "+1/2345678": "+12345678"} {
		if got, err := notify.CheckNumber(text); err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	for _, bad := range []string{"", "347 1234567", "0039347", "+0123456789", "+123456", "+1234567890123456", "+39x471234567", "+39347123456\n7", "+39\u200b3471234567", "+٣٩٣٤٧١٢٣٤٥٦٧"} {
		if got, err := notify.CheckNumber(bad); err == nil {
			t.Errorf("%q passes as %q", bad, got)
		}
	}
}

func FuzzGatewayTemplate(f *testing.F) {
	f.Add("/?a={to}", `{"to":"{to}","text":"{text}"}`, "", "X: {id}", "hello")
	f.Add("/{account}", "to={to}&text={text}", "application/x-www-form-urlencoded", "{basic}", "a&b=c")
	f.Add("", "<a>{to}{text}</a>", "text/xml", "", "</a><b>")
	f.Fuzz(func(t *testing.T, path, body, kind, header, text string) {
		sms, err := notify.NewSMS(notify.GatewayOptions{Name: "G", URL: "http://127.0.0.1:1/" + path, Body: body, Type: kind, Headers: []notify.Header{{Name: "X", Value: header}}, Timeout: time.Second})
		if err != nil {
			return
		}
		// Port 1 is closed: the request is made from its template, and never leaves.
		_, err = sms.Send(t.Context(), toAnna, notify.Text{Short: text}, agree)
		if f := failure(t, err); f.Unclear() {
			t.Error(err)
		}
	})
}
