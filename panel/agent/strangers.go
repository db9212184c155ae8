package agent

import (
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

// A claim of another panel that began before this one's takes the license away here. Anybody who has seen a paper that is bound to nobody can make
// up a panel's key and such a claim, so what takes something away is not believed where anybody may show a code: at the panel's front, or from
// a broker. Somebody who answers for it enters it on the page.

// fromStranger tells that a code came in where nobody had to say who they are.
func fromStranger(via string) bool { return via != "web" && via != "cli" }

// guarded refuses a code that would take something away on another panel's word alone. What a root revoked, and what this panel has
// signed itself, counts wherever it is shown.
func (l *Licenses) guarded(v license.Verdict, text, via string) license.Verdict {
	if v.After == nil || !fromStranger(via) || l.ownWord(text) {
		return v
	}
	if !lessens(license.Derive(l.ring, l.o.Panel, l.o.Clock(), l.docs), *v.After) {
		return v
	}
	v.Result, v.Title = license.NotPossible, license.NotPossible.Title()
	v.Sign, v.Keep, v.After = nil, nil, nil
	v.Message = "This code says that another panel was first, and would take away what is active here. Nothing was changed. Enter it on the panel's page when that is right."
	return v
}

// ownWord tells that no other panel alone vouches for a code: a root does, or this panel's hub, or this panel.
func (l *Licenses) ownWord(text string) bool {
	kind, raw, err := envelope.Unarmor(text)
	if err != nil {
		return false
	}
	switch kind {
	case envelope.Activation, envelope.Slice, envelope.Release:
		_, signer, err := envelope.OpenBySigner(kind, raw)
		return err == nil && (signer.Equal(l.o.Panel.Key) || l.o.Panel.Hub.Key != nil && signer.Equal(l.o.Panel.Hub.Key))
	case envelope.Return:
		back, err := license.OpenReturn(raw)
		if err != nil {
			return false
		}
		slice, err := license.OpenSlice(back.Slice)
		return err == nil && slice.Holder.Equal(l.o.Panel.Key)
	}
	return true
}

// lessens tells that something that holds, or waits to, would do so no more or in a smaller number.
func lessens(before, after license.Entitlements) bool {
	type part struct {
		license license.TokenID
		root    string
		feature string
		givenBy string
	}
	left := map[part]int{}
	for _, entry := range after.List() {
		if standing(entry.Status) {
			left[part{entry.TokenID, entry.Root, entry.Feature, entry.GivenBy}] += entry.Count
		}
	}
	for _, entry := range before.List() {
		if standing(entry.Status) && left[part{entry.TokenID, entry.Root, entry.Feature, entry.GivenBy}] < entry.Count {
			return true
		}
	}
	return false
}

func standing(s license.Status) bool {
	switch s {
	case license.Active, license.Ending, license.Waiting, license.Pending, license.Grace:
		return true
	}
	return false
}
