package hub

import (
	"crypto/hpke"

	"github.com/doorpanel/doorpanel/hub/fleet"
)

// The mark of the silent alarm: HPKE (RFC 9180) in base mode, the encapsulated key before one sealed byte and its tag
// (docs/access.md, "Under duress").
const (
	markInfo   = "doorpanel/duress/1"
	markLength = 32 + 1 + 16
)

// underDuress opens the mark of a grant. One that is sealed to somebody else says nothing here.
func underDuress(key hpke.PrivateKey, sealed []byte) bool {
	if key == nil || len(sealed) != markLength {
		return false
	}
	plain, err := hpke.Open(key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(markInfo), sealed)
	return err == nil && len(plain) == 1 && plain[0] == 1
}

// silentAlarm tells people at once when a grant that was just stored says duress.
func (h *Hub) silentAlarm(r fleet.Received) {
	if !underDuress(h.o.Sealing, r.Event.Sealed) {
		return
	}
	h.log.Warn("silent alarm", "site", r.Site, "panel", r.Panel)
	h.presence.send(told{site: r.Site, alarm: &r})
}

func (h *Hub) panelName(id string) string {
	if p, known := h.roll.Load().panels[id]; known && p.Name != "" {
		return p.Name
	}
	return id
}
