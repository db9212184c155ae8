package main

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/agent"
	"github.com/doorpanel/doorpanel/panel/orders"
	"github.com/doorpanel/doorpanel/panel/outbox"
	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/sip"
	"github.com/doorpanel/doorpanel/storage"
	"github.com/doorpanel/doorpanel/telemetry"
)

// house is one running panel: every part, and how they hang together. It is built from top to bottom in build.
type house struct {
	config  configs.Config
	log     *slog.Logger
	keys    deviceKeys
	id      string // the panel's
	boot    string
	started time.Time
	clock   *clock
	parts   *parts

	store    *storage.Store
	journal  *storage.Journal
	memory   storage.Table[memorySnapshot]
	notes    []string
	damaged  []string      // keys of license documents that the store lost
	later    []panel.Noted // what the start has to write down once there is somebody to write it
	hardware *hardware
	scans    <-chan scan
	dir      *directory
	licenses *agent.Licenses
	phone    *sip.Phone
	agent    *agent.Agent
	hub      *membership
	uplink   upward
	pages    *web.Server
	address  string          // of the pages, as a URL
	print    string          // fingerprint of their certificate
	logged   func() []string // the last lines of the log
	running  atomic.Bool     // the loop takes what it is told
	reset    chan struct{}   // closed by onceReset when the owner's data are to be erased

	onceReset sync.Once

	closers []func() error // in the order of opening
}

// extras is what whoever starts a panel adds: the demonstration to simulated hardware, the daemon its log.
type extras struct {
	logged   func() []string                        // the last lines of the log; nil: none
	state    func() map[string]any                  // fields for /sim/state
	handlers func(h *house) map[string]http.Handler // more below /sim/
}

// memorySnapshot is what the machine must know again, up to an entry of the journal.
type memorySnapshot struct {
	Epoch  string         `json:"epoch"`
	Seq    uint64         `json:"seq"`
	Mark   time.Time      `json:"mark"`
	Ran    time.Duration  `json:"ran_ns,omitempty"`
	Leapt  time.Duration  `json:"leapt_ns,omitempty"`
	Memory []panel.Memory `json:"memory"`
}

const (
	// 2: the panel says itself, under its key, when it activated a license (documentStore.upgrade); a person's cards and codes lie
	// in that person's record (directory.takeOver).
	schema      = 2
	memoryTable = "memory"
	snapshotKey = "machine"
	// maxStore bounds the store in bytes. A hundred thousand people with a card and a code each take half of it.
	maxStore = 128 << 20
	ringFor  = 60 * time.Second
	talkFor  = 2 * time.Minute
)

