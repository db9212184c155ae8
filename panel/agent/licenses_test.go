package agent_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/agent"
)

// shelf is a store in memory that can fail.
type shelf struct {
	mu     sync.Mutex
	docs   []license.Document
	broken error
}

func (s *shelf) Keep(docs ...license.Document) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.docs = append(s.docs, docs...)
	}
	return s.broken
}

// desk is the licenses of one panel with their store.
type desk struct {
	*agent.Licenses
	shelf *shelf
	root  vendor
	told  []panel.Event
	world *world // when there is an agent
}

func newDesk(t *testing.T, w *world) *desk {
	d := &desk{shelf: &shelf{}, root: newVendor(t, "r"), world: w}
	d.open(t)
	return d
}

// open reads what is stored, as a start does.
func (d *desk) open(t *testing.T) {
	var faults []error
	d.Licenses, faults = agent.NewLicenses(agent.LicenseOptions{
		Roots: []ed25519.PublicKey{d.root.public()}, Panel: license.Panel{Key: d.root.public()}, Sign: d.root.sign, Store: d.shelf, Docs: d.shelf.docs,
		Clock: func() license.Clock {
			if d.world == nil {
				return license.Clock{Now: time.Now(), Trusted: true}
			}
			now := d.world.Clock()
			return license.Clock{Now: now.Wall, Trusted: now.Trusted}
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
}

func (d *desk) inform(_ context.Context, event panel.Event) error {
	d.told = append(d.told, event)
	return nil
}

func (d *desk) present(t *testing.T, text string) license.Verdict {
	t.Helper()
	d.told = nil
	v, err := d.Present(t.Context(), text, "", "scanner", "", d.inform)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func buttons(n int) license.Grant { return license.Grant{Feature: license.Buttons, Count: n} }

func TestALicenseIsKeptBeforeThePanelSaysYes(t *testing.T) {
	d := newDesk(t, nil)
	code := envelope.Armor(envelope.License, d.root.token(1, nil, buttons(2)))
	d.shelf.broken = errors.New("input/output error")
	if _, err := d.Present(t.Context(), code, "", "scanner", "", d.inform); !errors.Is(err, d.shelf.broken) {
		t.Errorf("a store that fails: %v", err)
	}
	if len(d.told) > 0 || d.Entitlements().Buttons() != 1 {
		t.Errorf("nothing was kept and the panel was told %+v", d.told)
	}

	d.shelf.broken = nil
	if v := d.present(t, code); v.Result != license.Activated {
		t.Fatalf("%+v", v)
	}
	if len(d.told) != 2 {
		t.Fatalf("told %+v", d.told)
	}
	changed, ok := d.told[0].(panel.EntitlementsChanged)
	if !ok || changed.Entitlements.Buttons() != 3 {
		t.Errorf("first told %+v", d.told[0])
	}
	if said, ok := d.told[1].(panel.LicensePresented); !ok || !said.Accepted || said.Result != license.Activated || said.Via != "scanner" || said.Token == "" {
		t.Errorf("then told %+v", d.told[1])
	}

	if v := d.present(t, code); v.Result != license.AlreadyActive || len(d.told) != 1 || len(d.shelf.docs) != 1 {
		t.Errorf("again: %+v, told %+v, %d stored", v, d.told, len(d.shelf.docs))
	}
	d.open(t) // a restart
	if d.Entitlements().Buttons() != 3 {
		t.Error("lost in the restart")
	}
	if v := d.present(t, code); v.Result != license.AlreadyActive {
		t.Errorf("after the restart: %+v", v)
	}
	if docs, _ := d.Documents(); len(docs) != 1 {
		t.Errorf("%d kept", len(docs))
	}
}

func TestARefusedCodeChangesNothing(t *testing.T) {
	d := newDesk(t, nil)
	stranger := newVendor(t, "x")
	code := d.root.token(1, nil, buttons(2))
	forged := slices.Clone(code)
	forged[len(forged)-1] ^= 1
	for name, test := range map[string]struct {
		text string
		want license.Result
	}{
		"not ours":       {"https://example.com", license.Malformed},
		"empty":          {"", license.Malformed},
		"forged":         {envelope.Armor(envelope.License, forged), license.Forged},
		"unknown issuer": {envelope.Armor(envelope.License, stranger.token(1, nil, buttons(2))), license.UnknownIssuer},
		"expired": {envelope.Armor(envelope.License, d.root.token(1, func(l *license.Token) {
			l.Expires = issuedAt.AddDate(0, 1, 0)
		}, buttons(2))), license.Expired},
		"not yet": {envelope.Armor(envelope.License, d.root.token(1, func(l *license.Token) {
			l.NotBefore = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
		}, buttons(2))), license.NotYetValid},
		"other panel": {envelope.Armor(envelope.License, d.root.token(1, func(l *license.Token) { l.Subject = make([]byte, 16) }, buttons(2))), license.OtherPanel},
	} {
		t.Run(name, func(t *testing.T) {
			v := d.present(t, test.text)
			if v.Result != test.want {
				t.Errorf("%+v", v)
			}
			said, ok := d.told[0].(panel.LicensePresented)
			if len(d.told) != 1 || !ok || said.Accepted || said.Title == "" || said.Result != test.want {
				t.Errorf("told %+v", d.told)
			}
			if len(d.shelf.docs) > 0 || d.Entitlements().Buttons() != 1 {
				t.Error("something was changed")
			}
		})
	}
}

func TestADelegationLetsAnIssuerInAndARevocationTakesAway(t *testing.T) {
	d := newDesk(t, nil)
	issuer := newVendor(t, "i")
	token := issuer.token(7, nil, buttons(5))
	code := envelope.Armor(envelope.License, token)
	if v := d.present(t, code); v.Result != license.UnknownIssuer {
		t.Fatalf("before the delegation: %+v", v)
	}
	delegation := license.Delegation{Issuer: issuer.public(), Name: "North", Number: 1, IssuedAt: issuedAt, Ceilings: []license.Grant{buttons(10)}}
	raw, err := delegation.Sign(d.root.public(), d.root.sign)
	if err != nil {
		t.Fatal(err)
	}
	if v := d.present(t, envelope.Armor(envelope.Delegation, raw)); v.Result != license.Activated {
		t.Fatalf("the delegation: %+v", v)
	}
	if v := d.present(t, code); v.Result != license.Activated || d.Entitlements().Buttons() != 6 {
		t.Fatalf("after the delegation: %+v", v)
	}

	d.open(t)
	if d.Entitlements().Buttons() != 6 {
		t.Error("the delegation was lost in the restart")
	}
	list := license.Revocation{Number: 1, IssuedAt: issuedAt, Tokens: map[license.TokenID]time.Time{{7}: issuedAt.AddDate(0, 1, 0)}}
	raw, err = list.Sign(d.root.public(), d.root.sign)
	if err != nil {
		t.Fatal(err)
	}
	if v := d.present(t, envelope.Armor(envelope.Revocation, raw)); v.Result != license.Activated {
		t.Fatalf("the list: %+v", v)
	}
	if changed, ok := d.told[0].(panel.EntitlementsChanged); !ok || changed.Entitlements.Buttons() != 1 || d.Entitlements().Buttons() != 1 {
		t.Errorf("told %+v", d.told)
	}
	if v := d.present(t, code); v.Result != license.Revoked {
		t.Errorf("the revoked license again: %+v", v)
	}
	d.open(t)
	if d.Entitlements().Buttons() != 1 {
		t.Error("the revocation was lost in the restart")
	}
}

func TestALicenseOfSomebodyWhoLeftIsInForceAllTheSame(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.rights = license.Entitlements{}
		a := w.run()
		d := newDesk(t, w)
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // the browser was closed
		v, err := d.Present(ctx, envelope.Armor(envelope.License, d.root.token(1, nil, buttons(1))), "", "web", "Maria", a.Do)
		if err != nil || v.Result != license.Activated {
			t.Fatalf("%+v, %v", v, err)
		}
		w.since()
		a.Press(2) // in force already
		synctest.Wait()
		if got := w.sees("call-"); len(got) != 1 {
			t.Errorf("the second button did %v", got)
		}
	})
}

func TestAPanelThatCouldNotBeToldIsToldLater(t *testing.T) {
	d := newDesk(t, nil)
	code := envelope.Armor(envelope.License, d.root.token(1, nil, buttons(1)))
	stopping := errors.New("stopping")
	refuse := func(context.Context, panel.Event) error { return stopping }
	if _, err := d.Present(t.Context(), code, "", "web", "", refuse); !errors.Is(err, stopping) {
		t.Errorf("Present: %v", err)
	}
	if len(d.shelf.docs) != 1 {
		t.Error("the license is not stored")
	}
	if v := d.present(t, code); v.Result != license.AlreadyActive || len(d.told) != 2 || d.Entitlements().Buttons() != 2 {
		t.Errorf("again: %+v, told %+v", v, d.told)
	}
}

func TestRightsBeginAndEndByThemselves(t *testing.T) {
	for _, after := range []time.Duration{time.Minute, 59 * time.Minute, 3 * 24 * time.Hour, 100 * 24 * time.Hour} {
		t.Run(after.String(), func(t *testing.T) { rightsEnd(t, after) })
	}
}

func rightsEnd(t *testing.T, after time.Duration) {
	inBubble(t, func(t *testing.T, w *world) {
		w.rights = license.Entitlements{}
		a := w.run()
		d := newDesk(t, w)
		watching := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { watching <- d.Watch(ctx, a) }()
		began := time.Now()
		ends := began.Add(after).Truncate(time.Second)
		token := d.root.token(1, func(l *license.Token) { l.Expires = ends }, buttons(1), license.Grant{Feature: license.SIP, Count: 1})
		if _, err := d.Present(t.Context(), envelope.Armor(envelope.License, token), "", "scanner", "", a.Do); err != nil {
			t.Fatal(err)
		}
		if got := w.sees("register"); !slices.Equal(got, []string{"register  true"}) {
			t.Errorf("at activation: %v", got)
		}
		time.Sleep(time.Until(ends) - time.Second)
		synctest.Wait()
		if got := w.sees("register"); len(got) > 0 || d.Entitlements().Buttons() != 2 {
			t.Errorf("a second before its end: %v, %d buttons", got, d.Entitlements().Buttons())
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := w.sees("register"); !slices.Equal(got, []string{"register  false"}) || d.Entitlements().Buttons() != 1 {
			t.Errorf("at its end: %v, %d buttons", got, d.Entitlements().Buttons())
		}
		a.Press(2)
		synctest.Wait()
		if got := w.sees("call-"); len(got) > 0 {
			t.Errorf("the second button did %v", got)
		}
		cancel()
		if err := <-watching; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch: %v", err)
		}
	})
}

func TestAClockThatWasSetIsLookedAtAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.rights = license.Entitlements{}
		a := w.run()
		d := newDesk(t, w)
		ctx, cancel := context.WithCancel(t.Context())
		watching := make(chan error, 1)
		go func() { watching <- d.Watch(ctx, a) }()
		token := d.root.token(1, func(l *license.Token) { l.Expires = time.Now().AddDate(1, 0, 0).Truncate(time.Second) }, buttons(1))
		if _, err := d.Present(t.Context(), envelope.Armor(envelope.License, token), "", "scanner", "", a.Do); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.set(func() { w.shift = 2 * 365 * 24 * time.Hour })
		if err := a.Alive(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := d.Entitlements().Buttons(); n != 1 {
			t.Errorf("two years later there are %d buttons", n)
		}
		cancel()
		<-watching
	})
}
