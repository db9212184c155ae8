package license

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// records is what a panel's documents say: each is opened once, and of those with one place the newest counts.
type records struct {
	ring  Keyring
	panel Panel
	self  envelope.Thumbprint

	printed  map[string]printed   // licenses by reference, each verified once
	own      map[string]holding   // this panel's activations by reference
	faults   []fault              // records in the panel's own places that cannot be believed
	claims   []holding            // what other panels activated
	released map[string]ending    // this panel's releases by reference
	given    map[string]dealt     // by reference / feature / receiver
	taken    map[string]dealt     // by reference / feature / holder
	peers    map[string]knownPeer // by id
	basic    HubWord              // what the panel's hub gives; zero: nothing
	known    map[string]bool      // references of licenses whose claim by this panel its hub confirmed
	// A damaged record must not turn into more rights: what it could take away is withheld.
	withheld  map[string]map[string]string // by reference, the keys of the records and why: the whole license
	uncounted map[string]map[string]bool   // by reference, the keys in given: what of that license is counted
	unshared  map[string]bool              // by key in taken: that share
}

// printed is a license as it was issued.
type printed struct {
	opened
	refused *refusal
	self    identity
}

// holding is an activation and its envelope; raw is nil while it is not signed.
type holding struct {
	Activation
	raw []byte
}

// ending is a release and the turn that it ended.
type ending struct {
	Release
	raw  []byte
	turn int
}

// dealt is what one panel gave another of one feature, as far as the documents here tell.
type dealt struct {
	given
	raw      []byte // the newest slice
	most     int    // the most that any of the documents says was given
	returned int    // the most that any of them says was given back
	back     []byte // the newest return
	backed   int    // what that one says
}

func (d dealt) left() int { return max(0, d.most-d.returned) }

type fault struct {
	key    string
	at     time.Time
	detail string
}

type knownPeer struct {
	Identity
	raw []byte
}

func read(ring Keyring, panel Panel, docs []Document) *records {
	r := &records{
		ring: ring, panel: panel, self: panel.ID(),
		printed: map[string]printed{}, own: map[string]holding{}, released: map[string]ending{}, given: map[string]dealt{}, taken: map[string]dealt{},
		peers: map[string]knownPeer{}, withheld: map[string]map[string]string{}, uncounted: map[string]map[string]bool{}, unshared: map[string]bool{},
		known: map[string]bool{},
	}
	good, bad := map[string]bool{}, map[string]string{}
	for _, doc := range docs {
		if doc.Kind == envelope.Delegation || doc.Kind == envelope.Revocation {
			continue // of the ring
		}
		switch use, detail := r.add(doc); {
		case use:
			good[doc.Key] = true
		case bad[doc.Key] == "" || detail < bad[doc.Key]:
			bad[doc.Key] = detail
		}
	}
	for _, key := range slices.Sorted(maps.Keys(bad)) {
		if !good[key] {
			r.damage(key, bad[key])
		}
	}
	slices.SortFunc(r.claims, func(a, b holding) int { return bytes.Compare(a.raw, b.raw) })
	return r
}

// Why a record is not used.
const (
	damaged = "the record is damaged"
	copied  = "the record was made by another panel"
)

// What a damaged record withholds, in words.
const (
	uncountable = "the record of what was given away is damaged; show the receiving panel's code to this panel, or restore a backup"
	unshareable = "the record of what was given back is damaged; show the giving panel's code to this panel, or restore a backup"
	forgotten   = "what this panel was given, and what it gave back, are both damaged here; restore a backup, or let the dealer replace the license"
)

// add takes a document to where it belongs. False: it cannot be used, and why.
func (r *records) add(doc Document) (use bool, detail string) {
	switch prefix, tail := splitKey(doc.Key); prefix {
	case placeActivation:
		return r.addActivation(doc, tail)
	case placeClaim:
		a, err := OpenActivation(doc.Raw)
		if err != nil || tail != envelope.NameOf(a.Panel)+"/"+reference(a.License) {
			return false, damaged
		}
		r.claims = append(r.claims, holding{a, doc.Raw})
	case placeRelease:
		return r.addRelease(doc, tail)
	case placeGiven, placeTaken:
		return r.addSlice(doc, prefix, tail)
	case placeBack, placeReceived:
		return r.addReturn(doc, prefix, tail)
	case placeIdentity:
		i, err := OpenIdentity(doc.Raw)
		if err != nil || tail != i.ID().String() {
			return false, damaged
		}
		if old, known := r.peers[tail]; !known || i.At.After(old.At) || i.At.Equal(old.At) && bytes.Compare(doc.Raw, old.raw) > 0 {
			r.peers[tail] = knownPeer{i, doc.Raw}
		}
	case placeBasic, placeConfirmed:
		return r.addWord(doc, prefix, tail)
	default:
		return false, damaged
	}
	return true, ""
}