// build makes every part and connects them; nothing moves before run. On an error everything opened is closed again.
func build(config configs.Config, log *slog.Logger, address, print string, more extras) (h *house, err error) {
	h = &house{
		config: config, log: log, boot: newID(8), started: time.Now(), parts: &parts{}, address: address, print: print,
		reset: make(chan struct{}), logged: more.logged,
	}
	if h.logged == nil {
		h.logged = func() []string { return nil }
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
			h = nil
		}
	}()

	// What a past owner asked to be forgotten.
	if err := finishReset(config, log); err != nil {
		h.note("the reset", err.Error())
	}

	// What it keeps. The store's lock comes first: of two programs that start here, one goes on, and only that one makes keys.
	if err = h.openStorage(); err != nil {
		return h, err
	}

	// Who this panel is.
	if h.keys, err = loadKeys(config.KeysDir); err != nil {
		return h, err
	}
	h.id = envelope.NameOf(h.keys.public())

	// What it sees and moves. Callbacks reach the agent, which is made further down and runs before the hardware does.
	senses := &senses{doors: doorNames(config), scans: make(chan scan, 8)}
	if h.hardware, err = newHardware(config, log, h.parts, senses, more.state); err != nil {
		return h, err
	}
	h.scans = senses.scans
	h.closers = append(h.closers, h.hardware.close)
	h.clock = newClock(h.hardware.wall)

	// What it remembers.
	replay := replayOf(h.store, h.journal, h.note)
	h.clock.restore(replay.Time, buildTime())
	h.recallTime()

	// What it may do, and which hub has a say in it. That is connected to when the panel runs.
	h.openMembership()
	h.openLicenses(replay)

	// Whom it knows.
	h.dir, err = newDirectory(h.store, h.keys.index, senses.doors, seedButtons(config))
	if err != nil {
		h.note("the store", err.Error())
		err = nil
	}
	h.dir.guesses = config.Access.GuessesADay
	h.dir.entitlements, h.dir.route, h.dir.check = h.licenses.Entitlements, router(config.SIP.Accounts), sip.ParseTarget

	// How it calls.
	if h.phone, err = sip.New(sip.Options{
		Listen: config.SIP.Listen.String(), Accounts: sipAccounts(config.SIP.Accounts), UserAgent: "doorpanel/" + version(),
		DisplayName: config.Site.Name, RingTimeout: config.SIP.RingTimeout, Logger: log.With("part", "sip"), Events: func(e sip.Event) {
			h.phoneEvent(e)
		},
	}); err != nil {
		return h, err
	}
	h.closers = append(h.closers, h.phone.Close)

	// The core, and the one loop around it.
	machine := panel.New(h.rules(), h.licenses.Entitlements(), replay.Memory(), h.clock.now())
	h.agent = agent.New(agent.Options{
		Panel: machine, Boot: h.boot, Journal: h.journal, Phone: h.telephone(), Hardware: h.hardware.out, Lookups: h.dir,
		Button: h.dir.Button, Doors: senses.doors, Clock: h.clock.now, Replay: replay, Logger: log, Seal: sealMark, Key: h.keys.public(),
		HasHub: func() bool { return h.licenses.Hub().Key != nil },
	})
	senses.agent.Store(h.agent)
	h.dir.note = h.tell
	h.dir.now = func() time.Time { return h.clock.now().Wall }
	h.dir.signPass = h.signPass
	h.agent.Post(h.dir.policies())
	h.dir.decide = func(e panel.PoliciesChanged) { h.handOver("schedules and policies", e) }
	h.dir.removed = func(e panel.Removed) { h.handOver("who was removed", e) }
	h.dir.wrongTry = func(e panel.WrongTry) { h.handOver("a wrong try", e) }
	h.dir.codesBlocked = func() time.Duration { return h.agent.View().CodesBlocked }

	// The pages.
	if err = h.buildPages(senses, more); err != nil {
		return h, err
	}
	h.parts.notify(h.uplink.StatusChanged)
	return h, nil
}

// signPass makes the text of a guest's pass for this panel. The same pass is the same text.
func (h *house) signPass(id string, g guestRecord) (string, error) {
	pass := license.Pass{Panel: h.keys.public(), NotBefore: g.From, Expires: g.Until, Uses: g.Uses, Doors: g.Doors}
	if _, err := hex.Decode(pass.ID[:], []byte(id)); err != nil {
		return "", fmt.Errorf("cannot sign pass %q: %w", id, err)
	}
	raw, err := pass.Sign(func(m []byte) ([]byte, error) { return ed25519.Sign(h.keys.sign, m), nil })
	if err != nil {
		return "", err
	}
	return envelope.Armor(envelope.Pass, raw), nil
}

func (h *house) openStorage() error {
	store, notes, err := storage.Open(storage.Options{Dir: h.config.Data, MaxSize: maxStore, Schema: schema, Logger: h.log})
	if err != nil {
		return err
	}
	h.closers = append(h.closers, store.Close)
	h.store = store
	h.memory = storage.NewTable[memorySnapshot](store, memoryTable)
	var holding []string
	if h.config.Uplink.Broker != "" || member(store) {
		holding = []string{outbox.Cursor}
	}
	journal, more, err := storage.OpenJournal(storage.JournalOptions{
		Dir: h.config.Data, MaxBytes: h.config.Journal.MaxBytes, Holding: holding, Logger: h.log,
	})
	if err != nil {
		return err
	}
	h.closers = append(h.closers, journal.Close)
	h.journal = journal
	for _, n := range append(notes, more...) {
		if n.Table == documentTable {
			h.damaged = append(h.damaged, n.Key)
		}
		where := ""
		if n.File != "" {
			where = "; set aside as " + filepath.Base(n.File)
		}
		h.note(n.What, n.Cause+where)
	}
	return nil
}

// note keeps what was found at the start, for the page, the log and the journal.
func (h *house) note(what, cause string) {
	h.notes = append(h.notes, what+": "+cause)
	h.log.Warn("found at start", "what", what, "cause", cause)
}

