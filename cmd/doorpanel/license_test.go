package main_test

import (
	"bytes"
	"image/jpeg"
	"image/png"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/qr"
)

// pictures are a code as a printer and as a camera would give it.
func pictures(t *testing.T, text string) (asPNG, asJPEG picture) {
	t.Helper()
	raw, err := qr.PNG(text, qr.Options{Scale: 4})
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 85}); err != nil {
		t.Fatal(err)
	}
	return picture{"image/png", raw}, picture{"image/jpeg", b.Bytes()}
}

// licenseAnswer is what POST /api/v1/licenses says to a good code.
type licenseAnswer struct {
	Result, Message string
	Entitlements    struct{ Buttons int }
}

func TestLicenseIsTheSameByEveryWayIn(t *testing.T) {
	t.Parallel()
	root := newSigner(t)
	p := startPanel(t, setting{roots: root.roots()})
	admin := p.setup()
	// Each way brings two buttons of its own, and finds what the way before it brought already there.
	var before any
	usable := 1
	for _, way := range []string{"text at the scanner", "PNG at the scanner", "JPEG at the scanner", "text to the API", "PNG to the API", "JPEG to the API", "text to the socket"} {
		text := root.license(t, token(grant(license.Buttons, 2)))
		asPNG, asJPEG := pictures(t, text)
		post := func(body any) {
			t.Helper()
			a := p.page("POST", "/api/v1/licenses", body, admin)
			var said licenseAnswer
			a.into(t, &said)
			if a.status != http.StatusCreated || said.Result != "activated" || said.Message == "" || said.Entitlements.Buttons != usable+2 {
				t.Errorf("%s: %d %s", way, a.status, a.body)
			}
		}
		switch way {
		case "text at the scanner":
			p.scan(text)
		case "PNG at the scanner":
			p.scanImage(asPNG.kind, asPNG.raw)
		case "JPEG at the scanner":
			p.scanImage(asJPEG.kind, asJPEG.raw)
		case "text to the API":
			post(object{"token": text})
		case "PNG to the API":
			post(asPNG)
		case "JPEG to the API":
			post(asJPEG)
		case "text to the socket":
			p.activate(text)
		}
		p.told("license-accepted", "License activated")
		e := p.waitEntry("license.activated", "activated")
		if !strings.Contains(e.Detail, "2 buttons added") {
			t.Errorf("%s: written as %+v", way, e)
		}
		usable += 2
		if got := p.buttons(); got != usable {
			t.Fatalf("%s: %d usable buttons, want %d", way, got, usable)
		}
		if before != nil {
			a := p.page("POST", "/api/v1/licenses", before, admin)
			var said licenseAnswer
			a.into(t, &said)
			if a.status != http.StatusOK || said.Result != "already_active" || said.Entitlements.Buttons != usable {
				t.Errorf("%s again: %d %s", way, a.status, a.body)
			}
			p.told("license-accepted", "Already active")
			p.waitEntry("license.already_active", "")
		}
		before = object{"token": text}
	}
	p.stop()
	p = p.restart()
	if got := p.buttons(); got != usable {
		t.Errorf("after a restart %d buttons are usable, want %d", got, usable)
	}
}

