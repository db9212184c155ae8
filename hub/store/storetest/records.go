package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
)

func by(who string, from uint64) fleet.Edit {
	return fleet.Edit{From: from, Change: fleet.Change{Who: who, Via: "web", At: day, What: "record.changed", Object: "it"}}
}

func north() fleet.Site {
	return fleet.Site{ID: "north", Name: "Nördliches Haus", Zone: "Europe/Berlin", Language: "de", Created: day}
}

func testRecords(t *testing.T, b Bench) {
	t.Run("an edit replaces only what its editor saw", func(t *testing.T) { editions(t, b) })
	t.Run("sites and panels come back as they were", func(t *testing.T) { sites(t, b) })
	t.Run("an enrollment is kept whole or not at all", func(t *testing.T) { enrolling(t, b) })
	t.Run("settings, documents and licenses", func(t *testing.T) { settings(t, b) })
	t.Run("an order's number is given once", func(t *testing.T) { orders(t, b) })
	t.Run("work is leased to one", func(t *testing.T) { leases(t, b) })
}

func editions(t *testing.T, b Bench) {
	s := b.New(t)
	first := must[fleet.Edition](t)(s.PutSite(north(), by("anna", 0)))
	if first.Number != 1 || first.By != "anna" || !first.At.Equal(day) {
		t.Errorf("the first edition is %+v", first)
	}
	if _, err := s.PutSite(north(), by("ben", 0)); !errors.Is(err, fleet.ErrExists) {
		t.Errorf("a second new one: %v", err)
	}
	_, seen, err := s.SiteToEdit("north")
	check(t, err)
	changed := north()
	changed.Name = "Ben's"
	must[fleet.Edition](t)(s.PutSite(changed, by("ben", seen.Number)))
	s = b.Again(t, s)
	var moved *fleet.ChangedError
	if _, err := s.PutSite(north(), by("anna", seen.Number)); !errors.As(err, &moved) || moved.Now.By != "ben" || moved.Now.Number != 2 {
		t.Errorf("an edit of what was changed meanwhile: %v", err)
	}
	if got, now, err := s.SiteToEdit("north"); err != nil || got.Name != "Ben's" || now.Number != 2 {
		t.Errorf("after it there is %+v, %+v, %v", got, now, err)
	}
	if e := must[fleet.Edition](t)(s.PutSite(north(), by("root", fleet.AnyEdition))); e.Number != 3 {
		t.Errorf("an edit of any edition makes %+v", e)
	}
	if _, err := s.PutSite(fleet.Site{ID: "south"}, by("anna", 5)); !errors.As(err, &moved) || moved.Now.Number != 0 {
		t.Errorf("an edit of what is not there: %v", err)
	}
	if _, err := s.PutSite(fleet.Site{ID: "no/site"}, by("anna", 0)); err == nil {
		t.Error("a site whose id is no part of a topic was stored")
	}
	// What was refused is not in the audit; what was stored is, in the same transaction.
	if list, _, err := s.Changes(fleet.ChangeQuery{}); err != nil || len(list) != 3 || list[0].Who != "root" || list[2].Who != "anna" {
		t.Errorf("the audit is %+v, %v", list, err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 8 {
		wg.Go(func() {
			if _, err := s.PutSite(north(), by(fmt.Sprint("editor ", i), 3)); err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d of 8 edits made from one edition were taken", won)
	}
}

func sites(t *testing.T, b Bench) {
	s := b.New(t)
	panel := fleet.Panel{
		ID: "AAAAAAAAAAAAAAAAAAAAAAAAAA", Key: []byte{1, 2, 255}, Name: "Haupteingang", Site: "north", Added: day, AddedBy: "anna",
		Enrolled: day.Add(time.Hour), Serial: "0a1b", Expires: day.AddDate(1, 0, 0), TLSKey: "ff", Replaces: "old",
	}
	if _, err := s.PutPanel(panel, by("anna", 0)); !errors.Is(err, fleet.ErrUnknown) {
		t.Errorf("a panel of an unknown site: %v", err)
	}
	must[fleet.Edition](t)(s.PutSite(north(), by("anna", 0)))
	south := fleet.Site{ID: "south", Archived: day.AddDate(0, 1, 0), Created: day}
	must[fleet.Edition](t)(s.PutSite(south, by("anna", 0)))
	must[fleet.Edition](t)(s.PutPanel(panel, by("anna", 0)))
	if _, err := s.PutPanel(panel, by("anna", 0)); !errors.Is(err, fleet.ErrExists) {
		t.Errorf("a panel with an id that is there: %v", err)
	}
	for range 2 {
		if got := must[[]fleet.Site](t)(s.Sites()); !reflect.DeepEqual(got, []fleet.Site{north(), south}) {
			t.Errorf("sites %+v", got)
		}
		if got := must[[]fleet.Panel](t)(s.Panels()); !reflect.DeepEqual(got, []fleet.Panel{panel}) {
			t.Errorf("panels %+v", got)
		}
		if got, known, err := s.Panel(panel.ID); err != nil || !known || !reflect.DeepEqual(got, panel) {
			t.Errorf("panel %+v, %v, %v", got, known, err)
		}
		if _, known, err := s.Panel("nobody"); err != nil || known {
			t.Errorf("an unknown panel: %v, %v", known, err)
		}
		if _, known, err := s.Site("nowhere"); err != nil || known {
			t.Errorf("an unknown site: %v, %v", known, err)
		}
		if _, _, err := s.PanelToEdit("nobody"); !errors.Is(err, fleet.ErrUnknown) {
			t.Errorf("an unknown panel to edit: %v", err)
		}
		s = b.Again(t, s)
	}
	moved, now, err := s.PanelToEdit(panel.ID)
	check(t, err)
	moved.Site = "south"
	must[fleet.Edition](t)(s.PutPanel(moved, by("anna", now.Number)))
	if got, _, _ := s.Panel(panel.ID); got.Site != "south" || len(must[[]fleet.Panel](t)(s.Panels())) != 1 {
		t.Errorf("a moved panel is %+v", got)
	}
}

func enrolling(t *testing.T, b Bench) {
	s := b.New(t)
	must[fleet.Edition](t)(s.PutSite(north(), by("anna", 0)))
	window := fleet.Window{ID: "w1", Site: "north", By: "anna", Opened: day, Until: day.Add(10 * time.Minute), Proof: "aa"}
	check(t, s.Enrolling(t.Context(), nil, func(all *fleet.Enrolling) error {
		if len(all.Windows)+len(all.Panels)+len(all.Certificates) != 0 {
			t.Errorf("an empty store has %+v", all)
		}
		all.Windows = append(all.Windows, window, fleet.Window{ID: "w0", Opened: day.Add(-time.Hour)})
		return nil
	}))
	refused := errors.New("no")
	add := func(all *fleet.Enrolling) {
		all.Windows = all.Windows[1:]
		all.Windows[0].Enrolled = "p1"
		all.Panels["p1"] = fleet.Panel{ID: "p1", Site: "north", Serial: "01", Added: day}
		all.Certificates = append(all.Certificates, fleet.Certificate{Serial: "01", Panel: "p1", Issued: day}, fleet.Certificate{Serial: "02", Panel: "p1", Issued: day.Add(1)})
	}
	if err := s.Enrolling(t.Context(), []string{"p1"}, func(all *fleet.Enrolling) error { add(all); return refused }); err != refused {
		t.Errorf("a refused enrollment ends with %v", err)
	}
	if _, known, _ := s.Panel("p1"); known || len(must[[]fleet.Window](t)(s.Windows())) != 2 {
		t.Error("a refused enrollment left something behind")
	}
	check(t, s.Enrolling(t.Context(), []string{"p1", "p1", "p2"}, func(all *fleet.Enrolling) error { add(all); return nil }))
	if err := s.Enrolling(t.Context(), []string{"p9"}, func(all *fleet.Enrolling) error {
		all.Panels["p9"] = fleet.Panel{ID: "p9", Site: "nowhere"}
		return nil
	}); !errors.Is(err, fleet.ErrUnknown) {
		t.Errorf("a panel of an unknown site was enrolled: %v", err)
	}
	s = b.Again(t, s)
	check(t, s.Enrolling(t.Context(), []string{"p1", "p2"}, func(all *fleet.Enrolling) error {
		if len(all.Windows) != 1 || all.Windows[0].Enrolled != "p1" || len(all.Panels) != 1 || all.Panels["p1"].Serial != "01" ||
			len(all.Certificates) != 2 || all.Certificates[1].Serial != "02" {
			t.Errorf("kept was %+v", all)
		}
		all.Certificates[0].Revoked = day
		return nil
	}))
	if got := must[[]fleet.Certificate](t)(s.Certificates("p1")); len(got) != 2 || !got[0].Revoked.Equal(day) {
		t.Errorf("certificates %+v", got)
	}
	if got := must[[]fleet.Certificate](t)(s.Certificates("")); len(got) != 2 {
		t.Errorf("all certificates %+v", got)
	}
	if got := must[[]fleet.Certificate](t)(s.Certificates("p")); len(got) != 0 {
		t.Errorf("certificates of a panel whose id begins alike: %+v", got)
	}
}

func settings(t *testing.T, b Bench) {
	s := b.New(t)
	if _, err := s.Setting("mail"); !errors.Is(err, fleet.ErrUnknown) {
		t.Errorf("a setting that was never made: %v", err)
	}
	must[fleet.Edition](t)(s.PutSetting("mail", []byte(`{"host":"mx"}`), by("anna", 0)))
	must[fleet.Edition](t)(s.PutSetting("policy/north", []byte(`1`), by("anna", 0)))
	must[fleet.Edition](t)(s.PutSetting("policy/south", []byte(`2`), by("anna", 0)))
	s = b.Again(t, s)
	if got := must[fleet.Setting](t)(s.Setting("mail")); string(got.Value) != `{"host":"mx"}` || got.Edition.By != "anna" {
		t.Errorf("setting %+v", got)
	}
	if got := must[[]fleet.Setting](t)(s.Settings("policy/")); len(got) != 2 || got[1].Name != "policy/south" {
		t.Errorf("settings %+v", got)
	}
	check(t, s.DeleteSetting("mail", by("anna", 1)))
	if err := s.DeleteSetting("mail", by("anna", fleet.AnyEdition)); !errors.Is(err, fleet.ErrUnknown) {
		t.Errorf("deleted twice: %v", err)
	}

	doc := fleet.Document{Panel: "p1", Kind: "grant", ID: "7", Bytes: []byte{0, 255}, Made: day, By: "anna"}
	other := doc
	other.Panel = "p10"
	check(t, s.PutDocument(doc))
	check(t, s.PutDocument(other))
	doc.Acknowledged = day.Add(time.Second)
	check(t, s.PutDocument(doc))
	if err := s.PutDocument(fleet.Document{Panel: "p1"}); err == nil {
		t.Error("a document without kind and id was stored")
	}
	s = b.Again(t, s)
	if got := must[[]fleet.Document](t)(s.Documents("p1")); !reflect.DeepEqual(got, []fleet.Document{doc}) {
		t.Errorf("documents %+v", got)
	}
	if got := must[[]fleet.Document](t)(s.Documents("")); len(got) != 2 {
		t.Errorf("all documents %+v", got)
	}
	check(t, s.DeleteDocument("p1", "grant", "7"))
	check(t, s.DeleteDocument("p1", "grant", "7"))
	if got := must[[]fleet.Document](t)(s.Documents("p1")); len(got) != 0 {
		t.Errorf("after deleting %+v", got)
	}

	license := fleet.License{ID: "l1", Site: "north", Token: []byte{9, 8}, Added: day, By: "anna"}
	if err := s.PutLicense(license, fleet.Change{}); !errors.Is(err, fleet.ErrUnknown) {
		t.Errorf("a license of an unknown site: %v", err)
	}
	must[fleet.Edition](t)(s.PutSite(north(), by("anna", 0)))
	check(t, s.PutLicense(license, fleet.Change{Who: "anna", What: "license.added", At: day}))
	license.Withdrawn, license.WithdrawnBy = day, "ben"
	check(t, s.PutLicense(license, fleet.Change{Who: "ben", What: "license.withdrawn", At: day}))
	if got := must[[]fleet.License](t)(s.Licenses("north")); !reflect.DeepEqual(got, []fleet.License{license}) {
		t.Errorf("licenses %+v", got)
	}
	if got := must[[]fleet.License](t)(s.Licenses("south")); len(got) != 0 {
		t.Errorf("licenses of another site %+v", got)
	}
}

func orders(t *testing.T, b Bench) {
	s := b.New(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	given := map[uint64]bool{}
	last := uint64(0)
	for range 4 {
		wg.Go(func() {
			for range 10 {
				n, err := s.NextNumber(day)
				mu.Lock()
				if err != nil || given[n] || n < uint64(day.UnixMilli()) {
					t.Errorf("number %d (%v), twice: %v", n, err, given[n])
				}
				given[n], last = true, max(last, n)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	s = b.Again(t, s)
	if n := must[uint64](t)(s.NextNumber(day.AddDate(-1, 0, 0))); n != last+1 {
		t.Errorf("after %d and a restart with the clock set back comes %d", last, n)
	}
	if n := must[uint64](t)(s.NextNumber(day.AddDate(1, 0, 0))); n != uint64(day.AddDate(1, 0, 0).UnixMilli()) {
		t.Errorf("a year later comes %d", n)
	}
	order := fleet.Order{Number: 7, Panel: "p1", Site: "north", Verb: "open", Object: "front", By: "anna", At: day, Deadline: day.Add(30 * time.Second), State: fleet.OrderSent}
	for _, n := range []uint64{7, 8, 300} {
		order.Number = n
		check(t, s.PutOrder(order))
	}
	other := order
	other.Number, other.Panel = 9, "p10"
	check(t, s.PutOrder(other))
	order.State, order.Why = fleet.OrderRefused, "late"
	check(t, s.PutOrder(order))
	if err := s.PutOrder(fleet.Order{Panel: "p1"}); err == nil {
		t.Error("an order without a number was stored")
	}
	s = b.Again(t, s)
	if got := must[[]fleet.Order](t)(s.Orders("p1", 2)); len(got) != 2 || !reflect.DeepEqual(got[0], order) || got[1].Number != 8 {
		t.Errorf("orders of a panel %+v", got)
	}
	if got := must[[]fleet.Order](t)(s.Orders("", 10)); len(got) != 4 || got[1].Number != 9 {
		t.Errorf("all orders %+v", got)
	}
	if got := must[fleet.Order](t)(s.Order(9)); got.Panel != "p10" {
		t.Errorf("order 9 is %+v", got)
	}
	if _, err := s.Order(10); !errors.Is(err, fleet.ErrUnknown) {
		t.Errorf("an unknown order: %v", err)
	}
	if n := must[int](t)(s.ForgetOrders(day, 10)); n != 0 {
		t.Errorf("%d orders of the day itself forgotten", n)
	}
	if n := must[int](t)(s.ForgetOrders(day.Add(1), 2)); n != 2 {
		t.Errorf("%d orders forgotten of at most 2", n)
	}
	if got := must[[]fleet.Order](t)(s.Orders("p1", 10)); len(got) != 1 || got[0].Number != 300 {
		t.Errorf("orders of a panel that are left: %+v", got)
	}
}

func leases(t *testing.T, b Bench) {
	s := b.New(t)
	at := func(seconds int) time.Time { return day.Add(time.Duration(seconds) * time.Second) }
	for i, step := range []struct {
		holder     string
		now, until int
		mine       bool
	}{
		{"one", 0, 30, true}, {"two", 10, 40, false}, {"one", 20, 50, true}, {"two", 49, 80, false}, {"two", 50, 80, true}, {"one", 51, 90, false},
	} {
		if mine := must[bool](t)(s.Lease("deliver", step.holder, at(step.now), at(step.until))); mine != step.mine {
			t.Errorf("step %d: %v", i, mine)
		}
		s = b.Again(t, s)
	}
	check(t, s.Release("deliver", "one"))
	if must[bool](t)(s.Lease("deliver", "one", at(52), at(90))) {
		t.Error("somebody else gave the work back")
	}
	check(t, s.Release("deliver", "two"))
	if !must[bool](t)(s.Lease("deliver", "one", at(52), at(90))) || !must[bool](t)(s.Lease("watch", "two", at(52), at(90))) {
		t.Error("work that was given back is not to be had")
	}
}