// tell writes down what somebody changed. A full loop is waited for, so that no change goes unrecorded; before the loop runs,
// its inbox has room.
func (h *house) tell(e panel.Entry) { h.write(panel.Noted{Entry: e}) }

func (h *house) write(n panel.Noted) {
	if !h.running.Load() {
		h.agent.Post(n)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), orderTimeout)
	defer cancel()
	if err := h.agent.Do(ctx, n); err != nil {
		h.log.Error("cannot record a change", "kind", n.Entry.Kind, "detail", n.Entry.Detail, "cause", err)
	}
}

// replayOf reads what must be remembered: the last snapshot, and every entry of the journal after it. A snapshot of another
// journal tells only how late it is for sure.
func replayOf(store *storage.Store, journal *storage.Journal, note func(what, cause string)) *agent.Replay {
	replay := &agent.Replay{}
	snapshot, found, err := storage.NewTable[memorySnapshot](store, memoryTable).Get(snapshotKey)
	known := license.Timekeeping{Mark: snapshot.Mark, Ran: snapshot.Ran, Leapt: snapshot.Leapt}
	other := err != nil || !found || snapshot.Epoch != journal.Epoch()
	if other {
		snapshot = memorySnapshot{}
	} else {
		replay.Restore(snapshot.Memory, known)
	}
	defer func() {
		if other {
			replay.Time = known.Recover(replay.Time)
		}
	}()
	for after := snapshot.Seq; ; {
		frames, err := journal.Read(after, 1024)
		for _, f := range frames {
			if f.Gap == nil {
				if record, err := agent.Decode(f.Open, f.Personal); err == nil {
					replay.Add(record)
				}
			}
			after = f.Seq
		}
		if err != nil {
			// A disk that does not give its journal back keeps nobody in: the exit button needs a panel that runs.
			note("the journal", fmt.Sprintf("%v; what was to be remembered from there on is not known", err))
		}
		if err != nil || len(frames) == 0 {
			return replay
		}
	}
}

// openLicenses brings together what the store and the journal know of licenses. What either of them lacks it gets back.
func (h *house) openLicenses(replay *agent.Replay) {
	store := newDocumentStore(h.store)
	if err := store.markDamaged(h.damaged, replay.Memory()); err != nil {
		h.note("license documents that were damaged", err.Error())
	}
	kept, err := gather(store, h.keys, replay.Memory())
	if err != nil {
		h.note("licenses of an earlier version", err.Error())
	}
	if len(kept.missing) > 0 && !h.store.ReadOnly() {
		if err := store.add(kept.missing); err != nil {
			h.note("license documents that the store had lost", err.Error())
		}
	}
	h.later = append(h.later, kept.entries()...)
	var faults []error
	h.licenses, faults = agent.NewLicenses(agent.LicenseOptions{
		Roots: h.config.License.Roots, Panel: license.Panel{Key: h.keys.public(), Site: h.config.Site.Name, Zone: h.config.Site.TimeZone, Hub: h.membershipOf()},
		Name: panelName(h.config.Site), Sign: h.keys.signMessage, Store: store, Drop: store.Drop, Answered: agent.AnsweredBefore(replay.Memory()), Docs: kept.docs, Clock: h.clock.license, Prove: h.clock.prove, Logger: h.log,
	})
	for _, fault := range faults {
		h.note("a stored license document", fault.Error())
	}
}

// panelName is what people at other panels call this one.
func panelName(s configs.Site) string {
	name := strings.TrimSpace(s.Name + " " + s.Panel)
	if len(name) > maxIdentityName {
		name = cmp.Or(s.Panel, strings.ToValidUTF8(name[:maxIdentityName], ""))
	}
	return name
}

// maxIdentityName bounds the name in a panel's identity, in bytes.
const maxIdentityName = 64

// saveMemory makes the next start short. What it stores is in the journal already.
func (h *house) saveMemory(ctx context.Context) error {
	s, err := h.agent.Snapshot(ctx)
	if err != nil {
		return err
	}
	if s.Seq > 0 {
		if err := h.journal.Wait(ctx, s.Seq-1); err != nil {
			return err
		}
	}
	if h.store.ReadOnly() {
		return nil
	}
	return h.memory.Put(snapshotKey, memorySnapshot{
		Epoch: h.journal.Epoch(), Seq: s.Seq, Mark: s.Time.Mark, Ran: s.Time.Ran, Leapt: s.Time.Leapt, Memory: s.Memory,
	})
}

