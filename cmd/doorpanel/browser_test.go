package main_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// browser is a real Chromium, with what its console complained about.
type browser struct {
	t     *testing.T
	ctx   context.Context
	shots string // directory for pictures; empty: none

	mu         sync.Mutex
	complaints []string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	const chromium = "/usr/bin/chromium"
	if _, err := os.Stat(chromium); err != nil {
		t.Fatalf("the demonstration is tested in a real browser: apt-get install chromium: %v", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.WSURLReadTimeout(time.Minute))
	limited, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(stop)
	alloc, end := chromedp.NewExecAllocator(limited, options...)
	t.Cleanup(end)
	ctx, leave := chromedp.NewContext(alloc)
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

func (b *browser) said() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.complaints...)
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatalf("in the browser: %v; console: %q", err, b.said())
	}
}

// shows waits until the part of the page has the text.
func (b *browser) shows(part, text string) {
	b.t.Helper()
	find := chromedp.Poll[bool](fmt.Sprintf("[...document.querySelectorAll(%q)].some((e) => e.innerText.includes(%q))", part, text), chromedp.WithPollingTimeout(patience))
	if _, err := chromedp.Run(b.ctx, find); err != nil {
		shown, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		b.t.Fatalf("the page does not show %q at %s but %q (%v); console: %q", text, part, shown, err, b.said())
	}
}

// press clicks the button with the text in a part of the page that has the words.
func (b *browser) press(part, words, text string) {
	b.t.Helper()
	b.do(chromedp.Click(fmt.Sprintf(`//%s[contains(normalize-space(.), %q)]//button[contains(normalize-space(.), %q)]`, part, words, text)))
}

func (b *browser) shot(name string) {
	b.t.Helper()
	if b.shots == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.shots, name+".png"), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// TestNewcomerPlaysWithTheDemonstration does in a browser what the page invites to.
func TestNewcomerPlaysWithTheDemonstration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := &panelProcess{t: t, dir: dir, data: filepath.Join(dir, "data")}
	line := p.launch([]string{"demo", "--listen", "127.0.0.1:0", "--data", p.data})
	if !line.Ready {
		t.Fatalf("the demonstration is not ready: %+v", line)
	}
	p.url, p.sip, p.id = line.Web, line.SIP, line.Panel
	p.connect()
	b := newBrowser(t)
	b.do(chromedp.EmulateViewport(1800, 1100), chromedp.Navigate(p.url))
	b.shows(".calls", "Rossi")
	b.shows(".calls button.locked", "Bianchi")
	b.shows(".calls button.locked", "Office")
	b.shows(".bench", "Demo phone")

	// A locked button tells why nobody rings.
	b.press("div", "Rossi", "Bianchi")
	b.shows(".glass", "This button is not active")
	p.waitTone("refused-not_licensed")

	// Without a license no card opens.
	b.press("section", "Residents of this demo", "Show card")
	b.shows(".glass", "Access control is not active")

	// The first button rings the phone, whose key opens the door.
	b.press("div", "Bianchi", "Rossi")
	b.shows(".glass", "Calling Rossi")
	b.shows(".phone", "Ringing")
	b.press("section", "Demo phone", "Answer")
	b.shows(".glass", "Rossi is on the line")
	b.shows(".phone", "In a call")
	b.do(chromedp.Click(`//*[@aria-label="Keys of the phone"]/button[.="1"]`))
	on := p.waitFor("strike", "front", true)
	b.shows(".leaf.released", "Released")
	b.shows(".glass", "Please come in")
	b.shot("demo-door-open")
	off := p.waitFor("strike", "front", false)
	checkPulse(t, time.Duration(off.MonoMS-on.MonoMS)*time.Millisecond, 3*time.Second)
	b.shows(".leaf", "Locked")
	b.shows(".phone", "Quiet")

	// Two licenses: the buttons come alive, and access control starts.
	b.press("section", "License codes of this demo", "2 more buttons")
	b.shows(".glass", "License activated")
	b.shows(".calls button:not(.locked)", "Bianchi")
	b.shows(".calls button:not(.locked)", "Office")
	b.press("section", "License codes of this demo", "Access control")
	p.waitEntry("license.activated", "activated")
	p.waitEntry("license.activated", "activated")
	b.press("section", "Residents of this demo", "Show card")
	p.opens("front")
	p.waitEntry("access.granted", "card")
	b.press("section", "Residents of this demo", "Type code")
	p.opens("front")
	p.waitEntry("access.granted", "code")
	// One that is wrong says so and changes nothing.
	b.press("section", "License codes of this demo", "Forged")
	b.shows(".glass", "License not genuine")
	b.shows(".calls button:not(.locked)", "Office")

	b.press("div", "Rossi", "Office")
	b.shows(".glass", "Calling Office")
	b.shows(".phone", "Ringing")
	b.press("section", "Demo phone", "Reject")
	b.shows(".glass", "Office cannot answer now")

	// Everything that happened stands in the journal beside it.
	for _, words := range []string{"Anna Rossi", "Rossi", "Office", "buttons"} {
		b.shows("#records", words)
	}
	b.shot("demo")
	if said := b.said(); len(said) > 0 {
		t.Errorf("the console complains: %q", said)
	}
	p.stop()
	if !strings.Contains(p.stderr.String(), p.url) {
		t.Errorf("a person is not told where to look: %q", p.stderr.String())
	}
}
