package web

import (
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"
)

// Mistake is one thing that is wrong with the configuration.
type Mistake struct {
	Row    int    `json:"row"` // 1-based; 0: not at one place
	Column int    `json:"column"`
	Key    string `json:"key,omitempty"`
	Value  string `json:"value,omitempty"` // secrets already as ***
	Cause  string `json:"cause"`
	Remedy string `json:"remedy,omitempty"`
}

// Broken serves a panel whose configuration file cannot be used: every page shows all mistakes, so that whoever stands at
// the door with a telephone sees what to mend. Nothing can be changed through it.
func Broken(file string, mistakes []Mistake) (http.Handler, error) {
	pages, err := loadAssets()
	if err != nil {
		return nil, err
	}
	page := []byte(brokenPage(file, mistakes))
	notReady := problem(http.StatusServiceUnavailable, "not-ready", fmt.Sprintf("%s has %s", file, count(len(mistakes), "mistake")))
	for _, m := range mistakes {
		notReady.Causes = append(notReady.Causes, m.text(file))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		switch {
		// Names cannot be read from a broken file: only addresses are answered.
		case !knows(hostName(r.Host), nil):
			writeProblem(w, problem(http.StatusMisdirectedRequest, "unknown-host", "use the panel's IP address"))
		case r.URL.Path == "/healthz":
			_ = writeJSON(w, http.StatusOK, object{"alive": true}) // two words never fail to be JSON
		case r.URL.Path == "/readyz" || strings.HasPrefix(r.URL.Path, "/api/"):
			writeProblem(w, notReady)
		case strings.HasPrefix(r.URL.Path, "/assets/"):
			if err := pages.serve(w, r, caller{}); err != nil {
				writeProblem(w, asDetails(err))
			}
		default:
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write(page) // a reader that went away needs no answer
		}
	}), nil
}

func (m Mistake) text(file string) string {
	where := file
	if m.Row > 0 {
		where += ":" + strconv.Itoa(m.Row) + ":" + strconv.Itoa(m.Column)
	}
	text := where + ": "
	if m.Key != "" {
		text += m.Key + ": "
	}
	text += m.Cause
	if m.Remedy != "" {
		text += "; " + m.Remedy
	}
	return text
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// brokenPage is written by hand because html/template would keep every exported method of the program alive in the
// binary. Everything that comes from the file goes through esc.
func brokenPage(file string, mistakes []Mistake) string {
	esc := html.EscapeString
	var b strings.Builder
	b.WriteString(`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">` +
		`<title>Configuration</title><link rel="icon" href="/assets/icon.svg"><link rel="stylesheet" href="/assets/style.css"></head><body class="plain"><main class="sheet">`)
	b.WriteString(`<p class="eyebrow">This panel is waiting</p><h1>Its configuration has ` + esc(count(len(mistakes), "mistake")) + `</h1><p class="lead">Mend <code>` + esc(file) +
		`</code> and restart the panel. Until then it rings nobody and moves no door.</p><ol class="mistakes">`)
	for _, m := range mistakes {
		b.WriteString(`<li>`)
		if m.Row > 0 {
			b.WriteString(`<p class="where">row ` + strconv.Itoa(m.Row) + `, column ` + strconv.Itoa(m.Column) + `</p>`)
		}
		if m.Key != "" {
			b.WriteString(`<p class="key"><code>` + esc(m.Key))
			if m.Value != "" {
				b.WriteString(` = ` + esc(m.Value))
			}
			b.WriteString(`</code></p>`)
		}
		b.WriteString(`<p>` + esc(m.Cause) + `</p>`)
		if m.Remedy != "" {
			b.WriteString(`<p class="remedy">` + esc(m.Remedy) + `</p>`)
		}
		b.WriteString(`</li>`)
	}
	b.WriteString(`</ol></main></body></html>`)
	return b.String()
}
