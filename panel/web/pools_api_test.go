package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

// withPool is a house with a pool of ten buttons, eleven of them usable with the free one, and nine named.
func withPool(t *testing.T) *house {
	t.Helper()
	h := newHouse()
	h.licenses = []LicenseView{{
		ID: poolID, Label: "12 Mill Lane, 10 buttons", Grants: map[string]int{"buttons": 10}, Pools: []string{"buttons"}, Scope: "panel", Status: "active",
		Activated: h.now.Wall.Add(-24 * time.Hour), UndoUntil: h.now.Wall.Add(6 * 24 * time.Hour), Issuer: "3f2a90bc11d2e4f5", Root: "ed25519:Q2h5…",
	}}
	for number := 3; number <= 9; number++ {
		h.buttons[number] = ButtonView{Number: number, Label: fmt.Sprintf("Flat %d", number), Target: "sip:1@192.168.1.20", Active: true}
	}
	return h
}

func numbers(stops []StoppingButton) (list []int) {
	for _, s := range stops {
		list = append(list, s.Number)
	}
	return list
}

func TestWhatStopsIsNamedBeforeItStops(t *testing.T) {
	h := withPool(t)
	c := client{t: t, handler: newServer(t, h).Handler(), token: h.login(Installer)}
	ask := func(body string) (reply, poolAnswer, details) {
		got := c.post("/api/v1/licenses/"+poolID+"/give", body)
		var a poolAnswer
		var d details
		_, _ = json.Unmarshal([]byte(got.body), &a), json.Unmarshal([]byte(got.body), &d) // one of them fits
		return got, a, d
	}

	got, a, _ := ask(`{"to":"` + stairsB + `","count":4,"preview":true}`)
	if got.status != 200 || a.Before != 11 || a.After != 7 || !slices.Equal(numbers(a.Stops), []int{8, 9}) || a.Code != "" || a.SVG != "" || a.Name != "Stairs B" {
		t.Errorf("the preview: %v", got)
	}
	for name, confirm := range map[string]string{"nobody was asked": "", "another button was confirmed": `,"confirm":[7]`, "one of two": `,"confirm":[8]`} {
		got, _, d := ask(`{"to":"` + stairsB + `","count":4` + confirm + `}`)
		if got.status != 409 || !strings.HasSuffix(d.Type, ":unconfirmed") || !slices.Equal(numbers(d.Stops), []int{8, 9}) || d.Stops[0].Label != "Flat 8" {
			t.Errorf("%s: %v", name, got)
		}
	}
	if v := h.licenses[0]; v.Grants["buttons"] != 10 || len(h.codes) != 0 {
		t.Fatalf("something was given away: %v, %v", v, h.codes)
	}
	got, a, _ = ask(`{"to":"` + stairsB + `","count":4,"confirm":[8,9]}`)
	if got.status != 200 || a.Result != license.Activated || a.Code != "DS1:GIVEN4" || !strings.HasPrefix(a.SVG, "<svg ") || a.After != 7 {
		t.Errorf("confirmed: %v", got)
	}
	if got := c.get("/api/v1/licenses/codes"); got.status != 200 || strings.Count(got.body, `"code":"DS1:GIVEN4"`) != 1 || !strings.Contains(got.body, `"svg":"\u003csvg `) {
		t.Errorf("the code is not shown again: %v", got)
	}
	for query, want := range map[string]int{
		"": 1, "?license=" + poolID + "&panel=" + stairsB + "&kind=slice&feature=buttons": 1, "?license=" + shareID: 0, "?panel=": 0, "?kind=return": 0, "?feature=apps": 0,
	} {
		if got := c.get("/api/v1/licenses/codes" + query); strings.Count(got.body, "DS1:GIVEN4") != want {
			t.Errorf("%q: %v", query, got)
		}
	}
	if got := c.get("/api/v1/licenses/codes?pictures=no"); !strings.Contains(got.body, `"svg":""`) || !strings.Contains(got.body, "DS1:GIVEN4") {
		t.Errorf("without pictures: %v", got)
	}
	if got := c.get("/api/v1/licenses"); !strings.Contains(got.body, `"given":[{"panel":"`+stairsB+`","name":"Stairs B","feature":"buttons","count":4}]`) || !strings.Contains(got.body, `"sold":{"buttons":10}`) {
		t.Errorf("the license does not tell what was given: %v", got)
	}
}

