package hub_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub"
	"github.com/doorpanel/doorpanel/hub/authority"
	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/store"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/telemetry"
)

// office is where panels are taken in: the real store, the real authority, and a clock that a test moves.
type office struct {
	t *testing.T
	*hub.Enrollment
	store *store.Store
	ca    *authority.Authority
	now   time.Time
	url   string

	mu      sync.Mutex
	ended   []string
	revised int
	changes []fleet.Change
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, now: time.Now().UTC().Truncate(time.Second)}
	var err error
	if o.ca, err = authority.Open(authority.Options{Dir: t.TempDir(), Now: func() time.Time { return o.now }}); err != nil {
		t.Fatal(err)
	}
	if o.store, _, err = store.Open(store.Options{Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.store.Close() })
	for _, id := range []string{"villa", "tower", "gone"} {
		site := fleet.Site{ID: id, Name: id, Zone: "UTC", Created: o.now}
		if id == "gone" {
			site.Archived = o.now
		}
		if _, err := o.store.PutSite(site, fleet.Edit{From: fleet.AnyEdition, Change: fleet.Change{Who: "test", At: o.now}}); err != nil {
			t.Fatal(err)
		}
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o.Enrollment, err = hub.NewEnrollment(hub.EnrollOptions{
		Registry: o.store, Fingerprint: o.ca.Fingerprint(), CA: o.ca.CertificatePEM(), Key: key.Public().(ed25519.PublicKey),
		CheckRequest: func(csr []byte) (string, error) {
			print, err := authority.CheckRequest(csr)
			return hex.EncodeToString(print[:]), err
		},
		Certify: func(csr []byte, panel string) (fleet.Certificate, error) {
			c, err := o.ca.Certify(csr, panel)
			return fleet.Certificate{Serial: c.Serial, PEM: string(c.PEM), Issued: c.From, Expires: c.Expires}, err
		},
		Name: func() string { return "Rossi" }, URL: func() string { return "https://hub.example.org:8444" }, Broker: func() string { return "mqtts://hub.example.org:8883" },
		Ended: func(panel, _ string) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.ended = append(o.ended, panel)
		},
		Revised: func(context.Context) { o.revised++ },
		Audit:   func(_ context.Context, c fleet.Change) { o.changes = append(o.changes, c) },
		Now:     func() time.Time { return o.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(o.Handler(func(err error) { t.Error(err) }))
	server.TLS = &tls.Config{GetCertificate: o.ca.ServerCertificate, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: o.ca.Pool(), Time: func() time.Time { return o.now }}
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	o.url = server.URL
	return o
}

// window opens one and returns its code.
func (o *office) window(ask hub.WindowAsk) telemetry.Pairing {
	o.t.Helper()
	code, err := o.tryWindow(ask)
	if err != nil {
		o.t.Fatal(err)
	}
	return code
}

func (o *office) tryWindow(ask hub.WindowAsk) (telemetry.Pairing, error) {
	if ask.Site == "" {
		ask.Site = "villa"
	}
	ask.Change.Who = "anna"
	_, text, err := o.OpenWindow(context.Background(), ask)
	if err != nil {
		return telemetry.Pairing{}, err
	}
	return telemetry.ParsePairing(text)
}

// visitor is a panel that wants to be taken in.
type visitor struct {
	o    *office
	id   string
	pub  ed25519.PublicKey
	key  ed25519.PrivateKey
	tls  *ecdsa.PrivateKey
	cert *tls.Certificate
}

func (o *office) visitor() *visitor {
	o.t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		o.t.Fatal(err)
	}
	v := &visitor{o: o, id: envelope.NameOf(pub), pub: pub, key: key}
	v.newKey()
	return v
}

func (v *visitor) newKey() {
	v.o.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		v.o.t.Fatal(err)
	}
	v.tls, v.cert = key, nil
}

func (v *visitor) print() string {
	sum, err := authority.FingerprintOf(v.tls.Public())
	if err != nil {
		v.o.t.Fatal(err)
	}
	return hex.EncodeToString(sum[:])
}

