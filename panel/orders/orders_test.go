package orders_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/orders"
	"github.com/doorpanel/doorpanel/telemetry"
)

// core is a panel's core that answers as the test says.
type core struct {
	asked  []string
	order  *panel.Order
	answer panel.Answer
	err    error
}

func (c *core) heard(what string, order *panel.Order) (panel.Answer, error) {
	c.asked, c.order = append(c.asked, what), order
	return c.answer, c.err
}

func (c *core) Open(_ context.Context, e panel.OpenRequested) (panel.Answer, error) {
	return c.heard(fmt.Sprintf("open %s, %s by %s", e.Door, e.Via, e.Who), e.Order)
}

func (c *core) Lockdown(_ context.Context, e panel.LockdownRequested) (panel.Answer, error) {
	return c.heard(fmt.Sprintf("lockdown %v, %s by %s", e.On, e.Via, e.Who), e.Order)
}

func (c *core) Show(_ context.Context, e panel.TextRequested) (panel.Answer, error) {
	return c.heard(fmt.Sprintf("show %s, %s by %s", e.Text, e.Via, e.Who), e.Order)
}

// desk is a desk with all that it said.
type desk struct {
	orders.Desk
	core    core
	entries []panel.Entry
	replies []telemetry.Reply
}

func keyOf(seed byte) ed25519.PrivateKey {
	raw := make([]byte, ed25519.SeedSize)
	raw[0] = seed
	return ed25519.NewKeyFromSeed(raw)
}

func pubOf(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

func newDesk() *desk {
	d := &desk{core: core{answer: panel.Answer{Granted: true}}}
	d.Desk = orders.Desk{
		Core: &d.core, Keys: map[envelope.KeyID]ed25519.PublicKey{envelope.IDOf(pubOf(keyOf(1))): pubOf(keyOf(1))},
		Note:  func(e panel.Noted) { d.entries = append(d.entries, e.Entry) },
		Reply: func(r telemetry.Reply) { d.replies = append(d.replies, r) },
	}
	return d
}

func command(verb, object string) telemetry.Command {
	return telemetry.Command{Panel: "p", Boot: "b1", DeadlineMS: 20_000, Number: 7, Verb: verb, Object: object}
}

func signed(t *testing.T, key ed25519.PrivateKey, c telemetry.Command) []byte {
	t.Helper()
	raw, err := telemetry.SignCommand(c, pubOf(key), func(m []byte) ([]byte, error) { return ed25519.Sign(key, m), nil })
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestWhatIsSignedAndKnownComesBeforeTheCore(t *testing.T) {
	who := "key " + envelope.IDOf(pubOf(keyOf(1))).String()
	for _, test := range []struct{ verb, object, asked string }{
		{telemetry.VerbOpen, "front", "open front, command by " + who},
		{telemetry.VerbLockdown, "on", "lockdown true, command by " + who},
		{telemetry.VerbLockdown, "off", "lockdown false, command by " + who},
		{telemetry.VerbText, "Back at three", "show Back at three, command by " + who},
	} {
		for _, retained := range []bool{false, true} {
			d := newDesk()
			d.Take(signed(t, keyOf(1), command(test.verb, test.object)), retained)
			if len(d.core.asked) != 1 || d.core.asked[0] != test.asked {
				t.Fatalf("the core heard %q, want %q", d.core.asked, test.asked)
			}
			want := panel.Order{Signer: envelope.IDOf(pubOf(keyOf(1))).String(), Panel: "p", Boot: "b1", Number: 7, Deadline: 20 * time.Second, Retained: retained}
			if *d.core.order != want {
				t.Errorf("with the order %+v, want %+v", *d.core.order, want)
			}
			if len(d.replies) != 1 || d.replies[0] != (telemetry.Reply{Number: 7, Result: telemetry.ResultDone}) || len(d.entries) != 0 {
				t.Errorf("answered %+v, noted %+v", d.replies, d.entries)
			}
		}
	}
}

func TestTheAnswerIsTheCores(t *testing.T) {
	for _, test := range []struct {
		answer panel.Answer
		err    error
		want   telemetry.Reply
	}{
		{panel.Answer{Granted: true, Why: "open"}, nil, telemetry.Reply{Number: 7, Result: telemetry.ResultDone}},
		{panel.Answer{Why: "lockdown"}, nil, telemetry.Reply{Number: 7, Result: telemetry.ResultRefused, Why: "lockdown"}},
		{panel.Answer{}, errors.New("the strike does not answer"), telemetry.Reply{Number: 7, Result: telemetry.ResultFailed, Why: "the strike does not answer"}},
	} {
		d := newDesk()
		d.core.answer, d.core.err = test.answer, test.err
		d.Take(signed(t, keyOf(1), command(telemetry.VerbOpen, "front")), false)
		if len(d.replies) != 1 || d.replies[0] != test.want {
			t.Errorf("answered %+v, want %+v", d.replies, test.want)
		}
	}
}

func TestWhatIsNotSignedOrNotKnownNeverReachesTheCore(t *testing.T) {
	forged := signed(t, keyOf(1), command(telemetry.VerbOpen, "front"))
	forged[len(forged)-1] ^= 1
	for _, test := range []struct {
		name, why string
		raw       []byte
		answered  bool
	}{
		{"a key that nobody knows", "not_signed", signed(t, keyOf(2), command(telemetry.VerbOpen, "front")), false},
		{"one bit changed", "not_signed", forged, false},
		{"no envelope", "malformed", []byte("open sesame"), false},
		{"nothing", "malformed", nil, false},
		{"a verb of a later version", "unknown_command", signed(t, keyOf(1), command("explode", "front")), true},
		{"a lockdown that is neither on nor off", "unknown_command", signed(t, keyOf(1), command(telemetry.VerbLockdown, "maybe")), true},
	} {
		d := newDesk()
		d.Take(test.raw, false)
		if len(d.core.asked) != 0 || len(d.entries) != 1 || d.entries[0].Kind != panel.AccessRefused || d.entries[0].Why != test.why {
			t.Errorf("%s: the core heard %q, noted %+v", test.name, d.core.asked, d.entries)
		}
		if answered := len(d.replies) == 1 && d.replies[0] == (telemetry.Reply{Number: 7, Result: telemetry.ResultRefused, Why: test.why}); answered != test.answered {
			t.Errorf("%s: answered %+v", test.name, d.replies)
		}
	}
}

// TestADeadlineThatNoClockReachesDoesNotWrapAround: it lies far ahead, and never in the past of another panel's boot.
func TestADeadlineThatNoClockReachesDoesNotWrapAround(t *testing.T) {
	d := newDesk()
	c := command(telemetry.VerbOpen, "front")
	c.DeadlineMS = 1<<64 - 1
	d.Take(signed(t, keyOf(1), c), false)
	if d.core.order.Deadline < 100*365*24*time.Hour {
		t.Errorf("the deadline is %s", d.core.order.Deadline)
	}
}
