package agent_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/agent"
)

// pool is a desk whose panel has ten buttons of license 1.
func pool(t *testing.T) (*desk, license.TokenID) {
	d := newDesk(t, nil)
	d.present(t, envelope.Armor(envelope.License, d.root.token(1, nil, buttons(10))))
	d.told = nil
	return d, license.TokenID{1}
}

func receiver(t *testing.T) license.Identity {
	return license.Identity{Panel: newVendor(t, "b").public(), Name: "Stairs B", At: issuedAt}
}

func (d *desk) asker() agent.Asker {
	return agent.Asker{By: "Maria", Via: "web", Inform: d.inform}
}

// remembered is what the journal knows of all that the panel was told.
func (d *desk) remembered() []license.Document {
	replay := agent.Replay{}
	for _, e := range d.told {
		switch e := e.(type) {
		case panel.Noted:
			replay.Add(agent.Record{Remember: e.Remember})
		case panel.LicensePresented:
			replay.Add(agent.Record{Remember: e.Remember})
		}
	}
	return agent.RememberedDocuments(replay.Memory())
}

func TestWhatIsGivenAwayIsKeptAndWrittenDownBeforeItsCodeIsShown(t *testing.T) {
	d, id := pool(t)
	out, err := d.Give(t.Context(), license.GiveOrder{License: id, To: receiver(t), Count: 4}, d.asker())
	if err != nil || !out.Done || !strings.HasPrefix(out.Code, "DS1:") {
		t.Fatalf("%+v %v", out, err)
	}
	if out.Before.Buttons() != 11 || out.After.Buttons() != 7 || d.Entitlements().Buttons() != 7 {
		t.Errorf("%d buttons before, %d after, %d now", out.Before.Buttons(), out.After.Buttons(), d.Entitlements().Buttons())
	}
	if len(d.told) != 2 {
		t.Fatalf("told %+v", d.told)
	}
	if e, ok := d.told[0].(panel.EntitlementsChanged); !ok || e.Entitlements.Buttons() != 7 {
		t.Errorf("first told %+v", d.told[0])
	}
	if e, ok := d.told[1].(panel.Noted); !ok || e.Entry.Kind != panel.LicenseGiven || e.Entry.Who != "Maria" || !strings.HasPrefix(e.Entry.Detail, "web: 4 buttons given to panel Stairs B") {
		t.Errorf("then told %+v", d.told[1])
	}
	if docs := d.remembered(); len(docs) != 1 || envelope.Armor(docs[0].Kind, docs[0].Raw) != out.Code {
		t.Errorf("the journal remembers %+v", docs)
	}
	d.open(t)
	if d.Entitlements().Buttons() != 7 {
		t.Error("after a restart it is back")
	}
}

func TestALookAndADisagreementChangeNothing(t *testing.T) {
	d, id := pool(t)
	stored := len(d.shelf.docs)
	a := d.asker()
	seen := agent.Outcome{}
	a.Agree = func(o agent.Outcome) bool {
		seen = o
		_ = d.Entitlements() // may be asked meanwhile
		return false
	}
	for name, order := range map[string]func() (agent.Outcome, error){
		"give": func() (agent.Outcome, error) {
			return d.Give(t.Context(), license.GiveOrder{License: id, To: receiver(t), Count: 4}, a)
		},
		"too many": func() (agent.Outcome, error) {
			return d.Give(t.Context(), license.GiveOrder{License: id, To: receiver(t), Count: 11}, a)
		},
		"undo": func() (agent.Outcome, error) { return d.Undo(t.Context(), id, a) },
	} {
		out, err := order()
		if err != nil || out.Done || out.Code != "" || len(d.told) > 0 || len(d.shelf.docs) != stored || d.Entitlements().Buttons() != 11 {
			t.Errorf("%s: %+v %v, told %+v", name, out, err, d.told)
		}
		if name == "give" && seen.After.Buttons() != 7 {
			t.Errorf("the look says %d buttons would stay", seen.After.Buttons())
		}
	}
}

func TestAnOrderThatCannotBeStoredChangesNothing(t *testing.T) {
	d, id := pool(t)
	d.shelf.broken = errors.New("no space left on device")
	out, err := d.Give(t.Context(), license.GiveOrder{License: id, To: receiver(t), Count: 4}, d.asker())
	if !errors.Is(err, d.shelf.broken) || !strings.Contains(err.Error(), "nothing was changed") || out.Done || out.Code != "" {
		t.Errorf("%+v %v", out, err)
	}
	if len(d.told) > 0 || d.Entitlements().Buttons() != 11 {
		t.Errorf("told %+v, %d buttons", d.told, d.Entitlements().Buttons())
	}
	d.shelf.broken = nil
	if out, err = d.Give(t.Context(), license.GiveOrder{License: id, To: receiver(t), Count: 4}, d.asker()); err != nil || !out.Done || d.Entitlements().Buttons() != 7 {
		t.Errorf("again: %+v %v", out, err)
	}
}

