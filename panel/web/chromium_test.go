package web

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/qr"
)

// browser is a real Chromium with what its console complained about.
type browser struct {
	t     *testing.T
	ctx   context.Context
	shots string // directory for pictures; empty: none

	mu         sync.Mutex
	complaints []string
}

func newBrowser(t *testing.T, more ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	const program = "/usr/bin/chromium"
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("the pages are tested in a real browser: apt-get install chromium: %v", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.WSURLReadTimeout(time.Minute))
	options = append(options, more...)
	limited, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(stop)
	alloc, end := chromedp.NewExecAllocator(limited, options...)
	t.Cleanup(end)
	ctx, leave := chromedp.NewContext(alloc)
	t.Cleanup(leave)
	b := &browser{t: t, ctx: ctx, shots: os.Getenv("DOORPANEL_SHOTS")}
	b.do()
	messages := chromedp.Console(ctx)
	var reading sync.WaitGroup
	reading.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleWarning || m.IsException() {
				b.mu.Lock()
				b.complaints = append(b.complaints, m.String()+" "+m.URL)
				b.mu.Unlock()
			}
		}
	})
	t.Cleanup(func() {
		leave()
		reading.Wait()
	})
	return b
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.t.Fatalf("in the browser: %v; console: %q", err, b.complaints)
	}
}

// says waits until the page, or the one that follows it, shows the text.
func (b *browser) says(text string) {
	b.t.Helper()
	find := chromedp.Poll[bool](fmt.Sprintf("document.body?.innerText.includes(%q)", text), chromedp.WithPollingTimeout(15*time.Second))
	_, err := chromedp.Run(b.ctx, find)
	// While one page gives way to the next, the question is lost in different ways.
	for err != nil && b.ctx.Err() == nil && !strings.Contains(err.Error(), "timeout") {
		_, err = chromedp.Run(b.ctx, find)
	}
	if err != nil {
		shown, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		b.mu.Lock()
		defer b.mu.Unlock()
		b.t.Fatalf("the page does not show %q but %q (%v); console: %q", text, shown, err, b.complaints)
	}
}

// press clicks what carries the text, as a person would find it.
func (b *browser) press(text string) {
	b.t.Helper()
	b.do(chromedp.Click(fmt.Sprintf(`//*[(self::button and not(@disabled)) or self::a or self::summary][contains(normalize-space(.), %q)]`, text)))
}

// focus puts the keyboard where the text is.
func (b *browser) focus(text string) {
	b.t.Helper()
	b.do(chromedp.Focus(fmt.Sprintf(`//*[(self::button and not(@disabled)) or self::a][contains(normalize-space(.), %q)]`, text)))
}

// keys types into whatever has the keyboard.
func (b *browser) keys(text string) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(text))
}

// escape ends a dialog as the keyboard does, and waits until the page under it is drawn anew.
func (b *browser) escape() {
	b.t.Helper()
	b.keys(kb.Escape)
	calm := chromedp.Poll[bool](`!document.querySelector("dialog, main button:disabled")`, chromedp.WithPollingTimeout(15*time.Second))
	if _, err := chromedp.Run(b.ctx, calm); err != nil {
		b.t.Fatalf("the dialog does not end: %v", err)
	}
}

// reads holds a camera to a code on the page.
func (b *browser) reads(selector, want string) {
	b.t.Helper()
	picture, err := chromedp.Run(b.ctx, chromedp.Screenshot(chromedp.CSS(selector)))
	if err != nil {
		b.t.Fatal(err)
	}
	if got, err := qr.ReadBytes(picture); err != nil || got != want {
		b.t.Errorf("%s shows %.40q, want %.40q: %v", selector, got, want, err)
	}
}

