package panel_test

import (
	"slices"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
)

// kinds are the kinds of the entries that a step writes.
func kinds(actions []panel.Action) []panel.Kind {
	var all []panel.Kind
	for _, a := range actions {
		if r, ok := a.(panel.Record); ok {
			all = append(all, r.Entry.Kind)
		}
	}
	return all
}

func TestADoorWithoutADigitOpensForNone(t *testing.T) {
	p := panel.New(panel.Rules{Doors: []panel.DoorRules{{Name: "front"}}}, license.Entitlements{}, nil, panel.Now{})
	p.Step(panel.Now{Mono: 1}, panel.CallButtonPressed{Button: 1, Route: panel.LAN})
	p.Step(panel.Now{Mono: 2}, panel.CallAnswered{Call: "call-1"})
	if did := p.Step(panel.Now{Mono: 3}, panel.DigitPressed{Call: "call-1"}); len(did) > 0 {
		t.Errorf("did %+v", did)
	}
}

func TestADoorThatOpensRightAfterTheStartWasForced(t *testing.T) {
	p := panel.New(panel.Rules{Doors: []panel.DoorRules{{Name: "front"}}}, license.Entitlements{}, nil, panel.Now{})
	if got := kinds(p.Step(panel.Now{Mono: time.Second}, panel.DoorOpened{Door: "front"})); !slices.Equal(got, []panel.Kind{panel.DoorForced}) {
		t.Errorf("wrote %v", got)
	}
}

func TestAMemoryThatCannotBeReadIsTakenAsTheStricter(t *testing.T) {
	wall := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	now := panel.Now{Mono: time.Minute, Wall: wall, Trusted: true}
	rules := panel.Rules{ID: "me", Boot: "b", Doors: []panel.DoorRules{{Name: "front"}}, TamperBlock: time.Minute}
	order := panel.OpenRequested{Door: "front", Via: "command", Order: &panel.Order{Signer: "hub", Panel: "me", Boot: "b", Number: 7, Deadline: now.Mono + time.Second}}
	for name, test := range map[string]struct {
		memory panel.Memory
		kind   panel.Kind
		codes  time.Duration
	}{
		"nothing":                {panel.Memory{Key: "other", Value: "1"}, panel.AccessGranted, 0},
		"a number":               {panel.Memory{Key: "order/hub", Value: "6"}, panel.AccessGranted, 0},
		"a number that is gone":  {panel.Memory{Key: "order/hub", Value: "7x"}, panel.AccessRefused, 0},
		"a tamper that is gone":  {panel.Memory{Key: "tamper", Value: "x"}, panel.AccessRefused, 0},
		"a block that is gone":   {panel.Memory{Key: "guess", Value: "0 x"}, panel.AccessGranted, 30 * time.Second},
		"tries that are gone":    {panel.Memory{Key: "guess", Value: "x"}, panel.AccessGranted, 0},
		"a block without an end": {panel.Memory{Key: "guess", Value: "0 "}, panel.AccessGranted, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			p := panel.New(rules, license.Entitlements{}, []panel.Memory{test.memory}, now)
			if got := p.View(now).CodesBlocked; got != test.codes {
				t.Errorf("codes are blocked for %v", got)
			}
			if got := kinds(p.Step(now, order)); !slices.Equal(got, []panel.Kind{test.kind}) {
				t.Errorf("the order wrote %v", got)
			}
		})
	}
}
