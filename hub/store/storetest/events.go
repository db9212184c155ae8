package storetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/telemetry"
)

// Chain is the chain of a made-up journal after an entry.
func Chain(panel, epoch string, seq uint64) string {
	h := sha256.Sum256([]byte(fmt.Sprint(panel, epoch, seq)))
	return hex.EncodeToString(h[:16])
}

// Event makes an ordinary event of a panel's journal.
func Event(panel, epoch string, seq uint64) fleet.Received {
	return fleet.Received{
		At: day.Add(time.Duration(seq) * time.Second), Site: "north", Panel: panel,
		Event: telemetry.Event{
			Epoch: epoch, Boot: "k3w1", Seq: seq, Time: day.Add(time.Duration(seq)*time.Second - 3*time.Millisecond), Trusted: true, MonoMS: 1000 * seq,
			Kind: "access.granted", Door: "front", Who: fmt.Sprintf("Person %d", seq%7), Why: "card", Reader: "front-in",
			Credential: fmt.Sprintf("card-%d", seq%7), Prev: Chain(panel, epoch, seq-1), Chain: Chain(panel, epoch, seq),
		},
	}
}

// Gap makes the event that accounts for entries which are gone.
func Gap(panel, epoch string, from, to uint64) fleet.Received {
	r := Event(panel, epoch, to)
	r.Event = telemetry.Event{
		Epoch: epoch, Seq: to, Kind: "journal.gap", Gap: &telemetry.Gap{From: from, To: to, Count: to - from + 1},
		Prev: Chain(panel, epoch, from-1), Chain: Chain(panel, epoch, to), Time: day,
	}
	return r
}

func events(panel, epoch string, from, to uint64) (out []fleet.Received) {
	for seq := from; seq <= to; seq++ {
		out = append(out, Event(panel, epoch, seq))
	}
	return out
}

func verdicts(outcomes []fleet.Outcome) string {
	words := make([]string, len(outcomes))
	for i, o := range outcomes {
		words[i] = string(o.Verdict)
		if o.Want != 0 {
			words[i] += fmt.Sprint(" ", o.Want)
		}
		if o.Fault != nil {
			words[i] += "+" + string(o.Fault.Kind)
		}
	}
	return strings.Join(words, ",")
}

func testEvents(t *testing.T, b Bench) {
	t.Run("each comes back as it was", func(t *testing.T) { eventsComeBack(t, b) })
	t.Run("each is stored once and in order", func(t *testing.T) { eventsOnce(t, b) })
	t.Run("a batch may hold anything", func(t *testing.T) { eventsByModel(t, b) })
	t.Run("many writers at once", func(t *testing.T) { eventsByMany(t, b) })
	t.Run("faults are kept once, and not without end", func(t *testing.T) { faultsOnce(t, b) })
	t.Run("a search finds exactly what fits", func(t *testing.T) { search(t, b) })
	t.Run("what one search has seen hides nothing from the next", func(t *testing.T) { searchAgain(t, b) })
	t.Run("readers wait and go on where they were", func(t *testing.T) { readers(t, b) })
	t.Run("what is over goes, and nothing else", func(t *testing.T) { retention(t, b) })
	t.Run("a person goes, the order stays", func(t *testing.T) { erasure(t, b) })
}

func eventsComeBack(t *testing.T, b Bench) {
	s := b.New(t)
	full := Event("panel-a", "9f86d081884c7d65", 1)
	full.Event.Call, full.Event.Button, full.Event.Detail, full.Event.Sealed = "call-1", -3, "Tür „links“ \x00\n", []byte{0, 255, 128}
	plain := fleet.Received{At: day, Site: "north", Panel: "panel-b", Event: telemetry.Event{Epoch: "not hex", Seq: 7, Kind: "x", Time: time.Date(2000, 1, 1, 0, 0, 1, 0, time.UTC)}}
	long := Event("panel-c", strings.Repeat("e", 300), 1)
	long.Event.Detail, long.Event.Who, long.Event.Boot = strings.Repeat("ä", 9000), "", strings.Repeat("boot", 90)
	erased := Event("panel-d", "9f86d081884c7d65", 1)
	erased.Event.Who, erased.Event.Credential, erased.Event.Erased = "", "", true
	gap := Gap("panel-e", "00", 1, 40)
	in := []fleet.Received{full, plain, long, erased, gap}
	must[[]fleet.Outcome](t)(s.Append(in))
	for range 2 {
		got := must[[]fleet.Received](t)(s.After(0, 100))
		if len(got) != len(in) {
			t.Fatalf("%d events came back of %d", len(got), len(in))
		}
		for i, want := range in {
			want.Serial, want.Event.V = uint64(i+1), telemetry.Version
			if !reflect.DeepEqual(got[i], want) {
				t.Errorf("event %d came back as\n%+v, not as\n%+v", i+1, got[i], want)
			}
		}
		s = b.Again(t, s)
	}
}

