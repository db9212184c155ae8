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

func delivery(id string, due int) fleet.Delivery {
	return fleet.Delivery{
		ID: id, Site: "north", Incident: "i1", Kind: "panel.lost", Recipient: "anna", Channel: fleet.Email, Address: "anna@example.org", Language: "de",
		Facts: []fleet.Fact{{Name: "panel", Value: "Haupt\r\neingang"}}, Made: day.Add(time.Duration(due) * time.Second), Due: day.Add(time.Duration(due) * time.Second),
		State: fleet.Waiting, Fallback: &fleet.Target{Channel: fleet.SMS, Address: "+49"},
	}
}

func ids(list []fleet.Delivery) (out []string) {
	for _, d := range list {
		out = append(out, d.ID)
	}
	return out
}

func testOutbox(t *testing.T, b Bench) {
	t.Run("what the monitor knows and what it decided are one", func(t *testing.T) { commits(t, b) })
	t.Run("a delivery moves once", func(t *testing.T) { moves(t, b) })
	t.Run("what is due comes in order", func(t *testing.T) { due(t, b) })
	t.Run("the history is found and forgotten", func(t *testing.T) { history(t, b) })
}

func commits(t *testing.T, b Bench) {
	s := b.New(t)
	if state := must[[]byte](t)(s.Situation("north")); state != nil {
		t.Errorf("an unknown site is %q", state)
	}
	check(t, s.Commit("north", []byte(`{"a":1}`), []fleet.Delivery{delivery("d1", 1), delivery("d2", 2)}, nil))
	check(t, s.Commit("south", []byte(`{"b":1}`), nil, nil))
	again := delivery("d1", 99)
	again.Recipient = "somebody else"
	check(t, s.Commit("north", []byte(`{"a":2}`), []fleet.Delivery{again, delivery("d3", 3)}, []string{"d2", "unknown"}))
	// One that cannot be stored leaves the site as it was.
	if err := s.Commit("north", []byte(`{"a":3}`), []fleet.Delivery{delivery("d4", 4), {}}, []string{"d3"}); err == nil {
		t.Error("a delivery without an id was stored")
	}
	s = b.Again(t, s)
	if got := must[[]fleet.Situation](t)(s.Situations()); !reflect.DeepEqual(got, []fleet.Situation{{Site: "north", State: []byte(`{"a":2}`)}, {Site: "south", State: []byte(`{"b":1}`)}}) {
		t.Errorf("situations %q", got)
	}
	if got := must[fleet.Delivery](t)(s.Delivery("d1")); !reflect.DeepEqual(got, delivery("d1", 1)) {
		t.Errorf("a delivery decided twice is %+v", got)
	}
	if got := must[fleet.Delivery](t)(s.Delivery("d2")); got.State != fleet.Withdrawn {
		t.Errorf("a withdrawn one is %+v", got)
	}
	if _, err := s.Delivery("d4"); !errors.Is(err, fleet.ErrUnknown) {
		t.Errorf("one of a commit that failed: %v", err)
	}
	// What somebody has begun to send is not withdrawn.
	claimed := delivery("d3", 3)
	claimed.State, claimed.By = fleet.Claimed, "hub"
	check(t, s.Move(delivery("d3", 3), claimed))
	check(t, s.Commit("north", []byte(`{"a":4}`), nil, []string{"d3"}))
	if got := must[fleet.Delivery](t)(s.Delivery("d3")); got.State != fleet.Claimed {
		t.Errorf("one on its way is %+v", got)
	}
	if n := must[int](t)(s.AddDeliveries([]fleet.Delivery{delivery("d3", 9), delivery("d5", 9)})); n != 1 {
		t.Errorf("%d added", n)
	}
}