func TestOrdersAreCheckedForForm(t *testing.T) {
	h := withPool(t)
	c := client{t: t, handler: newServer(t, h).Handler(), token: h.login(Administrator)}
	license := "/api/v1/licenses/" + poolID
	many := "[" + strings.Repeat("1,", maxConfirmed) + "1]"
	for _, test := range []struct {
		name, path, body string
		status           int
		problem          string
	}{
		{"nobody to give to", license + "/give", `{"count":4}`, 422, "not-valid"},
		{"an unknown panel", license + "/give", `{"to":"zzz","count":4}`, 422, "malformed"},
		{"too long an identity", license + "/give", `{"to":"DI1:` + strings.Repeat("A", maxCode) + `","count":4}`, 422, "not-valid"},
		{"nothing", license + "/give", `{"to":"` + stairsB + `","count":0}`, 422, "not-valid"},
		{"less than nothing", license + "/give", `{"to":"` + stairsB + `","count":-4}`, 422, "not-valid"},
		{"more than any panel has", license + "/give", `{"to":"` + stairsB + `","count":100001}`, 422, "not-valid"},
		{"half a button", license + "/give", `{"to":"` + stairsB + `","count":1.5}`, 400, "malformed-json"},
		{"more than there are", license + "/give", `{"to":"` + stairsB + `","count":11}`, 422, "pool-exhausted"},
		{"a feature that cannot be shown", license + "/give", `{"to":"` + stairsB + `","count":1,"feature":"a\u202eb"}`, 422, "not-valid"},
		{"too many confirmed", license + "/give", `{"to":"` + stairsB + `","count":1,"confirm":` + many + `}`, 422, "not-valid"},
		{"an unknown license", "/api/v1/licenses/" + shareID + "/give", `{"to":"` + stairsB + `","count":1}`, 404, "not-found"},
		{"no license's id", "/api/v1/licenses/8d0c/give", `{"to":"` + stairsB + `","count":1}`, 404, "not-found"},
		{"back to somebody else", license + "/return", `{"to":"` + stairsB + `","count":1}`, 422, "not-valid"},
		{"back: nothing", license + "/return", `{}`, 422, "not-valid"},
		{"back: more than there are", license + "/return", `{"count":11}`, 422, "pool-exhausted"},
		{"a part released", license + "/release", `{"count":3}`, 422, "not-valid"},
		{"released to somebody", license + "/release", `{"to":"` + stairsB + `"}`, 422, "not-valid"},
		{"an unknown license released", "/api/v1/licenses/" + shareID + "/release", `{}`, 404, "not-found"},
	} {
		if got := c.post(test.path, test.body); got.status != test.status || problemKind(got.body) != test.problem {
			t.Errorf("%s: %d %s", test.name, got.status, got.body)
		}
	}
	if h.licenses[0].Grants["buttons"] != 10 {
		t.Error("something was moved")
	}
}

func TestReturnAndRelease(t *testing.T) {
	h := withPool(t)
	c := client{t: t, handler: newServer(t, h).Handler(), token: h.login(Installer)}
	license := "/api/v1/licenses/" + poolID
	if got := c.post(license+"/return", `{"count":1}`); got.status != 200 || !strings.Contains(got.body, `"code":"DB1:BACK"`) || !strings.Contains(got.body, `"stops":[]`) {
		t.Error(got)
	}
	if got := c.post(license+"/release", `{"preview":true}`); got.status != 200 || !strings.Contains(got.body, `"after":1,`) {
		t.Error(got)
	}
	if got := c.post(license+"/release", `{}`); got.status != 409 {
		t.Errorf("eight buttons stopped without being named: %v", got)
	}
	if got := c.post(license+"/release", `{"confirm":[2,3,4,5,6,7,8,9]}`); got.status != 200 || !strings.Contains(got.body, `"code":"DF1:RELEASED"`) {
		t.Error(got)
	}
	if got := c.post(license+"/release", `{}`); got.status != 422 || problemKind(got.body) != "not-possible" {
		t.Error(got)
	}
}