// The store has it and the loop is stopping: no code is handed out, and the next start knows that it was given.
func TestAnOrderThatNobodyCouldBeToldOfIsInForceAfterTheNextStart(t *testing.T) {
	d, id := pool(t)
	a := d.asker()
	stopping := errors.New("stopping")
	a.Inform = func(context.Context, panel.Event) error { return stopping }
	out, err := d.Give(t.Context(), license.GiveOrder{License: id, To: receiver(t), Count: 4}, a)
	if !errors.Is(err, stopping) || out.Code != "" {
		t.Errorf("%+v %v", out, err)
	}
	d.open(t)
	codes := d.Entitlements().Codes()
	if d.Entitlements().Buttons() != 7 || len(codes) != 1 || codes[0].Count != 4 {
		t.Errorf("%d buttons, codes %+v", d.Entitlements().Buttons(), codes)
	}
}

func TestARefusedOrderIsWrittenDownToo(t *testing.T) {
	d, id := pool(t)
	out, err := d.Give(t.Context(), license.GiveOrder{License: id, To: receiver(t), Count: 11}, d.asker())
	if err != nil || out.Done || out.Result != license.PoolExhausted || len(d.told) != 1 {
		t.Fatalf("%+v %v, told %+v", out, err, d.told)
	}
	if e, ok := d.told[0].(panel.Noted); !ok || e.Entry.Kind != panel.LicenseNo || e.Entry.Why != "pool-exhausted" || len(e.Remember) > 0 {
		t.Errorf("told %+v", d.told[0])
	}
}

func TestTheReceiverIsKnownWithWhatItWasGivenAndNotWithoutIt(t *testing.T) {
	d, id := pool(t)
	b := newVendor(t, "b")
	document, err := receiver(t).Sign(b.sign)
	if err != nil {
		t.Fatal(err)
	}
	a := d.asker()
	a.Along = []license.Document{document}
	for _, order := range []struct{ count, known int }{{11, 0}, {4, 1}} {
		if _, err := d.Give(t.Context(), license.GiveOrder{License: id, To: receiver(t), Count: order.count}, a); err != nil {
			t.Fatal(err)
		}
		docs, _ := d.Documents()
		if peers := license.Peers(docs); len(peers) != order.known {
			t.Errorf("after asking to give %d, known are %+v", order.count, peers)
		}
	}
	docs, _ := d.Documents()
	if peers := license.Peers(docs); len(peers) != 1 || peers[0].Name != "Stairs B" {
		t.Errorf("known are %+v", peers)
	}
}

func TestTheJournalForgetsACopyThatSomethingNewerReplaces(t *testing.T) {
	d, id := pool(t)
	if _, err := d.Give(t.Context(), license.GiveOrder{License: id, To: receiver(t), Count: 4}, d.asker()); err != nil {
		t.Fatal(err)
	}
	first := d.remembered()
	if _, err := d.Give(t.Context(), license.GiveOrder{License: id, To: receiver(t), Count: 1}, d.asker()); err != nil {
		t.Fatal(err)
	}
	// A start found two copies of one record: the older one beside the newer.
	replay := agent.Replay{}
	replay.Add(agent.Record{Remember: agent.DocumentMemory(d.remembered())})
	replay.Add(agent.Record{Remember: agent.CopyMemory(first)})
	if docs := agent.RememberedDocuments(replay.Memory()); len(docs) != 2 || docs[0].Key != docs[1].Key {
		t.Fatalf("remembered are %+v", docs)
	}
	d.shelf.docs = append(d.shelf.docs, first...)
	d.open(t)
	if d.Entitlements().Buttons() != 6 {
		t.Errorf("%d buttons with both copies, want 6", d.Entitlements().Buttons())
	}
	d.told = nil
	if _, err := d.Give(t.Context(), license.GiveOrder{License: id, To: receiver(t), Count: 1}, d.asker()); err != nil {
		t.Fatal(err)
	}
	for _, e := range d.told {
		if n, ok := e.(panel.Noted); ok {
			replay.Add(agent.Record{Remember: n.Remember})
		}
	}
	if docs := agent.RememberedDocuments(replay.Memory()); len(docs) != 1 {
		t.Errorf("%d copies are remembered, want the newest alone", len(docs))
	}
}

func TestAnIdentitySaysWhoThePanelIs(t *testing.T) {
	d, _ := pool(t)
	text, err := d.Identity()
	if err != nil {
		t.Fatal(err)
	}
	kind, raw, err := envelope.Unarmor(text)
	if err != nil || kind != envelope.Identity {
		t.Fatal(kind, err)
	}
	if i, err := license.OpenIdentity(raw); err != nil || !i.Panel.Equal(d.root.public()) {
		t.Errorf("%+v %v", i, err)
	}
}

func TestALongListOfRevocationsStaysOutOfTheJournal(t *testing.T) {
	for size, want := range map[int]int{40 << 10: 1, 40<<10 + 1: 0} {
		doc := license.Document{Kind: envelope.Revocation, Key: "revocation/x", Raw: make([]byte, size)}
		if got := agent.DocumentMemory([]license.Document{doc}); len(got) != want {
			t.Errorf("of %d bytes %d are remembered, want %d", size, len(got), want)
		}
		open, _ := agent.Record{Remember: agent.DocumentMemory([]license.Document{doc})}.Encode()
		if len(open) > 64<<10 {
			t.Errorf("an entry of %d bytes does not fit the journal", len(open))
		}
	}
}
