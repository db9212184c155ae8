package main_test

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/doorpanel/doorpanel/hub"
	"github.com/doorpanel/doorpanel/hub/authority"
	"github.com/doorpanel/doorpanel/hub/broker"
	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/telemetry"
)

// ledger keeps who is enrolled, in memory.
type ledger struct {
	mu           sync.Mutex
	windows      []fleet.Window
	panels       map[string]fleet.Panel
	certificates []fleet.Certificate
}

func (l *ledger) Enrolling(_ context.Context, ids []string, change func(*fleet.Enrolling) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := fleet.Enrolling{Windows: append([]fleet.Window(nil), l.windows...), Panels: map[string]fleet.Panel{}}
	var rest []fleet.Certificate
	for _, c := range l.certificates {
		if contains(ids, c.Panel) {
			all.Certificates = append(all.Certificates, c)
		} else {
			rest = append(rest, c)
		}
	}
	for _, id := range ids {
		if p, known := l.panels[id]; known {
			all.Panels[id] = p
		}
	}
	if err := change(&all); err != nil {
		return err
	}
	l.windows, l.certificates = all.Windows, append(rest, all.Certificates...)
	for id, p := range all.Panels {
		l.panels[id] = p
	}
	return nil
}

func (l *ledger) Windows() ([]fleet.Window, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]fleet.Window(nil), l.windows...), nil
}

func contains(list []string, item string) bool {
	for _, s := range list {
		if s == item {
			return true
		}
	}
	return false
}

func (l *ledger) Panel(id string) (fleet.Panel, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, known := l.panels[id]
	return p, known, nil
}

func (l *ledger) Site(id string) (fleet.Site, bool, error) {
	return fleet.Site{ID: id, Name: "Via Roma 12", Zone: "UTC"}, id == "villa" || id == "other", nil
}

// hubSide is what a panel sees of a hub: the authority, the broker and the address where panels are taken in.
type hubSide struct {
	t          *testing.T
	authority  *authority.Authority
	broker     *broker.Broker
	enrollment *hub.Enrollment
	ledger     *ledger
	url        string
	key        signer
	ago        atomic.Int64 // by how much the clock of the hub is behind when it makes certificates
	lose       atomic.Int32 // so many answers get lost
	asked      atomic.Int32
	*upstream
}

func (s *hubSide) now() time.Time { return time.Now().Add(-time.Duration(s.ago.Load())) }

func startHub(t *testing.T) *hubSide { return startHubIn(t, t.TempDir()) }

func startHubIn(t *testing.T, dir string) *hubSide {
	t.Helper()
	s := &hubSide{t: t, ledger: &ledger{panels: map[string]fleet.Panel{}}, key: newSigner(t)}
	var err error
	if s.authority, err = authority.Open(authority.Options{Dir: dir, Now: s.now}); err != nil {
		t.Fatal(err)
	}
	s.broker, err = broker.New(broker.Options{
		Listen: "127.0.0.1:0", Certificate: s.authority.ServerCertificate, Clients: s.authority.Pool(),
		Honor: func(panel, key string) (string, error) { return s.enrollment.Honor(panel, key) },
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		GetCertificate: s.authority.ServerCertificate, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: s.authority.Pool(), MinVersion: tls.VersionTLS12,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.url = "https://" + listener.Addr().String()
	s.enrollment, err = hub.NewEnrollment(hub.EnrollOptions{
		Registry: s.ledger, Fingerprint: s.authority.Fingerprint(), CA: s.authority.CertificatePEM(), Key: s.key.pub,
		CheckRequest: func(csr []byte) (string, error) {
			key, err := authority.CheckRequest(csr)
			return hex.EncodeToString(key[:]), err
		},
		Certify: func(csr []byte, panel string) (fleet.Certificate, error) {
			c, err := s.authority.Certify(csr, panel)
			return fleet.Certificate{Serial: c.Serial, PEM: string(c.PEM), Issued: c.From, Expires: c.Expires}, err
		},
		Name: func() string { return "Rossi Impianti" }, URL: func() string { return s.url }, Broker: func() string { return "mqtts://" + s.broker.Addr() },
		Ended: func(panel, _ string) { s.broker.Kick(panel) },
	})
	if err != nil {
		t.Fatal(err)
	}
	handler := s.enrollment.Handler(func(err error) { t.Error(err) })
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		if s.lose.Load() > 0 {
			s.lose.Add(-1)
			handler.ServeHTTP(&unheard{header: http.Header{}}, r)
			panic(http.ErrAbortHandler)
		}
		handler.ServeHTTP(w, r)
	})}
	go server.Serve(listener)
	if err := s.broker.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Close()
		if err := s.broker.Close(); err != nil {
			t.Error(err)
		}
	})
	s.listen()
	return s
}

