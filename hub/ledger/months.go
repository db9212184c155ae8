package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MonthsKept is how many months of a group are kept besides the one that runs: two years and the month before.
const MonthsKept = 26

const monthLayout = "2006-01"

// Month is what was used in a group and below it in one calendar month of the group's zone, for post-payment (T-21). The one that runs
// stands in the group's record; those before are records of their own. A month in which nothing changed has none: all of it is as at
// the end of the last month before that has one.
type Month struct {
	Group string    `json:"group,omitempty"` // empty in the group's own record
	Month string    `json:"month"`           // "2026-11"
	From  time.Time `json:"from"`            // since when it is measured: the month's beginning, or when the group was made
	Seen  time.Time `json:"seen"`            // until when Sum counts
	Peak  Peaks     `json:"peak"`
	End   Amounts   `json:"end"` // used when it was written last
	Sum   Seconds   `json:"sum"` // what was used, times the seconds for which
}

// IsZero tells that nothing is measured.
func (m Month) IsZero() bool { return m.Month == "" }

// Peak is the most that was used at once, and the first instant at which.
type Peak struct {
	Count int       `json:"count"`
	At    time.Time `json:"at"`
}

// Peaks are those of each resource. As JSON they are an object of those that are not 0, by their names.
type Peaks [resources]Peak

// Seconds are counts times seconds of each resource. As JSON they are an object of those that are not 0.
type Seconds [resources]int64

// Averages are mean counts of each resource. As JSON they are an object of those that are not 0, to a hundredth.
type Averages [resources]float64

// Counts are the peaks without their instants.
func (p Peaks) Counts() (counts Amounts) {
	for r := range p {
		counts[r] = p[r].Count
	}
	return counts
}

// MarshalJSON writes the object in the order of Resources.
func (p Peaks) MarshalJSON() ([]byte, error) {
	return named(func(r int) (any, bool) { return p[r], p[r].Count != 0 })
}

// MarshalJSON writes the object in the order of Resources.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return named(func(r int) (any, bool) { return s[r], s[r] != 0 })
}

