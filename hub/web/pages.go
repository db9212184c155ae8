package web

import (
	"bytes"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/a-h/templ"
)

// frame is what every page has around it.
type frame struct {
	title  string
	nav    string // which entry of the menu is this
	hub    string // the hub's name
	said   string // what came of what was done just now
	seen   uint64 // the news that the page knows
	path   string // of this page with its query
	tree   bool   // the caller sees something of the tree of groups
	caller caller
}

// saidCookie carries one sentence to the page that follows a form.
const saidCookie = "-said"

// maxSaid bounds the sentence, in bytes.
const maxSaid = 600

// isPage tells whether the request came from a form or a page.
func (v *visit) isPage() bool { return !strings.HasPrefix(v.r.URL.Path, "/api/") }

// scripted tells whether the page's script asks, which puts the answer into the page.
func (v *visit) scripted() bool { return isScripted(v.r) }

func isScripted(r *http.Request) bool { return r.Header.Get("HX-Request") == "true" }

// say keeps a sentence for the next page.
func (v *visit) say(text string) {
	if text == "" {
		return
	}
	if len(text) > maxSaid {
		text = strings.ToValidUTF8(text[:maxSaid], "") + "…"
	}
	http.SetCookie(v.w, &http.Cookie{Name: cookies.Name(v.r) + saidCookie, Value: base64.RawURLEncoding.EncodeToString([]byte(text)), Path: "/", HttpOnly: true,
		Secure: v.r.TLS != nil, SameSite: http.SameSiteStrictMode, MaxAge: 60})
}

// said takes the sentence that say kept.
func (v *visit) said() string {
	c, err := v.r.Cookie(cookies.Name(v.r) + saidCookie)
	if err != nil || v.scripted() {
		return ""
	}
	http.SetCookie(v.w, &http.Cookie{Name: c.Name, Path: "/", HttpOnly: true, Secure: v.r.TLS != nil, SameSite: http.SameSiteStrictMode, MaxAge: -1})
	text, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || len(text) > maxSaid+8 || !utf8.Valid(text) {
		return ""
	}
	return string(text)
}

// redirect sends the browser on after a form.
func (v *visit) redirect(to string) {
	if to == "" {
		to = "/"
	}
	redirect(v.w, v.r, to)
}

func redirect(w http.ResponseWriter, r *http.Request, to string) {
	if isScripted(r) {
		// An address that differs only behind the # would not be loaded anew.
		if path, _, _ := strings.Cut(to, "#"); path == currentPath(r) {
			w.Header().Set("HX-Refresh", "true")
		} else {
			w.Header().Set("HX-Redirect", to)
		}
		w.WriteHeader(http.StatusOK)
		return
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// currentPath is the page whose script asks, without its query when that has none.
func currentPath(r *http.Request) string {
	u, err := url.Parse(r.Header.Get("HX-Current-URL"))
	if err != nil {
		return ""
	}
	return u.RequestURI()
}

// show answers with a page inside the frame.
func (v *visit) show(title, nav string, body templ.Component) error {
	return v.showAs(http.StatusOK, title, nav, body)
}

// showAs is show with another status: a form that is refused is shown again.
func (v *visit) showAs(status int, title, nav string, body templ.Component) error {
	settings, err := v.s.o.Settings.Settings()
	if err != nil {
		return err
	}
	f := frame{title: title, nav: nav, hub: settings.Name, said: v.said(), seen: v.seen, path: v.r.URL.RequestURI(), tree: v.seesTree(), caller: v.caller}
	return v.render(status, framed(f, body))
}

// sheet answers with a page of its own: nobody is logged in yet.
func (v *visit) sheet(title string, body templ.Component) error {
	return v.render(http.StatusOK, plain(title, body))
}

// render draws the whole answer before the first byte is sent, so that what goes wrong can still be said.
func (v *visit) render(status int, c templ.Component) error {
	var page bytes.Buffer
	if err := c.Render(v.r.Context(), &page); err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(page.Bytes()) // a reader that went away needs no answer
	return nil
}

// failPage shows a problem to a person: in the page for its script, as a page of its own otherwise. Whoever is not logged in is
// sent to do that.
func (s *Server) failPage(w http.ResponseWriter, r *http.Request, d *details, typed url.Values) {
	if d.Status == http.StatusUnauthorized && d.Type == problemType+"not-logged-in" {
		redirect(w, r, s.entrance(r))
		return
	}
	retryAfter(w, d)
	var page bytes.Buffer
	c := problemPage(d, enteredIn(typed))
	if isScripted(r) {
		c = trouble(sentenceCase(d.Detail))
	}
	if err := c.Render(r.Context(), &page); err != nil {
		writeProblem(w, d)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(d.Status)
	_, _ = w.Write(page.Bytes()) // a reader that went away needs no answer
}

// entry is one field of a form that was refused.
type entry struct{ name, value string }

// enteredIn is what somebody typed, to be shown to him again: all but secrets and what is empty.
func enteredIn(typed url.Values) []entry {
	var shown []entry
	for _, name := range slices.Sorted(maps.Keys(typed)) {
		last := name[strings.LastIndex(name, ".")+1:]
		if slices.Contains([]string{"password", "old", "new", "secret", "code", "token", "next", "person", "confirm", editionField}, last) {
			continue
		}
		if value := strings.Join(typed[name], ", "); value != "" && len(name) <= maxName {
			shown = append(shown, entry{strings.ReplaceAll(name, "_", " "), value})
		}
	}
	return shown
}

// entrance is where whoever is not logged in goes first.
func (s *Server) entrance(r *http.Request) string {
	if has, err := s.hasAdministrator(); err == nil && !has {
		return "/setup"
	}
	if r.Method == http.MethodGet && !isScripted(r) && r.URL.Path != "/" {
		return with("/login", "next", r.URL.RequestURI())
	}
	return "/login"
}

func (s *Server) pageSetup(v *visit) error {
	state, err := s.setupState()
	if err != nil {
		return err
	}
	if !state.Needed {
		v.redirect("/login")
		return nil
	}
	return v.sheet("First run", setupPage(state))
}

func (s *Server) pageLogin(v *visit) error {
	if has, err := s.hasAdministrator(); err != nil {
		return err
	} else if !has {
		v.redirect("/setup")
		return nil
	}
	settings, err := s.o.Settings.Settings()
	if err != nil {
		return err
	}
	return v.sheet("Log in", loginPage(settings.Name, nextPage(v.r.URL.Query().Get("next"))))
}

func (s *Server) pageAccount(v *visit) error {
	who, err := v.self()
	if err != nil {
		return err
	}
	return v.show("Your account", "account", accountPage(who))
}