// handOver waits until the machine has taken note of a change of the store.
func (h *house) handOver(what string, e panel.Event) {
	ctx, cancel := context.WithTimeout(context.Background(), orderTimeout)
	defer cancel()
	if err := h.agent.Do(ctx, e); err != nil {
		h.log.Error("cannot tell the machine", "what", what, "cause", err)
	}
}

func (h *house) rules() panel.Rules {
	r := panel.Rules{
		ID: h.id, Boot: h.boot, Words: panel.WordsIn(h.config.Site.Language), Zone: h.config.Site.TimeZone,
		RingFor: ringFor, TalkFor: talkFor, TamperBlock: h.config.Inputs.TamperBlock,
		Policy: access.Policy(h.config.Access.Policy), GuessesADay: h.config.Access.GuessesADay, EmptyAt: h.config.Access.EmptyAt,
	}
	if t := h.config.SIP.RingTimeout; t > 0 {
		r.RingFor = t
	}
	for _, d := range h.config.Doors {
		r.Doors = append(r.Doors, panel.DoorRules{
			Name: d.Name, Pulse: d.Pulse, OpenDigit: d.OpenDigit, HeldAfter: d.HeldOpenAfter, HeldWarning: d.HeldWarning,
			Toggle: d.Toggle, ToggleFor: d.ToggleFor, StandsOpen: d.StandsOpen, OpenAfterGrant: d.OpenAfterGrant, Interlock: d.Interlock, Fire: panel.FireReaction(d.Fire),
			Contact: h.config.Access.InsideWhenOpened && h.hardware.contacts[d.Name],
		})
	}
	for _, reader := range h.config.Readers {
		r.Readers = append(r.Readers, panel.Reader{Name: reader.Name, Door: reader.Door, Direction: panel.Direction(reader.Direction)})
	}
	return r
}

func doorNames(c configs.Config) []string {
	var names []string
	for _, d := range c.Doors {
		names = append(names, d.Name)
	}
	return names
}

func seedButtons(c configs.Config) []buttonRecord {
	var seed []buttonRecord
	for _, b := range c.Buttons {
		seed = append(seed, buttonRecord{Number: b.Number, Label: b.Label, Target: b.Target, Account: b.Account})
	}
	return seed
}

func sipAccounts(list []configs.Account) []sip.Account {
	var accounts []sip.Account
	for _, a := range list {
		accounts = append(accounts, sip.Account{
			Name: a.Name, Registrar: a.Registrar, User: a.User, Password: sip.Secret(a.Password.Reveal()), Expires: a.Expires,
		})
	}
	return accounts
}

// router tells how a target would be reached: a phone on this host or on the LAN, called directly, is free;
// whatever goes through a server, or out of the LAN, is not.
func router(accounts []configs.Account) func(target, account string) (panel.Route, string) {
	return func(target, account string) (panel.Route, string) {
		switch {
		case target == "":
			return panel.NoRoute, ""
		case account != "":
			return panel.Server, account
		case sip.NeedsAccount(target):
			if len(accounts) == 0 {
				return panel.Server, ""
			}
			return panel.Server, accounts[0].Name
		}
		host := hostOf(target)
		for _, a := range accounts {
			if strings.EqualFold(hostOf(a.Registrar), host) {
				return panel.Server, a.Name
			}
		}
		if onLAN(host) {
			return panel.LAN, ""
		}
		return panel.Server, ""
	}
}

// hostOf takes the host out of a SIP address that ParseTarget has accepted. The user may hold a semicolon, the host may not:
// what comes before the @ is taken off first.
func hostOf(target string) string {
	_, rest, _ := strings.Cut(target, ":")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = rest[at+1:]
	}
	rest, _, _ = strings.Cut(rest, ";")
	if host, _, err := net.SplitHostPort(rest); err == nil {
		return host
	}
	return strings.Trim(rest, "[]")
}

func onLAN(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast()
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if !strings.Contains(host, ".") {
		// A name without a domain is one of the LAN's. A number is none: some resolvers read it as an address of anywhere.
		return strings.Trim(host, "0123456789") != "" && !strings.HasPrefix(host, "0x") && !strings.ContainsAny(host, ":[]")
	}
	for _, domain := range []string{".local", ".lan", ".home.arpa", ".internal"} {
		if strings.HasSuffix(host, domain) {
			return true
		}
	}
	return false
}

