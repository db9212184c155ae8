package web

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// TestTheHubsPagesAndFormsNeedNoScript walks through a hub with a browser that runs none, on a small telephone.
func TestTheHubsPagesAndFormsNeedNoScript(t *testing.T) {
	f := newHubFake()
	furnish(f)
	s := newServer(t, f)
	if err := f.PutUser(fleet.User{Name: "admin", Hash: hashed(t), Made: f.now()}, fleet.Edit{From: fleet.AnyEdition}); err != nil {
		t.Fatal(err)
	}
	f.give("admin", roles.Administrator)
	url := serveReal(t, s)
	b := newBrowser(t)
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	fill := func(selector, value string) { b.do(chromedp.SetValue(chromedp.CSS(selector), value)) }
	b.do(chromedp.EmulateViewport(360, 740), chromedp.Navigate(url+"/"))
	b.says("Forgotten?")
	b.do(chromedp.SendKeys(chromedp.CSS("#password"), password))
	b.press("Log in")
	b.says("What is wrong")
	for _, p := range []struct{ path, says string }{
		{"/", "What is wrong"}, {"/sites/" + millLane, "When people are warned"}, {"/panels/" + front, "End a lockdown"}, {"/events", "Ada Lovelace"},
		{"/warnings", "open outage"}, {"/warnings/templates", "As it arrives"}, {"/settings", "SMS gateways"}, {"/settings/users", "Tokens of scripts"},
		{"/settings/audit", "Who changed what"}, {"/health", "Refused input"}, {"/pair", "Open the window"}, {"/account", "Change your password"},
		{"/new-site", "Time zone"}, {"/archived", "Archive"},
	} {
		b.do(chromedp.Navigate(url + p.path))
		b.says(p.says)
		b.fits(p.path + " at 360 pixels")
		b.shot("noscript"+strings.ReplaceAll(p.path, "/", "-"), 360, 740, false)
		b.shot("noscript"+strings.ReplaceAll(p.path, "/", "-")+"-dark", 360, 740, true)
	}

	// A refused form shows what was entered; a good one is saved.
	b.do(chromedp.Navigate(url + "/sites/" + millLane))
	fill(`#policy input[name="hold_off_s"]`, "61")
	f.do(func() {
		p := f.watched[millLane].Policy
		p.HoldOffS = 99
		f.step(millLane, monitor.PolicyChanged{Policy: p})
	})
	b.press("Save the rules")
	b.says("was changed meanwhile")
	b.says("What you entered")
	b.says("61")
	b.fits("the refusal at 360 pixels")
	b.shot("noscript-stale", 360, 740, false)
	b.do(chromedp.Navigate(url + "/sites/" + millLane))
	fill(`#policy input[name="hold_off_s"]`, "1")
	b.press("Save the rules")
	b.says("The rules for warnings are saved")
	if got := read(f, func() int { return f.watched[millLane].Policy.HoldOffS }); got != 1 {
		t.Errorf("hold-off is %d after 1 was saved", got)
	}
	b.press("Send a test message")
	b.says("A test message to Ines is on its way")
	b.do(chromedp.Navigate(url + "/settings"))
	fill(`#name input[name="name"]`, "Rossi Doors")
	b.press("Save")
	b.says("Saved.")
	b.do(chromedp.Navigate(url + "/new-site"))
	fill(`input[name="name"]`, "Old mill")
	fill(`input[name="zone"]`, "Europe/Rome")
	b.press("Add it and pair")
	b.says("Pair its first panel now")
	b.press("Open the window")
	b.says("Waiting for the panel")
	b.press("Close the window")
	b.says("The pairing window is closed.")
	b.do(chromedp.Navigate(url + "/panels/" + front))
	b.press("Open")
	b.press("Open cellar now")
	b.says("Open cellar: done.")
	b.do(chromedp.Navigate(url + "/"))
	b.press("I take it on")
	b.says("taken on by admin")
	b.press("Log out")
	b.says("Forgotten?")
}
