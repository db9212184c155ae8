package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/notify"
	"github.com/doorpanel/doorpanel/hub/web"
)

func TestOnlyAHookOfTheSettingsIsPostedTo(t *testing.T) {
	p := &post{}
	if err := p.apply(web.HubSettings{Hooks: []web.Hook{{Name: "desk", URL: "https://127.0.0.1:1/desk", Secret: "sixteen letters and more"}}}); err != nil {
		t.Fatal(err)
	}
	_, err := p.Send(t.Context(), fleet.Delivery{ID: "a", Kind: "test", Channel: fleet.Webhook, Address: "https://127.0.0.1:1/elsewhere"}, nil)
	var failure *notify.Failure
	if !errors.As(err, &failure) || !failure.Forever || !strings.Contains(failure.Words, "no hook of the settings") {
		t.Errorf("an address that nobody wrote down: %v", err)
	}
	_, err = p.Send(t.Context(), fleet.Delivery{ID: "a", Kind: "test", Channel: fleet.Webhook, Address: "https://127.0.0.1:1/desk"}, nil)
	if !errors.As(err, &failure) || failure.Forever {
		t.Errorf("a hook that is not there now: %v", err)
	}
}

func TestSettingsThatSendNothingAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		settings web.HubSettings
		want     string
	}{
		"mail from nobody":        {web.HubSettings{Mail: web.Mail{Server: "m.example.org", TLS: "starttls", From: "nobody"}}, "not a mailbox"},
		"mail in the clear":       {web.HubSettings{Mail: web.Mail{Server: "m.example.org", TLS: "none", From: "a@b.c"}}, "everybody on the way"},
		"a gateway to nowhere":    {web.HubSettings{SMS: []web.SMSGateway{{Name: "one", Kind: "template", URL: "nowhere", Body: "to={to}&text={text}"}}}, "one"},
		"a hook with a short key": {web.HubSettings{Hooks: []web.Hook{{Name: "desk", URL: "https://h.example.org/", Secret: "short"}}}, "at least 16"},
		"two hooks at one place": {web.HubSettings{Hooks: []web.Hook{
			{Name: "a", URL: "https://h.example.org/", Secret: "sixteen letters and more"}, {Name: "b", URL: "https://h.example.org/", Secret: "sixteen letters and more"},
		}}, "two hooks"},
	} {
		if err := (&post{}).check(c.settings); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v does not say %q", name, err, c.want)
		}
	}
	good := web.HubSettings{
		Mail: web.Mail{Server: "m.example.org", Port: 2525, TLS: "starttls", From: "a@b.c"},
		SMS:  []web.SMSGateway{{Name: "one", Kind: "template", URL: "https://s.example.org/", Body: "to={to}&text={text}"}, {Name: "two", Kind: "twilio", Account: "AC1", Secret: "x", From: "+390612345678"}},
	}
	if err := (&post{}).check(good); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		mail web.Mail
		want string
	}{{web.Mail{Server: "m"}, "m"}, {web.Mail{Server: "m", Port: 25}, "m:25"}, {web.Mail{Server: "::1", Port: 25}, "[::1]:25"}, {web.Mail{Server: "[::1]", Port: 25}, "[::1]:25"}} {
		if got := mailServer(c.mail); got != c.want {
			t.Errorf("%+v is %s", c.mail, got)
		}
	}
}

func TestOtherWordsAreKeptAndTheBuiltInOnesComeBack(t *testing.T) {
	store := &keptSettings{}
	var applied notify.Templates
	w := &wordings{store: store, apply: func(t notify.Templates) { applied = t }}
	if err := w.load(); err != nil {
		t.Fatal(err)
	}
	say := func(language string) string {
		return applied.Render(notify.Message{Kind: "lost", Language: language, Facts: []notify.Fact{{Name: "site", Value: "House"}, {Name: "panels", Value: "Gate"}}}).Short
	}
	built := say("en")
	if err := w.PutTemplate(t.Context(), web.Template{Kind: "lost", Language: "en", Channel: fleet.SMS, Text: "Gone: {panels}"}, fleet.Change{}); err != nil {
		t.Fatal(err)
	}
	if got := say("en"); got != "Gone: Gate" {
		t.Errorf("told %q", got)
	}
	again := &wordings{store: store, apply: func(t notify.Templates) { applied = t }}
	if err := again.load(); err != nil || say("en") != "Gone: Gate" {
		t.Errorf("after a restart %q, %v", say("en"), err)
	}
	list, err := again.Templates()
	own := 0
	for _, one := range list {
		if one.Own {
			own++
		}
	}
	if err != nil || own != 1 || len(list) != 2*len(notify.Kinds())*len(notify.Languages()) {
		t.Errorf("%d templates, %d of them our own, %v", len(list), own, err)
	}
	if err := w.PutTemplate(t.Context(), web.Template{Kind: "lost", Language: "en", Channel: fleet.SMS, Text: "{nothing}"}, fleet.Change{}); !errors.Is(err, web.ErrInvalid) || say("en") != "Gone: Gate" {
		t.Errorf("%v, %q", err, say("en"))
	}
	if subject, _, err := w.Preview(web.Template{Kind: "lost", Language: "en", Channel: fleet.Email, Subject: "{panels}!", Text: "x"}); err != nil || !strings.HasSuffix(subject, "!") {
		t.Errorf("%q, %v", subject, err)
	}
	if err := w.PutTemplate(t.Context(), web.Template{Kind: "lost", Language: "en", Channel: fleet.SMS}, fleet.Change{}); err != nil || say("en") != built {
		t.Errorf("%q, %v", say("en"), err)
	}
}