func (v *visitor) identity() string {
	v.o.t.Helper()
	doc, err := license.Identity{Panel: v.pub, Name: "gate", At: time.Unix(1_795_000_000, 0).UTC()}.Sign(v.sign)
	if err != nil {
		v.o.t.Fatal(err)
	}
	return envelope.Armor(envelope.Identity, doc.Raw)
}

func (v *visitor) sign(m []byte) ([]byte, error) { return ed25519.Sign(v.key, m), nil }

// request is what the panel sends for a code; change alters it before it is signed.
func (v *visitor) request(code telemetry.Pairing, change func(*telemetry.EnrollRequest)) []byte {
	v.o.t.Helper()
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "somebody else"}}, v.tls)
	if err != nil {
		v.o.t.Fatal(err)
	}
	proof := code.Secret.Proof()
	r := telemetry.EnrollRequest{Panel: v.pub, CA: v.o.ca.Fingerprint(), Proof: proof[:], CSR: csr, Name: "gate"}
	if change != nil {
		change(&r)
	}
	raw, err := r.Sign(v.sign)
	if err != nil {
		v.o.t.Fatal(err)
	}
	return raw
}

// said is the hub's answer.
type said struct {
	status int
	why    string
	detail string
	telemetry.EnrollAnswer
}

func (v *visitor) post(path string, raw []byte) said {
	v.o.t.Helper()
	config := &tls.Config{RootCAs: v.o.ca.Pool(), ServerName: "localhost", Time: func() time.Time { return v.o.now }}
	if v.cert != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return v.cert, nil }
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	res, err := client.Post(v.o.url+path, telemetry.EnrollType, bytes.NewReader(raw))
	if err != nil {
		return said{detail: err.Error()}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		v.o.t.Fatal(err)
	}
	s := said{status: res.StatusCode}
	if res.StatusCode == http.StatusOK {
		if s.EnrollAnswer, err = telemetry.DecodeEnrollAnswer(body); err != nil {
			v.o.t.Fatal(err)
		}
		return s
	}
	var problem struct{ Why, Detail, Type string }
	if err := json.Unmarshal(body, &problem); err != nil || problem.Type != "urn:doorpanel:problem:"+problem.Why || res.Header.Get("Content-Type") != "application/problem+json" {
		v.o.t.Errorf("a refusal is %s, %v", body, err)
	}
	s.why, s.detail = problem.Why, problem.Detail
	return s
}

func (v *visitor) enroll(code telemetry.Pairing) said {
	v.o.t.Helper()
	s := v.post(telemetry.EnrollPath, v.request(code, nil))
	if s.status == http.StatusOK {
		v.keep(s)
	}
	return s
}

// keep takes the certificate to be shown from now on.
func (v *visitor) keep(s said) {
	block, _ := pem.Decode([]byte(s.Certificate))
	v.cert = &tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: v.tls}
}

func (v *visitor) comes(code telemetry.Pairing) said {
	v.o.t.Helper()
	s := v.enroll(code)
	if s.status != http.StatusOK {
		v.o.t.Fatalf("panel %s was not taken in: %+v", v.id, s)
	}
	return s
}

func (v *visitor) renew() said {
	v.o.t.Helper()
	return v.post(telemetry.RenewPath, v.request(telemetry.Pairing{}, func(r *telemetry.EnrollRequest) { r.Proof = nil }))
}

func (o *office) refused(s said, why string) {
	o.t.Helper()
	if s.status == http.StatusOK || s.why != why || s.detail == "" {
		o.t.Errorf("want a refusal for %q, not %+v", why, s)
	}
}

func (o *office) panel(id string) fleet.Panel {
	o.t.Helper()
	p, _, err := o.store.Panel(id)
	if err != nil {
		o.t.Fatal(err)
	}
	return p
}

func (o *office) certificates(panel string) (all, good int) {
	o.t.Helper()
	list, err := o.store.Certificates(panel)
	if err != nil {
		o.t.Fatal(err)
	}
	for _, c := range list {
		if c.Revoked.IsZero() {
			good++
		}
	}
	return len(list), good
}

func (o *office) honors(v *visitor) (string, error) { return o.Honor(v.id, v.print()) }

