package main

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorpanel/doorpanel/daemon"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/outbox"
	"github.com/doorpanel/doorpanel/panel/pairing"
	"github.com/doorpanel/doorpanel/panel/uplink"
	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/storage"
	"github.com/doorpanel/doorpanel/telemetry"
)

const (
	hubTable = "hub"
	hubEntry = "membership"
	// hubKeyFile is the panel's key for TLS to its hub. It lies outside the store: a copied store cannot speak for the panel.
	hubKeyFile = "hub-tls.key"
	// scanWindow is for how long after the service input a hub's code is taken from a scanner: whoever stands at the door is not
	// to bring the panel under a hub of their own.
	scanWindow = 10 * time.Minute
	// renewEvery is how often it is looked whether the certificate is due.
	renewEvery = time.Hour
)

// hubRecord is what the panel keeps of the hub it belongs to.
type hubRecord struct {
	pairing.Membership
	At time.Time `json:"at"` // when it was paired, by its own clock
	By string    `json:"by"`
}

// membership is the panel's belonging to a hub. The uplink is built from it, anew each time it changes.
type membership struct {
	table   storage.Table[hubRecord]
	keys    string
	me      func() pairing.Me // without Key
	changed chan struct{}     // the uplink is to be built anew
	service atomic.Int64      // when the service input was used last, on the monotonic clock plus one; 0: never

	pairing sync.Mutex // one at a time
}

func (h *house) openMembership() {
	h.hub = &membership{
		table: storage.NewTable[hubRecord](h.store, hubTable), keys: h.config.KeysDir, changed: make(chan struct{}, 1),
		me: func() pairing.Me {
			return pairing.Me{Panel: h.keys.public(), Sign: h.keys.signMessage, Name: panelName(h.config.Site), Clock: h.certainTime}
		},
	}
}

// certainTime is a time that has come for sure, and whether it is the present: a panel that lost the time must still be able to
// tell its hub from another.
func (h *house) certainTime() (time.Time, bool) {
	now, _, keeping := h.clock.look()
	if now.Trusted {
		return now.Wall, true
	}
	latest := now.Wall
	for _, at := range []time.Time{buildTime(), keeping.Mark} {
		if at.After(latest) {
			latest = at
		}
	}
	return latest, false
}

// current is the hub that the panel belongs to, and this panel with the key that it shows there.
func (m *membership) current() (hubRecord, pairing.Me, bool, error) {
	record, found, err := m.table.Get(hubEntry)
	if err != nil || !found {
		return record, pairing.Me{}, false, err
	}
	me := m.me()
	content, err := os.ReadFile(filepath.Join(m.keys, hubKeyFile))
	if err == nil {
		me.Key, err = parseHubKey(m.keys, content)
	}
	return record, me, true, err
}

func parseHubKey(dir string, content []byte) (crypto.Signer, error) {
	key, err := pairing.ParseKey(content)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w; put a copy back, or let the panel leave its hub and pair it again", filepath.Join(dir, hubKeyFile), err)
	}
	return key, nil
}

// key is the panel's TLS key. One that is there and cannot be read is an error: the hub knows it.
func (m *membership) key() (crypto.Signer, error) {
	content, err := daemon.SecretFile(filepath.Join(m.keys, hubKeyFile), pairing.NewKey)
	if err != nil {
		return nil, err
	}
	return parseHubKey(m.keys, content)
}

// rebuild has the uplink built anew.
func (m *membership) rebuild() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// member tells whether the panel belongs to a hub, when the store is just open.
func member(store *storage.Store) bool {
	_, found, err := storage.NewTable[hubRecord](store, hubTable).Get(hubEntry)
	return err == nil && found
}

// serviced opens the scanners for a hub's code.
func (h *house) serviced() { h.hub.service.Store(int64(h.clock.now().Mono) + 1) }

func (h *house) scannersOpen() bool {
	at := h.hub.service.Load()
	return at > 0 && h.clock.now().Mono-time.Duration(at-1) < scanWindow
}