func splitKey(key string) (prefix, tail string) {
	for _, p := range placeKinds {
		if tail, ok := strings.CutPrefix(key, p.place); ok {
			return p.place, tail
		}
	}
	return "", key
}

func (r *records) addActivation(doc Document, tail string) (bool, string) {
	a, err := OpenActivation(doc.Raw)
	switch {
	case err != nil || tail != reference(a.License):
		return false, damaged
	case !bytes.Equal(a.Panel, r.panel.Key):
		return false, "was activated on panel " + envelope.NameOf(a.Panel) + ": this store was copied; enter the license again"
	}
	if old, known := r.own[tail]; !known || newer(holding{a, doc.Raw}, old) {
		r.own[tail] = holding{a, doc.Raw}
	}
	return true, ""
}

// newer tells which of two activations of one panel replaces the other; of twins the one that began first.
func newer(a, b holding) bool {
	switch {
	case a.Turn != b.Turn:
		return a.Turn > b.Turn
	case a.Changes != b.Changes:
		return a.Changes > b.Changes
	case !a.At.Equal(b.At):
		return a.At.Before(b.At)
	}
	return bytes.Compare(a.raw, b.raw) > 0
}

func (r *records) addRelease(doc Document, tail string) (bool, string) {
	release, err := OpenRelease(doc.Raw)
	if err != nil {
		return false, damaged
	}
	a, err := OpenActivation(release.Activation)
	switch {
	case err != nil || tail != reference(a.License) || !bytes.Equal(a.Panel, release.Panel):
		return false, damaged
	case !bytes.Equal(release.Panel, r.panel.Key):
		return false, copied
	}
	next := ending{release, doc.Raw, a.Turn}
	if old, known := r.released[tail]; !known || next.turn > old.turn || next.turn == old.turn && bytes.Compare(next.raw, old.raw) > 0 {
		r.released[tail] = next
	}
	return true, ""
}

func (r *records) addSlice(doc Document, prefix, tail string) (bool, string) {
	slice, err := openGiven(doc.Raw)
	if err != nil {
		return false, damaged
	}
	side, other, mine := r.given, slice.To, bytes.Equal(slice.Holder, r.panel.Key)
	if prefix == placeTaken {
		side, other, mine = r.taken, envelope.ThumbprintOf(slice.Holder), slice.To == r.self
	}
	switch {
	case doc.Key != slice.place(prefix, other):
		return false, damaged
	case !mine:
		return false, copied
	}
	side[tail] = side[tail].with(slice, doc.Raw)
	return true, ""
}

func (r *records) addReturn(doc Document, prefix, tail string) (bool, string) {
	back, slice, err := openBack(doc.Raw)
	if err != nil {
		return false, damaged
	}
	side, other, mine := r.taken, envelope.ThumbprintOf(slice.Holder), bytes.Equal(back.Panel, r.panel.Key)
	if prefix == placeReceived {
		side, other, mine = r.given, slice.To, bytes.Equal(slice.Holder, r.panel.Key)
	}
	switch {
	case doc.Key != slice.place(prefix, other):
		return false, damaged
	case !mine:
		return false, copied
	}
	d := side[tail].with(slice, back.Slice)
	d.returned = max(d.returned, back.Returned)
	if back.Returned > d.backed || back.Returned == d.backed && bytes.Compare(doc.Raw, d.back) > 0 {
		d.back, d.backed = doc.Raw, back.Returned
	}
	side[tail] = d
	return true, ""
}

