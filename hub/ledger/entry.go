package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"time"
)

const entryDomain = "doorpanel/hub/ledger/1"

// Entry is one line of the append-only ledger. Names and addresses of persons are not in it, so that they can be forgotten.
type Entry struct {
	Number  uint64          `json:"number"` // from 1, without gaps
	At      time.Time       `json:"at"`
	Who     string          `json:"who"`
	What    string          `json:"what"` // Change.What
	Root    string          `json:"root,omitempty"`
	Group   string          `json:"group,omitempty"`
	User    string          `json:"user,omitempty"`
	Object  string          `json:"object,omitempty"` // id of the use, panel, package or license
	Before  json.RawMessage `json:"before,omitempty"`
	After   json.RawMessage `json:"after,omitempty"`
	Stopped []string        `json:"stopped,omitempty"` // uses that were suspended by it, in whole or in part
	Resumed []string        `json:"resumed,omitempty"` // uses that came back
	Prev    string          `json:"prev"`              // Hash of the entry before; empty for the first
	Hash    string          `json:"hash"`              // of all of the above, hexadecimal
}

// sum is the hash that the entry must have: SHA-256 of the domain, a line feed, and its JSON with an empty hash.
func (e Entry) sum() (string, error) {
	e.Hash = ""
	text, err := json.Marshal(e)
	if err != nil {
		return "", fmt.Errorf("cannot write entry %d of the ledger: %w", e.Number, err)
	}
	h := sha256.New()
	h.Write([]byte(entryDomain + "\n"))
	h.Write(text)
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Verify reads the ledger from its first entry and returns how many are whole. The error names the first one that does not fit;
// that the newest are missing is found with the Mark.
func Verify(entries iter.Seq2[Entry, error], mark Mark) (uint64, error) {
	whole, before := uint64(0), ""
	for e, err := range entries {
		if err != nil {
			return whole, fmt.Errorf("cannot verify the ledger: entry %d cannot be read: %w", whole+1, err)
		}
		hash, err := e.sum()
		switch {
		case err != nil:
			return whole, err
		case e.Number != whole+1:
			return whole, fmt.Errorf("cannot verify the ledger: entry %d is missing", whole+1)
		case e.Prev != before:
			return whole, fmt.Errorf("cannot verify the ledger: entry %d does not follow the one before it", e.Number)
		case e.Hash != hash:
			return whole, fmt.Errorf("cannot verify the ledger: entry %d was changed", e.Number)
		}
		whole, before = e.Number, e.Hash
	}
	if whole != mark.Number || !strings.EqualFold(before, mark.Hash) {
		return whole, fmt.Errorf("cannot verify the ledger: entries after %d are missing, %d were written", whole, mark.Number)
	}
	return whole, nil
}