func TestAnAccountsLicenseIsForSomebodyWhoExists(t *testing.T) {
	h := withPool(t)
	h.login(Resident)
	c := client{t: t, handler: newServer(t, h).Handler(), token: h.login(Installer)}
	h.licenses = append(h.licenses, LicenseView{ID: accountID, Label: "App remote", Grants: map[string]int{"app_remote": 1}, Scope: "account", Status: "waiting"})
	put := func(id, body string) reply {
		return c.do("PUT", "/api/v1/licenses/"+id+"/account", "application/json", body)
	}
	for _, test := range []struct {
		name, id, body string
		status         int
		problem        string
	}{
		{"nobody", accountID, `{"account":""}`, 422, "not-valid"},
		{"somebody unknown", accountID, `{"account":"grace"}`, 422, "not-valid"},
		{"an unknown license", shareID, `{"account":"resident"}`, 404, "not-found"},
		{"somebody who may log in", accountID, `{"account":"resident"}`, 200, ""},
		{"somebody else, later", accountID, `{"account":"installer"}`, 422, "not-possible"},
	} {
		if got := put(test.id, test.body); got.status != test.status || problemKind(got.body) != test.problem {
			t.Errorf("%s: %d %s", test.name, got.status, got.body)
		}
	}
	if got := c.get("/api/v1/licenses"); !strings.Contains(got.body, `"account":"resident"`) || !strings.Contains(got.body, `"accounts":["installer","resident"]`) {
		t.Error(got)
	}
	if got := c.post("/api/v1/licenses", `{"token":"DP1:activated","account":"grace"}`); got.status != 422 || len(h.licenses) != 2 {
		t.Errorf("a license for somebody unknown: %v", got)
	}
	if got := c.post("/api/v1/licenses", `{"token":"DP1:activated","account":"resident"}`); got.status != 201 || !slices.Equal(h.accounts, []string{"resident"}) {
		t.Error(got, h.accounts)
	}
	if got := c.do("POST", "/api/v1/licenses?account=installer", "image/png", drawQR(t, "DP1:ACTIVATED")); got.status != 422 || !slices.Equal(h.accounts, []string{"resident", "installer"}) {
		t.Error("with a picture", got, h.accounts)
	}
}

func TestAShortCodeFindsALicenseThatIsHere(t *testing.T) {
	h := withPool(t)
	c := client{t: t, handler: newServer(t, h).Handler(), token: h.login(Installer)}
	id, err := license.ParseTokenID(poolID)
	if err != nil {
		t.Fatal(err)
	}
	got := c.post("/api/v1/licenses", `{"token":"`+id.ShortCode().String()+`"}`)
	if got.status != 200 || !strings.Contains(got.body, "12 Mill Lane, 10 buttons. Nothing was changed.") || len(h.accounts) != 0 {
		t.Error(got)
	}
	other := license.TokenID{1}
	if got := c.post("/api/v1/licenses", `{"token":"`+other.ShortCode().String()+`"}`); got.status != 422 {
		t.Errorf("a short code of a license that is not here: %v", got)
	}
}

func TestAPictureWithoutACodeLetsACameraGoOn(t *testing.T) {
	h := newHouse()
	c := client{t: t, handler: newServer(t, h).Handler(), token: h.login(Installer)}
	var wall bytes.Buffer
	if err := png.Encode(&wall, image.NewGray(image.Rect(0, 0, 64, 64))); err != nil {
		t.Fatal(err)
	}
	if got := c.do("POST", "/api/v1/licenses", "image/png", wall.String()); got.status != 422 || !strings.Contains(got.body, `"why":"no_code"`) {
		t.Error(got)
	}
	if got := c.do("POST", "/api/v1/licenses", "image/png", "no picture"); got.status != 422 || strings.Contains(got.body, "no_code") {
		t.Errorf("what is no picture is not looked at again: %v", got)
	}
}

