package ledger

import (
	"fmt"
	"reflect"
	"slices"
	"time"
)

func (c SaveLicenses) decide(d *draft) error {
	g, r := d.live(c.Group)
	if r != nil {
		return r
	}
	before := g.Limits.facts()
	if r := d.save(node{group: g}, c.Limits, c.Clip, c.Above); r != nil {
		return r
	}
	d.enter(Entry{What: c.What(), Root: g.Root, Group: g.ID}, before, g.Limits.facts())
	return nil
}

// save sets all license settings of a node at once (B-13), or refuses. More tells that the node may be given more than it has.
func (d *draft) save(n node, next Limits, clip, more bool) *Refusal {
	old := *n.limits()
	if r := d.tidy(n, &old, &next); r != nil {
		return r
	}
	above := d.strictlyAbove(n)
	d.clipSameDate(above, n, &next)
	if clip {
		next.Blocks = d.clipped(above, n, next.Blocks)
	}
	if r := checkPairs(next.Blocks); r != nil {
		return r
	}
	if !more {
		if r := d.onlyAbove(n.group, above, &old, &next); r != nil {
			return r
		}
	}
	if r := d.beyond(above, n, &old, &next); r != nil {
		return r
	}
	if r := d.belowUse(n, &old, &next); r != nil {
		return r
	}
	stood, promised := d.snap(above), d.promises(append(above, n))
	d.setLimits(n, next)
	if r := d.worse(stood); r != nil {
		return r
	}
	return d.broken(promised)
}

// strictlyAbove are the groups above a node, topmost first.
func (d *draft) strictlyAbove(n node) []node {
	if n.user != nil {
		return d.ways(n.user.Groups).above(nil)
	}
	return ways{d.path(n.group.Parent)}.above(nil)
}

// setLimits changes a node's limits with all that is counted of them above.
func (d *draft) setLimits(n node, next Limits) {
	set := func() {
		d.dropEdges(n)
		d.edit(n)
		*n.limits() = next
		d.putEdges(n)
	}
	switch {
	case n.user != nil:
		d.weigh(n.user.ID, -1)
		set()
		d.weigh(n.user.ID, +1)
	case n.group.IsRoot(): // nothing is above that counts it
		set()
	case n.group.Restricted != next.Restricted:
		d.restructure(n.group, set)
	default:
		before := n.own(d.at).finite()
		set()
		if now := n.own(d.at).finite(); n.group.Restricted && now != before {
			d.reservedBy(n.group, now.minus(before))
		}
	}
}

