package license

import (
	"bytes"
	"crypto/ed25519"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/license/envelope"
)

const longestHistory = 12

// histories runs a property over random histories: as many as -rapid.checks says, else so many hundreds.
func histories(t *testing.T, hundreds int, property func(*rapid.T)) {
	flag.Visit(func(f *flag.Flag) {
		if f.Name == "rapid.checks" {
			hundreds = 1
		}
	})
	for range hundreds {
		rapid.Check(t, property)
	}
}

// sold is a license on paper.
type sold struct {
	token Token
	text  string
	count int
	turns map[int]int // who activated it, by turn: two panels in one turn have entered one code twice
	twice bool
	back  bool // sold for one panel, which gave it up: its seller issues it anew, nobody else can
}

// unit is one panel with its store.
type unit struct {
	key     testKey
	panel   Panel
	docs    []Document
	backups [][]Document // from before each of its own steps
	keeping Timekeeping
	wall    time.Duration // what its clock is wrong by
	source  TimeSource
	rights  *Entitlements // of docs and the time; nil after a change
	// forgetful: a record of what it gave, of a release or of another's claim is damaged, and the next code that is shown mends it,
	// also one that was kept since before. What it gave back is not among them: that counts as everything.
	forgetful bool
}

// estate is several panels that share licenses, and whoever tries everything with them.
type estate struct {
	*rapid.T
	truth    time.Time
	licenses []*sold
	units    []*unit
	codes    []string // every code that was ever shown, licenses excepted
	restored bool     // a store was set back, or a damaged record mended by a code that may be an old one
	revoked  bool
	damaged  bool
	meeting  bool // nothing goes wrong any more
}

func newEstate(r *rapid.T) *estate {
	e := &estate{T: r, truth: issued.AddDate(0, 0, 1)}
	for i := range rapid.IntRange(2, 4).Draw(r, "panels") {
		key := keyOf(byte(100 + i))
		e.units = append(e.units, &unit{key: key, panel: Panel{Key: key.pub, Site: "villa"}, keeping: Timekeeping{}.Prove(issued), source: Synchronized})
	}
	for i := range rapid.IntRange(1, 2).Draw(r, "licenses") {
		count := rapid.SampledFrom([]int{1, 4, 10, 80}).Draw(r, "count")
		token := Token{ID: TokenID{15: byte(i + 1)}, IssuedAt: issued, Scope: ScopePanel, Grants: []Grant{{Buttons, count}}}
		switch rapid.IntRange(0, 5).Draw(r, "shape") {
		case 1:
			token.Subject = idOf(e.units[rapid.IntRange(0, len(e.units)-1).Draw(r, "bound to")].panel)
		case 2:
			token.Term = Term{Days: rapid.IntRange(20, 400).Draw(r, "term")}
		case 3:
			token.Expires = issued.AddDate(0, 0, rapid.IntRange(40, 400).Draw(r, "expires"))
		case 4:
			token.Scope = ScopeSite
			if rapid.Bool().Draw(r, "of the villa") {
				token.Subject = []byte("villa")
			}
		}
		raw, err := token.Sign(rootKey.pub, rootKey.sign)
		if err != nil {
			r.Fatal(err)
		}
		e.licenses = append(e.licenses, &sold{token: token, text: envelope.Armor(envelope.License, raw), count: count, turns: map[int]int{}})
	}
	for _, l := range e.licenses {
		e.enter(l)
	}
	return e
}

func (e *estate) anyone(name string) int { return rapid.IntRange(0, len(e.units)-1).Draw(e.T, name) }

func (e *estate) clock(u *unit) Clock {
	return u.keeping.Clock(Reading{Wall: e.truth.Add(u.wall), Source: u.source})
}

func (e *estate) ring(u *unit) Keyring {
	ring, _ := KeyringOf([]ed25519.PublicKey{rootKey.pub}, u.docs)
	return ring
}

func (e *estate) derived(u *unit) Entitlements {
	if u.rights == nil {
		rights := Derive(e.ring(u), u.panel, e.clock(u), u.docs)
		u.rights = &rights
	}
	return *u.rights
}