// scanPairing takes a hub's code from a scanner. It asks the network: whoever shows a pass meanwhile is not to wait.
func (h *house) scanPairing(ctx context.Context, s scan) {
	if !h.scannersOpen() {
		h.agent.Post(panel.CodeRejected{Reader: s.reader, Why: "pairing_closed"})
		return
	}
	view, err := h.hubPort().PairHub(ctx, s.text, "", "scanner")
	switch {
	case ctx.Err() != nil:
	case err != nil:
		h.log.Error("cannot pair with the hub of a scanned code", "reader", s.reader, "cause", err)
		h.agent.Post(panel.CodeRejected{Reader: s.reader, Why: "pairing_failed"})
	default:
		h.hub.service.Store(0)
		h.agent.Post(panel.HubJoined{Hub: view.Hub})
	}
}

// hubPort lets the pages pair the panel with a hub.
type hubPort struct{ h *house }

func (h *house) hubPort() hubPort { return hubPort{h} }

// Hub is what the panel knows about its hub. A record that cannot be used is shown as far as it goes, with the reason.
func (p hubPort) Hub() (web.HubView, error) {
	h := p.h
	if broker := h.config.Uplink.Broker; broker != "" {
		view := web.HubView{Configured: broker}
		view.State, view.Detail = h.parts.look("uplink", broker)
		return view, nil
	}
	record, me, found, err := h.hub.current()
	if !found {
		return web.HubView{}, err
	}
	view := web.HubView{
		Paired: true, Hub: record.Answer.Hub, Site: record.Answer.Site, Address: record.URL, Broker: record.Answer.Broker, Fingerprint: record.Fingerprint,
		Since: record.At, By: record.By,
	}
	if c, err := record.Certificate(); err == nil {
		view.Until = c.NotAfter
	}
	view.State, view.Detail = h.parts.look("uplink", record.Answer.Broker)
	if err == nil {
		err = record.Check(me)
	}
	if err != nil {
		view.State, view.Detail = "failed", err.Error()
	}
	return view, nil
}

// PairHub has the panel taken in by the hub of a code.
func (p hubPort) PairHub(ctx context.Context, code, by, via string) (web.HubView, error) {
	h := p.h
	if broker := h.config.Uplink.Broker; broker != "" {
		return web.HubView{}, fmt.Errorf("the configuration connects this panel to the broker %s; take broker out of [uplink] in the file and start the panel again, "+
			"then pair it: %w", broker, web.ErrConflict)
	}
	wanted, err := telemetry.ParsePairing(code)
	if err != nil {
		return web.HubView{}, fmt.Errorf("%v: %w", err, web.ErrInvalid)
	}
	if h.store.ReadOnly() {
		return web.HubView{}, storeError(fmt.Errorf("cannot pair the panel: %w", storage.ErrReadOnly))
	}
	h.hub.pairing.Lock()
	defer h.hub.pairing.Unlock()
	old, _, found, _ := h.hub.current()
	if found && old.Fingerprint != wanted.CA.String() {
		return web.HubView{}, fmt.Errorf("this panel belongs to hub %s already; let it leave that hub first: %w", old.Answer.Hub, web.ErrConflict)
	}
	if err := h.hub.enroll(ctx, h, wanted, old, found, by, via); err != nil {
		return web.HubView{}, err
	}
	return p.Hub()
}