// telephone gives the agent the phone, with "every account" understood.
func (h *house) telephone() agent.Phone {
	return telephone{phone: h.phone, accounts: h.config.SIP.Accounts, parts: h.parts}
}

type telephone struct {
	phone    *sip.Phone
	accounts []configs.Account
	parts    *parts
}

func (t telephone) Place(call, target, account string) { t.phone.Place(call, target, account) }
func (t telephone) HangUp(call string)                 { t.phone.HangUp(call) }

func (t telephone) SetAccount(name string, on bool) {
	for _, a := range t.accounts {
		if name == "" || name == a.Name {
			t.phone.SetAccount(a.Name, on)
		}
	}
}

// phoneEvent puts what the telephone says into the words of the core.
func (h *house) phoneEvent(e sip.Event) {
	switch e.Kind {
	case sip.Ringing:
		h.agent.Post(panel.CallRinging{Call: e.Call})
	case sip.Answered:
		h.agent.Post(panel.CallAnswered{Call: e.Call})
	case sip.Digit:
		h.agent.Post(panel.DigitPressed{Call: e.Call, Digit: e.Digit})
	case sip.Ended:
		h.agent.Post(panel.CallEnded{Call: e.Call})
	case sip.Failed:
		reason := panel.Unreachable
		switch e.Reason {
		case sip.Busy:
			reason = panel.Busy
		case sip.Refused:
			reason = panel.Refused
		case sip.NoAnswer:
			reason = panel.NoAnswer
		}
		h.agent.Post(panel.CallFailed{Call: e.Call, Reason: reason, Detail: e.Text})
	case sip.AccountChanged:
		state := map[sip.AccountState]string{sip.Registered: "ok", sip.Registering: "starting", sip.Unavailable: "failed", sip.Off: "off"}[e.State]
		h.parts.set("account", e.Account, state, e.Text)
		h.agent.Post(panel.AccountChanged{Account: e.Account, State: string(e.State), Detail: e.Text})
	}
}

// orderDesk takes orders from upstream by whoever has one of the keys.
func (h *house) orderDesk(keys map[envelope.KeyID]ed25519.PublicKey) orders.Desk {
	return orders.Desk{Core: h.agent, Keys: keys, Note: func(e panel.Noted) { h.agent.Post(e) }, Reply: h.uplink.Reply, Licenses: h.hearHub}
}

const orderTimeout = 5 * time.Second

// presentScans takes codes from the scanners, one at a time, until ctx ends.
func (h *house) presentScans(ctx context.Context, scans <-chan scan) {
	port := h.licensePort()
	var pairing sync.WaitGroup
	defer pairing.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-scans:
			if h.agent.Scan(s.reader, s.text) {
				continue
			}
			if telemetry.IsPairing(s.text) {
				pairing.Go(func() { h.scanPairing(ctx, s) })
				continue
			}
			if kind, _, _ := envelope.Unarmor(s.text); kind == "" {
				h.agent.Post(panel.CodeRejected{Reader: s.reader, Why: "not_ours"})
				continue
			}
			if _, err := port.Present(ctx, s.text, "", "scanner", ""); err != nil && ctx.Err() == nil {
				h.log.Error("cannot take scanned code", "reader", s.reader, "cause", err)
				h.agent.Post(panel.CodeRejected{Reader: s.reader, Why: "cannot_store"})
			}
		}
	}
}

func (h *house) licensePort() licensePort {
	return licensePort{licenses: h.licenses, agent: h.agent, dir: h.dir, id: h.id, name: panelName(h.config.Site), now: func() time.Time { return h.clock.now().Wall }}
}

// status is the panel's word about itself, retained at the broker.
func (h *house) status() telemetry.Status {
	now, view := h.clock.now(), h.agent.View()
	s := telemetry.Status{
		Online: true, Boot: h.boot, Epoch: h.journal.Epoch(), Seq: h.journal.Durable(), Version: version(), Since: h.started,
		MonoMS: uint64(now.Mono.Milliseconds()), Accounts: h.parts.ofKind("account"), Doors: map[string]telemetry.Door{}, ClockTrusted: now.Trusted,
	}
	if roots := h.config.License.Roots; len(roots) > 0 {
		s.Root = envelope.KeyText(roots[0])
	}
	for _, d := range view.Doors {
		s.Doors[d.Name] = telemetry.Door{Open: d.Released, Contact: contactOf(d, h.hardware.contacts[d.Name]), Alarm: alarmOf(d, view.Fire)}
	}
	return s
}