// keep does what a verdict asks: sign, store, and only then show what is meant for others. A panel that dies before it has stored has
// shown nothing; one that dies afterwards has the document.
func (e *estate) keep(by int, v Verdict) {
	u := e.units[by]
	more := slices.Clone(v.Keep)
	if v.Sign != nil {
		doc, err := v.Sign.Sign(u.key.sign)
		if err != nil {
			e.Fatal(err)
		}
		more = append(more, doc)
	}
	if len(more) == 0 {
		if v.Result == Activated && v.Kind != envelope.Identity {
			e.Fatalf("yes without anything to keep: %s", v.Message)
		}
		return
	}
	if rapid.IntRange(0, 9).Draw(e.T, "dies before it is stored") == 0 && !e.meeting {
		return
	}
	u.backups = append(u.backups, slices.Clone(u.docs))
	for _, doc := range more {
		u.docs = slices.DeleteFunc(slices.Clone(u.docs), func(old Document) bool { return old.Key == doc.Key })
		u.docs = append(u.docs, doc)
		switch doc.Kind {
		case envelope.Activation, envelope.Slice, envelope.Return, envelope.Release:
			e.codes = append(e.codes, envelope.Armor(doc.Kind, doc.Raw))
		}
		if doc.Kind == envelope.Activation {
			e.note(by, doc)
		}
	}
	u.rights = nil
}

// note sees whether one code was entered at two panels: a paper, or the release of one.
func (e *estate) note(by int, doc Document) {
	a, err := OpenActivation(doc.Raw)
	if err != nil || !bytes.Equal(a.Panel, e.units[by].key.pub) {
		return
	}
	for _, l := range e.licenses {
		if l.text != envelope.Armor(envelope.License, a.License) {
			continue
		}
		if before, done := l.turns[a.Turn]; done && before != by {
			l.twice = true
		}
		l.turns[a.Turn] = by
	}
}

func (e *estate) examine(by int, code string) Verdict {
	u := e.units[by]
	v := Examine(code, e.ring(u), u.panel, e.clock(u), u.docs, "")
	e.Logf("panel %d reads %.4s: %s %s", by, code, v.Result, v.Message)
	if u.forgetful && len(v.Keep) > 0 {
		e.restored = true
	}
	e.keep(by, v)
	return v
}

func (e *estate) identity(of int) Identity {
	return Identity{Panel: e.units[of].key.pub, Name: fmt.Sprintf("P%d", of), At: issued}
}

// somebody draws a panel, mostly one that is fit for what is to be done.
func (e *estate) somebody(name string, fit func(*unit) bool) int {
	var all []int
	for i, u := range e.units {
		if fit(u) {
			all = append(all, i)
		}
	}
	if len(all) == 0 || rapid.IntRange(0, 7).Draw(e.T, "anybody") == 7 {
		return e.anyone(name)
	}
	return rapid.SampledFrom(all).Draw(e.T, name)
}

// step lets something happen.
func (e *estate) step() {
	l := e.licenses[rapid.IntRange(0, len(e.licenses)-1).Draw(e.T, "license")]
	owns := func(u *unit) bool { return e.own(u, l) }
	shares := func(u *unit) bool { return !e.own(u, l) && e.usable(u, l) > 0 }
	switch rapid.IntRange(0, 19).Draw(e.T, "what") {
	case 0, 1, 2, 3, 4, 5:
		e.give(e.somebody("giver", owns), l)
	case 6, 7, 8:
		e.giveBack(e.somebody("returner", shares), l)
	case 9, 10, 11, 12:
		if len(e.codes) > 0 {
			back := rapid.IntRange(0, len(e.codes)-1).Draw(e.T, "codes ago")
			e.examine(e.anyone("reader"), e.codes[len(e.codes)-1-back])
		}
	case 13:
		e.examine(e.anyone("reader of a paper"), l.text)
	case 14, 15:
		e.undo(e.somebody("releaser", owns), l)
	case 16, 17:
		e.pass(time.Duration(rapid.IntRange(1, 90*24).Draw(e.T, "hours")) * time.Hour)
	case 18:
		u := e.units[e.anyone("panel with another clock")]
		u.wall = time.Duration(rapid.IntRange(-400*24, 400*24).Draw(e.T, "hours wrong")) * time.Hour
		u.source = rapid.SampledFrom([]TimeSource{Synchronized, Administrator, Battery, Unknown}).Draw(e.T, "source")
		u.look(e, 0)
	case 19:
		e.revoke(e.anyone("reader of a list"), l)
	}
}

// enter enters the paper at a panel that it is good for.
func (e *estate) enter(l *sold) {
	e.examine(e.somebody("first panel", func(u *unit) bool { return l.token.notFor(u.panel) == "" }), l.text)
}

func (e *estate) give(by int, l *sold) {
	u, to := e.units[by], e.anyone("receiver")
	count := rapid.IntRange(1, l.count+1).Draw(e.T, "count")
	v := Give(e.ring(u), u.panel, e.clock(u), u.docs, GiveOrder{License: l.token.ID, To: e.identity(to), Count: count})
	e.Logf("panel %d gives %d to %d: %s %s", by, count, to, v.Result, v.Message)
	e.keepAndShow(by, to, v)
}