func eventsOnce(t *testing.T, b Bench) {
	changed := Event("p", "aa", 3)
	changed.Event.Chain = Chain("p", "other", 3)
	other := Event("p", "aa", 6)
	other.Event.Prev = Chain("p", "other", 5)
	silent := Event("p", "aa", 6)
	silent.Event.Prev, silent.Event.Chain = "", ""
	crooked := Gap("p", "aa", 6, 9)
	crooked.Event.Gap.To = 12
	quiet := events("p", "aa", 1, 3)
	for i := range quiet {
		quiet[i].Event.Prev, quiet[i].Event.Chain = "", ""
	}
	for _, c := range []struct {
		name   string
		before []fleet.Received
		send   []fleet.Received
		want   string
	}{
		{"the first may have any number", nil, events("p", "aa", 17, 18), "stored,stored"},
		{"the same again", events("p", "aa", 1, 5), events("p", "aa", 4, 6), "duplicate,duplicate,stored"},
		{"twice in one batch", nil, append(events("p", "aa", 1, 2), events("p", "aa", 1, 2)...), "stored,stored,duplicate,duplicate"},
		{"ahead", events("p", "aa", 1, 5), events("p", "aa", 7, 8), "ahead 6,ahead 6"},
		{"ahead, then what is missing", events("p", "aa", 1, 5), []fleet.Received{Event("p", "aa", 7), Event("p", "aa", 6), Event("p", "aa", 7)}, "ahead 6,stored,stored"},
		{"a gap that accounts for it", events("p", "aa", 1, 5), []fleet.Received{Gap("p", "aa", 6, 9), Event("p", "aa", 10)}, "stored+gap,stored"},
		{"a gap that begins before", events("p", "aa", 1, 5), []fleet.Received{Gap("p", "aa", 3, 9), Event("p", "aa", 10)}, "stored+gap,stored"},
		{"a gap that begins after", events("p", "aa", 1, 5), []fleet.Received{Gap("p", "aa", 7, 9)}, "ahead 6"},
		{"a gap that does not end where it stands", events("p", "aa", 1, 5), []fleet.Received{crooked}, "ahead 6"},
		{"a gap that is known", events("p", "aa", 1, 9), []fleet.Received{Gap("p", "aa", 3, 9)}, "duplicate"},
		{"rewritten", events("p", "aa", 1, 5), []fleet.Received{changed}, "rewritten+rewritten"},
		{"the newest rewritten", events("p", "aa", 1, 3), []fleet.Received{changed}, "rewritten+rewritten"},
		{"does not follow", events("p", "aa", 1, 5), []fleet.Received{other}, "stored+broken"},
		{"shows no chain any more", events("p", "aa", 1, 5), []fleet.Received{silent}, "stored+broken"},
		{"never showed a chain", nil, quiet, "stored,stored,stored"},
		{"shows its chain from now on", quiet, events("p", "aa", 4, 4), "stored"},
		{"a new journal", events("p", "aa", 1, 5), events("p", "bb", 1, 2), "stored+epoch,stored"},
		{"a new epoch of the same journal", events("p", "aa", 1, 5), []fleet.Received{Event("p", "bb", 6)}, "stored+epoch"},
		{"a new epoch, ahead", events("p", "aa", 1, 5), []fleet.Received{Event("p", "bb", 7)}, "ahead 6"},
		{"an old epoch again", append(events("p", "aa", 1, 5), events("p", "bb", 1, 2)...), []fleet.Received{Event("p", "aa", 4), Event("p", "aa", 6), Event("p", "bb", 2), Event("p", "bb", 3)},
			"duplicate,stored+epoch,duplicate,stored+epoch"},
		{"another panel", events("p", "aa", 1, 5), events("q", "aa", 1, 2), "stored,stored"},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, ", restarted ", restart), func(t *testing.T) {
				s := b.New(t)
				must[[]fleet.Outcome](t)(s.Append(c.before))
				if restart {
					s = b.Again(t, s)
				}
				got := must[[]fleet.Outcome](t)(s.Append(c.send))
				if verdicts(got) != c.want {
					t.Errorf("got %s, want %s", verdicts(got), c.want)
				}
				once(t, s)
			})
		}
	}
}

