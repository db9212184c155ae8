package web

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
)

const (
	poolID    = "8d0c11aa8d0c11aa8d0c11aa8d0c11aa"
	shareID   = "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e"
	accountID = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
	stairsB   = "b3x2wq7m5n4p6r2t3v5y7a2c4e"
)

// stairsBKey is the key of a panel that is not here.
func stairsBKey() ed25519.PublicKey {
	return ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public().(ed25519.PublicKey)
}

// pool is what a house has of a pool of buttons; the free one comes on top.
func (h *house) pool(id string) *LicenseView {
	for i := range h.licenses {
		if h.licenses[i].ID == id {
			return &h.licenses[i]
		}
	}
	return nil
}

// stopping are the buttons with a higher number than can be used.
func (h *house) stopping(usable int) (stops []StoppingButton) {
	for _, b := range sorted(h.buttons, 0, len(h.buttons)) {
		if b.Number > usable {
			stops = append(stops, StoppingButton{b.Number, b.Label})
		}
	}
	return stops
}

// order answers as a panel would: refused, unconfirmed, previewed or done.
func (h *house) order(o PoolOrder, count int, done func(*LicenseView) PoolAnswer) (PoolAnswer, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail != nil {
		return PoolAnswer{}, h.fail
	}
	v := h.pool(o.License)
	if v == nil {
		return PoolAnswer{}, fmt.Errorf("cannot find license %s: %w", o.License, ErrNotFound)
	}
	before := 1 + v.Grants["buttons"]
	if over := count - v.Grants["buttons"]; over > 0 {
		return PoolAnswer{Result: license.PoolExhausted, Title: license.PoolExhausted.Title(), Message: fmt.Sprintf("%d too many.", over)}, nil
	}
	a := PoolAnswer{Result: license.Activated, Before: before, After: before - count, Panel: stairsB, Name: "Stairs B", Stops: h.stopping(before - count)}
	if o.Preview {
		a.Message = "Nothing was changed."
		return a, nil
	}
	for _, stop := range a.Stops {
		if !slices.Contains(o.Confirmed, stop.Number) {
			return PoolAnswer{Result: Unconfirmed, Title: "Buttons would stop", Message: "These buttons would stop.", Stops: a.Stops}, nil
		}
	}
	made := done(v)
	a.Message, a.Code = made.Message, made.Code
	h.record(panel.Entry{Kind: panel.ConfigIs, Detail: a.Message})
	return a, nil
}

func (h *house) Give(_ context.Context, o PoolOrder, _, _ string) (PoolAnswer, error) {
	if o.To != stairsB && !strings.HasPrefix(o.To, "DI1:") {
		return PoolAnswer{Result: license.Malformed, Title: "Not a panel's identity", Message: "This panel is not known here."}, nil
	}
	return h.order(o, o.Count, func(v *LicenseView) PoolAnswer {
		if v.Sold == nil {
			v.Sold = map[string]int{"buttons": v.Grants["buttons"]}
		}
		v.Grants["buttons"] -= o.Count
		given := v.Sold["buttons"] - v.Grants["buttons"]
		v.Given = []GivenAway{{Panel: stairsB, Name: "Stairs B", Feature: o.Feature, Count: given}}
		v.UndoUntil = time.Time{}
		code := PoolCode{Kind: "slice", Text: fmt.Sprintf("DS1:GIVEN%d", given), License: v.ID, Label: v.Label, Panel: stairsB, Name: "Stairs B", Feature: o.Feature, Count: given, At: h.now.Wall}
		h.codes = append(slices.DeleteFunc(h.codes, func(c PoolCode) bool { return c.Panel == stairsB }), code)
		return PoolAnswer{Message: fmt.Sprintf("%d buttons are given to Stairs B. Show it this code.", o.Count), Code: code.Text}
	})
}

func (h *house) GiveBack(_ context.Context, o PoolOrder, _, _ string) (PoolAnswer, error) {
	return h.order(o, o.Count, func(v *LicenseView) PoolAnswer {
		v.Grants["buttons"] -= o.Count
		return PoolAnswer{Message: fmt.Sprintf("%d buttons are given back to Stairs B. Show it this code.", o.Count), Code: "DB1:BACK"}
	})
}

func (h *house) Undo(_ context.Context, o PoolOrder, _, _ string) (PoolAnswer, error) {
	h.mu.Lock()
	v := h.pool(o.License)
	all := 0
	final := v != nil && v.UndoUntil.IsZero()
	if v != nil {
		all = v.Grants["buttons"]
	}
	h.mu.Unlock()
	if final {
		return PoolAnswer{Result: "not-possible", Title: "Not possible any more", Message: "A part of this license is given away."}, nil
	}
	return h.order(o, all, func(v *LicenseView) PoolAnswer {
		v.Grants["buttons"], v.Status, v.Message, v.UndoUntil = 0, "released", "released on this panel", time.Time{}
		return PoolAnswer{Message: "The license is released. Show this code to the panel that is to have it.", Code: "DF1:RELEASED"}
	})
}

func (h *house) Assign(_ context.Context, id, account, _, _ string) (license.Verdict, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := h.pool(id)
	if v == nil {
		return license.Verdict{}, fmt.Errorf("cannot find license %s: %w", id, ErrNotFound)
	}
	if v.Account != "" && v.UndoUntil.IsZero() {
		return license.Verdict{Result: "not-possible", Title: "Not possible any more", Message: "It is for " + v.Account + " since more than seven days."}, nil
	}
	v.Account, v.Status, v.Message = account, "active", ""
	return license.Verdict{Result: license.Activated, Message: "The license is for " + account + " now."}, nil
}

func (h *house) Codes() []PoolCode {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.codes)
}

func (h *house) Peers() []Peer { return []Peer{{Panel: stairsB, Name: "Stairs B"}} }

func (h *house) Identity() PanelIdentity {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.signed++
	return PanelIdentity{Panel: "k3x2wq7m5n4p6r2t3v5y7a2c4e", Name: "12 Mill Lane, Stairs A", Text: "DI1:THIS PANEL"}
}
