package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
)

func testLedger(t *testing.T, b Bench) {
	t.Run("every list is what its records say, after any history and a restart", func(t *testing.T) { ledgerByModel(t, b) })
	t.Run("a refused change changes nothing", func(t *testing.T) { ledgerRefuses(t, b) })
	t.Run("of a thousand at once, forty-nine find one of 49 places", func(t *testing.T) { ledgerByMany(t, b) })
	t.Run("one that cannot be written takes no other with it", func(t *testing.T) { ledgerApart(t, b) })
	t.Run("reminders are in the outbox with the change that made them, once", func(t *testing.T) { ledgerReminds(t, b) })
	t.Run("edges come in their order and within their bounds", func(t *testing.T) { ledgerEdges(t, b) })
	t.Run("entries are found by what they are about", func(t *testing.T) { ledgerEntries(t, b) })
	t.Run("groups are found by the beginnings of their words", func(t *testing.T) { ledgerNames(t, b) })
	t.Run("packages are found by their codes", func(t *testing.T) { vouchers(t, b) })
}

// at is the ledger's now in the suite.
func at(hours int) ledger.Request {
	return ledger.Request{At: day.Add(time.Duration(hours) * time.Hour), Who: "anna"}
}

func decide(t testing.TB, s Store, hours int, changes ...ledger.Change) ledger.Changes {
	t.Helper()
	var last ledger.Changes
	for _, c := range changes {
		var err error
		if last, err = s.Decide(at(hours), c); err != nil {
			t.Fatalf("%s %+v: %v", c.What(), c, err)
		}
	}
	return last
}

func limited(numbers, apps int, until time.Time) ledger.Limits {
	counts := ledger.SIPNumbers.Of(numbers)
	counts[ledger.Apps] = apps
	return ledger.Limits{Restricted: true, Blocks: []ledger.Block{{ID: "b", Counts: counts, Until: until}}}
}

func below(id, parent, level string, l ledger.Limits) ledger.Change {
	return ledger.CreateGroup{Group: ledger.Group{ID: id, Parent: parent, Name: "Group " + id, Level: level, Limits: l}}
}

// company is a root of 50 and 20 with a building and an apartment in it, one number in use.
func company(t testing.TB, s Store) {
	t.Helper()
	decide(t, s, 0, below("company", "", "", limited(50, 20, time.Time{})), below("building", "company", "building", limited(50, 20, time.Time{})),
		below("flat", "building", "apartments", ledger.Limits{}), ledger.Consume{ID: "first", Group: "flat"})
}

// records is everything that a book shows, by whatever way: for comparing.
type records struct {
	Groups  []ledger.Group
	Users   []ledger.User
	Uses    []ledger.Use
	Devices []ledger.Device
	Edges   []ledger.Edge
	Mark    ledger.Mark
}

func gathered[T any](t testing.TB, list iter.Seq2[T, error]) (out []T) {
	t.Helper()
	for v, err := range list {
		check(t, err)
		out = append(out, v)
	}
	return out
}

// ofThose are the uses that fit, nil when none does, as gathered.
func ofThose(uses []ledger.Use, fits func(ledger.Use) bool) (out []ledger.Use) {
	for _, u := range uses {
		if fits(u) {
			out = append(out, u)
		}
	}
	return out
}