// once fails when an event is there twice, or serials are not in order.
func once(t rapid.TB, s Store) []fleet.Received {
	t.Helper()
	var all []fleet.Received
	for serial := uint64(0); ; {
		page, err := s.After(serial, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, r := range page {
			if r.Serial <= serial {
				t.Fatalf("serial %d comes after %d", r.Serial, serial)
			}
			serial = r.Serial
		}
		all = append(all, page...)
	}
	seen := map[string]uint64{}
	for _, r := range all {
		key := fmt.Sprint(r.Panel, " ", r.Event.Epoch, " ", r.Event.Seq)
		if seen[key] != 0 {
			t.Fatalf("event %s is stored as %d and as %d", key, seen[key], r.Serial)
		}
		seen[key] = r.Serial
	}
	return all
}

// model is what the rules say, kept in the simplest way.
type model struct {
	ends   map[string]uint64 // by panel and epoch
	epoch  map[string]string // by panel, the last one
	stored []string
}

func (m *model) take(r fleet.Received) string {
	e := r.Event
	at := r.Panel + " " + e.Epoch
	from := e.Seq
	if e.Gap != nil {
		from = e.Gap.From
	}
	last, heard := m.ends[at]
	switch {
	case heard && e.Seq <= last:
		return "duplicate"
	case heard && from > last+1:
		return fmt.Sprint("ahead ", last+1)
	case !heard && m.epoch[r.Panel] != "":
		if current := m.ends[r.Panel+" "+m.epoch[r.Panel]]; from > current+1 {
			return fmt.Sprint("ahead ", current+1)
		}
	}
	m.ends[at], m.epoch[r.Panel] = e.Seq, e.Epoch
	m.stored = append(m.stored, fmt.Sprint(at, " ", e.Seq))
	return "stored"
}

// eventsByModel sends random batches of panels whose journals are restored now and then, with entries twice, too early and in
// disorder, over restarts of the store, and compares every verdict and what is there at the end with the model.
func eventsByModel(t *testing.T, b Bench) {
	rapid.Check(t, func(rt *rapid.T) {
		s := b.New(t)
		m := model{ends: map[string]uint64{}, epoch: map[string]string{}}
		for range rapid.IntRange(1, 12).Draw(rt, "batches") {
			var batch []fleet.Received
			var want []string
			for range rapid.IntRange(0, 20).Draw(rt, "size") {
				panel := rapid.SampledFrom([]string{"p", "q", "r"}).Draw(rt, "panel")
				epoch := rapid.SampledFrom([]string{"aa", "aa", "aa", "bb", "cc"}).Draw(rt, "epoch")
				next := m.ends[panel+" "+epoch] + 1
				seq := uint64(max(1, int(next)+rapid.SampledFrom([]int{0, 0, 0, 0, -1, -4, 1, 3}).Draw(rt, "off")))
				r := Event(panel, epoch, seq)
				if rapid.IntRange(0, 9).Draw(rt, "gap") == 0 {
					r = Gap(panel, epoch, max(seq, 3)-2, seq)
					r.Event.Gap.From = min(r.Event.Gap.From, seq)
				}
				batch = append(batch, r)
				want = append(want, m.take(r))
			}
			got, err := s.Append(batch)
			if err != nil {
				rt.Fatal(err)
			}
			for i, o := range got {
				o.Fault = nil
				if v := verdicts([]fleet.Outcome{o}); v != want[i] {
					rt.Fatalf("event %d of %s %s: %s, want %s", batch[i].Event.Seq, batch[i].Panel, batch[i].Event.Epoch, v, want[i])
				}
			}
			if rapid.IntRange(0, 4).Draw(rt, "restart") == 0 {
				s = b.Again(t, s)
			}
		}
		all := once(rt, s)
		if len(all) != len(m.stored) {
			rt.Fatalf("%d events are stored, not %d", len(all), len(m.stored))
		}
		for i, r := range all {
			if key := fmt.Sprint(r.Panel, " ", r.Event.Epoch, " ", r.Event.Seq); key != m.stored[i] || r.Serial != uint64(i+1) {
				rt.Fatalf("event %d is %s with serial %d, not %s", i+1, key, r.Serial, m.stored[i])
			}
		}
		for panel, epoch := range m.epoch {
			h, ok, err := s.Head(panel)
			if err != nil || !ok || h.Epoch != epoch || h.Seq != m.ends[panel+" "+epoch] {
				rt.Fatalf("head of %s is %+v (%v, %v), not %s %d", panel, h, ok, err, epoch, m.ends[panel+" "+epoch])
			}
		}
	})
}

// eventsByMany has several writers send the same journals at once.
func eventsByMany(t *testing.T, b Bench) {
	s := b.New(t)
	const panels, entries, writers = 8, 60, 4
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for p := range panels {
				panel := fmt.Sprint("panel-", (p+w)%panels)
				for from := uint64(1); from <= entries; from += 5 {
					got, err := s.Append(events(panel, "aa", from, from+4))
					if err != nil {
						t.Error(err)
						return
					}
					for _, o := range got {
						if o.Verdict != fleet.Stored && o.Verdict != fleet.Duplicate {
							t.Errorf("%s from %d: %s", panel, from, verdicts(got))
						}
					}
				}
			}
		})
	}
	wg.Wait()
	all := once(t, s)
	if len(all) != panels*entries {
		t.Errorf("%d events are stored, not %d", len(all), panels*entries)
	}
	heads := must[[]fleet.Head](t)(s.Heads())
	for _, h := range heads {
		if h.Seq != entries || h.Chain != Chain(h.Panel, "aa", entries) {
			t.Errorf("head %+v", h)
		}
	}
	if len(heads) != panels {
		t.Errorf("%d heads, not %d", len(heads), panels)
	}
}