func TestEveryRefusedLicenseHasItsOwnWordsAndChangesNothing(t *testing.T) {
	t.Parallel()
	root, issuer, stranger := newSigner(t), newSigner(t), newSigner(t)
	p := startPanel(t, setting{roots: root.roots()})
	kept := token(grant(license.Buttons, 3))
	p.activate(root.license(t, kept))
	p.told("license-accepted", "License activated")

	now := time.Now().Truncate(time.Second)
	with := func(change func(*license.Token)) license.Token {
		k := token(grant(license.Buttons, 9), grant(license.AccessBasic, 1), grant(license.SIP, 1))
		change(&k)
		return k
	}
	flipped := []byte(root.license(t, token(grant(license.Buttons, 9))))
	_, raw, err := envelope.Unarmor(string(flipped))
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1] ^= 1
	revoked := token(grant(license.Buttons, 9))
	p.activate(root.revocation(t, 1, revoked.ID))
	p.waitTone("license-accepted")
	other := newSigner(t)
	thumbprint := envelope.ThumbprintOf(other.pub)

	words := map[string]string{}
	for _, c := range []struct {
		result, title string
		text          string
		untrusted     bool
	}{
		{"malformed", "Not a readable license", "DP1:THIS IS NOT A LICENSE", false},
		{"malformed", "Not a readable license", root.license(t, token(grant(license.Buttons, 9)))[:90], false},
		{"forged", "License not genuine", envelope.Armor(envelope.License, raw), false},
		{"unknown-issuer", "Issuer not known", stranger.license(t, token(grant(license.Buttons, 9))), false},
		{"unknown-issuer", "Issuer not known", issuer.license(t, token(grant(license.Buttons, 9))), false},
		{"revoked", "License revoked", root.license(t, revoked), false},
		{"not-yet-valid", "License not yet valid", root.license(t, with(func(k *license.Token) { k.NotBefore = now.Add(48 * time.Hour) })), false},
		{"expired", "License expired", root.license(t, with(func(k *license.Token) {
			k.IssuedAt, k.Expires = now.Add(-48*time.Hour), now.Add(-24*time.Hour)
		})), false},
		{"other-panel", "License for another panel", root.license(t, with(func(k *license.Token) { k.Subject = thumbprint[:] })), false},
		{"other-panel", "License for another panel", root.license(t, with(func(k *license.Token) {
			k.Scope, k.Subject = license.ScopeSite, []byte("another house")
		})), false},
		{"clock-untrusted", "Clock not trusted", root.license(t, with(func(k *license.Token) { k.Expires = now.Add(48 * time.Hour) })), true},
		{"clock-untrusted", "Clock not trusted", root.license(t, with(func(k *license.Token) { k.Term = license.Term{Years: 1} })), true},
	} {
		if c.untrusted {
			p.clock(time.Now(), false)
		}
		p.scan(c.text)
		p.told("license-"+c.result, c.title)
		p.waitEntry("license.refused", c.result)
		a := p.api("POST", "/licenses", object{"token": c.text})
		slug, title, detail := a.problem(t)
		if a.status != http.StatusUnprocessableEntity || slug != c.result || title != c.title || detail == "" {
			t.Errorf("%s over the API: %d %s", c.result, a.status, a.body)
		}
		p.told("license-"+c.result, c.title)
		if same, known := words[title]; known && same != c.result {
			t.Errorf("%s and %s have the same words: %s", same, c.result, title)
		}
		words[title] = c.result
		if got := p.buttons(); got != 4 {
			t.Fatalf("after %s %d buttons are usable, want 4", c.result, got)
		}
	}
	p.scan("https://example.org/menu")
	p.told("scan-not_ours", "This is not one of our codes")
	p.waitEntry("scan.refused", "not_ours")
	p.scanImage("image/png", []byte("not a picture"))
	p.told("scan-no_code", "No code seen. Hold it still")
	p.waitEntry("scan.refused", "no_code")
	var list struct{ Licenses []struct{ ID string } }
	p.must(http.StatusOK, "GET", "/licenses", nil).into(t, &list)
	if len(list.Licenses) != 1 || list.Licenses[0].ID != kept.ID.String() {
		t.Errorf("stored are %+v, want the good one alone", list.Licenses)
	}
}

