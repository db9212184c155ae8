package notify_test

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/hub/notify"
)

func TestEveryKindHasAWholeTextInEveryLanguage(t *testing.T) {
	seen := map[string]string{}
	for _, kind := range notify.Kinds() {
		for _, language := range notify.Languages() {
			template := notify.Shipped(kind.Name, language)
			if err := template.Check(); err != nil {
				t.Error(err)
			}
			if template.Kind != kind.Name || template.Language != language {
				t.Errorf("%s/%s is of %s/%s", kind.Name, language, template.Kind, template.Language)
			}
			if was := seen[template.Body]; was != "" {
				t.Errorf("%s/%s says what %s says", kind.Name, language, was)
			}
			seen[template.Body] = kind.Name + "/" + language
			text := template.Preview()
			for _, part := range []string{text.Subject, text.Body, text.Short} {
				if strings.ContainsAny(part, "{}") || part == "" {
					t.Errorf("%s/%s: %q", kind.Name, language, part)
				}
			}
			if n, _ := notify.Segments(text.Short); n > 2 {
				t.Errorf("%s/%s takes %d short messages: %s", kind.Name, language, n, text.Short)
			}
		}
	}
}

func TestALossIsToldWithPanelSiteAndLastContact(t *testing.T) {
	m := lost("x")
	for language, want := range map[string][3]string{
		"en": {"Città Üben 12: no contact with Portone", "Since: 20 Jul 2026 14:05\nLast contact: 20 Jul 2026 14:04\nCause: Other panels of the site are there: it is this panel, its power or its cable.",
			"Città Üben 12: no contact with Portone since 20 Jul 2026 14:05. Last contact 20 Jul 2026 14:04."},
		"it": {"Città Üben 12: nessun contatto con Portone", "Da: 20/07/2026 14:05\nUltimo contatto: 20/07/2026 14:04",
			"Città Üben 12: nessun contatto con Portone da 20/07/2026 14:05. Ultimo contatto 20/07/2026 14:04."},
		"de-AT": {"Città Üben 12: kein Kontakt zu Portone", "Seit: 20.07.2026 14:05\nLetzter Kontakt: 20.07.2026 14:04",
			"Città Üben 12: kein Kontakt zu Portone seit 20.07.2026 14:05. Letzter Kontakt 20.07.2026 14:04."},
		"fr": {"Città Üben 12: no contact with Portone", "", "Città Üben 12: no contact with Portone since 20 Jul 2026 14:05. Last contact 20 Jul 2026 14:04."},
	} {
		m.Language = language
		text := words(m)
		if text.Subject != want[0] || !strings.Contains(text.Body, want[1]) || text.Short != want[2] {
			t.Errorf("%s:\n%s\n%s\n%s", language, text.Subject, text.Body, text.Short)
		}
	}
}

func TestALineWithNothingToTellIsLeftOut(t *testing.T) {
	m := notify.Message{Kind: "lost", Language: "en", Facts: []notify.Fact{{Name: "site", Value: "North"}, {Name: "panels", Value: "Gate"}, {Name: "cause", Value: "a new one"}, {Name: "cause_text", Value: "Mice."}}}
	text := words(m)
	if want := "There is no contact with Gate at North.\n\nCause: Mice.\n\nYou will be told when it is back."; text.Body != want {
		t.Errorf("%q, want %q", text.Body, want)
	}
	if want := "North: no contact with Gate since -. Last contact -."; text.Short != want {
		t.Errorf("%q, want %q", text.Short, want)
	}
}

func TestASummaryListsWhatHappened(t *testing.T) {
	text := words(notify.Message{Kind: "morning", Language: "en", Facts: []notify.Fact{
		{Name: "site", Value: "North"}, {Name: "count", Value: "3"},
		{Name: "line", Value: "lost|Gate|2026-07-20T01:10:00+02:00|2026-07-20T01:25:00+02:00|network"},
		{Name: "line", Value: "broker||2026-07-20T02:00:00+02:00||broker"},
		{Name: "line", Value: "of another form"},
	}})
	want := "During quiet hours this happened at North:\n\n" +
		"- 20 Jul 2026 01:10 – 20 Jul 2026 01:25 no contact: Gate\n- 20 Jul 2026 02:00 – still so the hub cannot see the site\n- of another form"
	if text.Body != want {
		t.Errorf("%q, want %q", text.Body, want)
	}
}