// shown reads the whole tree through the lists of a book.
func shown(t testing.TB, s Store) (all records) {
	t.Helper()
	check(t, s.Look(func(book ledger.Book) error {
		var err error
		all.Mark, err = book.Mark()
		check(t, err)
		users, uses, devices := map[string]ledger.User{}, map[string]ledger.Use{}, map[string]ledger.Device{}
		for queue := []string{""}; len(queue) > 0; queue = queue[1:] {
			children := gathered(t, book.Children(queue[0], ""))
			all.Groups = append(all.Groups, children...)
			for _, g := range children {
				queue = append(queue, g.ID)
				for _, u := range gathered(t, book.UsersIn(g.ID, "")) {
					users[u.ID] = u
				}
				for _, u := range gathered(t, book.UsesIn(g.ID, "")) {
					uses[u.ID] = u
				}
				for _, d := range gathered(t, book.DevicesIn(g.ID, "")) {
					devices[d.ID] = d
				}
			}
		}
		all.Users, all.Uses, all.Devices = sorted(users), sorted(uses), sorted(devices)
		for _, kind := range []ledger.EdgeKind{ledger.WindowEdge, ledger.ReminderEdge} {
			all.Edges = append(all.Edges, gathered(t, book.Edges(kind, time.Time{}, time.Time{}))...)
		}
		return nil
	}))
	slices.SortFunc(all.Groups, func(a, b ledger.Group) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

func sorted[T any](byID map[string]T) (out []T) {
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		out = append(out, byID[id])
	}
	return out
}

// naive is the same without an index: what was decided, put over what was there.
type naive struct {
	groups  map[string]ledger.Group
	users   map[string]ledger.User
	uses    map[string]ledger.Use
	devices map[string]ledger.Device
	edges   map[ledger.Edge]bool
	mark    ledger.Mark
}

func newNaive() *naive {
	return &naive{map[string]ledger.Group{}, map[string]ledger.User{}, map[string]ledger.Use{}, map[string]ledger.Device{}, map[ledger.Edge]bool{}, ledger.Mark{}}
}

func (n *naive) write(c ledger.Changes) {
	if c.Empty() {
		return
	}
	for _, id := range c.DropUsers {
		delete(n.users, id)
	}
	for _, id := range c.DropUses {
		delete(n.uses, id)
	}
	for _, id := range c.DropDevices {
		delete(n.devices, id)
	}
	for _, e := range c.DropEdges {
		delete(n.edges, e)
	}
	for _, g := range c.Groups {
		n.groups[g.ID] = g
	}
	for _, u := range c.Users {
		n.users[u.ID] = u
	}
	for _, u := range c.Uses {
		n.uses[u.ID] = u
	}
	for _, d := range c.Devices {
		n.devices[d.ID] = d
	}
	for _, e := range c.Edges {
		n.edges[e] = true
	}
	n.mark = c.Mark
}

func (n *naive) records() records {
	all := records{Groups: sorted(n.groups), Users: sorted(n.users), Uses: sorted(n.uses), Devices: sorted(n.devices), Mark: n.mark}
	for e := range n.edges {
		all.Edges = append(all.Edges, e)
	}
	slices.SortFunc(all.Edges, func(a, b ledger.Edge) int {
		return cmp.Or(-cmp.Compare(a.Kind, b.Kind), a.At.Compare(b.At), cmp.Compare(a.Group, b.Group), cmp.Compare(a.User, b.User), cmp.Compare(a.Block, b.Block))
	})
	return all
}

func same(t testing.TB, when string, got, want any) {
	t.Helper()
	if g, w := jsonOf(t, got), jsonOf(t, want); g != w {
		t.Fatalf("%s there is\n%s\nnot\n%s", when, g, w)
	}
}

// ledgerByModel plays random histories. The decisions themselves are proved in package ledger: here it matters that each of them is
// found again, wherever it was and is.
func ledgerByModel(t *testing.T, b Bench) {
	s := b.New(t)
	round := 0
	rapid.Check(t, func(r *rapid.T) {
		round++
		root := fmt.Sprint("r", round) // one store for all: what others did is not to be disturbed
		known, before := newNaive(), shown(t, s)
		known.load(before)
		do := func(c ledger.Change) {
			changes, err := s.Decide(ledger.Request{At: day.Add(time.Duration(round) * time.Hour), Who: "anna"}, c)
			var refusal *ledger.Refusal
			if err != nil && !errors.As(err, &refusal) {
				r.Fatal(err)
			}
			known.write(changes)
		}
		do(below(root, "", "", limited(20, 10, day.AddDate(0, 0, 40))))
		id := func(kind string) string {
			return root + kind + rapid.SampledFrom([]string{"1", "2", "3"}).Draw(r, kind)
		}
		for range rapid.IntRange(1, 12).Draw(r, "changes") {
			switch rapid.IntRange(0, 9).Draw(r, "change") {
			case 0:
				do(below(id("g"), root, "building", limited(5, 5, day.AddDate(0, 0, 20))))
			case 1:
				do(below(id("h"), id("g"), "apartments", ledger.Limits{}))
			case 2:
				do(ledger.MoveGroup{ID: id("h"), To: id("g")})
			case 3:
				do(ledger.AddUser{User: ledger.User{ID: id("u"), Name: "Ada", Groups: slices.Compact(slices.Sorted(slices.Values([]string{id("g"), id("h")})))}})
			case 4:
				groups := []string{id("h")}
				do(ledger.EditUser{ID: id("u"), Groups: &groups})
			case 5:
				do(ledger.RemoveUser{ID: id("u")})
			case 6:
				do(ledger.Consume{ID: id("x"), User: id("u"), Panel: panelOf(id("d"))})
			case 7:
				do(ledger.Release{Use: id("x")})
			case 8:
				do(ledger.RegisterDevice{ID: panelOf(id("d")), Group: id("g")})
			default:
				do(ledger.RemoveDevice{ID: panelOf(id("d"))})
			}
		}
		same(t, "in the lists", shown(t, s), known.records())
		for _, u := range known.users {
			want := ofThose(sorted(known.uses), func(x ledger.Use) bool { return x.User == u.ID })
			check(t, s.Look(func(book ledger.Book) error { same(t, "of the user", gathered(t, book.UsesOf(u.ID)), want); return nil }))
		}
		for _, d := range known.devices {
			want := ofThose(sorted(known.uses), func(x ledger.Use) bool { return x.Panel == d.ID })
			check(t, s.Look(func(book ledger.Book) error {
				same(t, "on the panel", gathered(t, book.UsesOn(d.ID)), want)
				return nil
			}))
		}
	})
	was := shown(t, s)
	entries, whole := gatheredEntries(t, s), must[uint64](t)(s.VerifyLedger(t.Context()))
	s = b.Again(t, s)
	same(t, "after a restart", shown(t, s), was)
	same(t, "of entries after a restart", gatheredEntries(t, s), entries)
	if again := must[uint64](t)(s.VerifyLedger(t.Context())); again != whole || whole != was.Mark.Number || whole == 0 {
		t.Errorf("%d entries are whole, %d before, %d by the mark", again, whole, was.Mark.Number)
	}
}

// panelOf makes a panel's id of a short name.
func panelOf(name string) string {
	const width = 26
	clean := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return 'a' + r - '0'
		}
		return r
	}, name)
	return clean + strings.Repeat("z", width-len(clean))
}

