package license

import (
	"slices"
	"strings"
	"testing"
)

func TestTheOverviewSaysWhatThereIsAndWhyNot(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	advanced, seat, other, dated, odd := ten(2), ten(3), ten(4), ten(5), ten(6)
	advanced.Grants, seat.Grants, odd.Grants = []Grant{{AccessAdvanced, 1}}, []Grant{{AppRemote, 1}}, []Grant{{"teleport", 2}}
	seat.Scope, other.Scope, other.Grants = ScopeAccount, ScopeAccount, []Grant{{AppRemote, 1}}
	dated.Expires, dated.Grants = day("2026-12-20"), []Grant{{Buttons, 3}, {SIP, 1}}
	for _, token := range []Token{ten(1), advanced, seat, other, dated, odd} {
		a.show(text(t, token, rootKey), Activated, "")
	}
	a.assign(seat.ID, "rossi", Activated, "")
	b.show(a.give(b, ten(1).ID, 4, Activated, ""), Activated, "")
	find := func(s *station, feature string, used int) Line {
		t.Helper()
		lines := s.rights().Overview(map[string]int{feature: used})
		i := slices.IndexFunc(lines, func(l Line) bool { return l.Feature == feature })
		if i < 0 || lines[0].Feature != Buttons {
			t.Fatalf("%s is missing in %+v", feature, lines)
		}
		return lines[i]
	}
	for _, c := range []struct {
		at      *station
		feature string
		used    int
		want    Line
		why     []string
	}{
		{a, Buttons, 5, Line{Status: Active, Maximum: 9, Used: 5, Available: 4}, []string{"3 buttons: Ends on 2026-12-20.", "4 buttons given to panel (" + b.panel.ID().String()[:6]}},
		{a, Buttons, 12, Line{Status: Active, Maximum: 9, Used: 12, Over: 3}, []string{"12 used of 9, 3 too many"}},
		{b, Buttons, 0, Line{Status: Active, Maximum: 4, Available: 4}, []string{"4 buttons given by panel (" + a.panel.ID().String()[:6]}},
		{a, AccessBasic, 0, Line{Status: Active, Maximum: 1, Available: 1}, []string{"Comes with Advanced access control."}},
		{a, AccessAdvanced, 0, Line{Status: Active, Maximum: 1, Available: 1}, nil},
		{a, SIP, 0, Line{Status: Ending, Maximum: 1, Available: 1}, []string{"Ends on 2026-12-20."}},
		{a, AppRemote, 0, Line{Status: Active, Maximum: 2, Used: 1, Available: 1}, []string{"Waiting to be given to an account."}},
		{a, "lift", 0, Line{Status: Missing}, []string{"No license for it is on this panel."}},
		{a, "teleport", 0, Line{Status: Active, Maximum: 2, Available: 2}, nil},
	} {
		l := find(c.at, c.feature, c.used)
		if l.Status != c.want.Status || l.Maximum != c.want.Maximum || l.Used != c.want.Used || l.Available != c.want.Available || l.Over != c.want.Over {
			t.Errorf("%s: %+v", c.feature, l)
		}
		for _, why := range c.why {
			if !strings.Contains(l.Why, why) {
				t.Errorf("%s: %q does not say %q", c.feature, l.Why, why)
			}
		}
		if len(c.why) == 0 && l.Why != "" {
			t.Errorf("%s: %q", c.feature, l.Why)
		}
	}
	if l := find(a, Buttons, 0); l.Until != day("2026-12-20") || len(l.From) != 2 || len(l.Given) != 1 {
		t.Errorf("%+v", l)
	}
	a.clock = trusted("2027-01-01")
	if l := find(a, SIP, 0); l.Status != Ended || l.Maximum != 0 || !strings.Contains(l.Why, "Ended on 2026-12-20.") {
		t.Errorf("%+v", l)
	}
	free := Entitlements{}.Overview(nil)
	if len(free) != len(Features()) || free[0].Status != Missing || !strings.Contains(free[0].Why, "one button is free") {
		t.Errorf("%+v", free[0])
	}
}