func TestAKindThatNobodyKnowsIsToldAllTheSame(t *testing.T) {
	m := notify.Message{Kind: "flooded", Language: "de", Facts: []notify.Fact{{Name: "site", Value: "Nord"}, {Name: "depth", Value: "2 m"}}}
	text := words(m)
	if text.Subject != "Nord: flooded" || !strings.Contains(text.Body, "depth: 2 m") || !strings.Contains(text.Short, "Nord: flooded") {
		t.Errorf("%+v", text)
	}
	edited, err := notify.NewTemplates([]notify.Template{{Kind: notify.General, Language: "de", Subject: "Neu: {kind}", Body: "{facts}", Short: "{kind}"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := edited.Render(m).Subject; got != "Neu: flooded" {
		t.Errorf("%q", got)
	}
}

func TestAnEditedTextIsUsedAndABrokenOneIsNot(t *testing.T) {
	good := notify.Template{Kind: "lost", Language: "it", Subject: "Ahi: {panels}", Body: "Manca {panels}.", Short: "Manca {panels}"}
	older := good
	older.Subject = "old"
	bad := notify.Template{Kind: "back", Language: "it", Subject: "{pannel}", Body: "x", Short: "x"}
	templates, err := notify.NewTemplates([]notify.Template{older, good, bad})
	if err == nil || !strings.Contains(err.Error(), "cannot use 1 of 3") || !strings.Contains(err.Error(), "back/it") {
		t.Errorf("%v", err)
	}
	m := lost("x")
	if got := templates.Render(m).Subject; got != "Ahi: Portone" {
		t.Errorf("%q", got)
	}
	m.Kind = "back"
	if got := templates.Render(m).Subject; got != "Città Üben 12: Portone di nuovo raggiungibile" {
		t.Errorf("%q", got)
	}
	if templates.Find("lost", "en") != notify.Shipped("lost", "en") {
		t.Error("another language was edited, too")
	}
}

func TestATemplateIsCheckedWhenItIsSaved(t *testing.T) {
	good := notify.Shipped("lost", "it")
	for _, c := range []struct {
		change func(*notify.Template)
		words  []string
	}{
		{func(t *notify.Template) { t.Body = "{pannel}" }, []string{"cannot save template lost/it: the text: unknown placeholder {pannel}; there are {site}, {panels}"}},
		{func(t *notify.Template) { t.Subject = "{times}" }, []string{"the subject: unknown placeholder {times}"}},
		{func(t *notify.Template) { t.Subject = "a\nBcc: x" }, []string{"the subject: has a line break"}},
		{func(t *notify.Template) { t.Short = "a\r\nb" }, []string{"the short text: has a line break"}},
		{func(t *notify.Template) { t.Short = " " }, []string{"the short text: is empty"}},
		{func(t *notify.Template) { t.Body = "a {" }, []string{"begins no placeholder"}},
		{func(t *notify.Template) { t.Body = "a {Panel}" }, []string{"begins no placeholder"}},
		{func(t *notify.Template) { t.Body = "a \u202e b" }, []string{"cannot be seen"}},
		{func(t *notify.Template) { t.Body = strings.Repeat("é", 4001) }, []string{"has 4001 characters; 4000 are allowed"}},
		{func(t *notify.Template) { t.Kind = "losst" }, []string{"there is no such kind; there are lost, line"}},
		{func(t *notify.Template) { t.Language = "xx" }, []string{"there is no such language; there are en, it, de"}},
	} {
		template := good
		c.change(&template)
		err := template.Check()
		for _, w := range c.words {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%v, want %q", err, w)
			}
		}
	}
	good.Body = strings.ReplaceAll(good.Body, "\n", "\r\n") // as browsers send it
	if err := good.Check(); err != nil {
		t.Error(err)
	}
}

func TestFactsAreNotLookedAtForPlaceholders(t *testing.T) {
	text := words(notify.Message{Kind: "lost", Language: "en", Facts: []notify.Fact{{Name: "site", Value: "{panels}"}, {Name: "panels", Value: "{incident}{"}, {Name: "incident", Value: "secret"}}})
	if text.Subject != "{panels}: no contact with {incident}{" {
		t.Errorf("%q", text.Subject)
	}
}

func TestALongNameDoesNotCrowdOutTheRest(t *testing.T) {
	text := words(notify.Message{Kind: "lost", Language: "en", Facts: []notify.Fact{{Name: "site", Value: strings.Repeat("S", 1000)}, {Name: "panels", Value: "Gate"}}})
	if !strings.Contains(text.Subject, "no contact with Gate") || !strings.Contains(text.Short, "no contact with Gate") {
		t.Errorf("%q\n%q", text.Subject, text.Short)
	}
}

// harmless holds what must be so whatever the facts are.
func harmless(t interface{ Errorf(string, ...any) }, text notify.Text) {
	for name, one := range map[string]string{"subject": text.Subject, "short": text.Short, "body": strings.ReplaceAll(text.Body, "\n", "")} {
		for _, r := range one {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError {
				t.Errorf("%s has %U: %q", name, r, one)
			}
		}
	}
	if n := utf8.RuneCountInString(text.Subject); n > 120 {
		t.Errorf("the subject has %d characters", n)
	}
	if n := utf8.RuneCountInString(text.Body); n > 8000 {
		t.Errorf("the body has %d characters", n)
	}
}

func TestWhateverTheFactsAreTheTextsAreHarmless(t *testing.T) {
	kinds := notify.Kinds()
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		m := notify.Message{Kind: kind.Name, Language: rapid.SampledFrom(notify.Languages()).Draw(t, "language")}
		names := append(slices.Clone(kind.Placeholders), "line", "duration_s", "cause_text")
		for _, name := range names {
			m.Facts = append(m.Facts, notify.Fact{Name: name, Value: rapid.String().Draw(t, name)})
		}
		harmless(t, words(m))
	})
}

func FuzzRender(f *testing.F) {
	f.Add("lost", "{site} {panels}\n{lines}", "North\r\nBcc: x", "lost|a|b|c|d")
	f.Add("morning", "{lines}", "\u202e\u0000", "|||||")
	f.Add("general", "{facts}{", "a", "b")
	f.Fuzz(func(t *testing.T, kind, body, site, line string) {
		template := notify.Template{Kind: kind, Language: "en", Subject: body, Body: body, Short: body}
		facts := []notify.Fact{{Name: "site", Value: site}, {Name: line, Value: site}, {Name: "line", Value: line}, {Name: "since", Value: line}, {Name: "duration_s", Value: site}}
		templates, err := notify.NewTemplates([]notify.Template{template})
		harmless(t, templates.Render(notify.Message{Kind: kind, Language: "en", Facts: facts}))
		if err == nil {
			harmless(t, template.Preview())
		}
	})
}