func why(err error) string {
	var refused *hub.Refusal
	if errors.As(err, &refused) {
		return refused.Why
	}
	return fmt.Sprint(err)
}

func TestPanelWithTheSecretIsTakenInOnce(t *testing.T) {
	o := newOffice(t)
	v := o.visitor()
	code := o.window(hub.WindowAsk{Name: "Gate"})
	if code.URL != "https://hub.example.org:8444" || code.Hub != "Rossi" || !code.Expires.Equal(o.now.Add(hub.WindowTime)) {
		t.Errorf("the code says %+v", code)
	}
	first := v.comes(code)
	if first.Site != "villa" || first.Broker != "mqtts://hub.example.org:8883" || first.Hub != "Rossi" || first.CA != string(o.ca.CertificatePEM()) {
		t.Errorf("the answer is %+v", first)
	}
	p := o.panel(v.id)
	if p.State() != fleet.PanelEnrolled || p.Name != "Gate" || p.Site != "villa" || !bytes.Equal(p.Key, v.pub) || p.TLSKey != v.print() || p.AddedBy != "anna" {
		t.Errorf("the panel is %+v", p)
	}
	if site, err := o.honors(v); err != nil || site != "villa" {
		t.Errorf("honored at %q, %v", site, err)
	}
	if len(o.changes) != 1 || o.changes[0].What != "panel.enrolled" || o.changes[0].Object != v.id {
		t.Errorf("the audit says %+v", o.changes)
	}
	// The answer was lost: again, also after the window's time.
	o.now = o.now.Add(time.Hour)
	if again := v.comes(code); again.Certificate != first.Certificate {
		t.Error("asking again gives another certificate")
	}
	if all, _ := o.certificates(v.id); all != 1 || len(o.changes) != 1 || len(o.ended) != 0 {
		t.Errorf("%d certificates, %d changes, ended %v", all, len(o.changes), o.ended)
	}
	// Nobody else comes in by it.
	other := o.visitor()
	o.refused(other.enroll(code), "used")
	// Nor the same panel with another TLS key: whoever has copied the code and the panel's key.
	v.newKey()
	o.refused(v.enroll(code), "used")
}

func TestSecretLiesNowhereInTheStore(t *testing.T) {
	o := newOffice(t)
	code := o.window(hub.WindowAsk{})
	proof := code.Secret.Proof()
	windows, err := o.store.Windows()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(windows)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range [][]byte{code.Secret[:], proof[:]} {
		if bytes.Contains(raw, []byte(hex.EncodeToString(secret))) || bytes.Contains(raw, secret) {
			t.Errorf("the store says %s", raw)
		}
	}
}

func TestWrongSecretsCloseTheWindow(t *testing.T) {
	o := newOffice(t)
	v := o.visitor()
	wrong := telemetry.Pairing{Secret: telemetry.PairingSecret{1}}
	o.refused(v.enroll(wrong), "no_window")
	code := o.window(hub.WindowAsk{})
	for range 4 {
		o.refused(v.enroll(wrong), "wrong_secret")
	}
	other := o.window(hub.WindowAsk{})
	o.refused(v.enroll(wrong), "wrong_secret")
	o.refused(v.enroll(code), "window_closed")
	windows, err := o.Windows(context.Background())
	if err != nil || len(windows) != 2 {
		t.Fatal(windows, err)
	}
	for _, w := range windows {
		if w.Wrong != 5 && w.Wrong != 1 {
			t.Errorf("%d wrong ones were counted", w.Wrong)
		}
	}
	v.comes(other) // opened later, one wrong one
	if list := o.Refusals(); len(list) != 3 || list[1].Why != "wrong_secret" || list[1].Count != 5 {
		t.Errorf("refusals: %+v", list)
	}
}

