package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/storage"
)

const (
	auditDomain  = "doorpanel/hub/audit/1"
	auditCounter = "audit"
	auditWindow  = 20_000 // entries that one question looks at
)

// An entry of the audit lies under its number as the chain up to it (32 bytes) and the JSON of the change without its chain.

func auditChain(before, change []byte) []byte {
	h := sha256.New()
	h.Write([]byte(auditDomain))
	h.Write(before)
	h.Write(change)
	return h.Sum(nil)
}

func numberKey(n uint64) string { return fmt.Sprintf("%016x", n) }

// Note writes a change into the audit, durably. Its number and chain are set by it.
func (s *Store) Note(change fleet.Change) error {
	if change.What == "" {
		return fmt.Errorf("cannot write into the audit: nothing is said of what %q did", change.Who)
	}
	return s.update(func(tx *storage.Tx) error { return s.auditTx(tx, change) })
}

func (s *Store) changesTx(tx *storage.Tx, changes []fleet.Change) error {
	for _, c := range changes {
		if err := s.auditTx(tx, c); err != nil {
			return err
		}
	}
	return nil
}

// auditTx writes a change, if it says what was done.
func (s *Store) auditTx(tx *storage.Tx, change fleet.Change) error {
	if change.What == "" {
		return nil
	}
	n, err := s.countTx(tx, auditCounter, 0)
	if err != nil {
		return err
	}
	before := make([]byte, sha256.Size)
	if n > 1 {
		last, ok, err := s.audit.GetTx(tx, numberKey(n-1))
		if err != nil || !ok || len(last) < sha256.Size {
			// The entry before is damaged and was set aside: the chain begins anew, and the check names the place.
			last = before
		}
		before = last[:sha256.Size]
	}
	change.Number, change.Chain = n, ""
	text, err := json.Marshal(change)
	if err != nil {
		return fmt.Errorf("cannot write into the audit: %w", err)
	}
	return s.audit.PutTx(tx, numberKey(n), append(auditChain(before, text), text...))
}

func readChange(b []byte) (c fleet.Change, err error) {
	if len(b) < sha256.Size {
		return c, fmt.Errorf("cannot read entry of the audit: %d bytes", len(b))
	}
	if err := json.Unmarshal(b[sha256.Size:], &c); err != nil {
		return c, fmt.Errorf("cannot read entry of the audit: %w", err)
	}
	c.Chain = hex.EncodeToString(b[:sha256.Size])
	return c, nil
}

// Changes returns what fits, newest first; next is where to go on as q.Before, 0 at the end. A page may be short, or empty,
// and still have a next one, because a bounded number of entries is looked at.
func (s *Store) Changes(q fleet.ChangeQuery) (found []fleet.Change, next uint64, err error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	below := ""
	if q.Before > 0 {
		below = numberKey(q.Before)
	}
	for looked := 0; looked < auditWindow; looked += lookedAtOnce {
		var some []fleet.Change
		if some, below, err = s.changesBelow(q, below); err != nil {
			return nil, 0, err
		}
		for _, c := range some {
			if q.Shown != nil && !q.Shown(c) {
				continue
			}
			found = append(found, c)
			if len(found) == q.Limit {
				if c.Number > 1 {
					next = c.Number
				}
				return found, next, nil
			}
		}
		if below == "" {
			return found, 0, nil
		}
	}
	next, err = strconv.ParseUint(below, 16, 64)
	return found, next, err
}

// changesBelow looks at some entries below a key, the newest first, and returns those that fit, and the key of the last one, empty
// when there are no more.
func (s *Store) changesBelow(q fleet.ChangeQuery, below string) (some []fleet.Change, end string, err error) {
	err = s.db.View(func(tx *storage.Tx) error {
		looked := 0
		for key, b := range s.audit.DownTx(tx, below) {
			if looked == lookedAtOnce {
				return nil
			}
			looked++
			end = key
			if c, err := readChange(b); err == nil && fitsChange(q, c) { // the check of the chain names what cannot be read
				some = append(some, c)
			}
		}
		end = ""
		return nil
	})
	return some, end, err
}

func fitsChange(q fleet.ChangeQuery, c fleet.Change) bool {
	return (q.Who == "" || q.Who == c.Who) && (q.What == "" || fitsKind(q.What, c.What)) && (q.Site == "" || q.Site == c.Site) &&
		(q.Text == "" || containsFold(c.Object, q.Text) || containsFold(c.Detail, q.Text))
}

// fitsKind compares with a kind, or with its beginning when that ends in a dot.
func fitsKind(asked, kind string) bool {
	return asked == kind || strings.HasSuffix(asked, ".") && strings.HasPrefix(kind, asked)
}

func containsFold(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

// VerifyChanges checks the chain of the audit from the first entry to the last and returns how many are whole. An error says
// which entry does not follow the one before it.
func (s *Store) VerifyChanges(ctx context.Context) (uint64, error) {
	count, _, err := s.counters.Get(auditCounter)
	if err != nil {
		return 0, err
	}
	before := make([]byte, sha256.Size)
	whole := uint64(0)
	for key, b := range s.audit.All() {
		if ctx.Err() != nil {
			return whole, ctx.Err()
		}
		c, err := readChange(b)
		switch {
		case key != numberKey(whole+1):
			return whole, fmt.Errorf("cannot verify the audit: entry %d is missing", whole+1)
		case err != nil || c.Number != whole+1:
			return whole, fmt.Errorf("cannot verify the audit: entry %d cannot be read", whole+1)
		case hex.EncodeToString(auditChain(before, b[sha256.Size:])) != c.Chain:
			return whole, fmt.Errorf("cannot verify the audit: entry %d was changed, or one before it was", whole+1)
		}
		before = b[:sha256.Size]
		whole++
	}
	if whole < count {
		return whole, fmt.Errorf("cannot verify the audit: entries %d to %d are missing", whole+1, count)
	}
	return whole, nil
}

// countTx gives the next number of a counter, at least the given one.
func (s *Store) countTx(tx *storage.Tx, name string, least uint64) (uint64, error) {
	n, _, err := s.counters.GetTx(tx, name)
	if err != nil {
		return 0, err
	}
	n = max(n+1, least)
	return n, s.counters.PutTx(tx, name, n)
}