// enroll asks the hub and keeps what it answers. Until that is kept, the same code and key give the same answer again.
func (m *membership) enroll(ctx context.Context, h *house, wanted telemetry.Pairing, old hubRecord, again bool, by, via string) error {
	me := m.me()
	var err error
	if me.Key, err = m.key(); err != nil {
		return err
	}
	member, err := pairing.Enroll(ctx, me, wanted)
	if err != nil {
		return fmt.Errorf("%v: %w", err, web.ErrHubRefused)
	}
	// The hub is to have all there is, from the first entry on. One that has it already says so.
	if !again {
		if err := rewindUplink(h.journal); err != nil {
			return err
		}
	}
	record := hubRecord{Membership: member, At: h.clock.now().Wall, By: cmp.Or(by, via)}
	if err := m.table.Put(hubEntry, record); err != nil {
		return storeError(fmt.Errorf("cannot keep what the hub answered: %w; try again with the same code", err))
	}
	h.joinHub()
	h.journal.Hold(outbox.Cursor)
	if again && old.Answer.Sealing != member.Answer.Sealing {
		h.endHubAlarm(ctx, old.Answer.Sealing, by)
	}
	h.tell(panel.Entry{Kind: panel.HubPaired, Who: by, Why: via, Detail: fmt.Sprintf("hub %s at %s, site %s", member.Answer.Hub, member.URL, member.Answer.Site)})
	m.rebuild()
	return nil
}

func rewindUplink(j *storage.Journal) error {
	cursor, err := j.Cursor(outbox.Cursor)
	if err != nil {
		return err
	}
	return cursor.Set(0)
}

// LeaveHub forgets the hub, and the key that was shown there: a certificate that somebody else has is worth nothing at the next
// pairing.
func (p hubPort) LeaveHub(ctx context.Context, by, via string) error {
	h := p.h
	h.hub.pairing.Lock()
	defer h.hub.pairing.Unlock()
	record, _, found, err := h.hub.current()
	if !found {
		if err != nil {
			return storeError(err)
		}
		return fmt.Errorf("this panel belongs to no hub: %w", web.ErrNotFound)
	}
	if err := h.hub.table.Delete(hubEntry); err != nil {
		return storeError(fmt.Errorf("cannot leave the hub: %w", err))
	}
	if err := os.Remove(filepath.Join(h.hub.keys, hubKeyFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		h.log.Warn("cannot remove the key that was shown to the hub", "cause", err)
	}
	h.joinHub()
	h.journal.Hold()
	h.endHubAlarm(ctx, record.Answer.Sealing, by)
	h.tell(panel.Entry{Kind: panel.HubLeft, Who: by, Why: via, Detail: fmt.Sprintf("hub %s at %s", record.Answer.Hub, record.URL)})
	h.hub.rebuild()
	return nil
}

// endHubAlarm switches the silent alarm off when it goes to a hub's key that hears of nothing any more: nobody is to rely on it.
func (h *house) endHubAlarm(ctx context.Context, key, by string) {
	view := h.agent.View()
	if key == "" || view.Duress != key && view.DuressTested != key {
		return
	}
	if err := h.agent.Do(ctx, panel.DuressOff{Who: by}); err != nil {
		h.log.Error("cannot switch off the silent alarm that goes to the hub", "cause", err)
	}
}

// upward is the uplink that there is at the moment; without one it takes what it is told and does nothing.
type upward struct{ now atomic.Pointer[uplink.Uplink] }

func (u *upward) StatusChanged() {
	if up := u.now.Load(); up != nil {
		up.StatusChanged()
	}
}

func (u *upward) Reply(r telemetry.Reply) {
	if up := u.now.Load(); up != nil {
		up.Reply(r)
	}
}

// runUplink connects upward, and once more whenever the panel has joined a hub, left it, or has another certificate.
func (h *house) runUplink(ctx context.Context) {
	for ctx.Err() == nil {
		part, err := h.buildUplink()
		if err != nil {
			h.parts.set("uplink", cmp.Or(part, "hub"), "failed", err.Error())
			h.log.Error("cannot connect upward", "cause", err)
		}
		session, end := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if up := h.uplink.now.Load(); up != nil {
				h.supervise(session, "uplink", part, 0, up.Run)
			}
		}()
		select {
		case <-ctx.Done():
		case <-h.hub.changed:
		}
		end()
		<-ended
		h.uplink.now.Store(nil)
		if ctx.Err() == nil && part != "" {
			h.parts.drop("uplink", part)
		}
	}
}

