package pools

import (
	"maps"
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/license/envelope"
)

const (
	// strangerDays is how long a panel that this hub certified and does not know is waited for after it showed itself last.
	strangerDays = 30
	// strangerLimit bounds how many such panels are waited for.
	strangerLimit = 64
)

// Stranger hears of a panel with a certificate of this hub that its records do not know: they are older than the certificate, the hub was
// set back. Nobody knows what that panel has, nor what others were given since, so that nothing more is given until all have told: the
// stranger once it is paired again. It may be called at every attempt to connect.
func (p *Pools) Stranger(panel string) {
	if _, err := envelope.ParseThumbprint(panel); err != nil {
		return // no panel's certificate
	}
	s, err := p.scene()
	if err != nil || s.panels[panel].ID != "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.o.Clock().Now.UTC()
	f := fleet.Fence{Since: now}
	if p.fence != nil {
		f = *p.fence
	} else {
		for _, one := range s.order {
			if one.State() == fleet.PanelEnrolled {
				f.Waiting = append(f.Waiting, one.ID)
			}
		}
	}
	if last, known := f.Strangers[panel]; known && now.Sub(last) < 24*time.Hour || !known && len(f.Strangers) >= strangerLimit {
		return
	}
	f.Strangers = maps.Clone(f.Strangers)
	if f.Strangers == nil {
		f.Strangers = map[string]time.Time{}
	}
	f.Strangers[panel] = now
	if !slices.Contains(f.Waiting, panel) {
		f.Waiting = append(slices.Clone(f.Waiting), panel)
	}
	if err := p.o.Store.KeepDeeds(fleet.DeedChange{Fence: &f}); err != nil {
		p.log.Error("cannot keep that a panel is waited for", "panel", panel, "cause", err)
		return
	}
	if p.fence == nil {
		p.log.Warn("this hub certified a panel that it does not know: it was set back, and gives nothing more until all panels have told what they have", "panel", panel)
	}
	p.fence = &f
	p.Kick()
}

// gone tells that a panel is waited for no more: it was revoked or replaced, or is a stranger that did not show itself for long. Hold p.mu.
func (p *Pools) gone(s scene) func(panel string) bool {
	now, f := p.o.Clock().Now, p.fence
	return func(panel string) bool {
		seen, strange := f.Strangers[panel]
		switch state := s.panels[panel].State(); {
		case state == fleet.PanelRevoked || state == fleet.PanelReplaced:
			return true
		case strange:
			return s.panels[panel].ID == "" && now.Sub(seen) > strangerDays*24*time.Hour
		default:
			return state != fleet.PanelEnrolled
		}
	}
}
