package license

import (
	"fmt"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// ExamineGroup decides about a license for a group of users, which is entered at a hub and never at a panel: readable, genuine, known
// issuer, not revoked, for a group, for this one if it names one, not over. Activated says that it may be used; there is nothing to
// sign or keep, and whether it is used elsewhere is the hub's ledger to know. A license that begins later is none the worse.
func ExamineGroup(text string, ring Keyring, group string, clock Clock) Verdict {
	return examineAtHub(text, ring, clock, func(p printed) string {
		switch {
		case p.Scope != ScopeGroup:
			return fmt.Sprintf("this license is for a %s and not for a group; enter it there", p.Scope)
		case len(p.Subject) > 0 && p.For() != group:
			return fmt.Sprintf("this license is for group %s; enter it there", p.For())
		}
		return ""
	})
}

// ExamineAccount is ExamineGroup for a license of an account that is entered at a hub, where it waits or belongs to a user of a company
// (I-3, I-4). Whether it was sold for that user is the ledger's to know.
func ExamineAccount(text string, ring Keyring, clock Clock) Verdict {
	return examineAtHub(text, ring, clock, func(p printed) string {
		if p.Scope != ScopeAccount {
			return fmt.Sprintf("this license is for a %s and not for an account; enter it there", p.Scope)
		}
		return ""
	})
}

// examineAtHub examines a license; unfit says why a good one does not belong here.
func examineAtHub(text string, ring Keyring, clock Clock, unfit func(printed) string) Verdict {
	kind, raw, err := envelope.Unarmor(text)
	v := Verdict{Kind: kind}
	switch {
	case err != nil && kind == "":
		return v.notOurs(text)
	case err != nil:
		return v.because(Malformed, "the code is damaged or cut off")
	case kind != envelope.License:
		return v.because(NotPossible, "this code is no package of licenses")
	}
	r := read(ring, Panel{}, nil)
	p := r.license(raw)
	v = v.about(p)
	switch {
	case p.refused != nil:
		return v.because(p.refused.result, p.refused.detail)
	case !p.revoked.IsZero():
		return v.because(Revoked, "this license was revoked on "+p.revoked.Format(time.DateOnly))
	case unfit(p) != "":
		return v.because(NotPossible, unfit(p))
	case !p.Expires.IsZero() && !clock.certain().Before(p.Expires):
		return v.because(Expired, "this license ended on "+p.Expires.Format(time.DateOnly))
	}
	v.Result, v.Title = Activated, Activated.Title()
	return v
}
