package ledger_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/hub/ledger"
)

// months are the rows of all groups below one, by group.
func (w *world) months(month string) map[string]ledger.Row {
	w.Helper()
	return usage(w, w.book, "company", month, w.now)
}

func usage(t interface {
	Helper()
	Fatal(...any)
}, m *memory, group, month string, at time.Time) map[string]ledger.Row {
	t.Helper()
	rows := map[string]ledger.Row{}
	for row, err := range ledger.Usage(m, group, month, at) {
		if err != nil {
			t.Fatal(err)
		}
		rows[row.Group] = row
	}
	return rows
}

// T-21: a long project is paid for afterwards, by the most that was used at once in a month.
func TestAMonthsPeakIsKeptWithItsInstantItsMeanAndItsEnd(t *testing.T) {
	w := residence(t)
	w.now = start.AddDate(0, 0, 10)
	w.do(ledger.Consume{ID: "one", Group: "a1"}, ledger.Consume{ID: "two", Group: "a1"})
	top := w.now
	w.now = start.AddDate(0, 0, 15)
	w.do(ledger.Release{Use: "two"})
	w.now = time.Date(2026, 5, 20, 0, 0, 0, 0, time.UTC) // nothing changed in April
	w.do(ledger.Consume{ID: "three", Group: "a2"})
	sip := ledger.SIPNumbers
	for _, c := range []struct {
		month, group string
		peak         int
		at           time.Time
		final        int
	}{
		{"2026-03", "a1", 2, top, 1}, {"2026-03", "company", 3, top, 2},
		{"2026-04", "a1", 1, time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC), 1},
		{"2026-04", "company", 2, time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC), 2},
		{"2026-05", "a1", 1, time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC), 1}, {"2026-05", "company", 3, w.now, 3}, {"2026-05", "a2", 1, w.now, 1},
		{"2026-04", "a2", 0, time.Time{}, 0},
	} {
		row := w.months(c.month)[c.group]
		if row.Peak[sip].Count != c.peak || !row.Peak[sip].At.Equal(c.at) || row.Final[sip] != c.final || row.Measured.IsZero() {
			t.Errorf("%s in %s: %+v", c.group, c.month, row)
		}
	}
	// March 2, 9:00 to April 1: 0 for ten days, 2 for five, then 1.
	march := w.months("2026-03")["a1"]
	whole := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC).Sub(march.Measured).Seconds()
	want := (2*5*86400 + (whole - 15*86400)) / whole
	if got := march.Average[sip]; got < want-0.001 || got > want+0.001 {
		t.Errorf("the mean of March is %v, not %v", got, want)
	}
	for _, month := range []string{"2026-02", "2026-06"} {
		if row := w.months(month)["a1"]; !row.Measured.IsZero() || !row.Peak.Counts().IsZero() {
			t.Errorf("%s was not measured: %+v", month, row)
		}
	}
	for _, err := range ledger.Usage(w.book, "company", "May", w.now) {
		if err == nil {
			t.Error("a month that is none has rows")
		}
	}
}

func TestAMonthBeginsWithTheGroupsOwnCalendar(t *testing.T) {
	w := residence(t)
	auckland := "Pacific/Auckland"
	w.do(ledger.EditGroup{ID: "a1", Zone: &auckland})
	w.now = time.Date(2026, 3, 31, 18, 0, 0, 0, time.UTC) // April there, March here
	w.do(ledger.Consume{ID: "one", Group: "a1"})
	if row := w.months("2026-04")["a1"]; row.Peak[ledger.SIPNumbers].Count != 1 {
		t.Errorf("April of Auckland: %+v", row)
	}
	if row := w.months("2026-03")["a1"]; row.Peak[ledger.SIPNumbers].Count != 0 {
		t.Errorf("March of Auckland: %+v", row)
	}
	if rows := w.months("2026-03"); rows["company"].Peak[ledger.SIPNumbers].Count != 2 {
		t.Errorf("March of its company: %+v", rows["company"])
	}
	if row := w.months("")["a1"]; row.Month != "2026-04" {
		t.Errorf("the month that runs: %+v", row)
	}
}

