package web

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/doorpanel/doorpanel/panel/access"
)

// From off to a second code and back, as an administrator walks it with the recipient on the telephone.
func TestSilentAlarmIsSwitchedOnWithItsNumberAndASecondCodeIsShownOnce(t *testing.T) {
	h := newHouse()
	h.putPerson(Person{Name: "Ada Lovelace"}, "admin")
	h.credentials["c1"] = access.Credential{ID: "c1", Person: "p1", Kind: access.Code}
	recipient := "x25519:" + strings.Repeat("Q2h5_-a", 6) + "A"
	b, _, url := enter(t, h)

	// While nobody would hear of it no second code is made.
	b.do(chromedp.Navigate(url + "/admin#people"))
	b.says("Ada Lovelace")
	b.do(chromedp.Click(chromedp.CSS("td.do button")))
	b.press("Second code for duress")
	b.says("Nothing on the panel shows it")
	b.press("Make a second code")
	b.says("cannot draw a duress code")
	b.escape()

	b.do(chromedp.Navigate(url + "/admin#access"))
	b.says("The silent alarm is off.")
	b.fills("The recipient's public key", "x25519-secret:"+strings.Repeat("A", 43))
	b.press("Make the test")
	b.fills("The recipient's public key", recipient)
	b.press("Make the test")
	b.says("waits for the recipient's test")
	b.reveals("DT1:sealed")
	if n := h.duress.asked.Load(); n != 1 {
		t.Errorf("%d keys came to the panel: the secret half was to stay away from it", n)
	}
	b.seen("duress-waiting")
	b.fills("The number that the recipient read", "40718353")
	b.press("Switch on")
	b.says("not the number in the test")
	if h.duress.Recipient() != "" {
		t.Error("a wrong number switched it on")
	}

	// Whoever comes to the page later sees that it waits, and not the message.
	b.do(chromedp.Navigate(url+"/"), chromedp.Navigate(url+"/admin#access"))
	b.says("The message was shown to whoever made the test")
	b.fills("The number that the recipient read", "40718352")
	b.press("Switch on")
	b.says("The silent alarm is on.")
	if h.duress.Recipient() != recipient {
		t.Errorf("it goes to %q", h.duress.Recipient())
	}

	b.do(chromedp.Navigate(url + "/admin#people"))
	b.says("Ada Lovelace")
	b.do(chromedp.Click(chromedp.CSS("td.do button")))
	b.press("Second code for duress")
	b.press("Make a second code")
	b.says("482059")
	b.says("Nothing on the panel shows that it is for duress")
	b.seen("duress-code")
	b.press("Done")
	b.conceals("482059")
	if h.duress.code.Load() != "c1" {
		t.Errorf("the second code stands beside %v", h.duress.code.Load())
	}
	b.seen("duress-person")
	b.press("Second code for duress")
	b.press("Withdraw the second code")
	b.press("Really withdraw the second code")
	b.says("it opens nothing any more")
	if h.duress.code.Load() != "" {
		t.Error("the second code still opens")
	}
	b.press("Done")

	b.do(chromedp.Navigate(url + "/admin#access"))
	b.says("The silent alarm is on.")
	b.seen("duress-on")
	b.press("Switch off")
	b.press("Really switch off")
	b.says("The silent alarm is off.")
	if h.duress.Recipient() != "" {
		t.Error("it is still on")
	}

	// An installer changes people, and has nothing to do with the silent alarm.
	h.login(Administrator) // a panel without one is at its first run
	h.mu.Lock()
	admin := h.users["admin"]
	admin.Role = Installer
	h.users["admin"] = admin
	h.mu.Unlock()
	b.do(chromedp.Navigate(url+"/"), chromedp.Navigate(url+"/admin#access"))
	b.says("Save settings")
	b.conceals("Silent alarm")
	b.do(chromedp.Navigate(url + "/admin#people"))
	b.says("Ada Lovelace")
	b.do(chromedp.Click(chromedp.CSS("td.do button")))
	b.says("Draw anew")
	b.conceals("duress")
	b.quiet("status of 409", "status of 422")
}

// reveals reads what is to be carried over.
func (b *browser) reveals(text string) {
	b.t.Helper()
	if got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.querySelector("textarea[readonly]")?.value || ""`)); err != nil || got != text {
		b.t.Errorf("the message is %q, want %q: %v", got, text, err)
	}
}

// conceals waits until the text is nowhere on the page, shown or not.
func (b *browser) conceals(text string) {
	b.t.Helper()
	gone := chromedp.Poll[bool](fmt.Sprintf("!document.body.textContent.includes(%q)", text), chromedp.WithPollingTimeout(15*time.Second))
	if _, err := chromedp.Run(b.ctx, gone); err != nil {
		b.t.Errorf("the page has %q: %v", text, err)
	}
}
