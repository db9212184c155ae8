package main_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/doorpanel/doorpanel/hub/monitor"
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
		t.Fatalf("the newcomer's way is tested in a real browser: apt-get install chromium: %v", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.WSURLReadTimeout(time.Minute))
	limited, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(stop)
	alloc, end := chromedp.NewExecAllocator(limited, options...)
	t.Cleanup(end)
	ctx, leave := chromedp.NewContext(alloc)
	b := &browser{t: t, ctx: ctx, shots: os.Getenv("DOORHUB_SHOTS")}
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

// shows waits until the part of the page has the text. A page may be left for another one meanwhile.
func (b *browser) shows(part, text string) {
	b.t.Helper()
	look := chromedp.Evaluate[bool](fmt.Sprintf("[...document.querySelectorAll(%q)].some((e) => e.innerText.includes(%q))", part, text))
	defer func() {
		if b.t.Failed() {
			shown, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
			b.t.Logf("the page shows %q; console: %q", shown, b.said())
		}
	}()
	until(b.t, fmt.Sprintf("the page shows %q at %s", text, part), nil, func() bool {
		found, err := chromedp.Run(b.ctx, look)
		return err == nil && found
	})
}

// shot keeps a picture where DOORHUB_SHOTS says so.
func (b *browser) shot(name string) {
	b.t.Helper()
	if b.shots == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(b.shots, name+".png"), picture, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestANewcomerFindsTheWayInABrowser(t *testing.T) {
	h := startHub(t, hubSetting{})
	b := newBrowser(t)
	b.do(chromedp.EmulateViewport(1200, 860), chromedp.Navigate(h.web+"/"))
	b.shows("h1", "Make this hub yours")
	b.do(chromedp.SendKeys("#code", h.setupCode()), chromedp.SendKeys("#password", password))
	b.shot("setup")
	b.do(chromedp.Click("button.primary"))
	b.shows("main", "This hub is yours")
	b.do(chromedp.Navigate(h.web+"/new-site"), chromedp.SendKeys(`input[name="name"]`, "Via Roma 7"),
		chromedp.SetValue(`input[name="zone"]`, "Europe/Rome"), chromedp.Click("main button.primary"))
	b.shows("main", "Pair its first panel now")
	b.do(chromedp.Click("main button.primary"))
	b.shows("main", "Waiting for the panel")
	code, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`[...document.querySelectorAll("main textarea, main input")].map((e) => e.value).find((v) => v.startsWith("DH1:"))`))
	if err != nil {
		t.Fatal(err)
	}
	b.shot("pair")
	p := startPanel(t, "Stairs A", "")
	if a := p.pair(code); a.status != 200 {
		t.Fatalf("the code of the page: %d %s", a.status, a.body)
	}
	h.waitPresence(p.id, monitor.Online)
	b.shows("main", "Stairs A")
	p.badges(0, 3)
	h.refusals(p, 3)

	b.do(chromedp.Navigate(h.web + "/"))
	b.shows("main", "Via Roma 7")
	b.shot("overview")
	b.do(chromedp.Navigate(h.web + "/panels/" + p.id))
	b.shows("main", "front")
	b.shot("panel")
	// What happens at the door shows without a reload.
	b.do(chromedp.Navigate(h.web + "/events"))
	b.shows("main", "Stairs A")
	p.badges(3, 4)
	b.shot("events")
	for page, title := range map[string]string{"/warnings": "Warnings", "/settings": "Settings", "/health": "Health", "/sites/via-roma-7": "Via Roma 7"} {
		b.do(chromedp.Navigate(h.web + page))
		b.shows("h1", title)
	}
	if said := b.said(); len(said) > 0 {
		t.Errorf("the console complains: %q", said)
	}
}