func TestAClockThatWasWrongBillsNoMonthTwice(t *testing.T) {
	w := residence(t)
	w.now = time.Date(2026, 3, 30, 0, 0, 0, 0, time.UTC)
	w.do(ledger.Consume{ID: "one", Group: "a1"})
	w.now = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	w.do(ledger.Consume{ID: "two", Group: "a1"})
	w.now = time.Date(2026, 3, 31, 0, 0, 0, 0, time.UTC) // the clock is right again
	w.do(ledger.Release{Use: "two"}, ledger.Consume{ID: "three", Group: "a1"}, ledger.Consume{ID: "four", Group: "a1"})
	w.now = time.Date(2026, 4, 2, 0, 0, 0, 0, time.UTC)
	w.do(ledger.Release{Use: "three"})
	march, april := w.months("2026-03")["a1"], w.months("2026-04")["a1"]
	if march.Peak[ledger.SIPNumbers].Count != 3 || march.Final[ledger.SIPNumbers] != 3 {
		t.Errorf("March: %+v", march)
	}
	if april.Peak[ledger.SIPNumbers].Count != 3 || april.Final[ledger.SIPNumbers] != 2 {
		t.Errorf("April: %+v", april)
	}
	if mean := march.Average[ledger.SIPNumbers]; mean > 3 {
		t.Errorf("the mean of March is %v", mean)
	}
}

func TestTwoYearsOfMonthsAreKeptAndNoMore(t *testing.T) {
	w := residence(t)
	w.do(ledger.Consume{ID: "stays", Group: "a1"})
	for i := range 40 {
		w.now = time.Date(2026, time.Month(4+i), 2, 0, 0, 0, 0, time.UTC)
		w.do(ledger.Consume{ID: fmt.Sprint("use", i), Group: "a1"}, ledger.Release{Use: fmt.Sprint("use", i)})
	}
	if n := len(w.book.months); n > 3*(ledger.MonthsKept+2) { // a1 and the two groups above
		t.Errorf("%d months are kept", n)
	}
	for back := range 26 {
		month := w.now.AddDate(0, -back, 0).Format("2006-01")
		if row := w.months(month)["a1"]; row.Peak[ledger.SIPNumbers].Count != 2 || row.Final[ledger.SIPNumbers] != 1 {
			t.Errorf("%s: %+v", month, row)
		}
	}
	w.now = w.now.AddDate(5, 0, 0) // all that was kept is older than two years
	w.do(ledger.Consume{ID: "last", Group: "a1"})
	if row := w.months(w.now.AddDate(0, -20, 0).Format("2006-01"))["a1"]; row.Peak[ledger.SIPNumbers].Count != 1 || row.Measured.IsZero() {
		t.Errorf("a month in which nothing changed, before which all is forgotten: %+v", row)
	}
}

func TestAGroupInTheArchiveIsBilledForItsLastMonth(t *testing.T) {
	w := residence(t)
	w.do(ledger.Consume{ID: "one", Group: "a1"}, ledger.Release{Use: "one"}, ledger.ArchiveGroup{ID: "a1"})
	if row, there := w.months("")["a1"]; !there || row.Peak[ledger.SIPNumbers].Count != 1 {
		t.Errorf("its last month: %+v", row)
	}
	w.now = w.now.AddDate(0, 2, 0)
	if row, there := w.months("")["a1"]; there {
		t.Errorf("a month later: %+v", row)
	}
}

// TestMeasuringReadsAndWritesNoMoreThanTheGroupsAbove keeps the cost of a change with its depth, also when a month begins.
func TestMeasuringReadsAndWritesNoMoreThanTheGroupsAbove(t *testing.T) {
	w := residence(t)
	for i := range 50 {
		w.group(fmt.Sprint("beside", i), "a", "apartments", ledger.Limits{})
	}
	for i, now := range []time.Time{start, start.AddDate(0, 0, 1), start.AddDate(0, 1, 0)} {
		w.now = now
		w.book.reads = 0
		c := w.do(ledger.Consume{ID: fmt.Sprint("use", i), Group: "a1"})
		if len(c.Groups) > 3 || len(c.Months) > 3 || w.book.reads > 3 {
			t.Errorf("change %d wrote %d groups and %d months, and read %d groups", i, len(c.Groups), len(c.Months), w.book.reads)
		}
	}
}