func (e *estate) giveBack(by int, l *sold) {
	u := e.units[by]
	count := rapid.IntRange(1, l.count).Draw(e.T, "count")
	v := GiveBack(e.ring(u), u.panel, e.clock(u), u.docs, BackOrder{License: l.token.ID, Count: count})
	e.Logf("panel %d gives %d back: %s %s", by, count, v.Result, v.Message)
	e.keepAndShow(by, e.somebody("giver", func(u *unit) bool { return e.own(u, l) }), v)
}

func (e *estate) undo(by int, l *sold) {
	u := e.units[by]
	v := Undo(e.ring(u), u.panel, e.clock(u), u.docs, l.token.ID)
	e.Logf("panel %d releases: %s %s", by, v.Result, v.Message)
	l.back = l.back || v.Result == Activated && l.token.Scope == ScopePanel && len(l.token.Subject) > 0
	e.keepAndShow(by, e.anyone("next panel"), v)
}

// keepAndShow shows what was signed to the other panel at once, or leaves it lying about.
func (e *estate) keepAndShow(by, to int, v Verdict) {
	before := len(e.codes)
	e.keep(by, v)
	if len(e.codes) > before && rapid.IntRange(0, 2).Draw(e.T, "shown at once") > 0 {
		e.examine(to, e.codes[len(e.codes)-1])
	}
}

// revoke takes a license back at the desk; the list reaches one panel, the others may see it later.
func (e *estate) revoke(by int, l *sold) {
	list := Revocation{Number: 1, IssuedAt: issued, Tokens: map[TokenID]time.Time{l.token.ID: issued}}
	raw, err := list.Sign(rootKey.pub, rootKey.sign)
	if err != nil {
		e.Fatal(err)
	}
	e.revoked = true
	code := envelope.Armor(envelope.Revocation, raw)
	if !slices.Contains(e.codes, code) {
		e.codes = append(e.codes, code)
	}
	e.examine(by, code)
}

