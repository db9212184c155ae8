package storetest

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/doorpanel/doorpanel/hub/fleet"
)

// testShown holds that what an asker may not see tells him nothing, neither by what he is answered nor by where the answer stops: the
// answers are the same whether the records of others fit his question or not.
func testShown(t *testing.T, b Bench) {
	t.Run("events", func(t *testing.T) {
		fill := func(who string) Store {
			s := b.New(t)
			batch := events("p", "aa", 1, 90)
			for i := range batch {
				if batch[i].Event.Who = "Somebody"; i%10 == 0 {
					batch[i].Event.Who = "Ada Rossi"
				}
				if i%3 != 0 {
					batch[i].Site, batch[i].Event.Who, batch[i].Event.Detail = "south", who, "for "+who
				}
			}
			must[[]fleet.Outcome](t)(s.Append(batch))
			return s
		}
		fits, other := fill("Ada Rossi"), fill("Nobody El")
		for _, q := range []fleet.Query{{Who: "ada"}, {Text: "rossi"}, {Text: "rossi", Kind: "access."}, {Site: "south", Who: "ada"}, {Who: "nobody"}, {}} {
			for _, limit := range []int{1, 4, 1000} {
				q.Limit = limit
				q.Shown = func(r fleet.Received) bool { return r.Site == "north" }
				for before := uint64(0); before <= 92; before++ {
					q.Before = before
					one, next, err := fits.Search(t.Context(), q)
					check(t, err)
					two, also, err := other.Search(t.Context(), q)
					check(t, err)
					if next != also || !reflect.DeepEqual(serials(one), serials(two)) {
						t.Fatalf("%d before %d, who %q, text %q: %v and on at %d; without a stranger's events that fit, %v and on at %d", limit, before, q.Who, q.Text, serials(one), next, serials(two), also)
					}
					if len(one) < limit && next != 0 {
						t.Fatalf("%d before %d: a page of %d goes on at %d: it was filled by what is not shown", limit, before, len(one), next)
					}
				}
			}
		}
	})
	t.Run("changes", func(t *testing.T) {
		s := b.New(t)
		for i := range 1_100 {
			c := fleet.Change{At: day, Who: "ben", What: "site.changed", Site: "south", Detail: "secret plan"}
			if i%300 == 7 {
				c.Site, c.Detail = "north", "our plan"
			}
			check(t, s.Note(c))
		}
		var got []string
		for q := (fleet.ChangeQuery{Text: "plan", Limit: 1, Shown: func(c fleet.Change) bool { return c.Site == "north" }}); ; {
			found, next, err := s.Changes(q)
			check(t, err)
			for _, c := range found {
				got = append(got, fmt.Sprint(c.Number))
			}
			if len(found) == 0 && next != 0 {
				t.Fatalf("an empty page goes on at %d: it was filled by what is not shown", next)
			}
			if q.Before = next; next == 0 {
				break
			}
		}
		if fmt.Sprint(got) != "[908 608 308 8]" {
			t.Errorf("found %v", got)
		}
		if found, next, err := s.Changes(fleet.ChangeQuery{Text: "secret", Limit: 1, Shown: func(c fleet.Change) bool { return c.Site == "north" }}); len(found) != 0 || next != 0 || err != nil {
			t.Errorf("a stranger's change is told by going on at %d: %v, %v", next, found, err)
		}
	})
	t.Run("deliveries", func(t *testing.T) {
		s := b.New(t)
		var list []fleet.Delivery
		for i := range 1_200 {
			d := delivery(fmt.Sprintf("d%04d", i), i)
			if d.Site = "south"; i%400 == 9 {
				d.Site = "north"
			}
			list = append(list, d)
		}
		must[int](t)(s.AddDeliveries(list))
		var got []string
		for q := (fleet.DeliveryQuery{Limit: 1, Shown: func(d fleet.Delivery) bool { return d.Site == "north" }}); ; {
			page, err := s.Deliveries(q)
			check(t, err)
			got = append(got, ids(page.Deliveries)...)
			if len(page.Deliveries) == 0 && page.Next != "" {
				t.Fatalf("an empty page goes on at %q: it was filled by what is not shown", page.Next)
			}
			if q.Before = page.Next; page.Next == "" {
				break
			}
		}
		if fmt.Sprint(got) != "[d0809 d0409 d0009]" {
			t.Errorf("found %v", got)
		}
	})
}

func serials(list []fleet.Received) []uint64 {
	out := make([]uint64, 0, len(list))
	for _, r := range list {
		out = append(out, r.Serial)
	}
	return out
}
