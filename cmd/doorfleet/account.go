package main

import (
	"cmp"
	"fmt"
	"slices"
)

// written is one entry of a panel's journal, as the panel has it.
type written struct {
	Epoch string
	Seq   uint64
	Chain string // of the journal up to it
	Gap   uint64 // how many entries it stands for besides itself
}

// held is one event as the hub has it, in the order in which the hub got it.
type held struct {
	Panel string `json:"panel"`
	Epoch string `json:"epoch"`
	Seq   uint64 `json:"seq"`
	Chain string `json:"chain"`
	Kind  string `json:"kind"`
}

// account compares what one panel wrote with what the hub holds of it.
type account struct {
	Panel      int    `json:"panel"`
	ID         string `json:"id"`
	Site       string `json:"site"`
	Name       string `json:"name"`
	Written    int    `json:"written"`
	Held       int    `json:"held"`
	Lost       int    `json:"lost"`       // written, and not held
	Twice      int    `json:"twice"`      // held more than once
	Disordered int    `json:"disordered"` // held after one that was written later
	Other      int    `json:"other"`      // held with another content
	Strange    int    `json:"strange"`    // held, and never written
	First      string `json:"first,omitempty"`
	Odd        string `json:"odd,omitempty"` // why the two may differ: the panel was set back, or had a twin
	Fault      bool   `json:"fault"`         // the hub has found that something is wrong with the panel
}

// good tells whether nothing is lost and nothing is there twice. A panel whose journal was rewritten cannot be all there: the hub
// has to have found that out instead.
func (a account) good() bool {
	if a.Twice > 0 || a.Disordered > 0 {
		return false
	}
	if a.Odd != "" {
		return a.Fault || a.Lost == 0 && a.Other == 0 && a.Strange == 0
	}
	return a.Lost == 0 && a.Other == 0 && a.Strange == 0
}

type entryKey struct {
	epoch string
	seq   uint64
}

// balance compares one panel's entries, in their order, with the hub's, in the order of their arrival. What the hub holds beyond the
// panel's last entry was written after the panel was counted and is passed over.
func balance(wrote []written, holds []held) (a account) {
	a.Written, a.Held = len(wrote), 0
	chains := make(map[entryKey]string, len(wrote))
	last := map[string]uint64{}
	for _, w := range wrote {
		chains[entryKey{w.Epoch, w.Seq}] = w.Chain
		last[w.Epoch] = max(last[w.Epoch], w.Seq)
	}
	seen := make(map[entryKey]int, len(holds))
	highest := map[string]uint64{}
	note := func(what string, epoch string, seq uint64) {
		if a.First == "" {
			a.First = fmt.Sprintf("%s: entry %d of journal %.8s", what, seq, epoch)
		}
	}
	for _, h := range holds {
		key := entryKey{h.Epoch, h.Seq}
		chain, ours := chains[key]
		if !ours && h.Seq > last[h.Epoch] && last[h.Epoch] > 0 {
			continue
		}
		a.Held++
		seen[key]++
		switch {
		case seen[key] > 1:
			a.Twice++
			note("twice", h.Epoch, h.Seq)
		case h.Seq < highest[h.Epoch]:
			a.Disordered++
			note("out of order", h.Epoch, h.Seq)
		}
		highest[h.Epoch] = max(highest[h.Epoch], h.Seq)
		switch {
		case !ours:
			a.Strange++
			note("never written", h.Epoch, h.Seq)
		case h.Chain != "" && chain != "" && h.Chain != chain:
			a.Other++
			note("another content", h.Epoch, h.Seq)
		}
	}
	for _, w := range wrote {
		if seen[entryKey{w.Epoch, w.Seq}] == 0 {
			a.Lost++
			note("lost", w.Epoch, w.Seq)
		}
	}
	return a
}

// totals adds up accounts and names the panels that are not good, the worst first.
type totals struct {
	Panels     int       `json:"panels"`
	Written    int       `json:"written"`
	Held       int       `json:"held"`
	Lost       int       `json:"lost"`
	Twice      int       `json:"twice"`
	Disordered int       `json:"disordered"`
	Other      int       `json:"other"`
	Strange    int       `json:"strange"`
	Bad        []account `json:"bad"`
	Odd        []account `json:"odd"` // set back or doubled, and found out
}

func total(accounts []account) totals {
	t := totals{Panels: len(accounts), Bad: []account{}, Odd: []account{}}
	for _, a := range accounts {
		t.Written, t.Held = t.Written+a.Written, t.Held+a.Held
		switch {
		case !a.good():
			t.Bad = append(t.Bad, a)
		case a.Odd != "":
			t.Odd = append(t.Odd, a)
			continue
		}
		t.Lost, t.Twice, t.Disordered = t.Lost+a.Lost, t.Twice+a.Twice, t.Disordered+a.Disordered
		t.Other, t.Strange = t.Other+a.Other, t.Strange+a.Strange
	}
	slices.SortStableFunc(t.Bad, func(a, b account) int { return cmp.Compare(b.Lost+b.Twice, a.Lost+a.Twice) })
	return t
}