func faultsOnce(t *testing.T, b Bench) {
	s := b.New(t)
	must[[]fleet.Outcome](t)(s.Append(events("p", "aa", 1, 60)))
	rewritten := func(seq uint64, chain string) fleet.Received {
		r := Event("p", "aa", seq)
		r.Event.Chain = Chain("p", chain, seq)
		return r
	}
	for range 3 {
		must[[]fleet.Outcome](t)(s.Append([]fleet.Received{rewritten(40, "x"), rewritten(41, "x"), rewritten(40, "y")}))
	}
	s = b.Again(t, s)
	must[[]fleet.Outcome](t)(s.Append([]fleet.Received{rewritten(41, "x")}))
	got := must[[]fleet.Fault](t)(s.Faults("p", 10))
	if len(got) != 2 || got[0].Seq != 41 || got[1].Seq != 40 || got[0].Kind != fleet.FaultRewritten || got[0].Detail == "" || got[0].Site != "north" {
		t.Fatalf("faults %+v", got)
	}
	for i := range 300 {
		check(t, s.AddFault(fleet.Fault{Panel: "p", Kind: fleet.FaultClone, Seq: uint64(i), At: day}))
	}
	check(t, s.AddFault(fleet.Fault{Panel: "q", Kind: fleet.FaultClone, At: day}))
	if all := must[[]fleet.Fault](t)(s.Faults("", 1000)); len(all) != 2+100+1 || all[0].Panel != "q" {
		t.Errorf("%d faults are kept", len(all))
	}
	if n := must[int](t)(s.DeleteFaults("p", fleet.Change{Who: "anna", What: "faults.deleted", At: day})); n != 102 {
		t.Errorf("%d faults deleted", n)
	}
	must[[]fleet.Outcome](t)(s.Append([]fleet.Received{rewritten(41, "x")}))
	if all := must[[]fleet.Fault](t)(s.Faults("p", 1000)); len(all) != 1 {
		t.Errorf("after deleting: %+v", all)
	}
}