// MarshalJSON writes the object in the order of Resources.
func (a Averages) MarshalJSON() ([]byte, error) {
	return named(func(r int) (any, bool) { n := math.Round(a[r]*100) / 100; return n, n != 0 })
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (p *Peaks) UnmarshalJSON(text []byte) error { return unnamed(text, p[:]) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Seconds) UnmarshalJSON(text []byte) error { return unnamed(text, s[:]) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (a *Averages) UnmarshalJSON(text []byte) error { return unnamed(text, a[:]) }

func named(value func(r int) (v any, there bool)) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for r := range resources {
		v, there := value(r)
		if !there {
			continue
		}
		text, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%s", resourceNames[r], text)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func unnamed[T any](text []byte, into []T) error {
	var values map[Resource]T
	if err := json.Unmarshal(text, &values); err != nil {
		return fmt.Errorf("cannot read what was used in a month: %w", err)
	}
	for r := range into {
		into[r] = values[Resource(r)]
	}
	return nil
}

// MonthOf is the calendar month of an instant in a zone, such as "2026-11".
func MonthOf(t time.Time, zone *time.Location) string { return t.In(zone).Format(monthLayout) }

// ParseMonth is the first instant of a month in a zone, and of the month after it.
func ParseMonth(month string, zone *time.Location) (begins, ends time.Time, err error) {
	first, err := time.ParseInLocation(monthLayout, month, zone)
	if err != nil || len(month) != len(monthLayout) {
		return begins, ends, fmt.Errorf("cannot read month %.20q: write it as 2026-11", month)
	}
	return first.UTC(), time.Date(first.Year(), first.Month()+1, 1, 0, 0, 0, 0, zone).UTC(), nil
}

// BeginMonth begins to measure a group of which so much is used.
func BeginMonth(used Amounts, at time.Time, zone *time.Location) Month {
	m := Month{Month: MonthOf(at, zone), From: at.UTC(), Seen: at.UTC(), End: used}
	m.note(at, used)
	return m
}

// note takes up how much is used from an instant on.
func (m *Month) note(at time.Time, used Amounts) {
	for r := range used {
		if used[r] > m.Peak[r].Count {
			m.Peak[r] = Peak{used[r], at.UTC()}
		}
	}
	m.End = used
}

// pass counts what was used until an instant. A clock that goes back counts nothing twice.
func (m *Month) pass(until time.Time, used Amounts) {
	if !until.After(m.Seen) {
		return
	}
	seconds := until.Unix() - m.Seen.Unix()
	for r := range used {
		m.Sum[r] += int64(used[r]) * seconds
	}
	m.Seen = until.UTC()
}

// average is what was used in the mean while the month was measured.
func (m *Month) average() (mean Averages) {
	seconds := m.Seen.Unix() - m.From.Unix()
	for r := range mean {
		mean[r] = float64(m.End[r])
		if seconds > 0 {
			mean[r] = float64(m.Sum[r]) / float64(seconds)
		}
	}
	return mean
}

// meter takes what this decision changed of what is used into the months of the groups: no more of them than it changed anyway.
func (d *draft) meter() {
	for _, id := range slices.Sorted(maps.Keys(d.groups.dirty)) {
		s := d.groups.dirty[id]
		if !s.there || s.stored && s.was.Count.Used == s.now.Count.Used {
			continue
		}
		zone := d.zone(id)
		m := s.now.Month
		switch month := MonthOf(d.at, zone); {
		case m.IsZero():
			m = BeginMonth(s.was.Count.Used, d.at, zone)
		case m.Month != month:
			m = d.turn(id, m, month, zone, s.was.Count.Used)
		}
		m.pass(d.at, s.was.Count.Used)
		m.note(d.at, s.now.Count.Used)
		s.now.Month = m
	}
}

// turn puts a group's month away and takes up another one: the next that something changes in, or one before, when the clock was wrong.
func (d *draft) turn(group string, old Month, month string, zone *time.Location, used Amounts) Month {
	if _, ends, err := ParseMonth(old.Month, zone); err == nil && month > old.Month {
		old.pass(ends, used)
	}
	old.Group, old.End = group, used
	d.months.put(monthKey(group, old.Month), old)
	d.forget(group, month)
	if s := d.months.get(d, monthKey(group, month), d.stored(group, month)); s.there {
		m := s.now
		d.months.drop(monthKey(group, month))
		m.Group = ""
		return m
	}
	begins, _, err := ParseMonth(month, zone)
	if d.fail(err) {
		return old
	}
	return BeginMonth(used, begins, zone)
}

func monthKey(group, month string) string { return group + "\x00" + month }

// stored reads a month of its own record.
func (d *draft) stored(group, month string) func(string) (Month, bool, error) {
	return func(string) (Month, bool, error) {
		for m, err := range d.book.Months(group, month) {
			return m, err == nil && m.Month == month, err
		}
		return Month{}, false, nil
	}
}

// forget drops the months that are too old, but for the newest of those: it says how the first months that are kept began.
func (d *draft) forget(group, month string) {
	first, err := time.Parse(monthLayout, month)
	if err != nil {
		return
	}
	newest := true
	for m, err := range d.book.Months(group, first.AddDate(0, -MonthsKept-1, 0).Format(monthLayout)) {
		if d.fail(err) {
			return
		}
		if !newest {
			key := monthKey(group, m.Month)
			d.months.get(d, key, func(string) (Month, bool, error) { return m, true, nil })
			d.months.drop(key)
		}
		newest = false
	}
}

// monthIn is what was used in a group in a month, as far as it is measured; found is false when it is not.
func (d *draft) monthIn(g *Group, month string) (m Month, found bool) {
	zone := d.zone(g.ID)
	begins, ends, err := ParseMonth(month, zone)
	if d.fail(err) || g.Month.IsZero() || month > MonthOf(d.at, zone) {
		return m, false
	}
	until := ends
	if d.at.Before(until) {
		until = d.at
	}
	switch {
	case g.Month.Month == month:
		m = g.Month
	case g.Month.Month < month:
		m = BeginMonth(g.Count.Used, begins, zone)
	default:
		for before, err := range d.book.Months(g.ID, month) {
			if d.fail(err) {
				return m, false
			}
			if m = before; m.Month < month {
				m = BeginMonth(before.End, begins, zone)
			}
			break
		}
	}
	if m.IsZero() {
		return m, false
	}
	m.Group = g.ID
	m.pass(until, m.End)
	return m, true
}

// Usage yields a row for a group and for every group below it, each parent before its children: what is used now, and what was used in
// a month of each group's own calendar; "" is the month of at (T-21). A group that is in the archive has a row when something was used
// in that month. It reads page after page; the caller may leave at any row.
func Usage(book Book, group, month string, at time.Time) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		d, err := newDraft(book, Request{At: at})
		if err != nil {
			yield(Row{}, err)
			return
		}
		if month != "" {
			if _, _, err := ParseMonth(month, time.UTC); err != nil {
				yield(Row{}, refusal(Invalid, "%s", err))
				return
			}
		}
		g := d.group(group)
		if g == nil || d.failure != nil {
			yield(Row{}, orRefusal(d.failure, unknown("group")))
			return
		}
		d.rows(*g, d.pathOf(node{group: g}), month, yield)
	}
}