func TestIdentityAndKnownPanels(t *testing.T) {
	h := withPool(t)
	c := client{t: t, handler: newServer(t, h).Handler(), token: h.login(Installer)}
	if got := c.get("/api/v1/identity"); got.status != 200 || !strings.Contains(got.body, `"name":"12 Mill Lane, Stairs A","text":"DI1:THIS PANEL","svg":"\u003csvg `) {
		t.Error(got)
	}
	if got := c.get("/api/v1/panels"); got.status != 200 || got.body != `{"panels":[{"panel":"`+stairsB+`","name":"Stairs B"}]}`+"\n" {
		t.Error(got)
	}
}

func TestACodeTooLongForAPictureIsATextOnly(t *testing.T) {
	for length, want := range map[int]bool{20: true, 600: true, 601: true, 4296: true, 4297: false} {
		if got := codeSVG(strings.Repeat("A", length)) != ""; got != want {
			t.Errorf("%d characters: drawn %v", length, got)
		}
	}
}

func TestACodeStaysOnTheDisplayForTwoMinutes(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	c := client{t: t, handler: s.Handler(), token: h.login(Installer)}
	shows := func() string {
		var v FaceView
		if err := json.Unmarshal([]byte(c.get("/api/v1/face").body), &v); err != nil {
			t.Fatal(err)
		}
		if v.Code == nil {
			return ""
		}
		return fmt.Sprint(v.Code.Title, " ", v.Code.Seconds)
	}
	for _, text := range []string{"DP1:A", "DF1:A", "DG1:A", "DC1:A", "hello", "", "ds1:A"} {
		if got := c.post("/api/v1/face/code", `{"text":"`+text+`"}`); got.status != 422 || shows() != "" {
			t.Errorf("%q is shown to the street: %v", text, got)
		}
	}
	if got := c.post("/api/v1/face/code", `{"text":"DS1:`+strings.Repeat("A", 4293)+`"}`); got.status != 422 || shows() != "" {
		t.Errorf("no QR code holds this: %v", got)
	}
	if got := c.post("/api/v1/face/code", `{"text":" DS1:GIVEN4\n"}`); got.status != 200 || got.body != `{"seconds":120}`+"\n" || shows() != "For the other panel 120" {
		t.Error(got, shows())
	}
	h.pass(119 * time.Second)
	if got := shows(); got != "For the other panel 1" {
		t.Errorf("after 119 s: %q", got)
	}
	h.pass(time.Second)
	if got := shows(); got != "" {
		t.Errorf("after two minutes: %q", got)
	}
	c.post("/api/v1/face/code", `{"text":"DI1:THIS"}`)
	if got := shows(); got != "This panel's identity 120" {
		t.Error(got)
	}
	if got := c.do("DELETE", "/api/v1/face/code", "", ""); got.status != 204 || shows() != "" {
		t.Error(got, shows())
	}
}

func TestTheFaceLearnsOfACodeAtOnceAndOfItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		s := newServer(t, h)
		began := time.Now()
		s.board.now = func() time.Duration { return time.Hour + time.Since(began) }
		local := caller{Local: true}
		_, changed := s.board.shown()
		idle := s.face(local)
		s.board.show(FaceCode{Title: "For the other panel"})
		if err := s.waitFace(t.Context(), idle, changed, local); err != nil {
			t.Fatal(err)
		}
		_, changed = s.board.shown()
		shown := s.face(local)
		if idle.Code != nil || shown.Code == nil {
			t.Fatalf("%v, then %v", idle.Code, shown.Code)
		}
		if err := s.waitFace(t.Context(), shown, changed, local); err != nil || time.Since(began) != faceCodeTime {
			t.Errorf("woken after %v: %v", time.Since(began), err)
		}
		if v := s.face(local); v.Code != nil {
			t.Errorf("still shown: %v", v.Code)
		}
	})
}