func TestWindowsEnd(t *testing.T) {
	o := newOffice(t)
	v := o.visitor()
	late := o.window(hub.WindowAsk{})
	o.now = o.now.Add(hub.WindowTime - time.Second)
	inTime := o.window(hub.WindowAsk{})
	o.now = o.now.Add(time.Second)
	o.refused(v.enroll(late), "window_over")
	closed := o.window(hub.WindowAsk{})
	windows, err := o.Windows(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := o.CloseWindow(context.Background(), windows[0].ID, fleet.Change{Who: "bert"}); err != nil {
		t.Fatal(err)
	}
	if s := v.enroll(closed); s.why != "window_closed" || !strings.Contains(s.detail, "bert") {
		t.Errorf("%+v", s)
	}
	v.comes(inTime)
	if err := o.CloseWindow(context.Background(), "none", fleet.Change{Who: "bert"}); why(err) != "unknown_window" {
		t.Error(err)
	}
	// What is over for a day is forgotten.
	o.now = o.now.Add(48 * time.Hour)
	o.window(hub.WindowAsk{})
	if windows, err = o.Windows(context.Background()); err != nil || len(windows) != 1 {
		t.Errorf("%d windows, %v", len(windows), err)
	}
	for range 15 {
		o.window(hub.WindowAsk{})
	}
	if _, err := o.tryWindow(hub.WindowAsk{}); why(err) != "too_many_windows" {
		t.Error(err)
	}
}

func TestWindowsThatCannotBeOpened(t *testing.T) {
	o := newOffice(t)
	v, elsewhere := o.visitor(), o.visitor()
	v.comes(o.window(hub.WindowAsk{}))
	elsewhere.comes(o.window(hub.WindowAsk{Site: "tower"}))
	for want, ask := range map[string]hub.WindowAsk{
		"unknown_site": {Site: "nowhere"}, "archived_site": {Site: "gone"}, "not_an_identity": {Identity: "DP1:ABC"}, "unknown_panel": {Replaces: "nobody"},
		"other_site": {Replaces: elsewhere.id}, "same_panel": {Replaces: v.id, Identity: v.identity()},
	} {
		if _, err := o.tryWindow(ask); why(err) != want {
			t.Errorf("%+v: %v, want %s", ask, err, want)
		}
	}
}

func TestWindowForOnePanelTakesNoOther(t *testing.T) {
	o := newOffice(t)
	v, other := o.visitor(), o.visitor()
	code := o.window(hub.WindowAsk{Identity: v.identity(), Name: "Gate"})
	if p := o.panel(v.id); p.State() != fleet.PanelAdded || p.Name != "Gate" {
		t.Errorf("before it comes: %+v", p)
	}
	if _, err := o.honors(v); why(err) != "not_enrolled" {
		t.Errorf("honored before it came: %v", err)
	}
	o.refused(other.enroll(code), "other_panel")
	v.comes(code)
}

func TestRevokedPanelStaysOut(t *testing.T) {
	o := newOffice(t)
	v := o.visitor()
	code := o.window(hub.WindowAsk{})
	v.comes(code)
	for range 2 {
		if err := o.Revoke(context.Background(), v.id, fleet.Change{Who: "bert"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := o.honors(v); why(err) != "revoked" {
		t.Errorf("honored: %v", err)
	}
	if _, good := o.certificates(v.id); good != 0 || o.revised == 0 || len(o.ended) == 0 || o.ended[0] != v.id {
		t.Errorf("%d certificates are good; the list was revised %d times; ended: %v", good, o.revised, o.ended)
	}
	o.refused(v.renew(), "revoked")
	o.refused(v.enroll(code), "used") // the old code does not bring it back
	o.refused(v.enroll(o.window(hub.WindowAsk{})), "revoked")
	o.now = o.now.Add(time.Minute)
	v.comes(o.window(hub.WindowAsk{Identity: v.identity()}))
	if site, err := o.honors(v); err != nil || site != "villa" {
		t.Errorf("taken back: %q, %v", site, err)
	}
	if err := o.Revoke(context.Background(), "nobody", fleet.Change{Who: "bert"}); why(err) != "unknown_panel" {
		t.Error(err)
	}
}

func TestPanelWithAnotherKeyEndsTheOldOne(t *testing.T) {
	o := newOffice(t)
	v := o.visitor()
	v.comes(o.window(hub.WindowAsk{}))
	stolen := *v
	v.newKey()
	v.comes(o.window(hub.WindowAsk{}))
	if _, err := o.honors(&stolen); why(err) != "old_key" {
		t.Errorf("the old key is honored: %v", err)
	}
	if _, err := o.honors(v); err != nil {
		t.Error(err)
	}
	o.refused(stolen.renew(), "old_key")
	if all, good := o.certificates(v.id); all != 2 || good != 1 || o.revised != 1 || len(o.ended) != 1 {
		t.Errorf("%d certificates, %d good, revised %d times, ended %v", all, good, o.revised, o.ended)
	}
}

func TestPanelThatMovesIsHeardAtItsNewSiteAlone(t *testing.T) {
	o := newOffice(t)
	v := o.visitor()
	v.comes(o.window(hub.WindowAsk{}))
	if s := v.comes(o.window(hub.WindowAsk{Site: "tower"})); s.Site != "tower" {
		t.Errorf("%+v", s)
	}
	if site, err := o.honors(v); err != nil || site != "tower" || len(o.ended) != 1 {
		t.Errorf("honored at %q, %v; ended %v", site, err, o.ended)
	}
	if all, _ := o.certificates(v.id); all != 1 {
		t.Errorf("%d certificates for one key", all)
	}
}

func TestDeadPanelsPlaceIsTaken(t *testing.T) {
	o := newOffice(t)
	dead, fresh := o.visitor(), o.visitor()
	dead.comes(o.window(hub.WindowAsk{Name: "Gate"}))
	fresh.comes(o.window(hub.WindowAsk{Name: "Gate", Replaces: dead.id}))
	if p := o.panel(dead.id); p.State() != fleet.PanelReplaced || p.ReplacedBy != fresh.id {
		t.Errorf("the dead one: %+v", p)
	}
	if p := o.panel(fresh.id); p.Replaces != dead.id {
		t.Errorf("the fresh one: %+v", p)
	}
	if _, err := o.honors(dead); why(err) != "replaced" {
		t.Errorf("the dead one is honored: %v", err)
	}
	if _, good := o.certificates(dead.id); good != 0 || len(o.ended) != 1 || o.ended[0] != dead.id {
		t.Errorf("%d certificates of it are good, ended: %v", good, o.ended)
	}
	o.refused(dead.renew(), "replaced")
	o.refused(dead.enroll(o.window(hub.WindowAsk{})), "revoked")
	if _, err := o.tryWindow(hub.WindowAsk{Replaces: dead.id}); why(err) != "replaced" {
		t.Error(err)
	}
}

func TestCertificateIsRenewedByItsOwnerAlone(t *testing.T) {
	o := newOffice(t)
	v, other := o.visitor(), o.visitor()
	first := v.comes(o.window(hub.WindowAsk{}))
	other.comes(o.window(hub.WindowAsk{}))
	if s := v.renew(); s.status != http.StatusOK || s.Certificate != first.Certificate {
		t.Errorf("a fresh certificate was replaced: %+v", s.status)
	}
	o.now = o.now.AddDate(0, 0, 250)
	s := v.renew()
	if s.status != http.StatusOK || s.Certificate == first.Certificate || s.Site != "villa" {
		t.Errorf("%+v", s)
	}
	// The answer was lost: the old one is still shown, and the same new one comes.
	if again := v.renew(); again.Certificate != s.Certificate {
		t.Errorf("%+v", again)
	}
	v.keep(s)
	if p := o.panel(v.id); p.Serial == "" || !p.Expires.After(o.now.AddDate(0, 11, 0)) {
		t.Errorf("%+v", p)
	}
	// With another's certificate, with none, and for another key.
	thief := *v
	thief.cert = other.cert
	o.refused(thief.renew(), "other_panel")
	thief.cert = nil
	o.refused(thief.renew(), "no_certificate")
	thief = *v
	thief.newKey()
	thief.cert = v.cert
	o.refused(thief.renew(), "other_panel")
	// One that has ended proves nothing.
	o.now = o.now.AddDate(2, 0, 0)
	if s := v.renew(); s.status == http.StatusOK {
		t.Error("a certificate that has ended was renewed")
	}
}

func TestRequestsThatProveNothingChangeNothing(t *testing.T) {
	o, stranger := newOffice(t), newOffice(t)
	v := o.visitor()
	code := o.window(hub.WindowAsk{})
	good := v.request(code, nil)
	forged := bytes.Clone(good)
	forged[len(forged)-1] ^= 1
	thief := o.visitor()
	for name, c := range map[string]struct {
		why string
		raw []byte
	}{
		"nothing": {"malformed", nil}, "garbage": {"malformed", []byte("let me in")}, "one bit": {"malformed", forged}, "too large": {"malformed", make([]byte, 1<<20)},
		"for another hub": {"other_hub", v.request(code, func(r *telemetry.EnrollRequest) { r.CA = stranger.ca.Fingerprint() })},
		"no proof":        {"malformed", v.request(code, func(r *telemetry.EnrollRequest) { r.Proof = nil })},
		"no CSR":          {"malformed", v.request(code, func(r *telemetry.EnrollRequest) { r.CSR = []byte{0x30, 0} })},
		"another's CSR": {"malformed", v.request(code, func(r *telemetry.EnrollRequest) {
			other, err := telemetry.OpenEnrollRequest(thief.request(code, nil))
			if err != nil {
				t.Fatal(err)
			}
			r.CSR = bytes.Clone(other.CSR)
			r.CSR[len(r.CSR)-1] ^= 1 // without the key nobody can sign it
		})},
	} {
		if s := v.post(telemetry.EnrollPath, c.raw); s.why != c.why || s.status == http.StatusOK {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if windows, _ := o.store.Windows(); windows[0].Wrong != 0 || windows[0].Enrolled != "" {
		t.Errorf("the window is %+v", windows[0])
	}
	// A request that was overheard gives its certificate to whoever sends it; the key stays with the panel.
	v.comes(code)
	replayed := thief.post(telemetry.EnrollPath, good)
	if replayed.status != http.StatusOK {
		t.Errorf("%+v", replayed)
	}
	block, _ := pem.Decode([]byte(replayed.Certificate))
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil || thief.tls.PublicKey.Equal(c.PublicKey) || c.Subject.CommonName != v.id {
		t.Errorf("who replays gets a certificate for %s, %v", c.Subject, err)
	}
	if all, _ := o.certificates(v.id); all != 1 {
		t.Errorf("%d certificates", all)
	}
	for method, status := range map[string]int{"GET": http.StatusMethodNotAllowed, "PUT": http.StatusMethodNotAllowed} {
		r := httptest.NewRequest(method, telemetry.EnrollPath, nil)
		w := httptest.NewRecorder()
		o.Handler(func(error) {}).ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
	r := httptest.NewRequest("POST", telemetry.EnrollPath, bytes.NewReader(good))
	r.Header.Set("Content-Type", "text/plain")
	w := httptest.NewRecorder()
	o.Handler(func(error) {}).ServeHTTP(w, r)
	if w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("text was taken: %d", w.Code)
	}
}

func TestTwoPanelsAtOnceUseOneCodeOnce(t *testing.T) {
	o := newOffice(t)
	code := o.window(hub.WindowAsk{})
	var came sync.WaitGroup
	results := make(chan said, 6)
	for range 6 {
		v := o.visitor()
		raw := v.request(code, nil)
		came.Go(func() { results <- v.post(telemetry.EnrollPath, raw) })
	}
	came.Wait()
	close(results)
	taken := 0
	for s := range results {
		if s.status == http.StatusOK {
			taken++
		} else if s.why != "used" {
			t.Errorf("%+v", s)
		}
	}
	if taken != 1 {
		t.Errorf("%d panels were taken in by one code", taken)
	}
}

func TestFailureOfTheStoreTakesNobodyIn(t *testing.T) {
	o := newOffice(t)
	v := o.visitor()
	code := o.window(hub.WindowAsk{})
	if err := o.store.Close(); err != nil {
		t.Fatal(err)
	}
	logged := make(chan error, 1)
	handler := o.Handler(func(err error) { logged <- err })
	r := httptest.NewRequest("POST", telemetry.EnrollPath, bytes.NewReader(v.request(code, nil)))
	r.Header.Set("Content-Type", telemetry.EnrollType)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "store") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if err := <-logged; err == nil {
		t.Error("the log says nothing")
	}
}
