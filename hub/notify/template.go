package notify

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of texts, in characters.
const (
	maxTemplate = 4000 // a template's body
	maxSubject  = 120
	maxBody     = 8000
	maxName     = 64  // a fact in a subject or short message
	maxFact     = 500 // a fact in a body
	maxFacts    = 64
)

// Template says how one kind of message is told in one language. {name} stands for a fact.
type Template struct {
	Kind     string `json:"kind"`
	Language string `json:"language"`
	Subject  string `json:"subject"` // of a mail
	Body     string `json:"body"`    // of a mail, plain text; a line all of whose facts are unknown is left out
	Short    string `json:"short"`   // of a short message
}

// Check tells what is wrong with a template before it is kept.
func (t Template) Check() error {
	kind, ok := kindOf(t.Kind)
	if !ok {
		return fmt.Errorf("cannot save template %s/%s: there is no such kind; there are %s", oneLine(t.Kind, 40), oneLine(t.Language, 10), strings.Join(kindNames(), ", "))
	}
	if !slices.Contains(Languages(), t.Language) {
		return fmt.Errorf("cannot save template %s/%s: there is no such language; there are %s", t.Kind, oneLine(t.Language, 10), strings.Join(Languages(), ", "))
	}
	for _, part := range []struct {
		name, text string
		limit      int
		lines      bool
	}{{"subject", t.Subject, maxSubject, false}, {"text", t.Body, maxTemplate, true}, {"short text", t.Short, 300, false}} {
		if err := checkPart(part.text, part.limit, part.lines, kind); err != nil {
			return fmt.Errorf("cannot save template %s/%s: the %s: %w", t.Kind, t.Language, part.name, err)
		}
	}
	return nil
}

func checkPart(text string, limit int, several bool, kind Kind) error {
	clean := oneLine
	if several {
		clean = lines
		text = strings.ReplaceAll(text, "\r\n", "\n")
	}
	switch {
	case strings.TrimSpace(text) == "":
		return fmt.Errorf("is empty; write something, or take the shipped template")
	case utf8.RuneCountInString(text) > limit:
		return fmt.Errorf("has %d characters; %d are allowed", utf8.RuneCountInString(text), limit)
	case !several && strings.ContainsAny(text, "\r\n"):
		return fmt.Errorf("has a line break; write one line")
	case squeeze(clean(text, limit)) != squeeze(text):
		return fmt.Errorf("has characters that cannot be seen; type it anew")
	}
	pieces, err := split(text, "{", "}")
	if err != nil {
		return err
	}
	for _, p := range pieces {
		if p.name && !kind.knows(p.text) {
			return fmt.Errorf("unknown placeholder {%s}; there are %s", p.text, kind.placeholders())
		}
	}
	return nil
}

// squeeze takes out what cleaning may change without harm.
func squeeze(text string) string { return strings.Join(strings.Fields(text), "") }

// Templates are the shipped texts and, before them, those that were edited. The zero value is the shipped ones.
type Templates struct {
	edited []Template
}

// NewTemplates takes the edited templates, the last of two for the same kind and language. One that does not pass Check is
// named in the error and passed over: the shipped one stands in for it, so that a message is never lost for its words.
func NewTemplates(edited []Template) (Templates, error) {
	var t Templates
	var bad []string
	for _, one := range edited {
		if err := one.Check(); err != nil {
			bad = append(bad, err.Error())
			continue
		}
		t.edited = append(t.edited, one)
	}
	if bad != nil {
		return t, fmt.Errorf("cannot use %d of %d edited templates, the shipped ones stand in: %s", len(bad), len(edited), strings.Join(bad, "; "))
	}
	return t, nil
}

// Find returns the template for a kind in a language: the edited one, the shipped one, or the general one of that language
// for a kind that nobody knows.
func (t Templates) Find(kind, language string) Template {
	language = spoken(language)
	if _, ok := kindOf(kind); !ok {
		kind = General
	}
	for _, one := range slices.Backward(t.edited) {
		if one.Kind == kind && one.Language == language {
			return one
		}
	}
	return Shipped(kind, language)
}

// Render puts a message into words. Facts are made harmless on the way: names cannot break lines, turn the writing
// direction, or crowd out the rest.
func (t Templates) Render(m Message) Text {
	return t.Find(m.Kind, m.Language).render(m.Kind, m.Facts)
}

// Preview renders a template with the examples of its kind.
func (t Template) Preview() Text {
	kind, _ := kindOf(t.Kind)
	return t.render(t.Kind, kind.examples())
}

func (t Template) render(kind string, facts []Fact) Text {
	p := presented{kind, t.Language, facts[:min(len(facts), maxFacts)]}
	short := func(name string) string {
		if value := oneLine(p.value(name, maxName), maxName); value != "" {
			return value
		}
		return "-"
	}
	long := func(name string) string { return p.value(name, maxFact) }
	return Text{
		Subject: oneLine(filled(t.Subject, short), maxSubject),
		Body:    lines(body(t.Body, long), maxBody),
		Short:   oneLine(filled(t.Short, short), maxTemplate),
	}
}

// filled fills a text whose form was checked; one that was not is shown as it is rather than lost.
func filled(text string, value func(string) string) string {
	pieces, err := split(text, "{", "}")
	if err != nil {
		return text
	}
	return fill(pieces, value)
}

// body fills the lines of a text, and leaves out those that had nothing to tell.
func body(text string, value func(string) string) string {
	var kept []string
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		asked, known := 0, 0
		full := filled(line, func(name string) string {
			asked++
			v := value(name)
			if v == "" {
				return "-"
			}
			known++
			return v
		})
		if asked == 0 || known > 0 {
			kept = append(kept, full)
		}
	}
	return strings.Join(kept, "\n")
}

// Languages lists the languages of the shipped texts.
func Languages() []string { return []string{"en", "it", "de"} }

// spoken is the language of a tag such as "de-AT", or English.
func spoken(tag string) string {
	tag, _, _ = strings.Cut(strings.ToLower(tag), "-")
	tag, _, _ = strings.Cut(tag, "_")
	if slices.Contains(Languages(), tag) {
		return tag
	}
	return "en"
}
