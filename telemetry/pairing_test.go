package telemetry_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/telemetry"
)

// examplePairing is the example of docs/enrollment.md.
func examplePairing() telemetry.Pairing {
	p := telemetry.Pairing{URL: "https://hub.example.org:8444", Expires: time.Unix(1795262400, 0).UTC(), Hub: "Rossi Impianti"}
	for i := range p.CA {
		p.CA[i] = byte(i)
	}
	for i := range p.Secret {
		p.Secret[i] = byte(0xa0 + i)
	}
	return p
}

const (
	examplePairingCBOR = "a501781c68747470733a2f2f6875622e6578616d706c652e6f72673a38343434" +
		"025820000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0350a0a1a2a3a4a5a6a7a8a9aa" +
		"abacadaeaf041a6b0187c0056e526f73736920496d7069616e7469"
	exampleProof = "8db44a9e9d2001bdec371761887fc52c549aac7b1623a92df333349e69b00cf6"
)

func TestPairingCodeIsTheOneOfTheDocument(t *testing.T) {
	text, err := examplePairing().Text()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := hex.DecodeString(examplePairingCBOR)
	if err != nil {
		t.Fatal(err)
	}
	if want := "DH1:" + envelope.Base45(raw); text != want {
		t.Errorf("the code is\n%s, not\n%s", text, want)
	}
	back, err := telemetry.ParsePairing(" " + text + "\n")
	if err != nil || back != examplePairing() {
		t.Errorf("read back as %+v, %v", back, err)
	}
	proof := examplePairing().Secret.Proof()
	if hex.EncodeToString(proof[:]) != exampleProof {
		t.Errorf("the proof is %x", proof)
	}
	if !telemetry.IsPairing(text) || telemetry.IsPairing("DP1:X") {
		t.Error("a pairing code is not known by its beginning")
	}
}

// TestDocumentShowsTheExamples reads the hexadecimal words at the beginnings of the lines of docs/enrollment.md.
func TestDocumentShowsTheExamples(t *testing.T) {
	page, err := os.ReadFile("../docs/enrollment.md")
	if err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	for line := range strings.Lines(string(page)) {
		for _, word := range strings.Fields(line) {
			if raw, err := hex.DecodeString(word); err != nil || len(raw) == 0 {
				break
			}
			shown.WriteString(word)
		}
	}
	for what, example := range map[string]string{"the pairing code": examplePairingCBOR, "the enrollment": exampleEnrollmentHex} {
		if !strings.Contains(shown.String(), example) {
			t.Errorf("docs/enrollment.md does not show the example of %s", what)
		}
	}
	if !strings.Contains(string(page), exampleProof) {
		t.Error("docs/enrollment.md does not show the example's proof")
	}
}

func TestPairingSecretIsNotPrinted(t *testing.T) {
	p := examplePairing()
	shown, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(p), fmt.Sprintf("%+v %#v %s", p, p.Secret, p.Secret), string(shown)} {
		if strings.Contains(text, "a0a1") || strings.Contains(text, "160 161") || strings.Contains(text, "0xa0") {
			t.Errorf("printed as %s", text)
		}
	}
}