func (n *naive) load(all records) {
	n.write(ledger.Changes{Groups: all.Groups, Users: all.Users, Uses: all.Uses, Devices: all.Devices, Edges: all.Edges, Mark: all.Mark})
	n.mark = all.Mark
}

func gatheredEntries(t testing.TB, s Store) (all []ledger.Entry) {
	t.Helper()
	for before := uint64(0); ; {
		page, next, err := s.Entries(ledger.EntryQuery{Before: before, Limit: 7})
		check(t, err)
		all = append(all, page...)
		if before = next; next == 0 {
			return all
		}
	}
}

func ledgerRefuses(t *testing.T, b Bench) {
	s := b.New(t)
	company(t, s)
	was, entries := shown(t, s), gatheredEntries(t, s)
	for _, c := range []ledger.Change{
		ledger.SaveLicenses{Above: true, Group: "building", Limits: limited(51, 2, time.Time{})}, ledger.ArchiveGroup{ID: "flat"}, ledger.Consume{ID: "x", Group: "nowhere"},
		ledger.Batch{Changes: []ledger.Change{ledger.Consume{ID: "y", Group: "flat"}, ledger.MoveGroup{ID: "company", To: "flat"}}},
	} {
		changes, err := s.Decide(at(1), c)
		var refusal *ledger.Refusal
		if !errors.As(err, &refusal) || !changes.Empty() {
			t.Errorf("%s: %v, %+v", c.What(), err, changes)
		}
	}
	same(t, "after refusals", shown(t, s), was)
	same(t, "of entries after refusals", gatheredEntries(t, s), entries)
	// A look that fails tells its own error.
	own := errors.New("enough")
	if err := s.Look(func(ledger.Book) error { return own }); !errors.Is(err, own) {
		t.Errorf("a look told %v", err)
	}
	// What was done already makes no entry.
	decide(t, s, 1, ledger.RegisterDevice{ID: panelOf("p"), Group: "flat"})
	if c := decide(t, s, 1, ledger.RegisterDevice{ID: panelOf("p"), Group: "flat"}); !c.Empty() {
		t.Errorf("a panel registered twice: %+v", c)
	}
}

