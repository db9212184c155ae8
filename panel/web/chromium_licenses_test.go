package web

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
)

// sold fills a house with every kind of license that a page must put into words.
func sold(t *testing.T) *house {
	t.Helper()
	h := withPool(t)
	now := h.now.Wall
	pool, err := license.ParseTokenID(poolID)
	if err != nil {
		t.Fatal(err)
	}
	h.licenses[0].ShortCode = pool.ShortCode().String()
	h.licenses = append(h.licenses,
		LicenseView{ID: shareID, Label: "Site license, 80 buttons", Grants: map[string]int{"buttons": 5}, Pools: []string{"buttons"}, GivenBy: stairsB, GiverName: "Stairs B", Scope: "panel", Status: "active", Activated: now.Add(-48 * time.Hour)},
		LicenseView{ID: accountID, Label: "Remote App", Grants: map[string]int{"app_remote": 1}, Scope: "account", Status: "waiting", Message: "Waits for somebody to be named.", Activated: now},
		LicenseView{ID: "11111111111111111111111111111111", Label: "Access control, one year", Grants: map[string]int{"access_basic": 1}, Scope: "panel", Status: "ending", Message: "Ends on 16 May 2026.", Activated: now.AddDate(-1, 0, 12), Until: now.AddDate(0, 0, 12)},
		LicenseView{ID: "22222222222222222222222222222222", Label: "20 buttons", Grants: map[string]int{}, Scope: "panel", Status: "used-elsewhere", Message: "It was activated on Stairs C on 2 May 2026, which was earlier: it counts there.", Activated: now},
		LicenseView{ID: "33333333333333333333333333333333", Label: "SIP interface", Grants: map[string]int{}, Scope: "panel", Status: "revoked", Message: "The seller has revoked it. Ask him why, or for a replacement.", Activated: now},
	)
	h.rights = rights(t, now.AddDate(-1, 0, 12), now,
		license.Token{Grants: []license.Grant{{Feature: license.Buttons, Count: 15}}},
		license.Token{Grants: []license.Grant{{Feature: license.AccessBasic, Count: 1}}, Expires: now.AddDate(0, 0, 12)})
	h.overview = []license.Line{
		{Feature: license.Buttons, Title: "Call buttons", Counted: true, Status: license.Active, Maximum: 15, Used: 8, Available: 7,
			From: []license.Source{{License: pool, Label: "12 Mill Lane, 10 buttons", Count: 10, Status: license.Active}, {Label: "Site license, 80 buttons", Count: 5, Status: license.Active, GivenBy: stairsB}}},
		{Feature: license.AccessBasic, Title: "Access control", Status: license.Ending, Until: now.AddDate(0, 0, 12), Maximum: 1, From: []license.Source{{Label: "Access control, one year", Count: 1}}},
		{Feature: license.SIP, Title: "SIP interface", Status: license.Withdrawn, From: []license.Source{{Label: "SIP interface", Count: 1}}, Why: "The license was revoked: ask the seller for a replacement."},
		{Feature: license.AppRemote, Title: "Remote App", Status: license.Waiting, Maximum: 1, From: []license.Source{{Label: "Remote App", Count: 1}}, Why: "Nobody is named yet."},
		{Feature: "apps", Title: "Applications", Counted: true, Status: license.Missing, Why: "No license for it is stored in this panel."},
		{Feature: "lift", Title: "Lift control", Status: license.Missing, Why: "No license for it is stored in this panel."},
	}
	return h
}

// enter serves the house's pages and logs an administrator in.
func enter(t *testing.T, h *house, more ...chromedp.ExecAllocatorOption) (*browser, *Server, string) {
	t.Helper()
	s := newServer(t, h)
	web := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		s.Close()
		web.CloseClientConnections()
		web.Close()
	})
	c := client{t: t, handler: s.Handler()}
	if got := c.post("/api/v1/setup", `{"code":"`+h.code()+`","password":"four words are easy"}`); got.status != 201 {
		t.Fatal(got)
	}
	b := newBrowser(t, more...)
	b.do(chromedp.EmulateViewport(1400, 950), chromedp.Navigate(web.URL+"/admin#licenses"))
	b.says("Log in")
	b.do(chromedp.SendKeys(chromedp.CSS("#password"), "four words are easy"))
	b.press("Log in")
	b.says("Log out") // who goes elsewhere before that is not logged in
	return b, s, web.URL
}

