package license

// GiveOrder asks to give so many of a license's counted feature to another panel.
type GiveOrder struct {
	License TokenID
	Feature string // empty = Buttons
	To      Identity
	Count   int
}

// BackOrder asks to give so many of what another panel gave back to it.
type BackOrder struct {
	License TokenID
	Feature string // empty = Buttons
	Count   int
}

// Share is what one panel has of another one's license.
type Share struct {
	License TokenID `json:"license"`
	Feature string  `json:"feature"`
	Panel   string  `json:"panel"` // id
	Count   int     `json:"count"`
}

// Give gives a part of a license that is active here to another panel. The verdict's Sign is the slice: once it is kept, its code is
// shown to that panel.
func Give(ring Keyring, panel Panel, clock Clock, docs []Document, o GiveOrder) Verdict {
	return Verdict{}.because(NotPossible, "giving is not built yet")
}

// GiveBack gives back what another panel gave. The verdict's Sign is the return: once it is kept, its code is shown to that panel.
func GiveBack(ring Keyring, panel Panel, clock Clock, docs []Document, o BackOrder) Verdict {
	return Verdict{}.because(NotPossible, "giving back is not built yet")
}

// Undo releases a license within 7 days of its activation. The verdict's Sign is the release: with its code another panel takes the
// license over.
func Undo(ring Keyring, panel Panel, clock Clock, docs []Document, id TokenID) Verdict {
	return Verdict{}.because(NotPossible, "undoing is not built yet")
}

// Assign gives an account's license to an account.
func Assign(ring Keyring, panel Panel, clock Clock, docs []Document, id TokenID, account string) Verdict {
	return Verdict{}.because(NotPossible, "assigning is not built yet")
}

// Code is a document of this panel that another panel may have to see, or see again.
type Code struct {
	Document
	License TokenID
	Feature string
	Panel   string // id of the panel that it is for; empty = whoever takes the license over
	Count   int
	Message string // what it is for, in words
}

// Codes lists what may be shown again: slices, returns and releases, newest of each.
func (e Entitlements) Codes() []Code { return nil }

// Peers lists the panels whose identity was shown here, by id.
func Peers(docs []Document) []Identity { return nil }