// openBack opens a return with the slice in it; the receiver of that slice must have signed it, for no more than it got.
func openBack(raw []byte) (Return, given, error) {
	back, err := OpenReturn(raw)
	if err != nil {
		return Return{}, given{}, err
	}
	slice, err := openGiven(back.Slice)
	if err != nil {
		return Return{}, given{}, err
	}
	if envelope.ThumbprintOf(back.Panel) != slice.To || back.Returned > slice.Given {
		return Return{}, given{}, unreadable(envelope.Return, errors.New("it gives back what its signer was not given"))
	}
	return back, slice, nil
}

// with counts one more slice in.
func (d dealt) with(slice given, raw []byte) dealt {
	d.most, d.returned = max(d.most, slice.Given), max(d.returned, slice.Returned)
	if d.raw == nil || d.older(slice, raw) {
		d.given, d.raw = slice, raw
	}
	return d
}

func (d dealt) older(slice given, raw []byte) bool {
	switch {
	case slice.Given != d.Given:
		return slice.Given > d.Given
	case slice.Returned != d.Returned:
		return slice.Returned > d.Returned
	case newer(holding{slice.activation, slice.Activation}, holding{d.activation, d.Activation}):
		return true
	}
	return bytes.Equal(slice.Activation, d.Activation) && bytes.Compare(raw, d.raw) > 0
}

// damage withholds what a record that cannot be used might have taken away.
func (r *records) damage(key, detail string) {
	prefix, tail := splitKey(key)
	parts := strings.Split(tail, "/")
	const restore = "show its code to this panel again, or restore a backup"
	switch {
	case prefix == placeActivation && detail == damaged:
		r.faults = append(r.faults, fault{key: key, detail: "the stored record is damaged; enter the license again"})
	case prefix == placeActivation:
		r.faults = append(r.faults, fault{key: key, detail: detail})
	case detail == copied:
	case prefix == placeTaken:
		r.faults = append(r.faults, fault{key: key, detail: "the record of a share is damaged; show the giving panel's code to this panel again"})
	case prefix == placeGiven:
		if r.uncounted[parts[0]] == nil {
			r.uncounted[parts[0]] = map[string]bool{}
		}
		r.uncounted[parts[0]][tail] = true
	case prefix == placeRelease:
		r.withhold(parts[0], key, "the record of its release is damaged; "+restore)
	case prefix == placeClaim && len(parts) == 2:
		r.withhold(parts[1], key, "the record of another panel's claim is damaged; "+restore)
	case prefix == placeBack:
		r.unshared[tail] = true
	}
}

func (r *records) withhold(ref, key, detail string) {
	if r.withheld[ref] == nil {
		r.withheld[ref] = map[string]string{}
	}
	r.withheld[ref][key] = detail
}

// withholds tells why a license does not count whatever else is known of it; empty when it does.
func (r *records) withholds(ref string) string {
	for _, key := range slices.Sorted(maps.Keys(r.withheld[ref])) {
		return r.withheld[ref][key]
	}
	return ""
}

// mend forgets that a record could not be believed: it is replaced.
func (r *records) mend(key string) {
	r.faults = slices.DeleteFunc(r.faults, func(f fault) bool { return f.key == key })
}

// license verifies a license once.
func (r *records) license(raw []byte) printed {
	ref := reference(raw)
	p, known := r.printed[ref]
	if !known {
		p.opened, p.refused = r.ring.open(raw)
		p.self = identity{p.ID, string(p.root)}
		r.printed[ref] = p
	}
	return p
}

// over tells that this panel released the license after it activated it, or that it has released it and not activated it again.
func (r *records) over(ref string) (ending, bool) {
	release, known := r.released[ref]
	return release, known && r.own[ref].Turn <= release.turn
}

// name is a panel as people know it.
func (r *records) name(id envelope.Thumbprint) string {
	if peer, known := r.peers[id.String()]; known {
		return peer.Identity.String()
	}
	return "panel " + id.String()
}

// shares are the parts of licenses that were given away, by reference; those of one license by feature and receiver.
func (r *records) shares() map[string][]dealt {
	all := map[string][]dealt{}
	for _, tail := range slices.Sorted(maps.Keys(r.given)) {
		ref, _, _ := strings.Cut(tail, "/")
		all[ref] = append(all[ref], r.given[tail])
	}
	return all
}
