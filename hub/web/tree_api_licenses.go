package web

import (
	"net/http"
	"slices"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

type (
	// licensesWords are a group's license settings, saved as one.
	licensesWords struct {
		limitsJSON
		Clip bool `json:"clip,omitempty"` // cut down to what the groups above have, as a refusal offers
	}
	// licensesAnswer is what a group may hand out, with how it stands.
	licensesAnswer struct {
		limitsJSON
		Edition string          `json:"edition"` // for If-Match
		State   *ledger.State   `json:"state,omitempty"`
		Notices []ledger.Notice `json:"notices,omitempty"`
	}
	presetAnswer struct {
		ID     string     `json:"id"`
		Title  string     `json:"title"`
		Words  string     `json:"words"`
		Limits limitsJSON `json:"limits"`
	}
)

// exampleLimits is a prepaid license, as examples show it.
func exampleLimits() limitsJSON {
	return limitsJSON{Restricted: true, Blocks: []blockJSON{{ID: "license-1", Counts: numbersAndApps(50, 20), Features: []string{"guests", "remote_open"}, Until: "2027-01-01T00:00:00+01:00"}},
		Reminder: &reminderJSON{Days: 30, Every: string(ledger.Weekly)}}
}

func numbersAndApps(numbers, apps int) (a ledger.Amounts) {
	a[ledger.SIPNumbers], a[ledger.Apps] = numbers, apps
	return a
}

func (s *Server) licenseAPI() []route {
	example := licensesAnswer{limitsJSON: exampleLimits(), Edition: "9c2f1a907c2f1a90"}
	return slices.Concat(
		[]route{
			{Method: "GET", Pattern: api + "/groups/{group}/state", Access: LoggedIn, Handler: s.getGroupState, Status: 200,
				Summary:  "How a group stands: of each resource and feature status, until when, maximum, used, available, and what binds, topmost first",
				Response: ledger.State{Lines: []ledger.Line{{Name: "sip_numbers", Title: "SIP numbers", Counted: true, On: true, Maximum: 50, Used: 1, Active: 1, Available: 49}}}},
			{Method: "GET", Pattern: api + "/groups/{group}/licenses", Access: LoggedIn, Handler: s.getLicenses, Status: 200, Summary: "What a group may hand out, with how it stands", Response: example},
			{Method: "GET", Pattern: api + "/groups/{group}/licenses/presets", Access: roles.EditLicenses, Handler: s.getPresets, Status: 200, Summary: "The four usual configurations, to start from",
				Response: object{"presets": []presetAnswer{{ID: "prepaid", Title: "Quantity and time", Words: "Paid in advance: ends by itself.", Limits: exampleLimits()}}}},
		},
		ledgerDeed(deed[licensesWords]{Method: "PUT", API: "/groups/{group}/licenses", Access: roles.EditLicenses, Status: 200,
			Summary: "Set all license settings of a group at once; blocks of packages and the Trial stay", Request: licensesWords{limitsJSON: exampleLimits()}, Response: example, Do: s.doAPILicenses}),
		ledgerDeed(deed[licensesWords]{Method: "POST", API: "/groups/{group}/licenses/preview", Access: roles.EditLicenses, Status: 200, Summary: "What saving a group's licenses would do",
			Request: licensesWords{limitsJSON: exampleLimits()}, Response: whatIfAnswer{}, Do: s.doAPILicensesWhatIf}),
	)
}

// stateRights are those with which one sees how a group stands.
func stateRights() []roles.Right {
	return []roles.Right{roles.SeeLicenses, roles.EditLicenses, roles.SeeUsage, roles.EditUserLicenses}
}

// stateOf is how a group stands. Whoever may not see licenses is told of the group alone, and not what it was given.
func (v *visit) stateOf(book ledger.Book, g groupView) (ledger.State, error) {
	asker := g.asker()
	plain := !g.may(roles.SeeLicenses)
	if plain {
		asker = ledger.Asker{Top: g.ID}
	}
	state, err := ledger.StateOf(book, v.s.o.Now(), ledger.Subject{Group: g.ID}, asker)
	if plain {
		state.Blocks = nil
	}
	return state, err
}

func (s *Server) getGroupState(v *visit) error {
	var state ledger.State
	err := v.inGroup(func(book ledger.Book, g groupView) (err error) {
		state, err = v.stateOf(book, g)
		return err
	}, stateRights()...)
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, state)
}

func (s *Server) getLicenses(v *visit) error {
	answer, err := v.licensesNow()
	if err != nil {
		return err
	}
	v.tag(answer.Edition)
	return writeJSON(v.w, http.StatusOK, answer)
}

// licensesNow are the settings of the group that the address names, as they are now.
func (v *visit) licensesNow() (answer licensesAnswer, err error) {
	err = v.inGroup(func(book ledger.Book, g groupView) error {
		answer = licensesAnswer{limitsJSON: limitsIn(g.Limits, g.zone), Edition: editionOf(g.Limits)}
		state, err := v.stateOf(book, g)
		answer.State = &state
		return err
	}, roles.SeeLicenses, roles.EditLicenses)
	return answer, err
}

func (s *Server) getPresets(v *visit) error {
	g, err := v.groupAt(roles.EditLicenses)
	if err != nil {
		return err
	}
	found := []presetAnswer{}
	for _, p := range presets() {
		limits, wrong := p.apply(limitsForm{}, s.o.Now(), g.zone).limits(g.zone, ledger.Limits{})
		if wrong != nil {
			continue // the presets are valid by themselves
		}
		for i := range limits.Blocks {
			limits.Blocks[i].ID = "" // drawn for a form
		}
		found = append(found, presetAnswer{ID: p.id, Title: p.title, Words: p.words, Limits: limitsIn(limits, g.zone)})
	}
	return writeJSON(v.w, http.StatusOK, object{"presets": found})
}

func (s *Server) doAPILicenses(v *visit, in licensesWords) (outcome, error) {
	s.edits.Lock()
	defer s.edits.Unlock()
	g, err := v.groupAt(roles.EditLicenses)
	if err != nil {
		return outcome{}, err
	}
	limits, err := in.limits(g.zone)
	if err != nil {
		return outcome{}, err
	}
	if err := v.fresh("the licenses of "+g.Name, editionOf(g.Limits), fleet.Edition{}); err != nil {
		return outcome{}, err
	}
	changes, err := v.decide(g, ledger.SaveLicenses{Group: g.ID, Limits: limits, Clip: in.Clip, Above: g.aboveToo()})
	if err != nil {
		return outcome{}, err
	}
	answer, err := v.licensesNow()
	answer.Notices = changes.Notices
	v.tag(answer.Edition)
	return outcome{Body: answer}, err
}

func (s *Server) doAPILicensesWhatIf(v *visit, in licensesWords) (outcome, error) {
	g, err := v.groupAt(roles.EditLicenses)
	if err != nil {
		return outcome{}, err
	}
	limits, err := in.limits(g.zone)
	if err != nil {
		return outcome{}, err
	}
	found, err := s.whatIf(v, g, ledger.SaveLicenses{Group: g.ID, Limits: limits, Clip: in.Clip, Above: g.aboveToo()}, ledger.Subject{Group: g.ID})
	return outcome{Body: found.answer()}, err
}
