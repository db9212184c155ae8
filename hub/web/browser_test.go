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
	limited, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(stop)
	alloc, end := chromedp.NewExecAllocator(limited, options...)
	t.Cleanup(end)
	ctx, leave := chromedp.NewContext(alloc)
	t.Cleanup(leave)
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
	if shown, ok := b.shows(func(shown string) bool { return strings.Contains(shown, text) }); !ok {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.t.Fatalf("the page does not show %q but %q; console: %q", text, shown, b.complaints)
	}
}

// gone waits until the page does not show the text any more.
func (b *browser) gone(text string) {
	b.t.Helper()
	if shown, ok := b.shows(func(shown string) bool { return !strings.Contains(shown, text) }); !ok {
		b.t.Fatalf("the page goes on showing %q: %q", text, shown)
	}
}

// whole is what a page shows that has arrived to its end: half a form would be sent as half a form.
const whole = `document.readyState === "complete" ? document.body.innerText : ""`

// shows waits until what the page shows is as wanted, and returns what it showed last. It asks from outside, again and again:
// in a page without scripts nothing can wait.
func (b *browser) shows(wanted func(shown string) bool) (shown string, ok bool) {
	ctx, stop := context.WithTimeout(b.ctx, time.Minute)
	defer stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		// While one page gives way to the next there is nothing to read.
		text, err := chromedp.Run(ctx, chromedp.Evaluate[string](whole))
		if err == nil {
			shown = text
			if wanted(shown) {
				return shown, true
			}
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return shown, false
		}
	}
}

// press clicks what carries the text, as a person would find it.
func (b *browser) press(text string) {
	b.t.Helper()
	b.shows(func(shown string) bool { return shown != "" })
	click := chromedp.Click(fmt.Sprintf(`//*[(self::button and not(@disabled)) or self::a or self::summary][contains(normalize-space(.), %q)]`, text))
	err := chromedp.Do(b.ctx, click)
	// A part of the page that is drawn again takes its buttons with it.
	for err != nil && b.ctx.Err() == nil && strings.Contains(err.Error(), "node") {
		err = chromedp.Do(b.ctx, click)
	}
	if err != nil {
		b.t.Fatalf("cannot press %q: %v", text, err)
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
	if picture, err = small(picture); err != nil {
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

// fits fails when the page can be moved sideways at the width that it has.
func (b *browser) fits(page string) {
	b.t.Helper()
	over, err := chromedp.Run(b.ctx, chromedp.Evaluate[float64]("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
	if err != nil {
		b.t.Fatal(err)
	}
	if over > 0 {
		widest, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`[...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, nav")).map((e) => e.outerHTML.slice(0, 120)).slice(0, 4).join("\n")`))
		b.t.Errorf("%s is %g pixels wider than the screen: %s", page, over, widest)
	}
}

// serveReal serves the pages over a real connection, as the program does.
func serveReal(t *testing.T, s *Server) string {
	t.Helper()
	web := httptest.NewUnstartedServer(s.Handler())
	web.Config.Handler = HTTPServer(s.Handler(), s.log).Handler
	web.Start()
	t.Cleanup(func() {
		s.Close()
		web.CloseClientConnections()
		web.Close()
	})
	return web.URL
}
