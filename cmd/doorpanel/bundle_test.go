package main_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
)

// unzip returns the files of a bundle.
func unzip(t *testing.T, archive []byte) map[string]string {
	t.Helper()
	reader, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range reader.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(content)
	}
	return files
}

func TestSupportBundleHoldsNoSecretAndNamesNobody(t *testing.T) {
	t.Parallel()
	root := newSigner(t)
	p := startPanel(t, setting{
		roots:   root.roots(),
		sip:     "[[sip.account]]\nname = \"pbx\"\nregistrar = \"sip:127.0.0.1:9\"\nuser = \"pbx-user-77\"\npassword = \"sip-Password-4711\"\n",
		buttons: button(1, "Familie Zauberberg", "sip:zauberberg@127.0.0.1:9"),
		more:    "[uplink]\nbroker = \"mqtt://127.0.0.1:9\"\nsite = \"house\"\nuser = \"mqtt-user-88\"\npassword = \"mqtt-Password-4712\"\n",
	})
	setupCode := p.state().SetupCode
	session := p.setup()
	sold := token(grant(license.AccessBasic, 1), grant(license.Buttons, 9), grant(license.SIP, 1))
	sold.Label = "Lot Quecksilber"
	text := root.license(t, sold)
	p.activate(text)
	made := p.must(http.StatusCreated, "POST", "/credentials", object{"person": "Anna Rossi-Zebra", "kind": "code"})
	var code struct{ ID, Person, Code string }
	made.into(t, &code)
	card := p.enroll(object{"person": "Marco Bianchi-Yak", "kind": "card", "uid": "04A1B2C3D4E5F6"})
	from := time.Now().UTC().Truncate(time.Second)
	var guest struct{ ID, Pass string }
	p.must(http.StatusCreated, "POST", "/guests", object{"name": "Plumber Xylophon", "kind": "pass", "valid_from": from, "valid_until": from.Add(time.Hour), "uses": 2}).into(t, &guest)
	p.must(http.StatusOK, "PUT", "/buttons/2", object{"label": "Praxis Wundersam", "target": "sip:wundersam@127.0.0.1:9"})
	p.must(http.StatusOK, "PUT", "/users/hausmeister-kranich", object{"role": "installer", "password": "three more words here"})
	p.keys("front-in", code.Code+"#")
	p.opens("front")
	p.badge("front-in", "04A1B2C3D4E5F6")
	p.opens("front")
	p.badge("front-in", "04DEADBEEF99")
	p.waitEntry("access.refused", "")
	p.press(1)
	p.waitEntry("call.placed", "")
	p.waitEntry("call.failed", "")

	file := filepath.Join(t.TempDir(), "bundle.zip")
	p.cliMust("bundle", "--out", file)
	archive, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	files := unzip(t, archive)
	var all strings.Builder
	for _, content := range files {
		all.WriteString(content)
	}
	secrets := map[string]string{
		"setup code": setupCode, "session": session, "password": password, "SIP password": "sip-Password-4711", "SIP user": "pbx-user-77",
		"broker's password": "mqtt-Password-4712", "broker's user": "mqtt-user-88", "license": text, "license's core": text[4:40], "label of the license": "Quecksilber",
		"code": code.Code, "card": "04A1B2C3D4E5F6", "unknown card": "04DEADBEEF99", "pass": guest.Pass, "id of the guest": guest.ID,
		"id of the credential": card, "id of the person": code.Person,
		"user": "kranich", "label of a button": "Zauberberg", "target": "zauberberg", "label from the page": "Wundersam", "target from the page": "wundersam",
		"person": "Rossi", "first name": "Anna", "other person": "Bianchi", "guest": "Xylophon", "argon2": "$argon2",
	}
	keys, err := filepath.Glob(filepath.Join(p.data, "keys", "*"))
	if err != nil || len(keys) == 0 {
		t.Fatalf("%v: no keys", err)
	}
	for _, path := range keys {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		secrets[name], secrets[name+" in hex"] = strings.TrimSpace(string(raw)), hex.EncodeToString(raw)
		secrets[name+" in base64"] = base64.StdEncoding.EncodeToString(raw)
	}
	for what, secret := range secrets {
		if len(secret) < 4 {
			t.Fatalf("%s is %q: nothing would be looked for", what, secret)
		}
		if at := strings.Index(all.String(), secret); at >= 0 {
			t.Errorf("the bundle holds the %s: …%.200s", what, all.String()[max(0, at-100):])
		}
	}
	for name, want := range map[string]string{
		"configuration.json": `"***"`, "status.json": p.id, "doctor.json": "journal fits its chain", "versions.json": "doorpanel",
		"licenses.json": license.AccessBasic, "journal.jsonl": `"kind":"access.granted"`, "log.txt": "msg=\"ready\"",
	} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s does not hold %q: %.300s", name, want, files[name])
		}
	}
	if taken := p.waitEntry("config.changed", ""); !slices.ContainsFunc(p.journal(), func(e entry) bool { return e.Detail == "support bundle made" }) {
		t.Errorf("nobody wrote down that a bundle was made; the last change is %v", taken)
	}
}

func TestOnlyAnAdministratorTakesASupportBundle(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{})
	admin := p.setup()
	p.must(http.StatusOK, "PUT", "/users/fitter", object{"role": "installer", "password": "three more words here"})
	for token, want := range map[string]int{admin: http.StatusOK, p.login("fitter", "three more words here"): http.StatusForbidden, "": http.StatusUnauthorized} {
		if got := p.page("GET", "/api/v1/bundle", nil, token); got.status != want {
			t.Errorf("status %d, want %d", got.status, want)
		}
	}
}

func TestSupportBundleIsMadeOfAPanelThatDoesNotRun(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{})
	p.stop()
	file := filepath.Join(t.TempDir(), "bundle.zip")
	p.cliMust("bundle", "--out", file)
	archive, err := os.ReadFile(file)
	if err != nil || !strings.Contains(unzip(t, archive)["journal.jsonl"], "system.stopped") {
		t.Error(err)
	}
}
