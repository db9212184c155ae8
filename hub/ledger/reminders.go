package ledger

import (
	"fmt"
	"slices"
	"time"
)

func checkReminder(r *Reminder) *Refusal {
	switch {
	case r == nil:
		return nil
	case r.Date.IsZero() && (r.Days < 1 || r.Days > maxDaysAhead):
		return refusal(Invalid, "reminder %d days ahead: 1 to %d, or a date", r.Days, maxDaysAhead)
	case !writable(r.Date):
		return refusal(Invalid, "reminder from a day of year %d in UTC: 1 to 9999", r.Date.UTC().Year())
	case r.Every != "" && r.Every != Once && r.Every != Daily && r.Every != Weekly && r.Every != Every30Days:
		return refusal(Invalid, "reminder %.20q: once, daily, weekly or every_30_days", r.Every)
	case r.Hour < 0 || r.Hour > midnightHour:
		return refusal(Invalid, "reminder at %d o'clock: 1 to 24", r.Hour)
	}
	return checkAddresses(r.To)
}

// reminderOf is the reminder that holds for a block: its own, else the group's.
func reminderOf(l *Limits, b Block) *Reminder {
	if b.Reminder != nil {
		return b.Reminder
	}
	return l.Reminder
}

// step is how many calendar days lie between two reminders; 0 = there is only one.
func (e Every) step() int {
	switch e {
	case Daily:
		return 1
	case Weekly:
		return 7
	case Every30Days:
		return 30
	}
	return 0
}

// at is the reminder with a number, from 0, about an end: calendar days in the zone.
func (r *Reminder) at(until time.Time, number int, zone *time.Location) time.Time {
	first, days := until.In(zone), -r.Days
	if !r.Date.IsZero() {
		first, days = r.Date.In(zone), 0
	}
	hour := r.Hour
	if hour == 0 {
		hour = defaultHour
	}
	year, month, d := first.Date()
	return time.Date(year, month, d+days+number*r.Every.step(), hour%midnightHour, 0, 0, 0, zone).UTC()
}

// after is the first regular reminder after t and strictly before the end; zero = none.
func (r *Reminder) after(t, until time.Time, zone *time.Location) time.Time {
	first := r.at(until, 0, zone)
	number := 0
	if step := r.Every.step(); first.Before(t) && step > 0 {
		number = max(0, int(t.Sub(first)/(24*time.Hour))/step-1)
	}
	for range 4 {
		at := r.at(until, number, zone)
		switch {
		case !at.Before(until):
			return time.Time{}
		case at.After(t):
			return at
		case r.Every.step() == 0:
			return time.Time{}
		}
		number++
	}
	return time.Time{}
}

// first is when the reminder saved at an instant is due first: at once when its day was before.
func (r *Reminder) first(saved, until time.Time, zone *time.Location) time.Time {
	at := r.at(until, 0, zone)
	switch {
	case !at.Before(until) || !saved.Before(until):
		return time.Time{}
	case at.Before(saved):
		return saved
	}
	return at
}

// schedule sets when each block's next reminder is due. A block whose Next equals its Saved was saved just now.
func (d *draft) schedule(n node) {
	l := n.limits()
	blocks := slices.Clone(l.Blocks)
	for i := range blocks {
		b := &blocks[i]
		r := reminderOf(l, *b)
		switch {
		case r == nil || b.Until.IsZero() || !l.Restricted:
			b.Next = time.Time{}
		case b.Saved.Equal(d.at) && b.Next.Equal(d.at):
			b.Next = r.first(b.Saved, b.Until, d.zoneOf(n))
		}
	}
	l.Blocks = blocks
}

// remindAnew sets the reminders of a node whose zone changed.
func (d *draft) remindAnew(n node) {
	d.dropEdges(n)
	d.edit(n)
	l := n.limits()
	l.Blocks = slices.Clone(l.Blocks)
	for i, b := range l.Blocks {
		if r := reminderOf(l, b); r != nil && !b.Next.IsZero() {
			l.Blocks[i].Next = r.after(d.at, b.Until, d.zoneOf(n))
		}
	}
	d.setEdges(nil, d.edgesOf(n))
}

// remind collects the reminders that are due and moves each on to its next day. However many days were missed, there is one (B-6).
func (d *draft) remind() {
	for e, err := range d.book.Edges(ReminderEdge, time.Time{}, d.at) {
		if d.fail(err) {
			return
		}
		d.edges[e] = false
		n, there := d.nodeOf(e)
		if !there {
			continue
		}
		l := n.limits()
		at := slices.IndexFunc(l.Blocks, func(b Block) bool { return b.ID == e.Block && b.Next.Equal(e.At) })
		if at < 0 {
			continue
		}
		d.edit(n)
		l.Blocks = slices.Clone(l.Blocks)
		b := &l.Blocks[at]
		r := reminderOf(l, *b)
		b.Next = time.Time{}
		if r == nil || !d.at.Before(b.Until) {
			continue
		}
		d.reminders = append(d.reminders, d.due(n, *b, r, r.newest(e.At, d.at, b.Until, d.zoneOf(n))))
		if b.Next = r.after(d.at, b.Until, d.zoneOf(n)); !b.Next.IsZero() {
			e.At = b.Next
			d.edges[e] = true
		}
	}
}