// unheard takes an answer that gets lost.
type unheard struct{ header http.Header }

func (u *unheard) Header() http.Header         { return u.header }
func (u *unheard) Write(p []byte) (int, error) { return len(p), nil }
func (u *unheard) WriteHeader(int)             {}

// listen hears what panels say, and acknowledges their events as a hub does.
func (s *hubSide) listen() {
	s.upstream = &upstream{t: s.t}
	options := mqtt.NewClientOptions().AddBroker("tcp://hub").SetProtocolVersion(4).SetClientID(broker.HubClient).SetAutoReconnect(false).SetOrderMatters(true).
		SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) { return s.broker.Dial(context.Background()) })
	s.client = mqtt.NewClient(options)
	s.wait(s.client.Connect())
	s.t.Cleanup(func() { s.client.Disconnect(0) })
	s.wait(s.client.SubscribeMultiple(map[string]byte{
		telemetry.LeafFilter(telemetry.LeafStatus): 1, telemetry.LeafFilter(telemetry.LeafEvent): 1, telemetry.LeafFilter(telemetry.LeafReply): 1,
	}, func(c mqtt.Client, m mqtt.Message) {
		s.take(c, m)
		topic, err := telemetry.ParseTopic(m.Topic())
		if err != nil || topic.Leaf != telemetry.LeafEvent {
			return
		}
		if event, err := telemetry.DecodeEvent(m.Payload()); err == nil {
			ack, _ := telemetry.Ack{Epoch: event.Epoch, Seq: event.Seq}.Encode()
			c.Publish(telemetry.AckTopic(topic.Site, topic.Panel), 1, false, ack)
		}
	}))
}

// window opens a window and returns its code.
func (s *hubSide) window(ask hub.WindowAsk) string {
	s.t.Helper()
	if ask.Site == "" {
		ask.Site = "villa"
	}
	ask.Change.Who = "anna"
	_, code, err := s.enrollment.OpenWindow(context.Background(), ask)
	if err != nil {
		s.t.Fatal(err)
	}
	return code
}

// belongs is what a panel says about its hub.
type belongs struct {
	Paired        bool
	Configured    string
	Hub, Site, By string
	State, Detail string
	Until         time.Time `json:"certificate_until"`
}

func (p *panelProcess) hubView() (v belongs) {
	p.t.Helper()
	p.must(http.StatusOK, "GET", "/hub", nil).into(p.t, &v)
	return v
}

