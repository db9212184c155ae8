package notify_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/notify"
)

const hookKey = "0123456789abcdef0123456789abcdef"

func hooks(t *testing.T) *notify.Webhook {
	t.Helper()
	w, err := notify.NewWebhook(notify.WebhookOptions{Key: hookKey, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestAWebhookSaysWhoItIsFromAndWhichMessageItIs(t *testing.T) {
	s := serve(t, status(204, ""))
	m := lost(s.URL + "/in")
	m.Made = time.Date(2026, 7, 20, 12, 7, 0, 0, time.UTC)
	m.Facts = append(m.Facts, notify.Fact{Name: "evil", Value: "a\r\n\u202eb"})
	for range 2 {
		if receipt, err := hooks(t).Send(t.Context(), m, words(m)); err != nil || receipt != "204" {
			t.Fatalf("%q, %v", receipt, err)
		}
	}
	all := s.requests()
	for _, got := range all {
		mac := hmac.New(sha256.New, []byte(hookKey))
		mac.Write([]byte(got.Header.Get("Doorhub-Timestamp") + "." + got.Header.Get("Idempotency-Key") + "." + got.Body))
		if want := "v1=" + hex.EncodeToString(mac.Sum(nil)); got.Header.Get("Doorhub-Signature") != want {
			t.Errorf("signature %q, want %q", got.Header.Get("Doorhub-Signature"), want)
		}
		if got.Method != "POST" || got.Header.Get("Idempotency-Key") != m.ID || got.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%+v", got)
		}
	}
	var document map[string]any
	if err := json.Unmarshal([]byte(all[0].Body), &document); err != nil {
		t.Fatal(err)
	}
	if document["v"] != 1.0 || document["id"] != m.ID || document["kind"] != "lost" || document["made"] != "2026-07-20T12:07:00Z" || document["subject"] != words(m).Subject {
		t.Errorf("%s", all[0].Body)
	}
	if !strings.Contains(all[0].Body, `{"name":"evil","value":"a b"}`) {
		t.Errorf("%s", all[0].Body)
	}
}

func TestAWebhooksAnswerIsReadForWhatItMeans(t *testing.T) {
	dead := httptest.NewServer(nil)
	dead.Close()
	followed := serve(t, status(200, ""))
	for _, c := range []struct {
		name      string
		url       string
		permanent bool
		wait      time.Duration
	}{
		{"dead", dead.URL, false, 0},
		{"silent", serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }).URL, false, 0},
		{"broken", serve(t, status(500, "")).URL, false, 0},
		{"busy", serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "7"); w.WriteHeader(429) }).URL, false, 7 * time.Second},
		{"gone", serve(t, status(410, "")).URL, true, 0},
		{"elsewhere", serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, followed.URL, http.StatusTemporaryRedirect)
		}).URL, true, 0},
		{"in the clear", "http://example.org/in", true, 0},
		{"no address", "ftp://x", true, 0},
		{"endless headers", serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }).URL, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := lost(c.url)
			_, err := hooks(t).Send(t.Context(), m, words(m))
			f := failure(t, err)
			if f.Permanent() != c.permanent || f.Unclear() || f.Down() || f.RetryAfter() != c.wait {
				t.Errorf("%+v", f)
			}
		})
	}
	if len(followed.requests()) != 0 {
		t.Error("a redirect was followed")
	}
}

func TestAWebhookNeedsAKeyThatCannotBeGuessed(t *testing.T) {
	if _, err := notify.NewWebhook(notify.WebhookOptions{Key: "short"}); err == nil || strings.Contains(err.Error(), "short") {
		t.Error(err)
	}
}

func TestAChannelThatIsNotSetUpIsToldAndKeepsItsMessages(t *testing.T) {
	var p notify.Post
	for _, channel := range []string{"email", "sms", "webhook", "pigeon"} {
		_, err := p.Send(t.Context(), channel, lost("x"), agree)
		if f := failure(t, err, "not set up"); f.Permanent() || f.Unclear() {
			t.Error(err)
		}
	}
}

func TestPostTakesTheChannelAndTheWordsThatAreSet(t *testing.T) {
	s := serve(t, status(200, ""))
	templates, err := notify.NewTemplates([]notify.Template{{Kind: "lost", Language: "it", Subject: "x", Body: "x", Short: "Manca {panels}"}})
	if err != nil {
		t.Fatal(err)
	}
	var p notify.Post
	p.Set(notify.Settings{SMS: gateways(t, notify.GatewayOptions{Name: "G", URL: s.URL, Body: "{to} {text}", Type: "text/plain"}), Webhook: hooks(t), Templates: templates})
	if _, err := p.Send(t.Context(), "sms", lost("+39 347 1234567"), agree); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Send(t.Context(), "webhook", lost(s.URL), agree); err != nil {
		t.Fatal(err)
	}
	got := s.requests()
	if got[0].Body != "+393471234567 Manca Portone" || !strings.Contains(got[1].Body, `"subject":"x"`) {
		t.Errorf("%+v", got)
	}
}

func TestAddressesAreCheckedForTheirChannel(t *testing.T) {
	for _, c := range []struct{ channel, address, want string }{{"email", "a@b.c", "a@b.c"}, {"sms", "+39 347 123 4567", "+393471234567"}, {"webhook", "https://x.org/", "https://x.org/"}} {
		if got, err := notify.CheckAddress(c.channel, c.address); err != nil || got != c.want {
			t.Errorf("%q, %v", got, err)
		}
	}
	for _, c := range [][2]string{{"email", "+39 347 123 4567"}, {"sms", "a@b.c"}, {"webhook", "http://x.org/"}, {"webhook", "https://x.org/" + strings.Repeat("x", 2000)}} {
		if _, err := notify.CheckAddress(c[0], c[1]); err == nil {
			t.Errorf("%v passes", c)
		}
	}
}