func search(t *testing.T, b Bench) {
	s := b.New(t)
	kinds := []string{"access.granted", "access.refused", "door.opened", "accessory.lost"}
	var all []fleet.Received
	for i := range 400 {
		r := Event(fmt.Sprint("panel-", i%3), "aa", uint64(i/3+1))
		r.Site = []string{"north", "south"}[i%2]
		r.At = day.Add(time.Duration(i) * time.Minute)
		r.Event.Time, r.Event.Trusted = r.At.Add(-time.Hour), i%5 != 0
		r.Event.Kind, r.Event.Door = kinds[i%len(kinds)], []string{"front", "back"}[i/2%2]
		if i%11 == 0 {
			r.Event.Who, r.Event.Credential, r.Event.Detail = "", "", "The strike of Ünter den Linden did not move"
		}
		all = append(all, r)
	}
	must[[]fleet.Outcome](t)(s.Append(all))
	all = must[[]fleet.Received](t)(s.After(0, 1000))
	for _, c := range []struct {
		name string
		q    fleet.Query
		fits func(r fleet.Received) bool
	}{
		{"everything", fleet.Query{}, func(fleet.Received) bool { return true }},
		{"a site", fleet.Query{Site: "south"}, func(r fleet.Received) bool { return r.Site == "south" }},
		{"a panel", fleet.Query{Panel: "panel-1"}, func(r fleet.Received) bool { return r.Panel == "panel-1" }},
		{"a door", fleet.Query{Door: "back"}, func(r fleet.Received) bool { return r.Event.Door == "back" }},
		{"a kind", fleet.Query{Kind: "access.refused"}, func(r fleet.Received) bool { return r.Event.Kind == "access.refused" }},
		{"a family of kinds", fleet.Query{Kind: "access."}, func(r fleet.Received) bool { return strings.HasPrefix(r.Event.Kind, "access.") }},
		{"a person", fleet.Query{Who: "PERSON 3"}, func(r fleet.Received) bool { return r.Event.Who == "Person 3" }},
		{"a word of the sentence", fleet.Query{Text: "ünter"}, func(r fleet.Received) bool { return r.Event.Detail != "" }},
		{"a credential", fleet.Query{Text: "card-4"}, func(r fleet.Received) bool { return r.Event.Credential == "card-4" }},
		{"a time", fleet.Query{From: day.Add(time.Hour), To: day.Add(2 * time.Hour)}, func(r fleet.Received) bool {
			when := r.At
			if r.Event.Trusted {
				when = r.Event.Time
			}
			return !when.Before(day.Add(time.Hour)) && when.Before(day.Add(2*time.Hour))
		}},
		{"all of it", fleet.Query{Site: "north", Panel: "panel-2", Door: "front", Kind: "door.", Who: "person", To: day.Add(5 * time.Hour)}, func(r fleet.Received) bool {
			when := r.At
			if r.Event.Trusted {
				when = r.Event.Time
			}
			return r.Site == "north" && r.Panel == "panel-2" && r.Event.Door == "front" && r.Event.Kind == "door.opened" && r.Event.Who != "" && when.Before(day.Add(5*time.Hour))
		}},
		{"nobody", fleet.Query{Who: "nobody"}, func(fleet.Received) bool { return false }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var want []uint64
			for i := len(all) - 1; i >= 0; i-- {
				if c.fits(all[i]) {
					want = append(want, all[i].Serial)
				}
			}
			for _, limit := range []int{7, 1000} {
				var got []uint64
				q := c.q
				q.Limit = limit
				for calls := 0; ; calls++ {
					found, next, err := s.Search(t.Context(), q)
					check(t, err)
					if len(found) > limit || calls > 1000 {
						t.Fatalf("%d events on a page of %d, call %d", len(found), limit, calls)
					}
					for _, r := range found {
						if !reflect.DeepEqual(r, all[r.Serial-1]) {
							t.Fatalf("found %+v, stored %+v", r, all[r.Serial-1])
						}
						got = append(got, r.Serial)
					}
					if next == 0 {
						break
					}
					q.Before = next
				}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("pages of %d: found %v, want %v", limit, got, want)
				}
			}
		})
	}
}

