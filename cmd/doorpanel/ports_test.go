package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/daemon"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/agent"
	"github.com/doorpanel/doorpanel/panel/outbox"
	"github.com/doorpanel/doorpanel/storage"
	"github.com/doorpanel/doorpanel/telemetry"
)

// diary is a journal under test.
type diary struct {
	*storage.Journal
	t   *testing.T
	dir string
}

func openDiary(t *testing.T, dir string) diary {
	t.Helper()
	j, _, err := storage.OpenJournal(storage.JournalOptions{Dir: dir, Holding: []string{outbox.Cursor}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() }) // a test may have closed it
	return diary{j, t, dir}
}

// write appends entries and waits until they are durable.
func (d diary) write(entries ...panel.Entry) {
	d.t.Helper()
	for i, e := range entries {
		open, personal := agent.Record{Boot: "0011223344556677", Now: panel.Now{Wall: time.Unix(1_800_000_000, 0), Mono: time.Duration(i) * time.Second, Trusted: true}, Entry: e}.Encode()
		d.raw(open, personal)
	}
}

func (d diary) raw(open, personal []byte) {
	d.t.Helper()
	_, done, err := d.Append(open, personal)
	if err == nil {
		err = <-done
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d diary) outbox() (*outbox.Outbox, *int) {
	d.t.Helper()
	box, err := outbox.New(d.Journal)
	if err != nil {
		d.t.Fatal(err)
	}
	told := 0
	box.DoorChanged = func() { told++ }
	return box, &told
}

// next reads the next n events.
func next(t *testing.T, box *outbox.Outbox, n int) []telemetry.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var events []telemetry.Event
	for range n {
		e, err := box.Next(ctx)
		if err != nil {
			t.Fatalf("after %d events: %v", len(events), err)
		}
		events = append(events, e)
	}
	return events
}

func numbers(events []telemetry.Event) (list []uint64) {
	for _, e := range events {
		list = append(list, e.Seq)
	}
	return list
}

func TestOutboxGoesInOrderFromItsCursorAndBackWhenTold(t *testing.T) {
	d := openDiary(t, t.TempDir())
	d.write(slices.Repeat([]panel.Entry{{Kind: panel.ConfigIs}}, 200)...)
	box, _ := d.outbox()
	if got := numbers(next(t, box, 200)); got[0] != 1 || got[199] != 200 || !slices.IsSorted(got) {
		t.Errorf("%v", got)
	}
	for from, first := range map[uint64]uint64{0: 1, 1: 1, 70: 70, 200: 200} {
		if err := box.Rewind(from); err != nil {
			t.Fatal(err)
		}
		if got := numbers(next(t, box, 1)); got[0] != first {
			t.Errorf("after a rewind to %d comes %d, want %d", from, got[0], first)
		}
	}
	if err := box.Done(150); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again, _ := openDiary(t, d.dir).outbox()
	if got := numbers(next(t, again, 1)); got[0] != 151 {
		t.Errorf("after a restart comes %d, want 151", got[0])
	}
	ctx, cancel := context.WithCancel(context.Background())
	next(t, again, 49)
	cancel()
	if _, err := again.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("nothing is there and nobody waits: %v", err)
	}
}

func TestOutboxTellsOfGapsErasuresAndWhatCannotBeRead(t *testing.T) {
	d := openDiary(t, t.TempDir())
	d.write(panel.Entry{Kind: panel.AccessGranted, Door: "front", Who: "Anna Rossi", Credential: "c1"})
	d.raw([]byte("not an entry"), nil)
	d.write(panel.Entry{Kind: panel.StrikeOn, Door: "front", Why: "card", Reader: "front-in", Call: "call-1", Button: 3, Detail: "3s"})
	if _, err := d.Erase(func(_, personal []byte) bool { return len(personal) > 0 }); err != nil {
		t.Fatal(err)
	}
	box, told := d.outbox()
	got := next(t, box, 3)
	if e := got[0]; !e.Erased || e.Who != "" || e.Credential != "" || e.Kind != string(panel.AccessGranted) || e.Door != "front" {
		t.Errorf("an erased person: %+v", e)
	}
	if e := got[1]; e.Kind != "journal.unreadable" || e.Detail == "" || e.Seq != 2 || e.Epoch != d.Epoch() {
		t.Errorf("an entry that cannot be read: %+v", e)
	}
	if e := got[2]; e.Kind != string(panel.StrikeOn) || e.Why != "card" || e.Reader != "front-in" || e.Call != "call-1" || e.Button != 3 || e.Detail != "3s" || !e.Trusted || e.Boot != "0011223344556677" {
		t.Errorf("%+v", e)
	}
	if *told != 1 {
		t.Errorf("the status was to be published %d times, want once, for the strike", *told)
	}
	pages, err := journalPort{d.Journal}.After(0, 10)
	if err != nil || len(pages) != 3 || pages[1].Kind != "journal.unreadable" || pages[0].Who != "" {
		t.Errorf("%+v %v", pages, err)
	}

	// What was dropped for room is one event with its range, also when it is asked for from its middle.
	small := openSmall(t)
	for small.first() == 1 {
		small.write(slices.Repeat([]panel.Entry{{Kind: panel.ConfigIs, Detail: strings.Repeat("x", 200)}}, 50)...)
	}
	first := small.first()
	box, _ = small.outbox()
	for _, from := range []uint64{1, 3} {
		if err := box.Rewind(from); err != nil {
			t.Fatal(err)
		}
		gap := next(t, box, 2)
		if g := gap[0].Gap; g == nil || g.From != from || g.To != first-1 || g.Count != first-from || gap[0].Seq != first-1 || gap[0].Kind != "journal.gap" || gap[1].Seq != first {
			t.Errorf("from %d: %+v, the oldest entry is %d", from, gap, first)
		}
	}
	page, err := journalPort{small.Journal}.After(0, 2)
	if err != nil || len(page) != 2 || page[0].Gap != first-1 || page[1].Seq != first {
		t.Errorf("%+v %v", page, err)
	}
}

