package store

import (
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/telemetry"
)

const (
	recentChains = 64 // of a panel: as many entries as it has under way
	pastEpochs   = 64 // of a panel: beyond it, the oldest is forgotten
)

// end is the last stored entry of one epoch of a panel's journal.
type end struct {
	Epoch string `json:"epoch"`
	Seq   uint64 `json:"seq"`
	Chain string `json:"chain,omitempty"`
}

// course is how far a panel's journal is stored.
type course struct {
	Head fleet.Head `json:"head"`
	Past []end      `json:"past,omitempty"` // of its other epochs, in the order in which they were left

	serial uint64 // of the newest event
	recent []link // the last entries of the head's epoch, in order
}

// link is an entry and the chain up to it.
type link struct {
	seq   uint64
	chain [16]byte
}

func (c *course) known() bool { return c.Head.Seq != 0 }

// ending finds the end of an epoch.
func (c *course) ending(epoch string) (end, bool) {
	if c.known() && c.Head.Epoch == epoch {
		return end{c.Head.Epoch, c.Head.Seq, c.Head.Chain}, true
	}
	for _, e := range c.Past {
		if e.Epoch == epoch {
			return e, true
		}
	}
	return end{}, false
}

// covers is the first entry that an event stands for: its own number, or where the gap begins that it accounts for.
func covers(e *telemetry.Event) uint64 {
	if g := e.Gap; g != nil && g.To == e.Seq && g.From <= e.Seq {
		return g.From
	}
	return e.Seq
}

// judge decides what is to be done with an event and what is wrong with it. It changes nothing.
//
// An event is stored exactly when it is the next one of its epoch, or the first that is heard of a panel, or accounts for
// all that is missing before it. A chain that does not fit is a fault, and the event is stored all the same: it is what
// there is to be looked at, and the panel would wait for ever otherwise.
func (c *course) judge(r *fleet.Received) fleet.Outcome {
	e := &r.Event
	last, heard := c.ending(e.Epoch)
	switch {
	case heard && e.Seq <= last.Seq:
		return c.judgeAgain(r, last)
	case heard && covers(e) > last.Seq+1:
		return fleet.Outcome{Verdict: fleet.Ahead, Want: last.Seq + 1}
	case !heard && c.known() && covers(e) > c.Head.Seq+1:
		return fleet.Outcome{Verdict: fleet.Ahead, Want: c.Head.Seq + 1}
	}
	return fleet.Outcome{Verdict: fleet.Stored, Fault: c.fault(r, last, heard)}
}

// judgeAgain compares an entry that is stored already with what came first, as far as its chain is remembered.
func (c *course) judgeAgain(r *fleet.Received, last end) fleet.Outcome {
	e := &r.Event
	stored := ""
	if e.Seq == last.Seq {
		stored = last.Chain
	} else if e.Epoch == c.Head.Epoch {
		stored = c.chainAt(e.Seq)
	}
	if stored == "" || e.Chain == "" || stored == e.Chain {
		return fleet.Outcome{Verdict: fleet.Duplicate}
	}
	return fleet.Outcome{Verdict: fleet.Rewritten, Fault: newFault(r, fleet.FaultRewritten, fmt.Sprintf(
		"Entry %d was received before with another chain (%s, now %s): the journal was rewritten, or an older state of the panel was put back.",
		e.Seq, stored, e.Chain))}
}

func (c *course) chainAt(seq uint64) string {
	i, ok := slices.BinarySearchFunc(c.recent, seq, func(l link, seq uint64) int {
		switch {
		case l.seq < seq:
			return -1
		case l.seq > seq:
			return 1
		}
		return 0
	})
	if !ok {
		return ""
	}
	return hex.EncodeToString(c.recent[i].chain[:])
}

// fault finds what is wrong with an event that is to be stored. The chain comes first: it is what somebody has to look at.
func (c *course) fault(r *fleet.Received, last end, heard bool) *fleet.Fault {
	e := &r.Event
	switch {
	case heard && last.Chain != "" && e.Chain == "":
		return newFault(r, fleet.FaultBroken, fmt.Sprintf("Entry %d does not show the journal's chain any more: the panel's software is older now, or somebody else speaks.", e.Seq))
	case heard && covers(e) == last.Seq+1 && last.Chain != "" && e.Prev != "" && e.Prev != last.Chain:
		return newFault(r, fleet.FaultBroken, fmt.Sprintf("Entry %d does not follow entry %d as it was received (chain %s, the panel says %s): entries before it were changed.",
			e.Seq, last.Seq, last.Chain, e.Prev))
	case !heard && c.known():
		return newFault(r, fleet.FaultEpoch, fmt.Sprintf("A new epoch of the journal begins with entry %d: the panel's journal was made anew or restored from a backup. The last entry before was %d of epoch %s.",
			e.Seq, c.Head.Seq, c.Head.Epoch))
	case heard && e.Epoch != c.Head.Epoch:
		return newFault(r, fleet.FaultEpoch, fmt.Sprintf("Entry %d goes on in an older epoch of the journal: an older state of the panel was put back, or two panels have one identity.", e.Seq))
	case covers(e) < e.Seq:
		return newFault(r, fleet.FaultGap, fmt.Sprintf("The panel says that its entries %d to %d are gone.", e.Gap.From, e.Gap.To))
	}
	return nil
}

func newFault(r *fleet.Received, kind fleet.FaultKind, detail string) *fleet.Fault {
	return &fleet.Fault{Panel: r.Panel, Site: r.Site, At: r.At, Kind: kind, Epoch: r.Event.Epoch, Seq: r.Event.Seq, Detail: detail}
}

// advance takes a stored event in.
func (c *course) advance(serial uint64, panel string, p position, at time.Time) {
	if c.known() && c.Head.Epoch != p.epoch {
		c.Past = append(c.Past, end{c.Head.Epoch, c.Head.Seq, c.Head.Chain})
		c.Past = slices.DeleteFunc(c.Past, func(e end) bool { return e.Epoch == p.epoch })
		if len(c.Past) > pastEpochs {
			c.Past = c.Past[len(c.Past)-pastEpochs:]
		}
		c.recent = c.recent[:0]
	}
	c.Head = fleet.Head{Panel: panel, Epoch: p.epoch, Seq: p.seq, Chain: p.chain, At: at}
	c.serial = serial
	c.remember(p.seq, p.chain)
}

func (c *course) remember(seq uint64, chain string) {
	l := link{seq: seq}
	if len(chain) != hex.EncodedLen(len(l.chain)) {
		return
	}
	if _, err := hex.Decode(l.chain[:], []byte(chain)); err != nil {
		return
	}
	if len(c.recent) == recentChains {
		copy(c.recent, c.recent[1:])
		c.recent = c.recent[:recentChains-1]
	}
	c.recent = append(c.recent, l)
}