func ledgerByMany(t *testing.T, b Bench) {
	s := b.New(t)
	company(t, s)
	var wait sync.WaitGroup
	given := make(chan string, 1000)
	faults := make(chan error, 1000)
	for i := range 1000 {
		wait.Go(func() {
			id := fmt.Sprint("use-", i)
			_, err := s.Decide(at(1), ledger.Consume{ID: id, Group: []string{"company", "building", "flat"}[i%3]})
			var refusal *ledger.Refusal
			switch {
			case err == nil:
				given <- id
			case !errors.As(err, &refusal) || refusal.Reason != ledger.LimitReached:
				faults <- err
			}
		})
	}
	wait.Wait()
	close(given)
	close(faults)
	for err := range faults {
		t.Error(err)
	}
	want := []string{"first"}
	for id := range given {
		want = append(want, id)
	}
	if len(want) != 50 {
		t.Errorf("%d of 1,000 found one of 49 places", len(want)-1)
	}
	s = b.Again(t, s)
	var stored []string
	for _, u := range shown(t, s).Uses {
		stored = append(stored, u.ID)
	}
	slices.Sort(want)
	if !slices.Equal(stored, want) {
		t.Errorf("stored are %v, told were %v", stored, want)
	}
	if whole := must[uint64](t)(s.VerifyLedger(t.Context())); whole != 4+49 {
		t.Errorf("%d entries", whole)
	}
}