// level is how much of everything was used in each group from an instant on.
type level struct {
	at   time.Time
	used map[string]ledger.Amounts
}

// TestThePeakIsTheMostThatEverWas replays what was used after each change of random histories.
func TestThePeakIsTheMostThatEverWas(t *testing.T) {
	histories(t, 300, func(t *rapid.T) {
		h := begin(t)
		var levels []level
		note := func() {
			used := map[string]ledger.Amounts{}
			for id := range h.m.groups {
				used[id] = count(h.m, h.now).of("g/" + id).Used
			}
			levels = append(levels, level{h.now, used})
		}
		note()
		for range rapid.IntRange(5, 25).Draw(t, "steps") {
			h.now = h.now.Add(time.Duration(h.some("hours", 20*24)) * time.Hour)
			h.step(h.aChange())
			note()
		}
		h.now = h.now.Add(time.Duration(h.some("hours", 40*24)) * time.Hour)
		h.m = h.m.reload()
		for first := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC); !first.After(h.now); first = first.AddDate(0, 1, 0) {
			for _, root := range []string{"root", "other"} {
				for id, row := range usage(t, h.m, root, first.Format("2006-01"), h.now) {
					h.holds(row, replay(levels, id, first, first.AddDate(0, 1, 0), h.now))
				}
			}
		}
	})
}

// replayed is what a month's row should say.
type replayed struct {
	known bool
	from  time.Time
	peak  ledger.Peaks
	final ledger.Amounts
	sum   [5]float64
	to    time.Time
}

func replay(levels []level, group string, begins, ends, now time.Time) (r replayed) {
	if now.Before(ends) {
		ends = now
	}
	for i, l := range levels {
		used, there := l.used[group]
		if !there || l.at.After(ends) || l.at.Equal(ends) && ends.Before(now) {
			continue
		}
		from, to := l.at, ends
		if i+1 < len(levels) && levels[i+1].at.Before(ends) {
			to = levels[i+1].at
		}
		if from.Before(begins) {
			from = begins
		}
		if to.Before(begins) || i+1 < len(levels) && !levels[i+1].at.After(begins) {
			continue
		}
		if !r.known {
			r.known, r.from = true, from
		}
		for n := range used {
			if used[n] > r.peak[n].Count {
				r.peak[n] = ledger.Peak{Count: used[n], At: from}
			}
			r.sum[n] += float64(used[n]) * to.Sub(from).Seconds()
		}
		r.final, r.to = used, to
	}
	return r
}

func (h *history) holds(row ledger.Row, want replayed) {
	if want.known != !row.Measured.IsZero() {
		h.Fatalf("%s in %s: measured from %v, replayed %+v", row.Group, row.Month, row.Measured, want)
	}
	if !reflect.DeepEqual(row.Peak, want.peak) || row.Final != want.final || want.known && !row.Measured.Equal(want.from) {
		h.Fatalf("%s in %s:\n%+v\nreplayed\n%+v", row.Group, row.Month, row, want)
	}
	if seconds := want.to.Sub(want.from).Seconds(); seconds > 0 {
		for n := range want.sum {
			if mean := want.sum[n] / seconds; mean < row.Average[n]-1e-6 || mean > row.Average[n]+1e-6 {
				h.Fatalf("%s in %s: mean %v, replayed %v", row.Group, row.Month, row.Average, want.sum)
			}
		}
	}
}

func TestMonthsAreReadAsTheyWereWritten(t *testing.T) {
	m := ledger.BeginMonth(pairs(3, 2), start, time.UTC)
	m.Sum = ledger.Seconds{7, 0, 9}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var again ledger.Month
	if err := json.Unmarshal(text, &again); err != nil || !reflect.DeepEqual(again, m) {
		t.Errorf("%s is read as %+v, %v", text, again, err)
	}
	if err := json.Unmarshal([]byte(`{"peak":{"chairs":1}}`), &again); err == nil {
		t.Error("a resource that does not exist is read")
	}
}