func TestDamagedPairingCodesAreRefused(t *testing.T) {
	good, err := examplePairing().Text()
	if err != nil {
		t.Fatal(err)
	}
	code := func(change func(raw []byte) []byte) string {
		raw, _ := hex.DecodeString(examplePairingCBOR)
		return "DH1:" + envelope.Base45(change(raw))
	}
	for name, text := range map[string]string{
		"empty": "", "another kind": strings.Replace(good, "DH1:", "DP1:", 1), "lower case": strings.ToLower(good), "prefix only": "DH1:", "cut off": good[:len(good)-1],
		"a character too many": good + "A", "white space in it": good[:20] + "\n" + good[20:], "far too long": "DH1:" + strings.Repeat("0", 5000),
		"bytes behind it": code(func(raw []byte) []byte { return append(raw, 0) }), "an unknown member": code(func(raw []byte) []byte { raw[0] = 0xa6; return append(raw, 0x06, 0x00) }),
		"a member twice":     code(func(raw []byte) []byte { raw[0] = 0xa6; return append(raw, 0x05, 0x61, 'x') }),
		"a member missing":   code(func(raw []byte) []byte { raw[0] = 0xa4; return raw[:len(raw)-16] }),
		"another encoding":   code(func(raw []byte) []byte { return append([]byte{0xbf}, append(raw[1:], 0xff)...) }),
		"longer integer":     code(func(raw []byte) []byte { return append([]byte{0xb8, 0x05}, raw[1:]...) }),
		"no CBOR":            "DH1:" + envelope.Base45([]byte("hello")),
		"an array":           "DH1:" + envelope.Base45([]byte{0x80}),
		"a short secret":     code(func(raw []byte) []byte { return bytes.Replace(raw, []byte{0x03, 0x50, 0xa0}, []byte{0x03, 0x4f}, 1) }),
		"a tag":              code(func(raw []byte) []byte { return append([]byte{0xd9, 0xd9, 0xf7}, raw...) }),
		"a name with a line": code(func(raw []byte) []byte { return bytes.Replace(raw, []byte("Rossi "), []byte("Rossi\n"), 1) }),
	} {
		if p, err := telemetry.ParsePairing(text); err == nil {
			t.Errorf("%s was read as %+v", name, p)
		} else if !strings.HasPrefix(err.Error(), "cannot read pairing code: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAddressesThatTwoReadersCouldTakeForTwoAreRefused(t *testing.T) {
	for url, good := range map[string]bool{
		"https://hub.example.org": true, "https://hub.example.org:8444": true, "https://192.0.2.7:1": true, "https://[2001:db8::1]:8444": true, "https://[::1]": true, "https://hub": true,
		"http://hub.example.org": false, "HTTPS://hub": false, "https://": false, "https://hub/": false, "https://hub/path": false, "https://hub?x": false, "https://hub#x": false,
		"https://user@hub": false, "https://user:word@hub:8444": false, "https://hub:": false, "https://hub:0": false, "https://hub:65536": false, "https://hub:08444": false,
		"https://hub:+84": false, "https://hub:84a": false, "https://hub\\evil": false, "https://hub evil": false, "https://hub\n": false, "https://[::1": false, "https://::1": false,
		"https://[hub]": false, "https://[::1%25eth0]": false, "https://hub:8444:1": false, "https://hüb": false, "https://" + strings.Repeat("a", 260): false, "": false,
	} {
		p := examplePairing()
		p.URL = url
		text, err := p.Text()
		if (err == nil) != good {
			t.Errorf("%q: %v", url, err)
		}
		if err != nil {
			continue
		}
		if back, err := telemetry.ParsePairing(text); err != nil || back.URL != url {
			t.Errorf("%q was read as %q, %v", url, back.URL, err)
		}
	}
}

func TestEveryPairingIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := telemetry.Pairing{
			URL:     "https://" + rapid.StringMatching(`[a-z0-9.-]{1,60}`).Draw(t, "host") + fmt.Sprintf(":%d", rapid.IntRange(1, 65535).Draw(t, "port")),
			Expires: time.Unix(rapid.Int64Range(1, 253402300799).Draw(t, "expires"), 0).UTC(),
			Hub:     rapid.StringMatching(`[ -~àèü]{1,30}`).Draw(t, "hub"),
		}
		copy(p.CA[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "ca"))
		copy(p.Secret[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "secret"))
		text, err := p.Text()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := telemetry.ParsePairing(text); err != nil || back != p {
			t.Fatalf("%+v became %+v, %v", p, back, err)
		}
	})
}

func FuzzPairing(f *testing.F) {
	good, err := examplePairing().Text()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("DH1:")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := telemetry.ParsePairing(text)
		if err != nil {
			return
		}
		if again, err := p.Text(); err != nil || again != strings.TrimSpace(text) {
			t.Errorf("%q is read as %+v and written as %q, %v", text, p, again, err)
		}
	})
}

func exampleKey() (ed25519.PublicKey, func([]byte) ([]byte, error)) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	return key.Public().(ed25519.PublicKey), func(m []byte) ([]byte, error) { return ed25519.Sign(key, m), nil }
}

// exampleEnrollment is the example of docs/enrollment.md. Its certificate request is none.
func exampleEnrollment() (telemetry.EnrollRequest, func([]byte) ([]byte, error)) {
	pub, sign := exampleKey()
	proof := examplePairing().Secret.Proof()
	return telemetry.EnrollRequest{Panel: pub, CA: examplePairing().CA, Proof: proof[:], CSR: []byte{0x30, 0x03, 0x02, 0x01, 0x00}, Name: "gate"}, sign
}

const exampleEnrollmentHex = "844da201270448fe812c12f3ab4ce6a05877a5015820ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea69" +
	"1446d22c025820000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0358208db44a9e9d2001bdec371761887fc52c549a" +
	"ac7b1623a92df333349e69b00cf6044530030201000564676174655840f9081d028ad9d802a030df456336115aadb51639d65bbe38cce1c534106c74" +
	"1e5bfe23afdd7eb5bb54722bbcead9942ad8828dce4ef056138617fa8e7411900a"

func TestEnrollmentIsTheOneOfTheDocument(t *testing.T) {
	request, sign := exampleEnrollment()
	raw, err := request.Sign(sign)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(raw); got != exampleEnrollmentHex {
		t.Errorf("the request is\n%s, not\n%s", got, exampleEnrollmentHex)
	}
	back, err := telemetry.OpenEnrollRequest(raw)
	if err != nil || fmt.Sprint(back) != fmt.Sprint(request) {
		t.Errorf("read back as %+v, %v", back, err)
	}
}

