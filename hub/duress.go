package hub

import (
	"context"
	"crypto/hpke"
	"fmt"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
)

// What panels seal to this hub: HPKE (RFC 9180) in base mode, the encapsulated key before the sealed bytes and their tag
// (docs/access.md, "Under duress").
const (
	markInfo   = "doorpanel/duress/1"
	markLength = 32 + 1 + 16
	testInfo   = "doorpanel/duress-test/1"
	testLength = 32 + testDigits + 16
	testDigits = 8
	testKind   = "duress.test"
	// alarmOld is the age from which a repeated event says nothing new: it was told when it was heard first.
	alarmOld = 24 * time.Hour
)

// underDuress opens the mark of a grant. One that is sealed to somebody else says nothing here.
func underDuress(key hpke.PrivateKey, sealed []byte) bool {
	if key == nil || len(sealed) != markLength {
		return false
	}
	plain, err := hpke.Open(key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(markInfo), sealed)
	return err == nil && len(plain) == 1 && plain[0] == 1
}

// testNumber opens the number that a panel sealed for a test of the silent alarm.
func testNumber(key hpke.PrivateKey, sealed []byte) (number string, ok bool) {
	if key == nil || len(sealed) != testLength {
		return "", false
	}
	plain, err := hpke.Open(key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(testInfo), sealed)
	if err != nil {
		return "", false
	}
	for _, c := range plain {
		if c < '0' || c > '9' {
			return "", false
		}
	}
	return string(plain), true
}

// alarm is something about the silent alarm that people are to be told of.
type alarm struct {
	event  fleet.Received
	number string // of a test; empty: it is the alarm itself
}

// silentAlarm has people told of an event that says duress, or that tests the way to them. It returns when that is durable: until
// then the panel gets no acknowledgment, and sends the event again to a hub that died. Deciding twice makes one message.
func (h *Hub) silentAlarm(ctx context.Context, r fleet.Received, repeated bool) {
	if len(r.Event.Sealed) == 0 || repeated && r.At.Sub(r.Event.Time) > alarmOld {
		return
	}
	a := alarm{event: r}
	if r.Event.Kind == testKind {
		number, ok := testNumber(h.o.Sealing, r.Event.Sealed)
		if !ok {
			return
		}
		a.number = number
	} else if !underDuress(h.o.Sealing, r.Event.Sealed) {
		return
	}
	h.log.Warn("silent alarm", "site", r.Site, "panel", r.Panel, "test", a.number != "")
	if a.number == "" {
		h.showAlarm(r)
	}
	h.presence.alarm(ctx, a)
}

// showAlarm keeps the alarm for the pages, whoever is told of it.
func (h *Hub) showAlarm(r fleet.Received) {
	f := fleet.Fault{
		Panel: r.Panel, Site: r.Site, At: r.At, Kind: fleet.FaultDuress, Epoch: r.Event.Epoch, Seq: r.Event.Seq,
		Detail: fmt.Sprintf("Somebody opened %s under duress. Do not ring back, and do not announce help at the door.", r.Event.Door),
	}
	if err := h.o.Store.AddFault(f); err != nil {
		h.log.Error("cannot keep a silent alarm for the pages", "panel", r.Panel, "seq", r.Event.Seq, "cause", err)
	}
	h.tellNews()
}

func (h *Hub) panelName(id string) string {
	if p, known := h.roll.Load().panels[id]; known && p.Name != "" {
		return p.Name
	}
	return id
}