// untilHub waits until the panel says so about its hub.
func (p *panelProcess) untilHub(what string, fits func(belongs) bool) belongs {
	p.t.Helper()
	limit := time.After(patience)
	for {
		v := p.hubView()
		if fits(v) {
			return v
		}
		select {
		case <-limit:
			p.t.Fatalf("the panel does not say that %s: %+v", what, v)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func connected(v belongs) bool { return v.State == "ok" }

func TestPanelJoinsAHubByCommandAndIsHeardAtOnce(t *testing.T) {
	t.Parallel()
	s := startHub(t)
	p := startPanel(t, setting{})
	if out := p.cliMust("hub", "status"); !strings.Contains(out, "belongs to no hub") {
		t.Errorf("before: %s", out)
	}
	out := p.cliMust("hub", "pair", s.window(hub.WindowAsk{}))
	if !strings.Contains(out, "Rossi Impianti") || !strings.Contains(out, "villa") {
		t.Errorf("pairing says %s", out)
	}
	status := s.awaitStatus("online", online)
	p.untilHub("it is connected", connected)
	paired := p.waitEntry("hub.paired", "cli")
	if !strings.Contains(paired.Detail, "Rossi Impianti") || paired.Who != "root" {
		t.Errorf("the journal says %v", paired)
	}
	// The whole journal arrives, from before the pairing on, and the hub's word is what counts.
	first := s.events.await(t, "the first entry", func(e telemetry.Event) bool { return e.Seq == 1 })
	s.events.await(t, "the pairing", func(e telemetry.Event) bool { return e.Kind == "hub.paired" && e.Epoch == first.Epoch })
	// The hub's key is a command key now.
	s.wait(s.client.Publish(telemetry.CommandTopic("villa", p.id), 1, false, s.key.order(t, telemetry.Command{
		Panel: p.id, Boot: status.message.Boot, DeadlineMS: s.mono(status) + 20_000, Number: 1, Verb: telemetry.VerbOpen, Object: "front",
	})))
	p.opens("front")
	// It is still there after a restart, and a clean end is told apart from a loss.
	p.stop()
	s.awaitStatus("stopped", stopped)
	p = p.restart()
	s.awaitStatus("online again", online)
	p.kill()
	s.awaitStatus("lost", lost)
	p = p.restart()
	s.awaitStatus("back", online)
	info, err := os.Stat(filepath.Join(p.data, "keys", "hub-tls.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the TLS key: %v %v", info, err)
	}
	p.cliFails("not confirmed", "hub", "leave")
	p.cliMust("hub", "leave", "--yes")
	s.awaitStatus("stopped", stopped)
	p.waitEntry("hub.left", "cli")
	if v := p.hubView(); v.Paired || v.State != "" {
		t.Errorf("after leaving: %+v", v)
	}
	if _, err := os.Stat(filepath.Join(p.data, "keys", "hub-tls.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the TLS key is still there: %v", err)
	}
	p.cliFails("belongs to no hub", "hub", "leave", "--yes")
	// And it may come back.
	p.cliMust("hub", "pair", s.window(hub.WindowAsk{}))
	s.awaitStatus("online with another key", online)
	p.untilHub("it is connected", connected)
}

func TestPairingWithoutADaemonHoldsWhenItStarts(t *testing.T) {
	t.Parallel()
	s := startHub(t)
	p := startPanel(t, setting{})
	p.stop()
	p.cliMust("hub", "pair", s.window(hub.WindowAsk{}))
	p.restart()
	s.awaitStatus("online", online)
}

func TestLostAnswerIsAskedForAgainAndCountsOnce(t *testing.T) {
	t.Parallel()
	s := startHub(t)
	p := startPanel(t, setting{})
	code := s.window(hub.WindowAsk{})
	s.lose.Store(1)
	p.cliFails("try again with the same code", "hub", "pair", code)
	if p.hubView().Paired {
		t.Fatal("a lost answer was kept")
	}
	p.cliMust("hub", "pair", code)
	s.awaitStatus("online", online)
	p.cliMust("hub", "pair", code) // once more, although it was heard
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	if len(s.ledger.certificates) != 1 || len(s.ledger.panels) != 1 {
		t.Errorf("%d certificates, %d panels", len(s.ledger.certificates), len(s.ledger.panels))
	}
}

func TestPanelIsNotTakenInWithoutARightCode(t *testing.T) {
	t.Parallel()
	s, stranger := startHub(t), startHub(t)
	p := startPanel(t, setting{})
	good := s.window(hub.WindowAsk{})
	parsed, err := telemetry.ParsePairing(good)
	if err != nil {
		t.Fatal(err)
	}
	forged := func(change func(*telemetry.Pairing)) string {
		c := parsed
		change(&c)
		text, err := c.Text()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	wrong := forged(func(c *telemetry.Pairing) { c.Secret[0] ^= 1 })
	p.cliFails("damaged or cut off", "hub", "pair", good[:len(good)-1])
	p.cliFails("does not begin with DH1:", "hub", "pair", "DP1:X")
	p.cliFails("not of the authority", "hub", "pair", forged(func(c *telemetry.Pairing) { c.CA[0] ^= 1 }))
	p.cliFails("not of the authority", "hub", "pair", forged(func(c *telemetry.Pairing) { c.URL = stranger.url }))
	p.cliFails("cannot be reached", "hub", "pair", forged(func(c *telemetry.Pairing) { c.URL = "https://127.0.0.1:1" }))
	if s.asked.Load() != 0 || stranger.asked.Load() != 0 {
		t.Error("a hub that could not be verified was told something")
	}
	for range 4 {
		p.cliFails("not the code of a pairing window", "hub", "pair", wrong)
	}
	p.cliMust("hub", "pair", good) // the fourth wrong one does not close it
	p.cliFails("belongs to hub Rossi Impianti already", "hub", "pair", stranger.window(hub.WindowAsk{}))
	p.cliMust("hub", "leave", "--yes")
	p.cliFails("was used already", "hub", "pair", good)
	other := s.window(hub.WindowAsk{})
	for range 5 {
		p.cliFails("not the code of a pairing window", "hub", "pair", wrong)
	}
	p.cliFails("5 wrong secrets", "hub", "pair", other)
	p.cliFails("no pairing window is open", "hub", "pair", wrong)
	closed := s.window(hub.WindowAsk{})
	windows, err := s.enrollment.Windows(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range windows {
		if !w.Open(time.Now()) {
			continue
		}
		if err := s.enrollment.CloseWindow(context.Background(), w.ID, fleet.Change{Who: "anna"}); err != nil {
			t.Fatal(err)
		}
	}
	p.cliFails("closed by anna", "hub", "pair", closed)
	if p.hubView().Paired || s.broker.Figures().Connected != 1 {
		t.Errorf("it was taken in: %+v", p.hubView())
	}
}

func TestBrokerOfTheConfigurationLeavesNoRoomForAHub(t *testing.T) {
	t.Parallel()
	s := startHub(t)
	b := startBroker(t)
	p := startPanel(t, setting{more: uplinkTo(b)})
	p.cliFails("take broker out of [uplink]", "hub", "pair", s.window(hub.WindowAsk{}))
	if v := p.hubView(); v.Configured != b.URL() {
		t.Errorf("%+v", v)
	}
	p.stop()
	p.cliFails("take broker out of [uplink]", "hub", "pair", s.window(hub.WindowAsk{}))
}

func TestRevokedPanelIsOfflineAtOnceAndSaysWhy(t *testing.T) {
	t.Parallel()
	s := startHub(t)
	p := startPanel(t, setting{})
	p.cliMust("hub", "pair", s.window(hub.WindowAsk{}))
	s.awaitStatus("online", online)
	p.untilHub("it is connected", connected)
	began := time.Now()
	if err := s.enrollment.Revoke(context.Background(), p.id, fleet.Change{Who: "anna"}); err != nil {
		t.Fatal(err)
	}
	v := p.untilHub("it is revoked", func(v belongs) bool { return strings.Contains(v.Detail, "does not honor this panel any more") })
	t.Logf("shown after %v", time.Since(began))
	if v.State != "failed" || !v.Paired {
		t.Errorf("%+v", v)
	}
	if list := s.broker.Connected(); len(list) != 0 {
		t.Errorf("connected: %v", list)
	}
	// A code for any panel does not bring it back; one for this very panel does.
	p.cliFails("was revoked or replaced", "hub", "pair", s.window(hub.WindowAsk{}))
	p.cliMust("hub", "pair", s.window(hub.WindowAsk{Identity: p.identity()}))
	p.untilHub("it is connected", connected)
}

func TestDeadPanelIsReplaced(t *testing.T) {
	t.Parallel()
	s := startHub(t)
	dead, fresh := startPanel(t, setting{}), startPanel(t, setting{})
	dead.cliMust("hub", "pair", s.window(hub.WindowAsk{Name: "gate"}))
	s.awaitStatus("online", online)
	fresh.cliMust("hub", "pair", s.window(hub.WindowAsk{Name: "gate", Replaces: dead.id}))
	fresh.untilHub("it is connected", connected)
	dead.untilHub("it is replaced", func(v belongs) bool { return strings.Contains(v.Detail, "replaced") })
	if p, _, _ := s.ledger.Panel(dead.id); p.State() != fleet.PanelReplaced || p.ReplacedBy != fresh.id {
		t.Errorf("the dead one: %+v", p)
	}
	if p, _, _ := s.ledger.Panel(fresh.id); p.State() != fleet.PanelEnrolled || p.Replaces != dead.id || p.Name != "gate" {
		t.Errorf("the fresh one: %+v", p)
	}
}

func TestCertificateIsRenewedBeforeItEnds(t *testing.T) {
	t.Parallel()
	s := startHub(t)
	p := startPanel(t, setting{})
	s.ago.Store(int64(250 * 24 * time.Hour)) // more than two thirds of a year
	p.cliMust("hub", "pair", s.window(hub.WindowAsk{}))
	s.awaitStatus("online", online)
	old := p.hubView().Until
	p.stop()
	s.ago.Store(0)
	p = p.restart()
	v := p.untilHub("it has another certificate", func(v belongs) bool { return v.Until.After(old) && v.State == "ok" })
	if left := time.Until(v.Until); left < 364*24*time.Hour {
		t.Errorf("the new one ends %v", v.Until)
	}
	p.stop()
	asked := s.asked.Load()
	p.restart().untilHub("it is connected", connected)
	if s.asked.Load() != asked {
		t.Error("a fresh certificate was renewed")
	}
}

func TestPanelThatLostTheTimeStillKnowsItsHub(t *testing.T) {
	t.Parallel()
	s := startHub(t)
	p := startPanel(t, setting{})
	p.clock(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), false)
	p.cliMust("hub", "pair", s.window(hub.WindowAsk{}))
	s.awaitStatus("online", func(st telemetry.Status) bool { return st.Online && !st.ClockTrusted })
	p.untilHub("it is connected", connected)
	// A clock that is trusted and far behind is believed: the hub's certificate has not begun yet.
	other := startPanel(t, setting{})
	other.clock(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), true)
	other.cliFails("check the clocks", "hub", "pair", s.window(hub.WindowAsk{}))
}

func TestScannerTakesAHubsCodeOnlyAfterTheServiceInput(t *testing.T) {
	t.Parallel()
	s := startHub(t)
	p := startPanel(t, setting{})
	code := s.window(hub.WindowAsk{})
	p.scan(code)
	p.waitEntry("scan.refused", "pairing_closed")
	p.waitText("A hub's code: ask your installer to press the service button")
	if p.hubView().Paired || s.asked.Load() != 0 {
		t.Fatal("it was taken")
	}
	p.input("service", true)
	p.waitEntry("service.on", "")
	p.scan("DH1:NOT A CODE")
	p.waitEntry("scan.refused", "pairing_failed")
	p.scan(code)
	p.waitEntry("hub.paired", "scanner")
	p.waitText("Connected to Rossi Impianti")
	s.awaitStatus("online", online)
	p.scan(s.window(hub.WindowAsk{})) // one press, one hub
	p.waitEntry("scan.refused", "pairing_closed")
}

func TestResetLeavesTheHubAndABackupBringsItNotBack(t *testing.T) {
	t.Parallel()
	s := startHub(t)
	p := startPanel(t, setting{})
	p.cliMust("hub", "pair", s.window(hub.WindowAsk{}))
	s.awaitStatus("online", online)
	backup := filepath.Join(t.TempDir(), "backup")
	p.cliMust("backup", backup)
	p.cliMust("hub", "leave", "--yes")
	s.awaitStatus("stopped", stopped)
	p.stop()
	p.cliMust("restore", backup)
	p = p.restart()
	if p.hubView().Paired {
		t.Error("a backup brought a hub back that the panel had left")
	}
	p.cliMust("hub", "pair", s.window(hub.WindowAsk{}))
	s.awaitStatus("online", online)
	without := filepath.Join(t.TempDir(), "without")
	p.cliMust("backup", without)
	p.stop()
	p.cliMust("restore", backup)
	p = p.restart()
	p.untilHub("it is connected", connected)
	p.cliMust("reset", "--yes")
	<-p.ended
	p = p.restart()
	if p.hubView().Paired {
		t.Error("the next owner's panel belongs to the hub of the one before")
	}
	if _, err := os.Stat(filepath.Join(p.data, "keys", "hub-tls.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the key that was shown to the hub stays: %v", err)
	}
}

func TestInstallerJoinsAHubOnThePage(t *testing.T) {
	t.Parallel()
	s := startHub(t)
	p := startPanel(t, setting{})
	p.setup()
	b := newBrowser(t)
	b.do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate(p.url+"/admin#hub"))
	b.do(chromedp.SendKeys(chromedp.CSS("input[type=password]"), password))
	b.press("form", "Log in", "Log in")
	b.shows("main", "This panel belongs to no hub")
	b.do(chromedp.SendKeys(chromedp.CSS("textarea"), "DH1:WRONG"))
	b.press("form", "pairing code", "Join this hub")
	b.shows("main", "cannot read pairing code")
	code := s.window(hub.WindowAsk{})
	b.do(chromedp.SetValue(chromedp.CSS("textarea"), code))
	b.press("form", "pairing code", "Join this hub")
	b.shows("main", "This panel belongs to Rossi Impianti now")
	b.shows("main", "connected")
	s.awaitStatus("online", online)
	b.shot("hub")
	if err := s.enrollment.Revoke(context.Background(), p.id, fleet.Change{Who: "anna"}); err != nil {
		t.Fatal(err)
	}
	b.shows("main", "does not honor this panel any more")
	b.shot("hub-revoked")
	b.press("section", "Leave this hub", "Leave this hub")
	b.shows("main", "Leave this hub")
	if said := b.said(); len(said) > 0 {
		for _, line := range said {
			if !strings.Contains(line, "422") { // the browser names each refusal
				t.Errorf("the console says %q", line)
			}
		}
	}
}