// newest is the last reminder in [from, t], of which from is one.
func (r *Reminder) newest(from, t, until time.Time, zone *time.Location) time.Time {
	for at := r.after(from, until, zone); !at.IsZero() && !at.After(t); at = r.after(at, until, zone) {
		from = at
	}
	return from
}

// due is a reminder with who would stop.
func (d *draft) due(n node, b Block, r *Reminder, at time.Time) Due {
	due := d.dueOf(n, b, r, at)
	due.Stops, due.Stopping = d.stopping(n, b.Until)
	return due
}

func (d *draft) dueOf(n node, b Block, r *Reminder, at time.Time) Due {
	zone := d.zoneOf(n)
	due := Due{
		Root: n.root(), Block: b.ID, Name: n.name(), At: at.UTC(), Until: b.Until, Zone: zone.String(), Days: daysBetween(at, b.Until, zone),
		Counts: b.Counts, To: slices.Clone(r.To),
	}
	group := ""
	if n.user != nil {
		due.User, group = n.user.ID, n.user.Groups[0]
		if r.Users && n.user.Mail != "" {
			due.To = append(due.To, n.user.Mail)
		}
	} else {
		due.Group, group = n.group.ID, n.group.ID
	}
	due.To = append(due.To, d.administrators(group)...)
	slices.Sort(due.To)
	due.To = slices.Compact(due.To)
	due.Key = fmt.Sprintf("%s%s/%s/%d/%d", due.Group, due.User, b.ID, b.Until.Unix(), at.Unix())
	return due
}

// administrators are those of a group, or of the nearest one above that has some.
func (d *draft) administrators(group string) []string {
	for _, g := range slices.Backward(d.path(group)) {
		if len(g.Administrators) > 0 {
			return g.Administrators
		}
	}
	return nil
}

func daysBetween(from, until time.Time, zone *time.Location) int {
	day := func(t time.Time) time.Time {
		year, month, d := t.In(zone).Date()
		return time.Date(year, month, d, 0, 0, 0, 0, time.UTC)
	}
	return int(day(until).Sub(day(from)) / (24 * time.Hour))
}

// stopping is what the node alone will suspend at an instant, and the first of the uses, newest first.
func (d *draft) stopping(n node, at time.Time) (stops Amounts, ids []string) {
	own := n.own(at)
	stops = excess(n, own)
	if stops.IsZero() {
		return stops, nil
	}
	return stops, d.displaced(n, own)
}

// excess is how much more is in use below a node than its own limit.
func excess(n node, own Amounts) (more Amounts) {
	for _, r := range Resources() {
		more[r] = max(0, n.count().Used[r]-own[r])
	}
	return more
}

// displaced are the uses below a node for which such a limit has no room, newest first, at most maxListed.
func (d *draft) displaced(n node, own Amounts) (ids []string) {
	var uses []Use
	seen := map[string]bool{}
	d.below(n, func(u Use) {
		if !seen[u.ID] {
			uses = append(uses, u)
		}
		seen[u.ID] = true
	})
	slices.SortFunc(uses, admissionOrder)
	var taken Amounts
	for _, u := range uses {
		one, count := needs(u.Resource, 1), u.Count
		for r := range one {
			if one[r] > 0 {
				count = min(count, max(0, own[r]-taken[r]))
			}
		}
		taken = taken.plus(needs(u.Resource, count))
		if count < u.Count {
			ids = append(ids, u.ID)
		}
	}
	slices.Reverse(ids)
	return ids[:min(len(ids), maxListed)]
}

// Reminders are what would be sent about the blocks of a group in (after, until], each by itself, for a preview (B-6). Tick is what
// sends them. At most 1,000.
func Reminders(book Book, group string, after, until time.Time) ([]Due, error) {
	d, err := newDraft(book, Request{At: after})
	if err != nil {
		return nil, err
	}
	return d.remindersOf(group, until)
}

// RemindersIf are Reminders after a change that is decided but not written, from its instant on.
func RemindersIf(book Book, r Request, change Change, group string, until time.Time) ([]Due, error) {
	d, err := newDraft(book, r)
	if err != nil {
		return nil, err
	}
	d.passWindows()
	if err := d.decide(change); err != nil {
		return nil, err
	}
	return d.remindersOf(group, until)
}

func (d *draft) remindersOf(group string, until time.Time) ([]Due, error) {
	g := d.group(group)
	if g == nil {
		return nil, orRefusal(d.failure, unknown("group"))
	}
	n := node{group: g}
	var out []Due
	for _, b := range g.Blocks {
		r := reminderOf(&g.Limits, b)
		if r == nil || b.Until.IsZero() || !g.Restricted {
			continue
		}
		own := n.own(b.Until)
		stops, stopping := excess(n, own), d.named(n, own) // the same for each reminder of this end
		at := r.first(b.Saved, b.Until, d.zoneOf(n))
		for !at.IsZero() && !at.After(until) && len(out) < 1_000 {
			if at.After(d.at) || at.Equal(d.at) && b.Saved.Equal(d.at) {
				due := d.dueOf(n, b, r, at)
				due.Stops, due.Stopping = stops, stopping
				out = append(out, due)
			}
			at = r.after(at, b.Until, d.zoneOf(n))
		}
	}
	slices.SortStableFunc(out, func(a, b Due) int { return a.At.Compare(b.At) })
	return out, d.failure
}

// orRefusal is the book's error, or the refusal when there is none.
func orRefusal(failure error, r *Refusal) error {
	if failure != nil {
		return failure
	}
	return r
}