func openSmall(t *testing.T) diary {
	t.Helper()
	dir := t.TempDir()
	j, _, err := storage.OpenJournal(storage.JournalOptions{Dir: dir, MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return diary{j, t, dir}
}

func (d diary) first() uint64 {
	first, _ := d.Bounds()
	return first
}

func TestOutboxShowsTheChainAlsoAfterGoingBack(t *testing.T) {
	d := openDiary(t, t.TempDir())
	d.write(slices.Repeat([]panel.Entry{{Kind: panel.ConfigIs}}, 200)...)
	box, _ := d.outbox()
	all := next(t, box, 200)
	for i, e := range all {
		if len(e.Chain) != 32 || i > 0 && e.Prev != all[i-1].Chain {
			t.Fatalf("event %d: %q after %q", e.Seq, e.Prev, all[max(i, 1)-1].Chain)
		}
	}
	if _, chain := d.Head(); all[199].Chain != chain {
		t.Errorf("the last chain is %q, the journal's %q", all[199].Chain, chain)
	}
	if err := box.Rewind(70); err != nil {
		t.Fatal(err)
	}
	if again := next(t, box, 1)[0]; again.Prev != all[69].Prev || again.Chain != all[69].Chain {
		t.Errorf("%+v, want %+v", again, all[69])
	}
}

// A journal that had to be begun anew must not wait for numbers that only the old one had.
func TestOutboxOfAJournalThatBeganAnewIsNotStuck(t *testing.T) {
	d := openDiary(t, t.TempDir())
	d.write(slices.Repeat([]panel.Entry{{Kind: panel.ConfigIs}}, 20)...)
	box, _ := d.outbox()
	next(t, box, 20)
	if err := errors.Join(box.Done(20), d.Close()); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(d.dir, "journal", "*.seg"))
	if err != nil || len(segments) == 0 {
		t.Fatal(segments, err)
	}
	for _, s := range segments {
		if err := os.Remove(s); err != nil {
			t.Fatal(err)
		}
	}
	fresh := openDiary(t, d.dir)
	fresh.write(panel.Entry{Kind: panel.SystemStarted})
	box, _ = fresh.outbox()
	if e := next(t, box, 1)[0]; e.Kind != string(panel.SystemStarted) && e.Gap == nil {
		t.Errorf("%+v", e)
	}
}

func TestPartSaysHowItIsAndItsNewsAreToldOnce(t *testing.T) {
	p := &parts{}
	changes := 0
	p.notify(func() { changes++ })
	broken := errors.New("the chip does not answer")
	state := func(want, detail string) {
		t.Helper()
		if all := p.all(); len(all) != 1 || all[0].State != want || all[0].Detail != detail {
			t.Errorf("%+v, want %s %q", all, want, detail)
		}
	}
	news := func(want, got bool) {
		t.Helper()
		if got != want {
			t.Errorf("news: %v, want %v", got, want)
		}
	}
	try := p.begin("reader", "front-in")
	state("starting", "")
	news(false, p.settle("reader", "front-in", try))
	state("ok", "")
	news(true, p.report("reader", "front-in", broken))
	state("failed", broken.Error())
	// It is tried again: it is not whole because it was started, and says nothing new when it fails again.
	late := try
	try = p.begin("reader", "front-in")
	state("failed", broken.Error())
	news(false, p.settle("reader", "front-in", late))
	state("failed", broken.Error())
	news(false, p.report("reader", "front-in", errors.New("still")))
	news(false, p.settle("reader", "front-in", try)) // it has spoken for itself
	state("failed", "still")
	try = p.begin("reader", "front-in")
	news(true, p.settle("reader", "front-in", try))
	state("ok", "")
	news(false, p.report("reader", "front-in", nil))
	if changes != 4 { // starting, ok, failed, ok
		t.Errorf("%d changes were told, want 4", changes)
	}
	p.set("uplink", "mqtt://x", "failed", "no route")
	try = p.begin("uplink", "mqtt://x")
	if p.state("uplink", "mqtt://x") != "failed" || try != 1 {
		t.Error("a part that is started again is not shown as whole")
	}
	if got := p.ofKind("uplink"); len(got) != 1 || got["mqtt://x"] != "failed" {
		t.Errorf("%v", got)
	}
}

// The guard may report a strike before there is a loop to tell.
func TestSensesBeforeTheLoopHarmNothing(t *testing.T) {
	s := &senses{doors: []string{"front"}, scans: make(chan scan, 1)}
	s.post(panel.DeviceChanged{Device: "strike front", Dead: true})
	s.contact("front", true, true)
	s.input("exit", true)
	s.input("fire", true)
	for range 3 {
		s.scan("front-in", "DP1:X") // nobody takes them: the scanner must not wait
	}
}

// shelf is a license store in memory.
type shelf struct{}

func (shelf) Keep(...license.Document) error { return nil }

func TestEachStoredLicenseIsListedOnceWithWhenItWasActivated(t *testing.T) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(m []byte) ([]byte, error) { return ed25519.Sign(key, m), nil }
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	signed := func(id byte, grants ...license.Grant) []byte {
		token := license.Token{ID: license.TokenID{id}, Scope: license.ScopePanel, IssuedAt: now.AddDate(0, -1, 0), Grants: grants, Label: fmt.Sprint("license ", id)}
		raw, err := token.Sign(pub, sign)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	two := signed(1, license.Grant{Feature: license.Buttons, Count: 2}, license.Grant{Feature: license.SIP, Count: 1})
	other := signed(2, license.Grant{Feature: license.Buttons, Count: 3})
	at := func(days int) time.Time { return now.AddDate(0, 0, days-30) }
	activated := func(raw []byte, at time.Time) license.Document {
		doc, err := license.Activation{Panel: pub, License: raw, At: at}.Sign(sign)
		if err != nil {
			t.Fatal(err)
		}
		return doc
	}
	held := []license.Document{ // not in the order of activation, as they come from a store
		activated(other, at(3)), {Kind: envelope.Activation, Key: "activation/1", Raw: []byte("damaged")}, activated(two, at(1)),
		{Kind: envelope.Activation, Key: "activation/2", Raw: []byte("damaged, too")},
	}
	licenses, _ := agent.NewLicenses(agent.LicenseOptions{
		Roots: []ed25519.PublicKey{pub}, Panel: license.Panel{Key: pub}, Store: shelf{}, Docs: held, Logger: slog.New(slog.DiscardHandler),
		Clock: func() license.Clock { return license.Clock{Now: now, Trusted: true} },
	})
	list := licensePort{licenses: licenses, now: func() time.Time { return now }}.Held()
	if len(list) != len(held) {
		t.Fatalf("%d of %d: %+v", len(list), len(held), list)
	}
	for i, want := range []struct {
		activated time.Time
		status    license.Status
		buttons   int
	}{{at(3), license.Active, 3}, {at(1), license.Active, 2}, {time.Time{}, license.Unusable, 0}, {time.Time{}, license.Unusable, 0}} {
		l := list[i]
		if !l.Activated.Equal(want.activated) || l.Status != string(want.status) || l.Grants[license.Buttons] != want.buttons {
			t.Errorf("%d: %+v, want %+v", i, l, want)
		}
	}
	if one := list[1]; len(one.Grants) != 2 || one.Grants[license.SIP] != 1 || one.Label != "license 1" || one.Root != envelope.KeyText(pub) {
		t.Errorf("%+v", one)
	}
	none, _ := agent.NewLicenses(agent.LicenseOptions{Store: shelf{}, Clock: func() license.Clock { return license.Clock{Now: now} }, Logger: slog.New(slog.DiscardHandler)})
	if list := (licensePort{licenses: none}).Held(); list == nil || len(list) != 0 {
		t.Errorf("%+v", list)
	}
}

func TestAnswerThatBreaksOffInTheProcessIsAnError(t *testing.T) {
	ask := func(h http.HandlerFunc) (string, error) {
		res, err := (&http.Client{Transport: daemon.InProcess{Handler: h}}).Get("http://localhost/x")
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		return res.Status + " " + string(b), err
	}
	got, err := ask(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte("short and stout"))
	})
	if err != nil || got != "418 I'm a teapot short and stout" {
		t.Errorf("%q %v", got, err)
	}
	_, err = ask(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("half of "))
		panic(http.ErrAbortHandler)
	})
	if err == nil || !strings.Contains(err.Error(), "broke off") {
		t.Errorf("half an answer was taken for a whole one: %v", err)
	}
}