func (h *house) buildPages(senses *senses, more extras) error {
	sessions := sessionPort{storage.NewTable[web.Session](h.store, "sessions")}
	if err := sessions.dropOld(h.clock.now().Wall); err != nil {
		h.log.Warn("cannot forget old sessions", "cause", err)
	}
	leaving := map[string]bool{}
	for _, r := range h.config.Readers {
		leaving[r.Name] = r.Direction == configs.Out
	}
	h.dir.presence = presencePort{agent: h.agent, dir: h.dir}
	h.dir.attendance = attendancePort{journal: h.journal, dir: h.dir, leaving: leaving, zone: h.config.Site.TimeZone}
	safe := map[string]string{}
	for _, d := range h.config.Doors {
		safe[d.Name] = string(d.Safe)
	}
	licenses := h.licensePort()
	keypad := ""
	if i := slices.IndexFunc(h.config.Readers, func(r configs.Reader) bool { return r.Direction == configs.In }); i >= 0 {
		keypad = h.config.Readers[i].Name
	}
	var simulated http.Handler
	if h.hardware.sim != nil {
		mux := http.NewServeMux()
		mux.Handle("/sim/", h.hardware.sim)
		if more.handlers != nil {
			for pattern, handler := range more.handlers(h) {
				mux.Handle(pattern, handler)
			}
		}
		simulated = mux
	}
	pages, err := web.New(web.Options{
		Doors: doorPort{agent: h.agent, safe: safe, contacts: h.hardware.contacts, parts: h.parts}, Licenses: licenses,
		Pools: licenses, Bindings: licenses,
		Lockdown: lockdownPort{h.agent}, SilentAlarm: h.alarmPort(), DuressCodes: h.alarmPort(), Guesses: h.alarmPort(),
		Archive: h.archive(),
		People:  h.dir, Directory: h.dir, Access: h.dir.ports(),
		Credentials: h.dir, Schedules: h.dir, Buttons: h.dir, Learner: learnPort{h.agent},
		Journal: journalPort{h.journal}, Accounts: accountPort{storage.NewTable[web.User](h.store, "users")}, Sessions: sessions,
		Face: facePort{agent: h.agent, dir: h.dir}, Touch: touchPort{agent: h.agent, reader: keypad},
		Status: h.webStatus, Alive: h.agent.Alive, Ready: h.ready,
		Note: h.tell,
		ShowSetupCode: func(code string) {
			h.hardware.setupCode(code)
			h.agent.Post(panel.SetupCodeChanged{Code: code})
			if code != "" {
				h.log.Warn("setup code for the first login, valid for ten minutes", "code", code)
			}
		},
		Reset:   h.askReset,
		Hub:     h.hubPort(),
		Bundle:  h.bundle,
		Press:   h.agent.Press,
		Address: func() string { return pageAddress(h.address) },
		Clock:   h.clock.now, Timekeeper: timePort{h.clock, storage.NewTable[clockWord](h.store, clockTable), h.tell}, Sim: simulated, Metrics: http.HandlerFunc(h.metrics),
		Zone: h.config.Site.TimeZone, SiteName: h.config.Site.Name, Language: h.config.Site.Language, Hosts: h.config.Web.Hosts, Logger: h.log.With("part", "web"),
	})
	h.pages = pages
	senses.service = func() {
		h.agent.Post(panel.Noted{Entry: panel.Entry{Kind: panel.ServiceOn}})
		h.serviced()
		pages.OpenSetupWindow()
	}
	return err
}

// askReset has everything of the owner erased as soon as the panel has ended.
func (h *house) askReset(via string) error {
	if h.store.ReadOnly() {
		return storeError(fmt.Errorf("cannot reset the panel: %w", storage.ErrReadOnly))
	}
	if err := askReset(h.config.Data, via, h.clock.now().Wall); err != nil {
		return err
	}
	h.onceReset.Do(func() { close(h.reset) })
	return nil
}