func TestTheFirstBootShowsWhoThePanelIsUntilItHasAnAdministrator(t *testing.T) {
	h := newHouse()
	o := h.options()
	o.Address = func() string { return "https://192.168.1.20:8443" }
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	c := client{t: t, handler: s.Handler()}
	setup := func() *FaceSetup {
		var v FaceView
		if err := json.Unmarshal([]byte(c.get("/api/v1/face").body), &v); err != nil {
			t.Fatal(err)
		}
		return v.Setup
	}
	if got := setup(); got == nil || got.Name != "12 Mill Lane, Stairs A" || got.Address != "https://192.168.1.20:8443" || !strings.HasPrefix(got.SVG, "<svg ") {
		t.Errorf("%+v", got)
	}
	if setup(); h.signed != 1 {
		t.Errorf("the identity was signed %d times within a moment", h.signed)
	}
	h.pass(setupFresh)
	if setup(); h.signed != 2 {
		t.Errorf("the identity was signed %d times: an address may change", h.signed)
	}
	_, changed := s.board.shown()
	if got := c.post("/api/v1/setup", `{"code":"`+h.code()+`","password":"four words are easy"}`); got.status != 201 {
		t.Fatal(got)
	}
	select {
	case <-changed:
	default:
		t.Error("the face is not drawn anew")
	}
	if got := setup(); got != nil {
		t.Errorf("still shown: %+v", got)
	}
}

func TestDaysAreCountedOnlyByABelievedClock(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	for left, want := range map[time.Duration]string{
		30 * 24 * time.Hour: "in 30 days", 29*24*time.Hour + time.Second: "in 30 days", 24*time.Hour + time.Second: "in 2 days",
		24 * time.Hour: "within a day", time.Second: "within a day", 0: "on 4 May 2026",
	} {
		if got := s.endsIn(h.now.Wall.Add(left)); got != want {
			t.Errorf("%v: %q, want %q", left, got, want)
		}
	}
	h.now.Trusted = false
	if got := s.endsIn(h.now.Wall.Add(48 * time.Hour)); got != "on 6 May 2026" {
		t.Error(got)
	}
}

// Story 21: panel and page say 30 days ahead that a license ends.
func TestOnlyTheDisplayItselfSaysThatALicenseEndsSoon(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	now := h.now.Wall
	show := func(ends ...time.Time) string {
		var tokens []license.Token
		for i, end := range ends {
			feature := []string{license.SIP, license.Monitoring}[i]
			tokens = append(tokens, license.Token{Grants: []license.Grant{{Feature: feature, Count: 1}}, Expires: end})
		}
		h.rights = rights(t, now.AddDate(0, -1, 0), now, tokens...)
		if got := s.face(caller{}).Notice; got != "" {
			t.Errorf("the street reads %q", got)
		}
		return s.face(caller{Local: true}).Notice
	}
	for name, c := range map[string]struct {
		ends []time.Time
		want string
	}{
		"nothing is licensed":      {nil, ""},
		"no end":                   {[]time.Time{{}}, ""},
		"a year":                   {[]time.Time{now.AddDate(1, 0, 0)}, ""},
		"twelve days":              {[]time.Time{now.AddDate(0, 0, 12)}, "For the installer: SIP interface ends in 12 days"},
		"the second of two":        {[]time.Time{now.AddDate(0, 0, 20), now.AddDate(0, 0, 2)}, "For the installer: Monitoring ends in 2 days"},
		"the first of two":         {[]time.Time{now.AddDate(0, 0, 2), now.AddDate(0, 0, 20)}, "For the installer: SIP interface ends in 2 days"},
		"what ended is over":       {[]time.Time{now.AddDate(0, 0, -1)}, ""},
		"an ended one and another": {[]time.Time{now.AddDate(0, 0, -1), now.AddDate(0, 0, 1)}, "For the installer: Monitoring ends within a day"},
	} {
		if got := show(c.ends...); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// The timer that takes a code away may be early by the panel's clock.
func TestAnOpenFaceLearnsWithAHeartbeatThatACodeIsOver(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	s.board.show(FaceCode{Title: "For the other panel"})
	_, changed := s.board.shown()
	shown := s.face(caller{})
	h.pass(faceCodeTime)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond) // a heartbeat
	defer cancel()
	if err := s.waitFace(ctx, shown, changed, caller{}); err != nil {
		t.Errorf("the face is not drawn anew: %v", err)
	}
}

func TestAnOpenFaceLearnsThatALicenseBeginsToEnd(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	local := caller{Local: true}
	_, changed := s.board.shown()
	idle := s.face(local)
	h.mu.Lock()
	h.rights = rights(t, h.now.Wall.AddDate(0, -1, 0), h.now.Wall, license.Token{Grants: []license.Grant{{Feature: license.SIP, Count: 1}}, Expires: h.now.Wall.AddDate(0, 0, 5)})
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond) // a heartbeat
	defer cancel()
	if err := s.waitFace(ctx, idle, changed, local); err != nil {
		t.Errorf("the face is not drawn anew: %v", err)
	}
}