// searchAgain asks for times after searches that looked at a part of the events only.
func searchAgain(t *testing.T, b Bench) {
	s := b.New(t)
	send := func(from, to uint64) {
		batch := events("p", "aa", from, to)
		for i := range batch {
			batch[i].Event.Time = day.AddDate(0, 0, int(batch[i].Event.Seq/1000))
		}
		must[[]fleet.Outcome](t)(s.Append(batch))
	}
	count := func(q fleet.Query) (n int) {
		t.Helper()
		for q.Limit = 700; ; {
			found, next, err := s.Search(t.Context(), q)
			check(t, err)
			n += len(found)
			if q.Before = next; next == 0 {
				return n
			}
		}
	}
	ofDay := func(n int) fleet.Query { return fleet.Query{From: day.AddDate(0, 0, n), To: day.AddDate(0, 0, n+1)} }
	send(1, 9000)
	if n := count(fleet.Query{Kind: "none", Before: 2500}); n != 0 {
		t.Errorf("%d events of a kind that there is not", n)
	}
	for _, want := range []struct{ day, n int }{{0, 999}, {1, 1000}, {3, 1000}, {8, 1000}, {9, 1}, {11, 0}} {
		if n := count(ofDay(want.day)); n != want.n {
			t.Errorf("%d events of day %d, not %d", n, want.day, want.n)
		}
	}
	send(9001, 12_500)
	for _, want := range []struct{ day, n int }{{3, 1000}, {9, 1000}, {11, 1000}, {12, 501}, {40, 0}} {
		if n := count(ofDay(want.day)); n != want.n {
			t.Errorf("%d events of day %d later, not %d", n, want.day, want.n)
		}
	}
}

