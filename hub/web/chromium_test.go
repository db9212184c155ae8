package web

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/hub/roles"
	"github.com/doorpanel/doorpanel/telemetry"
)

// TestANewHubInARealBrowser walks from the first run to the first panel, as whoever unpacked the box does.
func TestANewHubInARealBrowser(t *testing.T) {
	f := newHubFake()
	url := serveReal(t, newServer(t, f))
	b := newBrowser(t)
	b.do(chromedp.EmulateViewport(1440, 900), chromedp.Navigate(url+"/"))
	b.says("Make this hub yours")
	b.shot("first-run", 1440, 900, false)
	b.do(chromedp.SendKeys(chromedp.CSS("#code"), "00000000"), chromedp.SendKeys(chromedp.CSS("#password"), password))
	b.press("Set up")
	b.says("4 tries are left") // and what was typed stays
	code := read(f, func() string { return f.code })
	b.do(chromedp.SetValue(chromedp.CSS("#code"), code[:4]+" "+code[4:]))
	b.press("Set up")
	b.says("Welcome. Three steps")
	b.shot("empty", 1440, 900, false)
	b.press("Add a site")
	b.says("what a monitoring license is for")
	b.do(chromedp.SendKeys(chromedp.CSS(`input[name="name"]`), "12 Mill Lane"), chromedp.SetValue(chromedp.CSS(`input[name="zone"]`), "Europe/Nowhere"))
	b.shot("new-site", 1440, 900, false)
	b.press("Add it and pair")
	b.says("Europe/Nowhere")
	b.do(chromedp.SetValue(chromedp.CSS(`input[name="zone"]`), "Europe/London"))
	b.press("Add it and pair")
	b.says("Pair its first panel now")
	b.shot("pair", 1440, 900, false)
	b.press("Open the window")
	b.says("Waiting for the panel")
	b.shot("pairing", 1440, 900, false)
	b.shot("pairing-phone", 390, 844, true)
	b.fits("the pairing window")
	f.come("w1", front, "Front door")
	b.says("The panel is here: Front door") // by itself
	b.shot("paired", 1440, 900, false)
	b.press("Overview")
	b.says("Everything is well")
	b.shot("well", 1440, 900, false)
	b.press("Log out")
	b.says("Forgotten?")
	b.shot("login", 1440, 900, true)
	// Refused forms are answers of 4xx, which the console reports by itself.
	b.quiet("status of 403", "status of 422")
}

// TestALivingHubInARealBrowser walks through the pages of a hub with panels, outages and a past.
func TestALivingHubInARealBrowser(t *testing.T) {
	f := newHubFake()
	furnish(f)
	s := newServer(t, f)
	if err := f.PutUser(fleet.User{Name: "admin", Hash: hashed(t), Made: f.now()}, fleet.Edit{From: fleet.AnyEdition}); err != nil {
		t.Fatal(err)
	}
	f.give("admin", roles.Administrator)
	url := serveReal(t, s)
	b := newBrowser(t)
	b.do(chromedp.EmulateViewport(1440, 900), chromedp.Navigate(url+"/sites/"+millLane))
	b.says("Forgotten?")
	b.do(chromedp.SendKeys(chromedp.CSS("#password"), password))
	b.press("Log in")
	b.says("Who is told") // the page that was asked for
	pages := []struct{ name, path, says string }{
		{"overview", "/", "What is wrong"}, {"site", "/sites/" + millLane, "When people are warned"}, {"panel", "/panels/" + front, "Orders"}, {"events", "/events", "Ada Lovelace"},
		{"warnings", "/warnings", "open outage"}, {"templates", "/warnings/templates", "As it arrives"}, {"settings", "/settings", "SMS gateways"}, {"users", "/settings/users", "Tokens of scripts"},
		{"audit", "/settings/audit", "Who changed what"}, {"health", "/health", "Refused input"}, {"pair", "/pair", "Open the window"}, {"account", "/account", "Change your password"},
		{"new-site", "/new-site", "Time zone"}, {"archived", "/archived", "Archive"},
	}

	// An order, its refusal, and one that nobody answers.
	b.do(chromedp.Navigate(url + "/panels/" + front))
	b.says("held open too long")
	b.press("Open")
	b.says("Open cellar at Front door now?")
	b.press("Open cellar now")
	b.says("Open cellar: done.")
	f.do(func() { f.answer = fleet.OrderRefused })
	b.press("Lock down")
	b.says("Nobody is let in but who may")
	b.press("Lock down now")
	b.says("another door of its group is open")
	b.press("Show a text")
	b.do(chromedp.SendKeys(chromedp.CSS(`details[open] input[name="object"]`), "The parcel goes behind the gate"))
	b.press("Show it")
	b.says("Show “The parcel goes behind the gate”")

	// The rules, out of bounds and within.
	b.do(chromedp.Navigate(url + "/sites/" + millLane))
	b.says("Warn when a panel has been gone for")
	b.do(chromedp.SetValue(chromedp.CSS(`input[name="hold_off_s"]`), "60"))
	b.press("Save the rules")
	b.says("The rules for warnings are saved")
	if got := read(f, func() int { return f.watched[millLane].Policy.HoldOffS }); got != 60 {
		t.Errorf("hold-off is %d after 60 was saved", got)
	}
	b.press("Send a test message")
	b.says("A test message to Ines is on its way")
	f.do(func() {
		for i := range f.deliveries {
			if d := &f.deliveries[i]; d.Kind == TestKind {
				d.State, d.Last = fleet.Sent, "250 2.0.0 Ok: queued as 77AB"
			}
		}
	})
	b.says("queued as 77AB") // by itself

	// An event as it arrives, and a panel that comes back.
	b.do(chromedp.Navigate(url + "/events?kind=door."))
	b.says("held open too long")
	f.do(func() { f.happen(front, telemetry.Event{Kind: "door.forced", Door: "cellar"}) })
	b.says("Door cellar forced open")
	b.do(chromedp.Navigate(url + "/"))
	b.says("No contact with Yard gate")
	b.press("I take it on")
	b.says("taken on by admin")
	f.do(func() {
		f.status(gate, telemetry.Status{Doors: map[string]telemetry.Door{"yard": {Contact: "closed"}}})
	})
	b.gone("No contact with Yard gate")
	f.do(func() {
		f.lose(gate)
		f.time = f.time.Add(5 * time.Minute)
		f.step(millLane, monitor.Tick{})
	})
	b.says("No contact with Yard gate")

	for _, p := range pages {
		b.do(chromedp.EmulateViewport(1440, 900), chromedp.Navigate(url+p.path))
		b.says(p.says)
		b.fits(p.name)
		b.shot(p.name, 1440, 900, false)
		b.shot(p.name+"-dark", 1440, 900, true)
		b.do(chromedp.EmulateViewport(390, 844))
		b.fits(p.name + " on a telephone")
		b.shot(p.name+"-phone", 390, 844, false)
	}
	b.quiet()
}
