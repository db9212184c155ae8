package web

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// as logs the browser in.
func (b *browser) as(url, user, word string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url+"/login"), chromedp.SetValue(chromedp.CSS("#user"), user), chromedp.SendKeys(chromedp.CSS("#password"), word))
	b.press("Log in")
	b.says("Settings")
}

// value reads a field by its selector.
func (b *browser) value(selector string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](fmt.Sprintf(`document.querySelector(%q).value`, selector)))
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

// pictures takes a page wide, narrow and dark, and holds that it fits each.
func (b *browser) pictures(name string) {
	b.t.Helper()
	b.shot("walk-"+name, 1280, 900, false)
	b.fits(name)
	b.shot("walk-"+name+"-dark", 1280, 900, true)
	b.do(chromedp.EmulateViewport(360, 800))
	b.fits(name + " on a telephone")
	b.shot("walk-"+name+"-narrow", 360, 800, false)
	b.do(chromedp.EmulateViewport(1280, 900))
}

// A dealer brings the management company in, which chooses its password and makes a role of its own, all by hand and the last by
// keyboard alone.
func TestRolesInARealBrowser(t *testing.T) {
	f, s := twoBuildings(t)
	grow(t, f, ledger.AddUser{User: ledger.User{ID: "anna-of-left", Name: "Anna", Groups: []string{"left"}}})
	named(t, s, f, "left-dealer", roles.Dealer, "left")
	named(t, s, f, "new-dealer", roles.Dealer, "left")
	named(t, s, f, "company-boss", roles.Distributor, "company")
	url := serveReal(t, s)
	b := newBrowser(t)
	b.do(chromedp.EmulateViewport(1280, 900))

	b.as(url, "left-dealer", password)
	b.do(chromedp.Navigate(url + "/settings/users"))
	b.says("Who may log in")
	b.press("Appoint a management company")
	b.do(chromedp.SetValue(chromedp.CSS(`#appoint [name="user"]`), "palazzo"))
	b.pictures("appoint")
	b.press("Appoint it and show the code")
	b.says("is appointed")
	b.pictures("code")
	told := strings.Fields(b.value("#appoint textarea"))
	user, code := told[1], told[3]
	b.do(chromedp.Navigate(url + "/settings/users"))
	b.says("has not used its code yet")
	if page := b.text(); strings.Contains(page, code) {
		t.Error("the code is shown a second time")
	}

	b.do(chromedp.Navigate(url + "/join?user=" + user))
	b.says("Choose your password")
	b.pictures("join")
	b.do(chromedp.SetValue(chromedp.CSS(`[name="code"]`), "AAAAA-AAAAA-AAAAA-AAAAA"), chromedp.SetValue(chromedp.CSS(`[name="password"]`), "my own four words"))
	b.press("Set it")
	b.says("do not belong together")
	b.do(chromedp.SetValue(chromedp.CSS(`[name="code"]`), code))
	b.press("Set it")
	b.says("Log in")

	b.as(url, user, "my own four words")
	b.do(chromedp.Navigate(url + "/settings/roles"))
	b.says("The table of rights")
	b.pictures("roles")
	// By keyboard alone: to the last button of the page, open it, write, choose, send.
	b.tabTo("Make a role")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.tabTo("Title")
	b.do(chromedp.KeyEvent("Night desk"))
	b.tabTo("See people")
	b.do(chromedp.KeyEvent(" "))
	b.tabTo("Make it")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.says("The role Night desk is saved")
	b.pictures("own-role")
	if role := f.roles[len(f.roles)-1]; role.Group != "left" || len(role.Rights) != 1 || role.Rights[0] != roles.SeePersons {
		t.Errorf("by keyboard the role became %+v", role)
	}
	b.do(chromedp.Navigate(url + "/settings/users"))
	b.says("Night desk")
	b.pictures("users")

	b.as(url, "company-boss", password)
	b.do(chromedp.Navigate(url + "/settings/handovers"))
	b.says("Asked and answered")
	b.press("Ask for a hand-over")
	b.says("Ask the owner")
	b.pictures("handover")
	b.do(chromedp.Navigate(url + "/settings/audit"))
	b.says("management.appointed")
	b.pictures("audit")
	b.quiet("status of 401")
}

// text is what the page shows.
func (b *browser) text() string {
	b.t.Helper()
	shown, _ := b.shows(func(shown string) bool { return shown != "" })
	return shown
}

// tabTo presses the tabulator until what has the focus carries the text, in itself or in its label.
func (b *browser) tabTo(text string) {
	b.t.Helper()
	const focused = `(() => { const e = document.activeElement, l = e.closest("label"); return (e.innerText || "") + " " + (l ? l.innerText : "") + (getComputedStyle(e).outlineStyle === "none" && !e.matches("input, select, textarea") ? " (no outline)" : ""); })()`
	for range 200 {
		b.do(chromedp.KeyEvent(kb.Tab))
		shown, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](focused))
		if err != nil {
			b.t.Fatal(err)
		}
		if strings.Contains(shown, text) {
			if strings.Contains(shown, "(no outline)") {
				b.t.Errorf("one does not see that the focus is on %q", text)
			}
			return
		}
	}
	b.t.Fatalf("the keyboard does not come to %q", text)
}