func (b *browser) shot(name string, width, height int64, dark bool) {
	b.t.Helper()
	if b.shots == "" {
		return
	}
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, media); err != nil {
		b.t.Fatal(err)
	}
	b.do(chromedp.EmulateViewport(width, height))
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.shots, name+".png"), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) quiet(but ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
complaint:
	for _, c := range b.complaints {
		for _, known := range but {
			if strings.Contains(c, known) {
				continue complaint
			}
		}
		b.t.Errorf("the console complains: %s", c)
	}
}

// TestPagesInARealBrowser walks the pages as people do: first run, license, card, code, door, journal.
func TestPagesInARealBrowser(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	web := httptest.NewUnstartedServer(s.Handler())
	web.Config.Handler = HTTPServer(s.Handler(), s.log).Handler
	web.Start()
	t.Cleanup(func() {
		s.Close()
		web.CloseClientConnections()
		web.Close()
	})
	b := newBrowser(t)

	// The face, with the simulated hardware beside it.
	b.do(chromedp.EmulateViewport(1800, 1100), chromedp.Navigate(web.URL))
	b.says("Please ring")
	b.says("Needs a license for more buttons")
	b.says("Demo phone")
	b.says(h.code()[:4] + " " + h.code()[4:])
	b.shot("face-demo", 1800, 1100, false)
	b.shot("face-demo-dark", 1800, 1100, true)
	b.shot("face-phone", 420, 900, false)
	b.do(chromedp.EmulateViewport(1800, 1100))
	b.press("Reception")
	b.says("Calling Reception")
	b.shot("face-calling", 1280, 900, true)
	h.showFace(panel.Green, "Come in")
	b.says("Come in")
	b.press("Expired")
	b.quiet()

	// First run.
	b.do(chromedp.EmulateViewport(1400, 950), chromedp.Navigate(web.URL+"/admin"))
	b.says("Make this panel yours")
	b.shot("first-run", 1100, 800, false)
	b.do(chromedp.SendKeys(chromedp.CSS("#code"), h.code()), chromedp.SendKeys(chromedp.CSS("#password"), "four words are easy"))
	b.press("Set up")
	b.says("This panel")
	b.says("the free one")
	b.shot("overview", 1400, 950, false)

	// A license by its text, and a refused one.
	b.press("Licenses")
	b.says("Add a license")
	b.do(chromedp.SendKeys(chromedp.CSS("#license-text"), "DP1:activated"))
	b.press("Activate")
	b.says("10 buttons added")
	b.says("12 Mill Lane, 10 buttons")
	b.shot("licenses", 1400, 950, false)
	b.do(chromedp.SendKeys(chromedp.CSS("#license-text"), "DP1:expired"))
	b.press("Activate")
	b.says("License expired")
	b.shot("license-refused", 1400, 950, true)

	// A card learned at the reader, then a code drawn by the panel.
	b.press("People & credentials")
	b.says("Nobody is entered yet")
	b.do(chromedp.SendKeys(chromedp.CSS(`input[name="person"]`), "Ada Lovelace"))
	b.press("Present the card now")
	b.says("Hold it to any reader")
	b.shot("learning", 1400, 950, false)
	h.learned <- "04A1B2C3"
	b.says("Card read")
	b.press("Save")
	b.says("can use this card now")
	b.press("Code")
	b.do(chromedp.SetValue(chromedp.CSS(`input[name="person"]`), "Grace <b>Hopper</b>"))
	b.press("Save")
	b.says("483920")
	b.says("Grace <b>Hopper</b>") // a name stays text
	b.shot("people", 1400, 950, false)
	b.shot("people-phone", 420, 900, true)
	b.do(chromedp.EmulateViewport(1400, 950))

	b.do(chromedp.Click(chromedp.CSS(`td.do button`)))
	b.says("Moving out takes every card")
	b.shot("person", 1400, 950, false)

	b.press("Groups & rules")
	b.says("There are no groups")
	b.do(chromedp.SendKeys(chromedp.CSS(`form input[maxlength="64"]`), "staff"))
	b.press("Save right")
	b.says("Members of staff may open: every door, at any time")
	b.shot("access", 1400, 950, true)
	b.press("Inside & guests")
	b.says("1 inside")
	b.says("No guest is let in")
	b.shot("visits", 420, 900, false)
	b.do(chromedp.EmulateViewport(1400, 950))

	b.press("Schedules")
	b.says("There are no schedules")
	b.do(chromedp.SetValue(chromedp.CSS(`form input[maxlength="64"]`), "Office hours"))
	b.press("Save schedule")
	b.says("can be chosen for cards and codes")
	b.shot("schedules", 1400, 950, false)

	b.press("Call buttons")
	b.says("Office Lovelace")
	b.shot("buttons", 1400, 950, false)

	b.press("Doors")
	b.says("locked (fail-secure)")
	b.do(chromedp.Click(chromedp.CSS(`td.do button`)))
	b.says("front is released")
	b.shot("doors", 1400, 950, false)
	b.press("Lock down")
	b.says("Exit buttons and fire open as ever")
	b.says("End the lockdown")
	b.shot("lockdown", 1400, 950, false)
	b.press("End the lockdown")
	b.says("Lock down")

	b.press("Journal")
	b.says("Access granted for admin at front")
	h.note(panel.Entry{Kind: panel.DoorForced, Door: "front"})
	b.says("Door front forced open") // live
	b.shot("journal", 1400, 950, false)
	b.do(chromedp.SendKeys(chromedp.CSS(`select[aria-label="Kind"]`), "Access"), chromedp.SendKeys(chromedp.CSS(`input[aria-label="Name"]`), "nobody"))
	b.press("Search")
	b.says("Nothing fits in what was looked through")
	b.do(chromedp.SendKeys(chromedp.CSS(`input[aria-label="Name"]`), strings.Repeat(kb.Backspace, len("nobody"))))
	b.press("Search")
	b.says("Access granted for admin at front")
	b.shot("journal-search", 1400, 950, false)

	b.press("Users")
	b.says("Who may log in")
	b.shot("users", 1400, 950, true)
	b.press("Log out")
	b.says("Log in")
	b.shot("login", 1100, 800, true)

	// The residents' page.
	b.do(chromedp.Navigate(web.URL + "/app"))
	b.says("Log in")
	b.do(chromedp.SendKeys(chromedp.CSS("#password"), "four words are easy"))
	b.press("Log in")
	b.says("Logged in as admin")
	b.do(chromedp.Click(chromedp.CSS(`.door button`)))
	b.says("The door is released")
	b.shot("app", 420, 900, false)
	// A refused license is an answer of 422, which the console reports by itself.
	b.quiet("status of 422")

	if len(h.opened) != 2 || len(h.licenses) != 1 || len(h.credentials) != 2 || len(h.schedules) != 1 {
		t.Errorf("opened %v, %d licenses, %d credentials, %d schedules", h.opened, len(h.licenses), len(h.credentials), len(h.schedules))
	}
}

func TestTheBrokenPageInARealBrowser(t *testing.T) {
	handler, err := Broken("/etc/doorpanel/doorpanel.toml", []Mistake{
		{Row: 12, Column: 9, Key: "door.pulse", Value: `"3"`, Cause: "not a duration", Remedy: `write "3s"`},
		{Row: 14, Column: 1, Key: "door.savety", Cause: "unknown key", Remedy: `did you mean "safe"?`},
		{Row: 21, Column: 12, Key: "web.listen", Value: `"0.0.0.0:80"`, Cause: "beyond this host without TLS", Remedy: "give [web.tls] or listen on 127.0.0.1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(handler)
	defer web.Close()
	b := newBrowser(t)
	b.do(chromedp.Navigate(web.URL + "/admin"))
	b.says("Its configuration has 3 mistakes")
	b.says(`write "3s"`)
	b.shot("broken", 1100, 900, false)
	b.quiet("status of 503")
}