func TestLicensesInARealBrowser(t *testing.T) {
	h := sold(t)
	b, s, url := enter(t, h)

	// What there is, in words.
	b.says("15 licensed + 1 free")
	b.says("Access control: 12 days left")
	b.says("It was activated on Stairs C")
	b.says("The seller has revoked it")
	b.says("1 license waits for somebody")
	b.shot("licenses-all", 1400, 950, false)
	b.shot("licenses-dark", 1400, 950, true)
	b.shot("licenses-phone", 390, 844, true)
	b.do(chromedp.EmulateViewport(1400, 950))

	// Giving: what stops is named, and a button that was set meanwhile is asked about anew.
	b.press("Give to another panel")
	b.says("11 → 10")
	b.do(chromedp.SendKeys(chromedp.CSS("#pool-count"), kb.End+kb.Backspace+"4"))
	b.says("2 call buttons stop")
	b.says("Flat 8")
	b.shot("give", 1400, 950, false)
	b.shot("give-phone", 390, 844, true)
	b.do(chromedp.EmulateViewport(1400, 950))
	h.mu.Lock()
	h.buttons[10] = ButtonView{Number: 10, Label: "Caretaker", Active: true}
	h.mu.Unlock()
	b.press("Give 4 and stop 2 buttons")
	b.says("Caretaker")
	b.shot("give-asked-again", 1400, 950, true)
	b.press("Give 4 and stop 3 buttons")
	b.says("4 buttons are given to Stairs B")
	b.shot("give-code", 1400, 950, false)
	b.press("Show on the panel's display")
	b.says("shows it for two minutes")
	b.escape()
	b.says("6 of 10 here")
	b.says("4 with Stairs B")
	b.says("Given: Call buttons × 4")
	b.press("Show again")
	b.says("For Stairs B")
	b.reads("dialog .qr", "DS1:GIVEN4")
	b.escape()

	// A share goes back, with the keyboard alone.
	b.focus("Give back")
	b.keys("\r")
	b.says("They came from Stairs B")
	b.escape()
	b.press("Give back")
	b.says("6 → 5")
	b.press("Give back 1")
	b.says("1 buttons are given back")
	b.escape()

	// Somebody is named.
	b.do(chromedp.SetValue(chromedp.CSS(`article select`), "admin"))
	b.press("Say for whom")
	b.says("For\nadmin")

	// Undoing what can still be undone; the pool cannot, for a part of it is given away.
	b.do(chromedp.SendKeys(chromedp.CSS("#license-text"), "DP1:activated"))
	b.press("Activate")
	b.says("10 buttons added")
	b.says("Undo (7 days left)")
	b.shot("licenses-after", 1400, 950, false)

	// The short code of a license that is here.
	b.do(chromedp.SetValue(chromedp.CSS("#license-text"), h.licenses[0].ShortCode))
	b.press("Activate")
	b.says("This is the short code of a license that is stored here already")

	// The display.
	b.do(chromedp.EmulateViewport(480, 900), chromedp.Navigate(url))
	b.says("For the other panel")
	b.shot("face-code", 480, 900, true)
	b.press("Close")
	b.says("Please ring")

	// The longest code that panels make is still read from a narrow display, and more easily when it is touched.
	long := "DB1:" + strings.Repeat("AZ7$%*+-./: 0123456789BC", 42)
	c := client{t: t, handler: s.Handler(), token: h.login(Installer)}
	if got := c.post("/api/v1/face/code", `{"text":"`+long+`"}`); got.status != 200 {
		t.Fatal(got)
	}
	b.says("Given back to the other panel")
	b.reads("#code .qr", long)
	b.do(chromedp.Click(chromedp.CSS("#code .bare")))
	b.says("Touch the code to see the buttons again")
	b.reads("#code .qr", long)
	b.shot("face-code-large", 480, 900, true)
	b.do(chromedp.Click(chromedp.CSS("#code .bare")))
	b.says("Touch it to make it larger")
	// An order that waits for a confirmation is an answer of 409, which the console reports by itself.
	b.quiet("status of 409")
}

// film is what a camera sees: an empty wall, then a code held into the picture.
func film(t *testing.T, text string) string {
	t.Helper()
	code, err := png.Decode(strings.NewReader(drawQR(t, text)))
	if err != nil {
		t.Fatal(err)
	}
	var frames bytes.Buffer
	for i := range 60 {
		frame := image.NewGray(image.Rect(0, 0, 640, 480))
		draw.Draw(frame, frame.Bounds(), image.NewUniform(color.Gray{200}), image.Point{}, draw.Src)
		if i >= 15 {
			at := image.Pt((640-code.Bounds().Dx())/2, (480-code.Bounds().Dy())/2)
			draw.Draw(frame, code.Bounds().Add(at), code, image.Point{}, draw.Src)
		}
		if err := jpeg.Encode(&frames, frame, nil); err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(t.TempDir(), "camera.mjpeg")
	if err := os.WriteFile(name, frames.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestALicenseIsReadByTheCameraOfTheBrowser(t *testing.T) {
	h := newHouse()
	b, _, _ := enter(t, h, chromedp.Flag("use-fake-device-for-media-stream", true), chromedp.Flag("use-fake-ui-for-media-stream", true),
		chromedp.Flag("use-file-for-fake-video-capture", film(t, "DP1:activated")))
	b.says("No license is stored")
	b.press("Use this device's camera")
	b.says("10 buttons added")
	b.says("12 Mill Lane, 10 buttons")
	// A picture without a code is an answer of 422, which the console reports by itself.
	b.quiet("status of 422")
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.journal {
		if e.Kind == panel.LicenseNo {
			t.Errorf("a picture without a code was taken for a license: %+v", e)
		}
	}
}