// buildUplink makes the uplink for the broker of the configuration, or of the hub. Without either there is none.
func (h *house) buildUplink() (part string, err error) {
	h.uplink.now.Store(nil)
	c := h.config.Uplink
	options := uplink.Options{
		Broker: c.Broker, User: c.User, Password: uplink.Secret(c.Password.Reveal()), CAFile: c.CA, Site: c.Site, Panel: h.id, Hub: c.Hub,
		Boot: h.boot, Heartbeat: c.Heartbeat, Status: h.status, Logger: h.log.With("part", "uplink"),
		Document: h.document,
	}
	keys := map[envelope.KeyID]ed25519.PublicKey{}
	for _, k := range c.CommandKeys {
		keys[envelope.IDOf(k)] = k
	}
	if c.Broker == "" {
		if err := h.hubOptions(&options, keys); err != nil || options.Broker == "" {
			return options.Broker, err
		}
	}
	options.Command = h.orderDesk(keys).Take
	options.State = func(connected bool, cause string) {
		if connected {
			h.report("uplink", options.Broker, nil)
		} else {
			h.parts.set("uplink", options.Broker, "failed", cause)
		}
	}
	box, err := outbox.New(h.journal)
	if err != nil {
		return options.Broker, err
	}
	up, err := uplink.New(options, box)
	if err != nil {
		return options.Broker, err
	}
	box.DoorChanged = up.StatusChanged
	box.Papers = c.Broker == "" // to its own hub alone: who reads a license that is bound to nobody could use it
	h.uplink.now.Store(up)
	return options.Broker, nil
}

// hubOptions say how the hub's broker is reached, and whose commands are heard besides those of the configuration.
func (h *house) hubOptions(options *uplink.Options, keys map[envelope.KeyID]ed25519.PublicKey) error {
	record, me, found, err := h.hub.current()
	if err != nil || !found {
		return err
	}
	options.Broker, options.Site, options.Hub, options.CAFile, options.User, options.Password = record.Answer.Broker, record.Answer.Site, true, "", "", ""
	if options.TLS, err = record.TLS(me); err != nil {
		return fmt.Errorf("cannot use what the hub gave: %w; pair the panel again", err)
	}
	key, err := envelope.ParseKey(record.Answer.Key)
	if err != nil {
		return err
	}
	keys[envelope.IDOf(key)] = key
	return nil
}

// keepCertificate asks for another certificate when two thirds of the time of the present one are over.
func (h *house) keepCertificate(ctx context.Context) {
	ticker := time.NewTicker(renewEvery)
	defer ticker.Stop()
	for {
		if err := h.renew(ctx); err != nil && ctx.Err() == nil {
			h.log.Warn("cannot renew the hub's certificate", "cause", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (h *house) renew(ctx context.Context) error {
	h.hub.pairing.Lock()
	defer h.hub.pairing.Unlock()
	record, me, found, err := h.hub.current()
	now, _ := h.certainTime()
	if err != nil || !found || h.config.Uplink.Broker != "" || !record.Due(now) {
		return err
	}
	member, err := pairing.Renew(ctx, me, record.Membership)
	if err != nil {
		return err
	}
	if member.Answer == record.Answer {
		return nil
	}
	record.Membership = member
	if err := h.hub.table.Put(hubEntry, record); err != nil {
		return err
	}
	h.log.Info("the hub gave another certificate")
	h.hub.rebuild()
	return nil
}

// carryHub leaves the panel with the hub that it belongs to now, or with none: a backup brings no hub back that the panel has left, and
// no certificate that was renewed since.
func carryHub(present, restored *storage.Store) error {
	from, to := storage.NewTable[hubRecord](present, hubTable), storage.NewTable[hubRecord](restored, hubTable)
	record, found, err := from.Get(hubEntry)
	if err != nil || !found {
		return to.Delete(hubEntry)
	}
	return to.Put(hubEntry, record)
}