func readers(t *testing.T, b Bench) {
	s := b.New(t)
	if n := must[uint64](t)(s.Last()); n != 0 {
		t.Errorf("an empty store has event %d", n)
	}
	waited := make(chan error, 1)
	go func() { waited <- s.Wait(t.Context(), 2) }()
	must[[]fleet.Outcome](t)(s.Append(events("p", "aa", 1, 2)))
	must[[]fleet.Outcome](t)(s.Append(events("p", "aa", 3, 3)))
	select {
	case err := <-waited:
		check(t, err)
	case <-time.After(30 * time.Second):
		t.Fatal("nobody told the reader of event 3")
	}
	check(t, s.Wait(t.Context(), 0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Wait(ctx, 3); !errors.Is(err, context.Canceled) {
		t.Errorf("a wait that was given up ended with %v", err)
	}
	if n := must[uint64](t)(s.Cursor("hook")); n != 0 {
		t.Errorf("a new cursor stands at %d", n)
	}
	check(t, s.SetCursor("hook", 2))
	check(t, s.SetCursor("export", 3))
	if err := s.SetCursor("", 1); err == nil {
		t.Error("a cursor without a name was set")
	}
	s = b.Again(t, s)
	got := must[[]fleet.Received](t)(s.After(must[uint64](t)(s.Cursor("hook")), 10))
	if len(got) != 1 || got[0].Event.Seq != 3 {
		t.Errorf("after its cursor a reader gets %+v", got)
	}
	if page := must[[]fleet.Received](t)(s.After(0, 2)); len(page) != 2 || page[1].Serial != 2 {
		t.Errorf("a page of two is %+v", page)
	}
	check(t, s.DeleteCursor("hook"))
	if names := must[[]string](t)(s.Cursors()); fmt.Sprint(names) != "[export]" {
		t.Errorf("cursors %v", names)
	}
}

func retention(t *testing.T, b Bench) {
	s := b.New(t)
	var all []fleet.Received
	for i := range 60 {
		r := Event("p", "aa", uint64(i+1))
		r.At = day.AddDate(0, 0, i)
		r.Event.Kind = []string{"access.granted", "door.opened", "system.started"}[i%3]
		r.Site = []string{"north", "south"}[i/3%2]
		all = append(all, r)
	}
	must[[]fleet.Outcome](t)(s.Append(all))
	all = must[[]fleet.Received](t)(s.After(0, 1000))
	rules := []fleet.Keep{{Kind: "access.", Days: 20}, {Kind: "access.", Site: "south", Days: 40}, {Kind: "access.granted", Site: "nowhere", Days: 1}, {Kind: "system.", Days: 0}, {Days: 50}}
	now := day.AddDate(0, 0, 60)
	stays := func(r fleet.Received) bool {
		days := int(now.Sub(r.At).Hours() / 24)
		switch {
		case r.Event.Kind == "access.granted" && r.Site == "south":
			return days <= 40
		case r.Event.Kind == "access.granted":
			return days <= 20
		case r.Event.Kind == "door.opened":
			return days <= 50
		}
		return true
	}
	var want []uint64
	for _, r := range all {
		if stays(r) {
			want = append(want, r.Serial)
		}
	}
	deleted := uint64(0)
	for {
		done := must[fleet.Swept](t)(s.Sweep(now, rules))
		deleted += done.Expired
		if !done.More {
			break
		}
	}
	for range 2 {
		var got []uint64
		for _, r := range once(t, s) {
			got = append(got, r.Serial)
			if !reflect.DeepEqual(r, all[r.Serial-1]) {
				t.Errorf("event %d is %+v now", r.Serial, r)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || int(deleted) != len(all)-len(want) {
			t.Errorf("%d deleted, %v left, not %v", deleted, got, want)
		}
		found, _, err := s.Search(t.Context(), fleet.Query{Limit: 1000})
		if check(t, err); len(found) != len(want) {
			t.Errorf("a search finds %d of %d", len(found), len(want))
		}
		s = b.Again(t, s)
	}
	// What was deleted does not come back, and what comes next gets its own number.
	got := must[[]fleet.Outcome](t)(s.Append(append(all[:2:2], Event("p", "aa", 61))))
	if verdicts(got) != "duplicate,duplicate,stored" || got[2].Serial != 61 {
		t.Errorf("after deleting: %s, serial %d", verdicts(got), got[2].Serial)
	}
	// All of them: the numbers go on.
	for must[fleet.Swept](t)(s.Sweep(now.AddDate(1, 0, 0), []fleet.Keep{{Days: 1}})).More {
	}
	if left := once(t, s); len(left) != 0 {
		t.Errorf("%d events are left", len(left))
	}
	s = b.Again(t, s)
	if got := must[[]fleet.Outcome](t)(s.Append([]fleet.Received{Event("p", "aa", 61), Event("p", "aa", 62)})); verdicts(got) != "duplicate,stored" || got[1].Serial != 62 {
		t.Errorf("in an emptied store: %s, serial %d", verdicts(got), got[1].Serial)
	}
}

func erasure(t *testing.T, b Bench) {
	s := b.New(t)
	all := events("p", "aa", 1, 30)
	all[9].Event.Who = ""                             // the credential alone
	all[16].Event.Detail = "Person 3 came in by card" // a sentence about the person
	must[[]fleet.Outcome](t)(s.Append(all))
	if n := must[int](t)(s.Erase(t.Context(), "Person 3")); n != 4 {
		t.Errorf("erased from %d events, not from 3, 10, 17 and 24", n)
	}
	for range 2 {
		for i, r := range once(t, s) {
			e, was := r.Event, all[i].Event
			if e.Epoch != was.Epoch || e.Seq != was.Seq || e.Chain != was.Chain || e.Prev != was.Prev || e.Kind != was.Kind || e.Door != was.Door {
				t.Errorf("event %d lost its place: %+v", i+1, e)
			}
			if person := i%7 == 2; person != (e.Who == "" && e.Credential == "" && e.Detail == "" && e.Erased) {
				t.Errorf("event %d, %q, is %+v", i+1, was.Who, e)
			}
		}
		if found, _, err := s.Search(t.Context(), fleet.Query{Text: "person 3"}); err != nil || len(found) != 0 {
			t.Errorf("a search still finds %+v, %v", found, err)
		}
		s = b.Again(t, s)
	}
	if got := must[[]fleet.Outcome](t)(s.Append(append(all[28:30:30], Event("p", "aa", 31)))); verdicts(got) != "duplicate,duplicate,stored" {
		t.Errorf("after erasing: %s", verdicts(got))
	}
	if n, err := s.Erase(t.Context(), ""); err == nil {
		t.Errorf("nobody was erased from %d events", n)
	}
}