func TestLicenseOpensGatesAtOnceAndRevocationClosesThem(t *testing.T) {
	t.Parallel()
	root := newSigner(t)
	phone := startRawPhone(t)
	p := startPanel(t, setting{roots: root.roots(), buttons: button(1, "Rossi", "") + button(2, "Bianchi", "sip:bianchi@"+phone.addr())})
	p.enroll(object{"person": "Anna", "kind": "card", "uid": "04A1B2C3"})
	p.press(2)
	p.waitTone("refused-not_licensed")
	p.badge("front-in", "04A1B2C3")
	p.waitTone("refused-not_licensed")

	both := token(grant(license.Buttons, 1), grant(license.AccessBasic, 1))
	p.scan(root.license(t, both))
	p.waitTone("license-accepted")
	p.badge("front-in", "04A1B2C3")
	p.opens("front")
	p.press(2)
	p.waitText("Calling Bianchi")
	phone.answer()
	p.waitText("Bianchi is on the line")
	p.kill()

	p = p.restart()
	p.badge("front-in", "04A1B2C3")
	p.opens("front")
	p.scan(root.revocation(t, 5, both.ID))
	p.told("license-accepted", "Revocation list accepted")
	if got := p.buttons(); got != 1 {
		t.Errorf("after the revocation %d buttons are usable", got)
	}
	p.press(2)
	p.waitTone("refused-not_licensed")
	p.badge("front-in", "04A1B2C3")
	p.waitTone("refused-not_licensed")
	// An older list brings nothing back, and a restart neither.
	p.scan(root.revocation(t, 4))
	p.waitText("Already active")
	p.kill()
	p = p.restart()
	if got := p.buttons(); got != 1 {
		t.Errorf("after a restart the revoked license gives %d buttons", got)
	}
	p.scan(root.license(t, both))
	p.told("license-revoked", "License revoked")
}

func TestDelegatedIssuerIsBelievedWithinHisCeiling(t *testing.T) {
	t.Parallel()
	root, issuer := newSigner(t), newSigner(t)
	p := startPanel(t, setting{roots: root.roots()})
	first, over := issuer.license(t, token(grant(license.Buttons, 5))), issuer.license(t, token(grant(license.Buttons, 6)))
	p.scan(first)
	p.told("license-unknown-issuer", "Issuer not known")
	delegation := license.Delegation{Issuer: issuer.pub, Name: "Dealer", Number: 1, IssuedAt: time.Now().Add(-2 * time.Hour).Truncate(time.Second), Ceilings: []license.Grant{grant(license.Buttons, 5)}}
	raw, err := delegation.Sign(root.pub, root.sign)
	if err != nil {
		t.Fatal(err)
	}
	p.scan(envelope.Armor(envelope.Delegation, raw))
	p.told("license-accepted", "Issuer accepted")
	p.scan(first)
	p.told("license-accepted", "License activated")
	p.scan(over)
	p.waitEntry("license.refused", "")
	p.kill()
	p = p.restart()
	if got := p.buttons(); got != 6 {
		t.Errorf("after a restart the dealer's license gives %d buttons, want 6", got)
	}
}

func TestLicenseOutlivesAKillRightAfterTheAnswer(t *testing.T) {
	t.Parallel()
	root := newSigner(t)
	p := startPanel(t, setting{roots: root.roots()})
	for n := 2; n <= 5; n++ {
		p.activate(root.license(t, token(grant(license.Buttons, 1))))
		p.kill()
		p = p.restart()
		if got := p.buttons(); got != n {
			t.Fatalf("after a kill %d buttons are usable, %d were confirmed", got, n)
		}
	}
}

func TestDoorlicenseIssuesWhatThePanelTakes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	desk := filepath.Join(dir, "doorlicense")
	run := func(name string, args ...string) string {
		t.Helper()
		c := exec.Command(name, args...)
		var stderr bytes.Buffer
		c.Stderr = &stderr
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s%s", name, args, err, out, stderr.String())
		}
		return strings.TrimSpace(string(out))
	}
	run("go", "build", "-o", desk, "../doorlicense")
	key, printed := filepath.Join(dir, "root.key"), filepath.Join(dir, "license.png")
	run(desk, "keygen", "root", "--out", key, "--unencrypted")
	root, err := envelope.ParseKey(run(desk, "keygen", "--show", key))
	if err != nil {
		t.Fatal(err)
	}
	run(desk, "issue", "--key", key, "--grant", "buttons=10", "--label", "Villa Rosa", "--out", printed)
	raw, err := os.ReadFile(printed)
	if err != nil {
		t.Fatal(err)
	}
	p := startPanel(t, setting{roots: signer{pub: root}.roots()})
	p.scanImage("image/png", raw)
	p.told("license-accepted", "License activated")
	if got := p.buttons(); got != 11 {
		t.Errorf("%d buttons are usable, want 11", got)
	}
}