// mishap is what happens to stores: one is set back to what it was before, one is damaged.
func (e *estate) mishap() {
	by := e.anyone("struck panel")
	u := e.units[by]
	if rapid.Bool().Draw(e.T, "set back") && len(u.backups) > 0 {
		u.docs, e.restored = rapid.SampledFrom(u.backups).Draw(e.T, "backup"), true
		e.Logf("panel %d is set back to %d documents", by, len(u.docs))
	} else if len(u.docs) > 0 {
		i := rapid.IntRange(0, len(u.docs)-1).Draw(e.T, "document")
		u.docs, e.damaged = slices.Clone(u.docs), true
		raw := bytes.Clone(u.docs[i].Raw)
		raw[rapid.IntRange(0, len(raw)-1).Draw(e.T, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(e.T, "bit")
		e.Logf("panel %d: %s is damaged", by, u.docs[i].Key)
		for _, place := range []string{placeGiven, placeRelease, placeClaim} {
			u.forgetful = u.forgetful || strings.HasPrefix(u.docs[i].Key, place)
		}
		u.docs[i].Raw = raw
	}
	u.rights = nil
}

func (u *unit) look(e *estate, elapsed time.Duration) {
	u.keeping = u.keeping.Observe(Reading{Wall: e.truth.Add(u.wall), Source: u.source, Elapsed: elapsed})
	u.rights = nil
}

func (e *estate) pass(length time.Duration) {
	e.truth = e.truth.Add(length)
	for _, u := range e.units {
		u.look(e, length)
	}
}

// usable is how many buttons of a license can be used on a panel.
func (e *estate) usable(u *unit, l *sold) (sum int) {
	for _, entry := range e.derived(u).List() {
		if entry.TokenID == l.token.ID && entry.Feature == Buttons && entry.Status.counts() {
			sum += entry.Count
		}
	}
	return sum
}

func (e *estate) inAll(l *sold) (sum int) {
	for _, u := range e.units {
		sum += e.usable(u, l)
	}
	return sum
}

// check looks at what must hold after every step.
func (e *estate) check() {
	for _, l := range e.licenses {
		if sum := e.inAll(l); sum > l.count && !l.twice && !e.restored {
			e.Fatalf("%d of %d buttons can be used", sum, l.count)
		}
		for i, u := range e.units {
			if end := l.token.Expires; !end.IsZero() && !e.clock(u).latest().Before(end) && e.usable(u, l) > 0 {
				e.Fatalf("panel %d goes on after the end of %v", i, end)
			}
			if own := e.own(u, l); own && l.token.Scope == ScopePanel && len(l.token.Subject) > 0 && !bytes.Equal(l.token.Subject, idOf(u.panel)) {
				e.Fatalf("a license for another panel is active on panel %d", i)
			}
		}
	}
	for i, u := range e.units {
		if got := e.derived(u).Buttons(); got < 1 {
			e.Fatalf("panel %d has %d buttons: the free one is gone", i, got)
		}
	}
}

// own tells that a license is active on a panel by itself, not as another one's share.
func (e *estate) own(u *unit, l *sold) bool {
	return slices.ContainsFunc(e.derived(u).List(), func(entry Entry) bool {
		return entry.TokenID == l.token.ID && entry.GivenBy == "" && entry.Status.counts()
	})
}

// checkOrder sees that rights follow from documents and time alone.
func (e *estate) checkOrder() {
	for i, u := range e.units {
		docs := append(slices.Clone(u.docs), u.docs...)
		if !e.restored && !e.damaged { // a journal holds older copies, too
			docs = slices.Concat(append(u.backups, docs)...)
		}
		shuffled := rapid.Permutation(docs).Draw(e.T, "shuffled")
		if !Derive(e.ring(u), u.panel, e.clock(u), shuffled).Equal(e.derived(u)) {
			e.Fatalf("panel %d: another order, or every document twice, gives other rights", i)
		}
	}
}

// meet shows every panel what every other one can show, until nobody learns anything new.
func (e *estate) meet() {
	e.meeting = true
	for round := 0; ; round++ {
		learned := false
		for by := range e.units {
			for _, code := range e.shown() {
				if v := e.examine(by, code); v.Sign != nil || len(v.Keep) > 0 {
					learned = true
				}
			}
		}
		if !learned {
			return
		}
		if round > 20 {
			e.Fatal("the panels do not come to an end")
		}
	}
}

// shown is every code that the panels' pages show now, and every activation.
func (e *estate) shown() []string {
	codes := map[string]bool{}
	for _, u := range e.units {
		for _, code := range e.derived(u).Codes() {
			codes[envelope.Armor(code.Kind, code.Raw)] = true
		}
		for _, doc := range u.docs {
			if doc.Kind == envelope.Activation {
				codes[envelope.Armor(doc.Kind, doc.Raw)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(codes))
}

// knows tells that a holder whose store was set back has found what it gave away too much: it has nothing left, and names every share.
func (e *estate) knows(l *sold, sum int) bool {
	for _, u := range e.units {
		for _, entry := range e.derived(u).List() {
			given := 0
			for _, share := range entry.Given {
				given += share.Count
			}
			if entry.TokenID == l.token.ID && entry.GivenBy == "" && entry.Status.counts() && entry.Count == 0 && given == sum {
				return true
			}
		}
	}
	return false
}

func TestNoMoreCanBeUsedThanWasSoldWhateverPanelsDoTogether(t *testing.T) {
	t.Parallel()
	histories(t, 6, func(r *rapid.T) {
		e := newEstate(r)
		for range rapid.IntRange(1, longestHistory).Draw(r, "steps") {
			e.step()
			e.check()
		}
		e.checkOrder()
	})
}

// A store that is set back, and a code that is entered twice, may give more than was sold: until the panels show each other what they
// have. A damaged byte gives nothing at any time.
func TestWhatGoesWrongIsFoundAndHealedWhenPanelsMeet(t *testing.T) {
	t.Parallel()
	histories(t, 2, func(r *rapid.T) {
		e := newEstate(r)
		for range rapid.IntRange(1, longestHistory).Draw(r, "steps") {
			e.step()
			e.check()
			if rapid.IntRange(0, 3).Draw(r, "mishap") == 0 {
				e.mishap()
				e.check()
			}
		}
		e.meet()
		for _, l := range e.licenses {
			if sum := e.inAll(l); sum > l.count && !(e.restored && e.knows(l, sum)) {
				e.Fatalf("after all have met, %d of %d buttons can be used", sum, l.count)
			}
		}
		e.checkOrder()
	})
}

// Whatever owners did with their codes, in whatever order, lost, shown twice or to the wrong panel: once the panels have met, all that was
// bought for good can be used somewhere.
func TestNoHonestOwnerLosesAButton(t *testing.T) {
	t.Parallel()
	histories(t, 2, func(r *rapid.T) {
		e := newEstate(r)
		for range rapid.IntRange(1, longestHistory).Draw(r, "steps") {
			e.step()
			if rapid.IntRange(0, 5).Draw(r, "mishap") == 0 {
				e.mishap()
			}
		}
		e.meet()
		for _, l := range e.licenses {
			if _, entered := l.turns[0]; !entered || e.revoked || e.damaged || l.back || !l.token.Perpetual() {
				continue
			}
			if e.inAll(l) == 0 { // a store that was set back to nothing: the owner still has the paper
				e.examine(l.turns[0], l.text)
				e.meet()
			}
			if sum := e.inAll(l); sum < l.count {
				e.Fatalf("after all have met, %d of %d buttons can be used", sum, l.count)
			}
		}
	})
}