// UsageOf is the row of one group alone.
func UsageOf(book Book, group, month string, at time.Time) (Row, error) {
	d, err := newDraft(book, Request{At: at})
	if err != nil {
		return Row{}, err
	}
	g := d.group(group)
	if g == nil {
		return Row{}, orRefusal(d.failure, unknown("group"))
	}
	row := d.row(g, d.pathOf(node{group: g}), month)
	return row, d.failure
}

func (d *draft) row(g *Group, path []Place, month string) Row {
	row := Row{Path: path, Group: g.ID, Used: g.Count.Used, Active: g.Count.Active, Devices: g.Count.Devices, Users: g.Count.Users, Month: month}
	if row.Month == "" {
		row.Month = MonthOf(d.at, d.zone(g.ID))
	}
	if m, found := d.monthIn(g, row.Month); found {
		row.Measured, row.Peak, row.Average, row.Final = m.From, m.Peak, m.average(), m.End
	}
	return row
}

func (d *draft) rows(g Group, path []Place, month string, yield func(Row, error) bool) bool {
	row := d.row(&g, path, month)
	if !g.Archived.IsZero() && row.Peak.Counts().IsZero() {
		return true
	}
	if !yield(row, nil) {
		return false
	}
	for child := range d.children(g.ID, "") {
		below := append(path[:len(path):len(path)], d.spot(node{group: &child}))
		if !d.rows(child, below, month, yield) {
			return false
		}
	}
	if d.failure != nil {
		yield(Row{}, d.failure)
		return false
	}
	return true
}

// Of writes one mean count to a hundredth, without needless zeros.
func (a Averages) Of(r Resource) string {
	return strconv.FormatFloat(math.Round(a[r]*100)/100, 'f', -1, 64)
}

func (d *draft) droppedMonths() (dropped []Month) {
	for _, key := range d.months.drops() {
		group, month, _ := strings.Cut(key, "\x00")
		dropped = append(dropped, Month{Group: group, Month: month})
	}
	return dropped
}

// UsageColumns are the names of a row's columns in a table, in the order of Row.Columns: what is used now, then what was used in the
// month.
func UsageColumns() (names []string) {
	for _, r := range Resources() {
		names = append(names, r.String()+"_used", r.String()+"_active")
	}
	names = append(names, "registered_panels", "users", "month", "measured_from")
	for _, r := range Resources() {
		names = append(names, r.String()+"_peak", r.String()+"_peak_at", r.String()+"_average", r.String()+"_final")
	}
	return names
}

// Columns are the row's numbers as a table has them. Instants are RFC 3339, in UTC; one that there is none of is empty.
func (r Row) Columns() (cells []string) {
	for _, one := range Resources() {
		cells = append(cells, strconv.Itoa(r.Used[one]), strconv.Itoa(r.Active[one]))
	}
	cells = append(cells, strconv.Itoa(r.Devices), strconv.Itoa(r.Users), r.Month, instantText(r.Measured))
	for _, one := range Resources() {
		cells = append(cells, strconv.Itoa(r.Peak[one].Count), instantText(r.Peak[one].At), r.Average.Of(one), strconv.Itoa(r.Final[one]))
	}
	return cells
}

func instantText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