// tidy brings what was asked into the form in which it is stored, and refuses what makes no sense by itself.
func (d *draft) tidy(n node, old, next *Limits) *Refusal {
	if next.Mode != "" && next.Mode != Shared && next.Mode != Reserved || next.Mode == Reserved && n.user != nil {
		return refusal(Invalid, "mode %.20q: shared or reserved, and only of groups", next.Mode)
	}
	if r := checkReminder(next.Reminder); r != nil {
		return r
	}
	blocks := slices.DeleteFunc(slices.Clone(old.Blocks), func(b Block) bool { return !b.given() })
	for _, b := range next.Blocks {
		if at := slices.IndexFunc(blocks, func(given Block) bool { return given.ID == b.ID && given.given() }); at >= 0 {
			reminder := b.Reminder
			b.Reminder = blocks[at].Reminder
			if !reflect.DeepEqual(plain(b), plain(blocks[at])) {
				return refusal(Invalid, "block %s comes from %s and cannot be changed by hand", b.ID, sourceInWords(blocks[at]))
			}
			blocks[at].Reminder = reminder
			continue
		}
		if r := tidyBlock(&b); r != nil {
			return r
		}
		blocks = append(blocks, b)
	}
	slices.SortFunc(blocks, func(a, b Block) int {
		if c := a.From.Compare(b.From); c != 0 {
			return c
		}
		return compareText(a.ID, b.ID)
	})
	next.Blocks = blocks
	if len(blocks) > MaxBlocks {
		return refusal(Invalid, "%d licenses: at most %d", len(blocks), MaxBlocks)
	}
	for i, b := range blocks {
		if slices.ContainsFunc(blocks[:i], func(other Block) bool { return other.ID == b.ID }) {
			return refusal(Invalid, "license %s is there twice", b.ID)
		}
		if r := checkReminder(b.Reminder); r != nil {
			return r
		}
		blocks[i].Saved, blocks[i].Next = d.savedAt(old, next, b)
	}
	return nil
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// given tells that the block was not handed out by hand.
func (b Block) given() bool { return b.Source == FromPackage || b.Source == FromTrial }

// plain is a block as it compares: empty and missing features are alike, times by their instant.
func plain(b Block) Block {
	b.From, b.Until, b.Saved, b.Next = b.From.UTC(), b.Until.UTC(), time.Time{}, time.Time{}
	if len(b.Features) == 0 {
		b.Features = nil
	}
	return b
}

func sourceInWords(b Block) string {
	if b.Source == FromTrial {
		return "the Trial"
	}
	return "package " + b.Package
}

// savedAt is since when the reminders about a block's end are what they are, and when the next one is due; setLimits finds the latter
// where it is zero.
func (d *draft) savedAt(old, next *Limits, b Block) (saved, due time.Time) {
	for _, was := range old.Blocks {
		if was.ID == b.ID && was.Until.Equal(b.Until) && old.Restricted == next.Restricted &&
			reflect.DeepEqual(reminderOf(old, was), reminderOf(next, b)) {
			return was.Saved, was.Next
		}
	}
	return d.at, d.at
}

func tidyBlock(b *Block) *Refusal {
	b.From, b.Until = b.From.UTC(), b.Until.UTC()
	if b.Source == "" {
		b.Source = ByHand
	}
	b.Features = slices.Compact(slices.Sorted(slices.Values(b.Features)))
	switch {
	case b.Source != ByHand || b.Package != "":
		return refusal(Invalid, "license %s: packages and Trials are activated, not entered by hand", b.ID)
	case !goodID(b.ID):
		return refusal(Invalid, "license id %.70q: 1 to 64 letters, digits, hyphens, dots", b.ID)
	case !writable(b.From) || !writable(b.Until):
		return refusal(Invalid, "license %s: a date is from year 1 to 9999, in UTC", b.ID)
	case !b.From.IsZero() && !b.Until.IsZero() && !b.From.Before(b.Until):
		return refusal(Invalid, "license %s ends %s, before it begins", b.ID, b.Until.Format(time.DateOnly))
	}
	for _, r := range Resources() {
		if count := b.Counts[r]; count < 0 || count > MaxCount {
			return refusal(Invalid, "license %s: %d %s; 0 to %d", b.ID, count, inWords(r), MaxCount)
		}
	}
	for _, feature := range b.Features {
		if !isOnOff(feature) {
			return refusal(Invalid, "license %s: %.40q is no feature that is on or off", b.ID, feature)
		}
	}
	return nil
}

// writable tells that an instant can be written as JSON, which has years of four digits.
func writable(t time.Time) bool {
	year := t.UTC().Year()
	return year >= 1 && year <= 9999
}

// checkPairs holds each block to B-10: every application needs its own SIP number.
func checkPairs(blocks []Block) *Refusal {
	for _, b := range blocks {
		if apps, numbers := b.Counts[Apps], b.Counts[SIPNumbers]; apps > numbers && b.Source == ByHand {
			return &Refusal{
				Reason: TooFewSIP, Resource: Apps, Block: b.ID, Asked: apps, Most: numbers,
				Text:  fmt.Sprintf("applications %d need SIP numbers %d, %d given", apps, apps, numbers),
				Offer: &Offer{Text: fmt.Sprintf("%d applications", numbers), Count: numbers},
			}
		}
	}
	return nil
}

// belowUse refuses to lower a limit below what is in use now. A limit that use is above already may be raised.
func (d *draft) belowUse(n node, old, next *Limits) *Refusal {
	devices := n.count().Devices
	was, now := old.own(devices, d.at), next.own(devices, d.at)
	for _, r := range Resources() {
		if used := n.count().Used[r]; now[r] < used && now[r] < was[r] {
			return &Refusal{
				Reason: BelowUse, Resource: r, Asked: now[r], Most: used, At: d.at, Binds: []Bind{d.bind(n, r, false)}, InTheWay: d.named(n, now),
				Text:  fmt.Sprintf("%d in use, cannot lower to %d (%s)", used, now[r], inWords(r)),
				Offer: &Offer{Text: fmt.Sprintf("%d %s", used, inWords(r)), Count: used},
			}
		}
	}
	return nil
}

// beyond refuses limits that reach beyond those of the groups above at any instant from now on: in time, in number or in features (R-3,
// T-16, T-17). What stays as it was is not looked at, so that a group whose parent was lowered keeps its own figure.
func (d *draft) beyond(above []node, n node, old, next *Limits) *Refusal {
	above = slices.DeleteFunc(slices.Clone(above), func(a node) bool { return !a.restricted() })
	if len(above) == 0 || !next.Restricted {
		return nil
	}
	devices := n.count().Devices
	for _, t := range d.moments(append([]*Limits{old, next}, limitsOf(above)...)) {
		active := next.active(t)
		if len(active) == 0 || old.Restricted && sameAt(old, next, devices, t) {
			continue
		}
		if r := d.beyondAt(above, n, next, active, t); r != nil {
			if blocks := d.clipped(above, n, next.Blocks); len(blocks) > 0 {
				r.Offer.Blocks = blocks
			}
			return r
		}
	}
	return nil
}

func limitsOf(nodes []node) (out []*Limits) {
	for _, n := range nodes {
		out = append(out, n.limits())
	}
	return out
}

// moments are now and all later instants at which some limits change.
func (d *draft) moments(limits []*Limits) []time.Time {
	var out []time.Time
	for _, l := range limits {
		for _, b := range l.Blocks {
			out = append(out, b.From, b.Until)
		}
	}
	return append([]time.Time{d.at}, inOrder(out, d.at)...)
}

func sameAt(old, next *Limits, devices int, t time.Time) bool {
	if len(old.active(t)) == 0 || old.own(devices, t) != next.own(devices, t) {
		return false
	}
	for _, f := range onOff() {
		if next.allows(f.Name, t) && !old.allows(f.Name, t) {
			return false
		}
	}
	return true
}

func (d *draft) beyondAt(above []node, n node, next *Limits, active []Block, t time.Time) *Refusal {
	block := active[0].ID
	if r := d.windowBeyond(above, n, t); r != nil {
		r.Block = block
		return r
	}
	own := next.own(n.count().Devices, t)
	for _, r := range Resources() {
		var binds []Bind
		least := own[r]
		for _, a := range above {
			limit := a.own(t)[r]
			if own[r] > limit && own[r] < Unlimited {
				b := d.bind(a, r, false)
				b.Limit = limit
				b.Room = max(0, limit-b.Used)
				binds, least = append(binds, b), min(least, limit)
			}
		}
		if len(binds) > 0 {
			return &Refusal{
				Reason: BeyondParent, Resource: r, Block: block, Asked: own[r], Most: least, At: t, Binds: binds,
				Text:  fmt.Sprintf("%d %s asked, %s has %d%s", own[r], inWords(r), binds[0].Name, binds[0].Limit, d.since(n, t)),
				Offer: &Offer{Text: fmt.Sprintf("%d %s", least, inWords(r)), Count: least},
			}
		}
	}
	for _, f := range onOff() {
		if !next.allows(f.Name, t) {
			continue
		}
		for _, a := range above {
			if !a.limits().allows(f.Name, t) {
				return &Refusal{
					Reason: NotGranted, Feature: f.Name, Block: block, At: t, Binds: []Bind{{Place: d.spot(a), Path: d.pathOf(a), Manager: d.manager(a)}},
					Text:  fmt.Sprintf("%s is not given by %s%s", f.Title, a.name(), d.since(n, t)),
					Offer: &Offer{Text: "without " + f.Title},
				}
			}
		}
	}
	return nil
}

// since says from when on, unless it is now.
func (d *draft) since(n node, t time.Time) string {
	if t.Equal(d.at) {
		return ""
	}
	return " from " + day(t, d.zoneOf(n)) + " on"
}

// windowBeyond refuses an instant at which a group above that has licenses has none that is active.
func (d *draft) windowBeyond(above []node, n node, t time.Time) *Refusal {
	for _, a := range above {
		l := a.limits()
		if len(l.Blocks) == 0 || len(l.active(t)) > 0 {
			continue
		}
		ended, begins := around(l, t)
		zone := d.zoneOf(n)
		r := &Refusal{Reason: WindowBeyond, At: t, Binds: []Bind{{Place: d.spot(a), Path: d.pathOf(a), Until: ended, Manager: d.manager(a)}}, Offer: &Offer{}}
		switch {
		case !ended.IsZero():
			r.Text = fmt.Sprintf("ends %s with %s", day(ended, zone), a.name())
			r.Offer.Text = fmt.Sprintf("until %s, as %s", day(ended, zone), a.name())
		default:
			r.Text = fmt.Sprintf("begins %s with %s", day(begins, zone), a.name())
			r.Offer.Text = fmt.Sprintf("from %s, as %s", day(begins, zone), a.name())
		}
		return r
	}
	return nil
}

// around is when the last block before t ended, and when the first after t begins; zero when there is none.
func around(l *Limits, t time.Time) (ended, begins time.Time) {
	for _, b := range l.Blocks {
		if !b.Until.IsZero() && !b.Until.After(t) && b.Until.After(ended) {
			ended = b.Until
		}
		if b.From.After(t) && (begins.IsZero() || b.From.Before(begins)) {
			begins = b.From
		}
	}
	return ended, begins
}

// clipSameDate cuts off what a block is longer only because the same calendar date is another instant in another zone.
func (d *draft) clipSameDate(above []node, n node, next *Limits) {
	zone := d.zoneOf(n)
	for i := range next.Blocks {
		b := &next.Blocks[i]
		for _, a := range above {
			if !a.restricted() {
				continue
			}
			theirs := d.zoneOf(a)
			for _, upper := range a.limits().Blocks {
				if sameWall(b.Until, zone, upper.Until, theirs) && b.Until.After(upper.Until) && len(a.limits().active(upper.Until)) == 0 {
					b.Until = upper.Until
					d.notice("clipped", "ends %s, the end of that day with %s", day(b.Until, zone), a.name())
				}
				if sameWall(b.From, zone, upper.From, theirs) && b.From.Before(upper.From) && len(a.limits().active(b.From)) == 0 {
					b.From = upper.From
					d.notice("clipped", "begins %s, the beginning of that day with %s", day(b.From, zone), a.name())
				}
			}
		}
	}
}

func (d *draft) notice(code, format string, args ...any) {
	d.notices = append(d.notices, Notice{Code: code, Text: fmt.Sprintf(format, args...)})
}

func sameWall(a time.Time, aZone *time.Location, b time.Time, bZone *time.Location) bool {
	const wall = "2006-01-02T15:04:05"
	return !a.IsZero() && !b.IsZero() && a.In(aZone).Format(wall) == b.In(bZone).Format(wall)
}

// clipped cuts blocks down to what the groups above have: their dates, then their counts and features at every instant. A block of
// which nothing is left goes.
func (d *draft) clipped(above []node, n node, blocks []Block) []Block {
	above = slices.DeleteFunc(slices.Clone(above), func(a node) bool { return !a.restricted() })
	var out []Block
	for _, b := range blocks {
		if b.given() {
			out = append(out, b)
			continue
		}
		if b, left := d.clipWindow(above, b); left {
			d.clipCounts(above, out, &b)
			out = append(out, b)
		}
	}
	return out
}

func (d *draft) clipWindow(above []node, b Block) (Block, bool) {
	for range MaxBlocks {
		again := false
		for _, a := range above {
			l := a.limits()
			if len(l.Blocks) == 0 {
				continue
			}
			start := b.From
			if start.Before(d.at) {
				start = d.at
			}
			if len(l.active(start)) == 0 {
				_, begins := around(l, start)
				if begins.IsZero() {
					return b, false
				}
				b.From, start, again = begins, begins, true
			}
			if end := coveredUntil(l, start); !end.IsZero() && (b.Until.IsZero() || end.Before(b.Until)) {
				b.Until, again = end, true
			}
			if !b.Until.IsZero() && !start.Before(b.Until) {
				return b, false
			}
		}
		if !again {
			break
		}
	}
	return b, true
}

// coveredUntil is the end of the time from t on in which some block is always active; zero = no end.
func coveredUntil(l *Limits, t time.Time) time.Time {
	for _, end := range l.instants(t) {
		if len(l.active(end)) == 0 {
			return end
		}
	}
	return time.Time{}
}

func (d *draft) clipCounts(above []node, others []Block, b *Block) {
	siblings := Limits{Restricted: true, Blocks: others}
	for _, t := range d.moments(append(limitsOf(above), &Limits{Restricted: true, Blocks: append(slices.Clone(others), *b)})) {
		if !b.holds(t) {
			continue
		}
		var taken Amounts
		if len(siblings.active(t)) > 0 {
			taken = siblings.own(0, t).finite()
		}
		for _, a := range above {
			own := a.own(t)
			for r := range own {
				b.Counts[r] = min(b.Counts[r], max(0, own[r]-taken[r]))
			}
			b.Features = slices.DeleteFunc(slices.Clone(b.Features), func(f string) bool { return !a.limits().allows(f, t) })
		}
	}
	b.Counts[Apps] = min(b.Counts[Apps], b.Counts[SIPNumbers])
}

func (d *draft) dropEdges(n node) { d.setEdges(d.edgesOf(n), nil) }

// putEdges puts what dropEdges took away, as the limits are now.
func (d *draft) putEdges(n node) {
	d.schedule(n)
	d.setEdges(nil, d.edgesOf(n))
}