func (h *house) ready() (bool, []string) {
	var causes []string
	if h.store.ReadOnly() {
		causes = append(causes, "the store was written by a newer version and is read-only: install that version")
	}
	if !h.agent.JournalOK() {
		causes = append(causes, "the journal cannot be written: check the disk")
	}
	return len(causes) == 0, causes
}

func (h *house) webStatus() web.Status {
	now := h.clock.now()
	s := web.Status{
		Version: version(), Panel: h.id, Name: panelName(h.config.Site), Site: h.config.Site.Name, Boot: h.boot, StartedAt: h.started, Now: now.Wall, Trusted: now.Trusted,
		ReadOnly: h.store.ReadOnly(), Fingerprint: h.print, Epoch: h.journal.Epoch(), Seq: h.journal.Durable(), Parts: h.parts.all(), Notes: h.notes,
	}
	for _, root := range h.config.License.Roots {
		s.Roots = append(s.Roots, envelope.KeyText(root))
	}
	return s
}

func (h *house) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	first, last := h.journal.Bounds()
	metrics.WriteGaugeUint64(w, "doorpanel_journal_first_seq", first)
	metrics.WriteGaugeUint64(w, "doorpanel_journal_last_seq", last)
	metrics.WriteGaugeUint64(w, "doorpanel_journal_bytes", uint64(h.journal.Bytes()))
	metrics.WriteCounterUint64(w, "doorpanel_events_dropped_total", h.agent.Dropped())
	metrics.WriteGaugeUint64(w, "doorpanel_usable_buttons", uint64(h.licenses.Entitlements().Buttons()))
	for _, p := range h.parts.all() {
		up := uint64(0)
		if p.State == "ok" {
			up = 1
		}
		metrics.WriteGaugeUint64(w, fmt.Sprintf("doorpanel_part_up{kind=%q,name=%q}", p.Kind, p.Name), up)
	}
	metrics.WriteProcessMetrics(w)
}

// senses is where the hardware's callbacks arrive. It is filled once everything is built.
type senses struct {
	agent   atomic.Pointer[agent.Agent]
	doors   []string
	service func()
	scans   chan scan
}

// scan is a text that a scanner read.
type scan struct{ reader, text string }

// scan hands a code to whoever presents codes; a scanner that reads faster than the disk writes is not waited for.
func (s *senses) scan(reader, text string) {
	select {
	case s.scans <- scan{reader, text}:
	default:
		s.post(panel.CodeRejected{Reader: reader, Why: "cannot_store"})
	}
}

func (s *senses) press(button int)            { s.agent.Load().Press(button) }
func (s *senses) card(reader, uid string)     { s.agent.Load().Card(reader, uid) }
func (s *senses) key(reader string, key rune) { s.agent.Load().Key(reader, key) }

// post hands an event to the loop. The guard may report a strike before there is one: its state is among the parts, and
// told when the loop begins.
func (s *senses) post(e panel.Event) {
	if a := s.agent.Load(); a != nil {
		a.Post(e)
	}
}

func (s *senses) contact(door string, open, atStart bool) {
	if open {
		s.post(panel.DoorOpened{Door: door, AtStart: atStart})
	} else {
		s.post(panel.DoorClosed{Door: door})
	}
}

// input is a line of the whole panel, or the exit button of the first door.
func (s *senses) input(name string, on bool) {
	switch {
	case name == "exit":
		if on {
			s.post(panel.ExitRequested{Door: s.doors[0]})
		}
	case strings.HasPrefix(name, "exit-"):
		if on {
			s.post(panel.ExitRequested{Door: strings.TrimPrefix(name, "exit-")})
		}
	case name == "fire" && on:
		s.post(panel.FireAlarm{})
	case name == "fire":
		s.post(panel.Cleared{Input: panel.Fire})
	case name == "tamper" && on:
		s.post(panel.Tampered{})
	case name == "tamper":
		s.post(panel.Cleared{Input: panel.Tamper})
	case name == "service" && on:
		s.service()
	}
}

// urlOf is how a browser on this host reaches a listener.
func urlOf(l net.Addr, tls bool) string {
	u := url.URL{Scheme: "http", Host: l.String()}
	if tls {
		u.Scheme = "https"
	}
	return u.String()
}

// close undoes build in reverse.
func (h *house) close() error {
	var faults []error
	for _, undo := range slices.Backward(h.closers) {
		faults = append(faults, undo())
	}
	h.closers = nil
	return errors.Join(faults...)
}