func TestLicensesAreTheInstallersBusiness(t *testing.T) {
	h := newHouse()
	checked := 0
	for _, rt := range newServer(t, h).routes {
		for _, mine := range []string{"/licenses", "/entitlements", "/panels", "/identity", "/face/code"} {
			if strings.HasPrefix(rt.Pattern, api+mine) {
				checked++
				if rt.Access != AsInstaller {
					t.Errorf("%s %s is for %s", rt.Method, rt.Pattern, rt.Access)
				}
			}
		}
	}
	if checked != 12 {
		t.Errorf("%d routes were looked at", checked)
	}
}

func TestTheAnswerSaysWhatToAskNext(t *testing.T) {
	h := newHouse()
	c := client{t: t, handler: newServer(t, h).Handler(), token: h.login(Installer)}
	if got := c.post("/api/v1/licenses", `{"token":"DP1:WAITING"}`); got.status != 201 || !strings.Contains(got.body, `"license":"07000000000000000000000000000000","waiting":true`) {
		t.Error(got)
	}
	if got := c.post("/api/v1/licenses", `{"token":"DI1:STAIRS B"}`); got.status != 201 || !strings.Contains(got.body, `"panel":"`+envelope.NameOf(stairsBKey())+`"`) || strings.Contains(got.body, "waiting") {
		t.Error(got)
	}
	if got := c.post("/api/v1/licenses", `{"token":"DP1:KNOWN"}`); got.status != 200 || !strings.Contains(got.body, `"license":"08`) || strings.Contains(got.body, `"waiting":true`) {
		t.Errorf("another license waits, not this one: %v", got)
	}
	if got := c.post("/api/v1/licenses", `{"token":"DP1:activated"}`); got.status != 201 || strings.Contains(got.body, "waiting") || strings.Contains(got.body, `"panel"`) {
		t.Error(got)
	}
}

func TestAStatusThatCountsSpeaksBeforeOneThatDoesNot(t *testing.T) {
	for _, lost := range []license.Status{license.Ended, license.Withdrawn, license.Elsewhere, license.Released, license.Missing, license.Unusable} {
		for _, counts := range []license.Status{license.Active, license.Ending, license.Waiting, license.Grace, license.Pending} {
			for _, order := range [][]license.Status{{lost, counts}, {counts, lost}} {
				v := entitlementsView{Features: map[string]featureView{}}
				for _, status := range order {
					v.add(license.SIP, featureView{Status: status})
				}
				if got := v.Features[license.SIP].Status; got != counts {
					t.Errorf("of %v, %s speaks", order, got)
				}
			}
		}
	}
}