func TestEnrollmentOfAnotherIsRefused(t *testing.T) {
	request, sign := exampleEnrollment()
	raw, err := request.Sign(sign)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		for _, bit := range []byte{1, 0x80} {
			forged := bytes.Clone(raw)
			forged[i] ^= bit
			if _, err := telemetry.OpenEnrollRequest(forged); !errors.Is(err, envelope.ErrForged) && !errors.Is(err, envelope.ErrMalformed) {
				t.Fatalf("byte %d changed: %v", i, err)
			}
		}
	}
	// A key that signs other things signs no enrollment with them.
	payload, _, err := envelope.OpenBySigner(envelope.Enrollment, raw)
	if err != nil {
		t.Fatal(err)
	}
	as, err := envelope.Sign(envelope.Identity, request.Panel, sign, payload)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := telemetry.OpenEnrollRequest(as); !errors.Is(err, envelope.ErrForged) {
		t.Errorf("another kind of envelope: %v", err)
	}
	other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize))
	if _, err := envelope.Sign(envelope.Enrollment, request.Panel, func(m []byte) ([]byte, error) { return ed25519.Sign(other, m), nil }, payload); err == nil {
		t.Error("another key may sign for a panel")
	}
	for name, change := range map[string]func(*telemetry.EnrollRequest){
		"half a proof":    func(r *telemetry.EnrollRequest) { r.Proof = r.Proof[:16] },
		"no request":      func(r *telemetry.EnrollRequest) { r.CSR = nil },
		"a large request": func(r *telemetry.EnrollRequest) { r.CSR = make([]byte, 1025) },
		"a long name":     func(r *telemetry.EnrollRequest) { r.Name = strings.Repeat("x", 65) },
		"a strange name":  func(r *telemetry.EnrollRequest) { r.Name = "a\x1b[2J" },
		"no key":          func(r *telemetry.EnrollRequest) { r.Panel = nil },
	} {
		bad, sign := exampleEnrollment()
		change(&bad)
		if _, err := bad.Sign(sign); err == nil {
			t.Errorf("%s was signed", name)
		}
	}
}

func TestRenewalNeedsNoProof(t *testing.T) {
	request, sign := exampleEnrollment()
	request.Proof, request.Name = nil, ""
	raw, err := request.Sign(sign)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := telemetry.OpenEnrollRequest(raw); err != nil || len(back.Proof) != 0 {
		t.Errorf("%+v, %v", back, err)
	}
}

func FuzzEnrollRequest(f *testing.F) {
	request, sign := exampleEnrollment()
	raw, err := request.Sign(sign)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := telemetry.OpenEnrollRequest(raw)
		if err != nil {
			if !errors.Is(err, envelope.ErrMalformed) && !errors.Is(err, envelope.ErrForged) {
				t.Errorf("%v", err)
			}
			return
		}
		if len(r.CSR) == 0 || len(r.Name) > telemetry.PanelNameLimit {
			t.Errorf("%+v", r)
		}
	})
}

func exampleAnswer() telemetry.EnrollAnswer {
	pub, _ := exampleKey()
	return telemetry.EnrollAnswer{
		Site: "via-roma-12", Broker: "mqtts://hub.example.org:8883", CA: "-----BEGIN CERTIFICATE-----\n", Certificate: "-----BEGIN CERTIFICATE-----\n", Hub: "Rossi Impianti",
		Key: envelope.KeyText(pub),
	}
}

func TestAnswersThatWouldNotWorkAreRefused(t *testing.T) {
	good, err := exampleAnswer().Encode()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := telemetry.DecodeEnrollAnswer(good); err != nil || back.Site != "via-roma-12" || back.V != 1 {
		t.Errorf("%+v, %v", back, err)
	}
	with := func(name, value string) string {
		var members map[string]any
		if err := json.Unmarshal(good, &members); err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal([]byte(value), &v); err != nil {
			t.Fatal(err)
		}
		members[name] = v
		raw, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	for _, raw := range []string{
		"", "[]", `{"v":2}`, with("v", "2"), with("site", `""`), with("site", `"a/b"`), with("site", `"+"`), with("broker", `"mqtt://hub:1883"`), with("broker", `"mqtts://hub"`),
		with("broker", `"mqtts://user:word@hub:8883"`), with("ca", `""`), with("certificate", `""`), with("certificate", `"`+strings.Repeat("x", 5000)+`"`), with("ca", `"`+strings.Repeat("x", 13000)+`"`), with("hub", `""`),
		with("hub", `"a\nb"`), with("key", `"ed25519:AAAA"`), with("key", `""`), with("sealing", `"`+strings.Repeat("x", 200)+`"`), string(good[:len(good)-1]) + `,"site":"other"}`,
		strings.Repeat(" ", telemetry.EnrollAnswerLimit) + string(good),
	} {
		if a, err := telemetry.DecodeEnrollAnswer([]byte(raw)); err == nil {
			t.Errorf("%.120s was read as %+v", raw, a)
		}
	}
	if _, err := telemetry.DecodeEnrollAnswer([]byte(with("later", `"member"`))); err != nil {
		t.Errorf("a member of a later version: %v", err)
	}
}

func FuzzEnrollAnswer(f *testing.F) {
	good, err := exampleAnswer().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := telemetry.DecodeEnrollAnswer(raw)
		if err != nil {
			return
		}
		if _, err := a.Encode(); err != nil {
			t.Errorf("%+v is read and not written: %v", a, err)
		}
	})
}