// ledgerApart lets a change that no store can write, at an instant without a text, come together with others.
func ledgerApart(t *testing.T, b Bench) {
	s := b.New(t)
	company(t, s)
	never := at(1)
	never.At = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
	var wait sync.WaitGroup
	for i := range 40 {
		wait.Go(func() {
			r := at(1)
			if i%10 == 0 {
				r = never
			}
			_, err := s.Decide(r, ledger.Consume{ID: fmt.Sprint("good-", i), Group: "flat"})
			var refusal *ledger.Refusal
			if (err == nil) != (i%10 != 0) || errors.As(err, &refusal) {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	wait.Wait()
	if n := len(shown(t, s).Uses); n != 1+36 {
		t.Errorf("%d uses", n)
	}
	must[uint64](t)(s.VerifyLedger(t.Context()))
}

func ledgerReminds(t *testing.T, b Bench) {
	s := b.New(t)
	until := day.AddDate(0, 0, 30)
	l := limited(3, 1, until)
	l.Reminder = &ledger.Reminder{Days: 7, Every: ledger.Daily, To: []string{"owner@example.org"}}
	decide(t, s, 0,
		ledger.CreateGroup{Group: ledger.Group{ID: "company", Name: "Rossi & Figli", Limits: l, Administrators: []string{"dealer@example.org"}, Zone: "Europe/Rome"}},
		ledger.AddUser{User: ledger.User{ID: "ada", Name: "Ada Bianchi", Groups: []string{"company"}}},
		ledger.Consume{ID: "x", User: "ada", Resource: ledger.Apps, Label: "tablet"})
	tick := func(days int) []fleet.Delivery {
		decide(t, s, 24*days, ledger.Tick{})
		due, _, err := s.Due(day.AddDate(0, 0, days), 100)
		check(t, err)
		return due
	}
	if due := tick(22); len(due) != 0 {
		t.Fatalf("too early: %+v", due)
	}
	due := tick(25) // three days late: one reminder for each address, not three
	if len(due) != 2 {
		t.Fatalf("%d deliveries", len(due))
	}
	for _, d := range due {
		facts := map[string][]string{}
		for _, f := range d.Facts {
			facts[f.Name] = append(facts[f.Name], f.Value)
		}
		want := map[string][]string{
			"group": {"Rossi & Figli"}, "path": {""}, "until": {until.In(rome(t)).Format(time.RFC3339)}, "days": facts["days"],
			"license": {"sip_numbers|3", "apps|1"}, "stop": {"sip_numbers|1", "apps|1"}, "stopping": {"Ada Bianchi|apps|tablet"},
		}
		if !reflect.DeepEqual(facts, want) || d.Kind != "reminder" || d.Group != "company" || d.Channel != fleet.Email || d.State != fleet.Waiting || d.Address != d.Recipient {
			t.Errorf("delivery %+v", d)
		}
	}
	if due[0].Address == due[1].Address || due[0].ID == due[1].ID {
		t.Errorf("to %s and %s", due[0].Address, due[1].Address)
	}
	s = b.Again(t, s)
	if due = tick(25); len(due) != 2 {
		t.Errorf("%d deliveries after a restart", len(due))
	}
	if due = tick(26); len(due) != 4 {
		t.Errorf("%d deliveries on the next day", len(due))
	}
}

func rome(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Rome")
	check(t, err)
	return zone
}

func ledgerEdges(t *testing.T, b Bench) {
	s := b.New(t)
	decide(t, s, 0, below("company", "", "", ledger.Limits{}))
	for i, days := range []int{40, 10, 20, 10} {
		decide(t, s, 0, below(fmt.Sprint("g", i), "company", "building", limited(1, 1, day.AddDate(0, 0, days))))
	}
	far := time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC) // beyond what nanoseconds since 1970 can say
	decide(t, s, 0, below("g9", "company", "building", limited(1, 1, far)))
	read := func(after, until time.Time) (found []string) {
		check(t, s.Look(func(book ledger.Book) error {
			for _, e := range gathered(t, book.Edges(ledger.WindowEdge, after, until)) {
				found = append(found, e.Group)
			}
			return nil
		}))
		return found
	}
	in := func(days int) time.Time { return day.AddDate(0, 0, days) }
	for _, c := range []struct {
		after, until time.Time
		want         string
	}{
		{time.Time{}, time.Time{}, "g1 g3 g2 g0 g9"}, {in(10), time.Time{}, "g2 g0 g9"}, {in(10).Add(-1), in(20), "g1 g3 g2"}, {in(10), in(20).Add(-1), ""},
		{in(41), far.Add(-1), ""}, {in(41), far, "g9"}, {far, time.Time{}, ""},
	} {
		if got := strings.Join(read(c.after, c.until), " "); got != c.want {
			t.Errorf("after %v until %v: %q, not %q", c.after, c.until, got, c.want)
		}
	}
}

func ledgerEntries(t *testing.T, b Bench) {
	s := b.New(t)
	company(t, s)
	decide(t, s, 24, below("other", "", "", ledger.Limits{}))
	decide(t, s, 48, ledger.AddUser{User: ledger.User{ID: "ada", Groups: []string{"flat"}}})
	for _, c := range []struct {
		q    ledger.EntryQuery
		want int
	}{
		{ledger.EntryQuery{}, 6}, {ledger.EntryQuery{Root: "company"}, 5}, {ledger.EntryQuery{Root: "other"}, 1}, {ledger.EntryQuery{Group: "flat"}, 2},
		{ledger.EntryQuery{What: "group."}, 4}, {ledger.EntryQuery{What: "user.added"}, 1}, {ledger.EntryQuery{User: "ada"}, 1}, {ledger.EntryQuery{Who: "eve"}, 0},
		{ledger.EntryQuery{From: day.Add(24 * time.Hour)}, 2}, {ledger.EntryQuery{Until: day.Add(24 * time.Hour)}, 4}, {ledger.EntryQuery{Limit: 2}, 2}, {ledger.EntryQuery{Before: 3}, 2},
	} {
		found, next, err := s.Entries(c.q)
		check(t, err)
		if len(found) != c.want {
			t.Errorf("%+v: %d entries, not %d", c.q, len(found), c.want)
		}
		if c.q.Limit == 2 && (next != 5 || found[0].Number != 6) {
			t.Errorf("the first page is %d and %d, goes on at %d", found[0].Number, found[1].Number, next)
		}
	}
}

func ledgerNames(t *testing.T, b Bench) {
	s := b.New(t)
	decide(t, s, 0, below("company", "", "", ledger.Limits{}), below("second", "", "", ledger.Limits{}))
	name := func(id, parent, called string) {
		decide(t, s, 0, ledger.CreateGroup{Group: ledger.Group{ID: id, Parent: parent, Name: called, Level: "building"}})
	}
	name("a", "company", "Haus Übersee 12")
	name("b", "company", "Haus am See")
	name("c", "second", "Haus 12")
	renamed := "Seehaus"
	decide(t, s, 0, ledger.EditGroup{ID: "b", Name: &renamed})
	for _, c := range []struct {
		root, words string
		limit       int
		want        string
	}{
		{"", "haus", 9, "a c"}, {"company", "haus", 9, "a"}, {"", "HAUS 1", 9, "a c"}, {"", "über", 9, "a"}, {"", "see", 9, "b"}, {"", "haus", 1, "a"},
		{"", "am", 9, ""}, {"nowhere", "haus", 9, ""}, {"company", "", 9, "company a b"},
	} {
		found, next, err := s.FindGroups(c.root, c.words, "", c.limit)
		check(t, err)
		if len(found) > c.limit || len(found) < c.limit && next != "" {
			t.Errorf("%q in %q: %d groups of at most %d, and on at %q", c.words, c.root, len(found), c.limit, next)
		}
		var got []string
		for _, g := range found {
			got = append(got, g.ID)
		}
		if c.words == "" {
			slices.SortFunc(got, func(a, b string) int { return cmp.Or(-cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%q in %q: %v, not %q", c.words, c.root, got, c.want)
		}
	}
	for _, root := range []string{"", "company", "second"} {
		whole, _, err := s.FindGroups(root, "", "", 100)
		check(t, err)
		var paged []ledger.Group
		for after := ""; ; {
			found, next, err := s.FindGroups(root, "", after, 1)
			check(t, err)
			paged = append(paged, found...)
			if after = next; next == "" {
				break
			}
		}
		same(t, "one at a time in "+root, paged, whole)
	}
}

func vouchers(t *testing.T, b Bench) {
	s := b.New(t)
	for i := range 3 {
		check(t, s.PutVoucher(fleet.Voucher{ID: fmt.Sprint("id", i), Code: fmt.Sprint("code", i), Text: []byte("DP1:"), Added: day, By: "anna"}))
	}
	if err := s.PutVoucher(fleet.Voucher{ID: "x"}); err == nil {
		t.Error("a package without a code was stored")
	}
	s = b.Again(t, s)
	got, known, err := s.VoucherByCode("code1")
	if want := (fleet.Voucher{ID: "id1", Code: "code1", Text: []byte("DP1:"), Added: day, By: "anna"}); err != nil || !known || !reflect.DeepEqual(got, want) {
		t.Errorf("found %+v, %v, %v", got, known, err)
	}
	for _, digest := range []string{"code9", ""} {
		if _, known, err := s.VoucherByCode(digest); known || err != nil {
			t.Errorf("code %q: %v, %v", digest, known, err)
		}
	}
	if list := must[[]fleet.Voucher](t)(s.Vouchers("id0", 1)); len(list) != 1 || list[0].ID != "id1" {
		t.Errorf("the page is %+v", list)
	}
}
