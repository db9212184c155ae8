package license

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// Document is one signed envelope as a store keeps it. Key is its place: of documents with one key the newest counts alone, so a
// store replaces what it has there. A store may hand several documents with one key to Derive (its own and a journal's copy).
type Document struct {
	Kind envelope.Kind
	Key  string
	Raw  []byte
}

// Places, each followed by what tells its documents apart. "own" is what this panel signed.
const (
	placeActivation = "activation/"  // license
	placeClaim      = "claim/"       // panel / license: another panel's activation
	placeRelease    = "release/own/" // license
	placeGiven      = "slice/own/"   // license / feature / receiver
	placeTaken      = "slice/from/"  // license / feature / holder
	placeBack       = "return/own/"  // license / feature / holder
	placeReceived   = "return/from/" // license / feature / receiver
	placeIdentity   = "identity/"    // panel
	placeBasic      = "word/basic/"  // hub
	placeConfirmed  = "word/claim/"  // hub / license: the hub knows this panel's claim
	placeDelegation = "delegation/"  // root / issuer
	placeRevocation = "revocation/"  // root
)

var placeKinds = [...]struct {
	place string
	kind  envelope.Kind
}{
	{placeActivation, envelope.Activation}, {placeClaim, envelope.Activation}, {placeRelease, envelope.Release},
	{placeGiven, envelope.Slice}, {placeTaken, envelope.Slice}, {placeBack, envelope.Return}, {placeReceived, envelope.Return},
	{placeIdentity, envelope.Identity}, {placeBasic, envelope.Word}, {placeConfirmed, envelope.Word},
	{placeDelegation, envelope.Delegation}, {placeRevocation, envelope.Revocation},
}

// DocumentAt is the document that a store keeps under key; false when the key is none that this package makes.
func DocumentAt(key string, raw []byte) (Document, bool) {
	for _, p := range placeKinds {
		if strings.HasPrefix(key, p.place) {
			return Document{p.kind, key, raw}, true
		}
	}
	return Document{}, false
}

// Replaced is docs with newer in the place of those with the same keys. Neither slice is changed.
func Replaced(docs, newer []Document) []Document {
	old := func(d Document) bool {
		return slices.ContainsFunc(newer, func(n Document) bool { return n.Key == d.Key })
	}
	return append(slices.DeleteFunc(slices.Clone(docs), old), newer...)
}

// reference names one printed license in keys: it is known before the license is verified.
func reference(license []byte) string {
	sum := sha256.Sum256(license)
	return hex.EncodeToString(sum[:16])
}

func place(prefix string, parts ...string) string { return prefix + strings.Join(parts, "/") }
