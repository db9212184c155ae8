package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/storage"
)

const fenceKey = "pools"

// deedTables are what panels have of licenses.
type deedTables struct {
	holdings   storage.Table[fleet.Holding]
	deeds      storage.Raw
	allotments storage.Table[fleet.Allotment]
	claims     storage.Table[fleet.Claim]
	fences     storage.Table[fleet.Fence]
}

func (d *deedTables) name(db *storage.Store) {
	d.holdings = storage.NewTable[fleet.Holding](db, "holdings")
	d.deeds = storage.NewRaw(db, "deeds")
	d.allotments = storage.NewTable[fleet.Allotment](db, "allotments")
	d.claims = storage.NewTable[fleet.Claim](db, "claims")
	d.fences = storage.NewTable[fleet.Fence](db, "fences")
}

// KeepDeeds keeps what the hub has signed and heard about licenses, all of it or nothing. A holding's site must be known; one that is
// another site's, also as a monitoring license, is refused with fleet.ErrTaken.
func (s *Store) KeepDeeds(c fleet.DeedChange) error {
	return s.update(func(tx *storage.Tx) error { return s.keepDeedsTx(tx, c) })
}

// KeepCounted keeps it together with what the license ledger counts by it, in one transaction. The error is a *ledger.Refusal, or the
// store's own; nothing has changed then.
func (s *Store) KeepCounted(c fleet.DeedChange, r ledger.Request, counts ...ledger.Allot) error {
	return s.update(func(tx *storage.Tx) error {
		for _, count := range counts {
			d := &decision{request: r, change: count}
			if err := s.decideTx(tx, d); err != nil {
				return err
			}
			if d.err != nil {
				return d.err
			}
		}
		return s.keepDeedsTx(tx, c)
	})
}

func (s *Store) keepDeedsTx(tx *storage.Tx, c fleet.DeedChange) error {
	if c.Holding != nil {
		if err := s.putHolding(tx, *c.Holding); err != nil {
			return err
		}
	}
	for _, d := range c.Deeds {
		if d.License == "" || d.Key == "" {
			return fmt.Errorf("cannot store deed %q of license %q: both are needed", d.Key, d.License)
		}
		if err := s.given.deeds.PutTx(tx, d.License+"\x00"+d.Key, d.Raw); err != nil {
			return err
		}
	}
	for _, a := range c.Allotments {
		if err := s.given.allotments.PutTx(tx, a.License+"\x00"+a.Feature+"\x00"+a.Panel, a); err != nil {
			return err
		}
	}
	for _, claim := range c.Claims {
		if err := s.given.claims.PutTx(tx, claim.License+"\x00"+claim.Panel, claim); err != nil {
			return err
		}
	}
	if err := s.putFence(tx, c.Fence); err != nil {
		return err
	}
	return s.auditTx(tx, c.Note)
}

func (s *Store) putHolding(tx *storage.Tx, h fleet.Holding) error {
	if err := s.knowsSite(tx, h.Site); err != nil {
		return err
	}
	was, known, err := s.given.holdings.GetTx(tx, h.ID)
	switch {
	case err != nil:
		return err
	case known && was.Site != h.Site:
		return takenAt(h.ID, h.Site, was.Site)
	case !known:
		watched, there, err := s.licenses.GetTx(tx, h.ID)
		if err != nil {
			return err
		}
		if there && watched.Site != h.Site {
			return takenAt(h.ID, h.Site, watched.Site)
		}
	}
	return s.given.holdings.PutTx(tx, h.ID, h)
}

// panelsHave holds that a license is not there for the panels of another site: neither entered for them, nor activated by one of them.
func (s *Store) panelsHave(tx *storage.Tx, id, site string) error {
	h, entered, err := s.given.holdings.GetTx(tx, id)
	if err != nil {
		return err
	}
	if entered && h.Site != site {
		return takenAt(id, site, h.Site)
	}
	for key, c := range s.given.claims.FromTx(tx, id+"\x00") {
		if !strings.HasPrefix(key, id+"\x00") {
			break
		}
		if c.Stays && c.Site != site {
			return takenAt(id, site, c.Site)
		}
	}
	return nil
}

func takenAt(id, site, other string) error {
	return fmt.Errorf("cannot store license %s for site %q: it is used at site %q: %w", id, site, other, fleet.ErrTaken)
}

func (s *Store) putFence(tx *storage.Tx, f *fleet.Fence) error {
	switch {
	case f == nil:
		return nil
	case len(f.Waiting) == 0:
		return s.given.fences.DeleteTx(tx, fenceKey)
	}
	return s.given.fences.PutTx(tx, fenceKey, *f)
}

// Holdings lists the licenses that were entered for panels, by their ids.
func (s *Store) Holdings() ([]fleet.Holding, error) {
	return collect(s, s.given.holdings)
}

// Allotments lists how much panels are to have, by license, feature and panel.
func (s *Store) Allotments() ([]fleet.Allotment, error) {
	return collect(s, s.given.allotments)
}

// Claims lists what panels said that they activated, by license and panel.
func (s *Store) Claims() ([]fleet.Claim, error) {
	return collect(s, s.given.claims)
}

func collect[T any](s *Store, table storage.Table[T]) ([]T, error) {
	var out []T
	err := s.db.View(func(tx *storage.Tx) error {
		for _, one := range table.AllTx(tx) {
			out = append(out, one)
		}
		return nil
	})
	return out, err
}

// Deeds lists the signed documents of all licenses, by license and place.
func (s *Store) Deeds() ([]fleet.Deed, error) {
	var out []fleet.Deed
	for key, raw := range s.given.deeds.All() {
		license, place, _ := strings.Cut(key, "\x00")
		out = append(out, fleet.Deed{License: license, Key: place, Raw: raw})
	}
	return out, nil
}

// Fence is what holds pools back; false when nothing does.
func (s *Store) Fence() (fleet.Fence, bool, error) { return s.given.fences.Get(fenceKey) }

// RaiseFence holds all pools back until every panel has told what it has from this hub: the store was restored from a backup.
func (s *Store) RaiseFence(now time.Time) error {
	panels, err := s.Panels()
	if err != nil {
		return err
	}
	f := fleet.Fence{Since: now}
	for _, p := range panels {
		if p.State() == fleet.PanelEnrolled {
			f.Waiting = append(f.Waiting, p.ID)
		}
	}
	return s.KeepDeeds(fleet.DeedChange{Fence: &f})
}

// AnswerDocument notes what a panel said to a document with this content, in 32 hexadecimal digits of its SHA-256, and returns what it
// had said before. Not found: there is no such document, or another content has taken its place meanwhile.
func (s *Store) AnswerDocument(panel, kind, id, digest string, answer fleet.DocumentAnswer) (before *fleet.DocumentAnswer, found bool, err error) {
	err = s.update(func(tx *storage.Tx) error {
		d, known, err := s.documents.GetTx(tx, documentKey(panel, kind, id))
		if err != nil || !known {
			return err
		}
		if sum := sha256.Sum256(d.Bytes); hex.EncodeToString(sum[:16]) != digest {
			return nil
		}
		found, before = true, d.Answer
		if before != nil && before.Result == answer.Result && before.Epoch == answer.Epoch && before.Seq == answer.Seq {
			return nil
		}
		d.Acknowledged, d.Answer = answer.At, &answer
		return s.documents.PutTx(tx, documentKey(panel, kind, id), d)
	})
	return before, found, err
}
