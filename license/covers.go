package license

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// Covers tells why a panel with this ring would refuse a license that the owner of key signs: the key is unknown or revoked, or its
// delegation does not reach so far. An issuer asks before it signs. nil for a root.
func (k Keyring) Covers(key ed25519.PublicKey, token Token) error {
	id := envelope.IDOf(key)
	if _, own := k.root(id); own {
		return nil
	}
	standing, known := k.issuers[id]
	if !known {
		return fmt.Errorf("cannot sign with %s: no delegation for it is known under these roots; ask the root for one", envelope.KeyText(key))
	}
	if at, revoked := k.lists[envelope.IDOf(standing.root)].Issuers[id]; revoked {
		return fmt.Errorf("cannot sign with %s: its key was revoked on %s; ask the root to delegate a new one", envelope.KeyText(key), at.Format(time.DateOnly))
	}
	if detail := standing.allows(token); detail != "" {
		return fmt.Errorf("cannot sign license: %s; split it, or ask the root for a wider delegation", detail)
	}
	return nil
}

// Narrower tells what d, as the next delegation of the same key, takes from licenses that were issued under before until now: panels
// measure every license by the newest delegation. Empty when they all stay covered.
func (d Delegation) Narrower(before Delegation, now time.Time) string {
	switch {
	case d.NotBefore.After(before.NotBefore):
		return fmt.Sprintf("licenses that were issued before %s", d.NotBefore.Format(time.DateOnly))
	case !d.Expires.IsZero() && !d.Expires.After(now) && (before.Expires.IsZero() || d.Expires.Before(before.Expires)):
		return fmt.Sprintf("licenses that were issued from %s on", d.Expires.Format(time.DateOnly))
	}
	ceilings, earlier := amounts(d.Ceilings), amounts(before.Ceilings)
	for _, grant := range before.Ceilings {
		most, named := ceilings[grant.Feature]
		if !named {
			most = ceilings[Any]
		}
		if most < grant.Count {
			return fmt.Sprintf("licenses with more than %d of %s (until now: %d)", most, grant.Feature, grant.Count)
		}
	}
	// What only the rest covered until now may be named, and lower, in the new one.
	for _, grant := range d.Ceilings {
		if _, named := earlier[grant.Feature]; !named && grant.Count < earlier[Any] {
			return fmt.Sprintf("licenses with more than %d of %s (until now: %d)", grant.Count, grant.Feature, earlier[Any])
		}
	}
	return ""
}