func moves(t *testing.T, b Bench) {
	s := b.New(t)
	must[int](t)(s.AddDeliveries([]fleet.Delivery{delivery("d1", 1)}))
	to := func(from fleet.Delivery, state fleet.DeliveryState, due int) fleet.Delivery {
		from.State, from.Due, from.By = state, day.Add(time.Duration(due)*time.Second), "hub"
		from.Tries++
		return from
	}
	waiting := delivery("d1", 1)
	claimed := to(waiting, fleet.Claimed, 60)
	check(t, s.Move(waiting, claimed))
	if err := s.Move(waiting, claimed); !errors.Is(err, fleet.ErrTaken) {
		t.Errorf("claimed twice: %v", err)
	}
	for i, other := range []func(d *fleet.Delivery){
		func(d *fleet.Delivery) { d.By = "another hub" }, func(d *fleet.Delivery) { d.Tries++ }, func(d *fleet.Delivery) { d.Due = d.Due.Add(time.Second) },
	} {
		stale := claimed
		other(&stale)
		if err := s.Move(stale, to(stale, fleet.Committing, 60)); !errors.Is(err, fleet.ErrTaken) {
			t.Errorf("moved by somebody who does not hold it (%d): %v", i, err)
		}
	}
	if err := s.Move(delivery("d9", 1), to(delivery("d9", 1), fleet.Claimed, 60)); !errors.Is(err, fleet.ErrUnknown) {
		t.Errorf("an unknown delivery: %v", err)
	}
	s = b.Again(t, s)
	committing := to(claimed, fleet.Committing, 90)
	check(t, s.Move(claimed, committing))
	// What may have been sent already is not claimed again, nor withdrawn.
	for _, state := range []fleet.DeliveryState{fleet.Claimed, fleet.Withdrawn} {
		if err := s.Move(committing, to(committing, state, 90)); err == nil {
			t.Errorf("a delivery went from committing to %s", state)
		}
	}
	uncertain := to(committing, fleet.Uncertain, 0)
	instead := delivery("d1/sms", 5)
	check(t, s.Move(committing, uncertain, instead, delivery("d1", 77)))
	if got := must[fleet.Delivery](t)(s.Delivery("d1")); !reflect.DeepEqual(got, uncertain) {
		t.Errorf("after it d1 is %+v", got)
	}
	if got := must[fleet.Delivery](t)(s.Delivery("d1/sms")); !reflect.DeepEqual(got, instead) {
		t.Errorf("the one in its place is %+v", got)
	}
	for _, state := range []fleet.DeliveryState{fleet.Claimed, fleet.Committing} {
		if err := s.Move(uncertain, to(uncertain, state, 1)); err == nil {
			t.Errorf("a delivery went from uncertain to %s", state)
		}
	}
	again := to(uncertain, fleet.Waiting, 100)
	check(t, s.Move(uncertain, again))
	sent := to(again, fleet.Sent, 100)
	sent.Made = day.AddDate(0, 0, 3)
	check(t, s.Move(again, sent))
	sent.Made = again.Made // when it was made does not change
	if page, err := s.Deliveries(fleet.DeliveryQuery{State: fleet.Sent}); err != nil || !reflect.DeepEqual(page.Deliveries, []fleet.Delivery{sent}) {
		t.Errorf("sent are %+v, %v", page.Deliveries, err)
	}
	for _, state := range []fleet.DeliveryState{fleet.Waiting, fleet.Claimed, fleet.Committing, fleet.Failed} {
		if err := s.Move(sent, to(sent, state, 1)); err == nil {
			t.Errorf("a sent delivery is %s", state)
		}
	}
	// One that was withdrawn meanwhile, and is the same but for that, is not sent any more.
	must[int](t)(s.AddDeliveries([]fleet.Delivery{delivery("d3", 1)}))
	check(t, s.Commit("north", []byte("{}"), nil, []string{"d3"}))
	gone := delivery("d3", 1)
	gone.State = fleet.Claimed
	if err := s.Move(delivery("d3", 1), gone); !errors.Is(err, fleet.ErrTaken) {
		t.Errorf("a withdrawn delivery was claimed: %v", err)
	}
	// Of many that want it, one gets it.
	must[int](t)(s.AddDeliveries([]fleet.Delivery{delivery("d2", 1)}))
	var wg sync.WaitGroup
	var mu sync.Mutex
	var won []string
	for i := range 8 {
		wg.Go(func() {
			mine := to(delivery("d2", 1), fleet.Claimed, 60)
			mine.By = fmt.Sprint("hub-", i)
			err := s.Move(delivery("d2", 1), mine)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won = append(won, mine.By)
			} else if !errors.Is(err, fleet.ErrTaken) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := must[fleet.Delivery](t)(s.Delivery("d2")); len(won) != 1 || got.By != won[0] {
		t.Errorf("%v got it, it is %+v", won, got)
	}
}

func due(t *testing.T, b Bench) {
	s := b.New(t)
	at := func(seconds int) time.Time { return day.Add(time.Duration(seconds) * time.Second) }
	if list, next, err := s.Due(at(0), 10); err != nil || len(list) != 0 || !next.IsZero() {
		t.Errorf("an empty outbox: %v, %v, %v", list, next, err)
	}
	must[int](t)(s.AddDeliveries([]fleet.Delivery{delivery("late", 50), delivery("b", 10), delivery("a", 10), delivery("first", 5), delivery("over", 1)}))
	gone := delivery("over", 1)
	gone.State = fleet.Failed
	check(t, s.Move(delivery("over", 1), gone))
	claimed := delivery("first", 5)
	claimed.State, claimed.Due = fleet.Claimed, at(40)
	check(t, s.Move(delivery("first", 5), claimed))
	for _, c := range []struct {
		now, limit int
		want       string
		next       int
	}{
		{9, 10, "[]", 10}, {10, 10, "[a b]", 40}, {10, 1, "[a]", 10}, {40, 10, "[a b first]", 50}, {60, 10, "[a b first late]", -1},
	} {
		list, next, err := s.Due(at(c.now), c.limit)
		check(t, err)
		if want := at(c.next); fmt.Sprint(ids(list)) != c.want || (c.next < 0) != next.IsZero() || c.next >= 0 && !next.Equal(want) {
			t.Errorf("at %d, %d at most: %v, next %v", c.now, c.limit, ids(list), next)
		}
		s = b.Again(t, s)
	}
}

func history(t *testing.T, b Bench) {
	s := b.New(t)
	var list []fleet.Delivery
	for i := range 30 {
		d := delivery(fmt.Sprintf("d%02d", i), i)
		d.Site, d.Recipient = []string{"north", "south"}[i%2], []string{"anna", "ben", "eve"}[i%3]
		if i%5 == 0 {
			d.State = fleet.Sent
		}
		list = append(list, d)
	}
	must[int](t)(s.AddDeliveries(list))
	s = b.Again(t, s)
	for _, c := range []struct {
		q    fleet.DeliveryQuery
		fits func(d fleet.Delivery) bool
	}{
		{fleet.DeliveryQuery{}, func(fleet.Delivery) bool { return true }},
		{fleet.DeliveryQuery{Site: "south"}, func(d fleet.Delivery) bool { return d.Site == "south" }},
		{fleet.DeliveryQuery{Recipient: "eve"}, func(d fleet.Delivery) bool { return d.Recipient == "eve" }},
		{fleet.DeliveryQuery{State: fleet.Sent}, func(d fleet.Delivery) bool { return d.State == fleet.Sent }},
		{fleet.DeliveryQuery{Incident: "i2"}, func(fleet.Delivery) bool { return false }},
	} {
		var want, got []string
		for i := len(list) - 1; i >= 0; i-- {
			if c.fits(list[i]) {
				want = append(want, list[i].ID)
			}
		}
		for q := c.q; ; {
			q.Limit = 4
			page, err := s.Deliveries(q)
			check(t, err)
			if len(page.Deliveries) > 4 {
				t.Fatalf("%d on a page of 4", len(page.Deliveries))
			}
			got = append(got, ids(page.Deliveries)...)
			if q.Before = page.Next; page.Next == "" {
				break
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%+v: %v, want %v", c.q, got, want)
		}
	}
	if n := must[int](t)(s.ForgetDeliveries(day.Add(20*time.Second), 3)); n != 3 {
		t.Errorf("%d forgotten of at most 3", n)
	}
	if n := must[int](t)(s.ForgetDeliveries(day.Add(20*time.Second), 100)); n != 1 {
		t.Errorf("%d forgotten: 0, 5, 10 and 15 were sent before", n)
	}
	if page, err := s.Deliveries(fleet.DeliveryQuery{Limit: 100}); err != nil || len(page.Deliveries) != 26 {
		t.Errorf("%d are left, %v", len(page.Deliveries), err)
	}
}
