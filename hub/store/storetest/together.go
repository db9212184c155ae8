package storetest

import (
	"errors"
	"testing"

	"github.com/doorpanel/doorpanel/hub/fleet"
)

// testTogether holds that a change and what the audit says of it are kept together, or neither is.
func testTogether(t *testing.T, b Bench) {
	t.Run("a change and its entry in the audit are kept together or not at all", func(t *testing.T) {
		s := b.New(t)
		said := func(what string) fleet.Change { return fleet.Change{At: day, Who: "anna", What: what, Object: "x"} }
		audit := func() int { return len(must[[]fleet.Change](t)(firstOf(s.Changes(fleet.ChangeQuery{})))) }
		kept := 0
		for _, one := range []struct {
			what string
			do   func(fleet.Change) error
			fits bool
		}{
			{"site made", func(c fleet.Change) error {
				_, err := s.PutSite(fleet.Site{ID: "north", Zone: "UTC"}, fleet.Edit{Change: c})
				return err
			}, true},
			{"site made again", func(c fleet.Change) error {
				_, err := s.PutSite(fleet.Site{ID: "north", Zone: "UTC"}, fleet.Edit{Change: c})
				return err
			}, false},
			{"situation", func(c fleet.Change) error { return s.Commit("north", []byte("{}"), nil, nil, c) }, true},
			{"situation with a delivery that cannot be kept", func(c fleet.Change) error {
				return s.Commit("north", []byte(`{"a":1}`), []fleet.Delivery{{}}, nil, c)
			}, false},
			{"delivery", func(c fleet.Change) error {
				_, err := s.AddDeliveries([]fleet.Delivery{{ID: "d", State: fleet.Waiting, Made: day, Due: day}}, c)
				return err
			}, true},
			{"delivery that cannot be kept", func(c fleet.Change) error {
				_, err := s.AddDeliveries([]fleet.Delivery{{ID: "e", State: fleet.Waiting, Made: day, Due: day}, {}}, c)
				return err
			}, false},
			{"delivery moved by hand", func(c fleet.Change) error {
				return s.MoveByHand(fleet.Delivery{ID: "d", State: fleet.Waiting, Made: day, Due: day}, fleet.Delivery{ID: "d", State: fleet.Claimed, Made: day, Due: day}, c)
			}, true},
			{"delivery moved by hand that somebody has", func(c fleet.Change) error {
				return s.MoveByHand(fleet.Delivery{ID: "d", State: fleet.Waiting, Made: day, Due: day}, fleet.Delivery{ID: "d", State: fleet.Claimed, Made: day, Due: day}, c)
			}, false},
			{"token", func(c fleet.Change) error { return s.MakeToken("aa", fleet.Session{User: "anna", Label: "export"}, c) }, true},
			{"token without a label", func(c fleet.Change) error { return s.MakeToken("bb", fleet.Session{User: "anna"}, c) }, false},
			{"token ended", func(c fleet.Change) error { return s.EndToken("aa", c) }, true},
			{"token ended twice", func(c fleet.Change) error { return s.EndToken("aa", c) }, false},
		} {
			err := one.do(said(one.what))
			if (err == nil) != one.fits {
				t.Fatalf("%s: %v", one.what, err)
			}
			if one.fits {
				kept++
			}
			if got := audit(); got != kept {
				t.Fatalf("%s: the audit has %d entries, want %d", one.what, got, kept)
			}
		}
		if state := must[[]byte](t)(s.Situation("north")); string(state) != "{}" {
			t.Errorf("a refused change changed the situation to %s", state)
		}
		if _, err := s.Delivery("e"); !errors.Is(err, fleet.ErrUnknown) {
			t.Errorf("a refused change added a delivery: %v", err)
		}
		s = b.Again(t, s)
		if n := must[uint64](t)(s.VerifyChanges(t.Context())); n != uint64(kept) {
			t.Errorf("%d whole entries, want %d", n, kept)
		}
		if tokens := must[map[string]fleet.Session](t)(s.Tokens()); len(tokens) > 0 {
			t.Errorf("tokens %v", tokens)
		}
	})
}

func firstOf[T, U any](v T, _ U, err error) (T, error) { return v, err }
