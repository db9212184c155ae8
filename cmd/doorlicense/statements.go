package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/telemetry"
)

// statementSeen is what a panel says under its own key, whose signature holds. Fields that its kind does not have stay empty.
type statementSeen struct {
	Panel     string    `json:"panel"` // id of who says it
	PanelKey  string    `json:"panel_key"`
	Name      string    `json:"name,omitempty"`
	At        time.Time `json:"at,omitzero"`
	To        string    `json:"to,omitempty"` // id of the panel that it is for
	Feature   string    `json:"feature,omitempty"`
	Given     int       `json:"given,omitempty"`
	Returned  int       `json:"returned,omitempty"`
	Account   string    `json:"account,omitempty"`
	Holder    string    `json:"holder,omitempty"`      // id of the panel that activated the license
	Activated time.Time `json:"activated_at,omitzero"` // there
	Ends      time.Time `json:"ends,omitzero"`         // the license's end, a term counted in UTC
	Begins    time.Time `json:"begins,omitzero"`       // of a pass
	ID        string    `json:"id,omitempty"`          // of a pass
	Uses      int       `json:"uses,omitempty"`        // of a pass
	Doors     []string  `json:"doors,omitempty"`       // of a pass; none = every door that guests may use
	Orders    string    `json:"command,omitempty"`     // what a command orders
	Number    uint64    `json:"number,omitempty"`      // of a command
	Boot      string    `json:"boot,omitempty"`        // that a command is for
	Deadline  uint64    `json:"deadline_ms,omitempty"` // of a command, on the panel's monotonic clock
}

// statements opens the kinds that are signed by a panel, or by a hub's command key.
type statements struct {
	ring     license.Keyring
	now      time.Time
	commands []ed25519.PublicKey
}

// fill looks at a code of such a kind; false when it is of another one.
func (s statements) fill(f *finding, kind envelope.Kind, raw []byte) bool {
	var seen statementSeen
	var why refusal
	switch kind {
	case envelope.Identity:
		seen, why = s.identity(raw)
	case envelope.Activation:
		seen, why = s.activation(f, raw)
	case envelope.Slice:
		seen, why = s.slice(f, raw)
	case envelope.Return:
		seen, why = s.giveBack(f, raw)
	case envelope.Release:
		seen, why = s.release(f, raw)
	case envelope.Pass:
		seen, why = s.pass(raw)
	case envelope.Command:
		seen, why = s.command(raw)
	default:
		return false
	}
	f.Kind = kind
	if seen.PanelKey != "" || seen.Number > 0 {
		f.Statement = &seen
	}
	f.Result, f.Title, f.Message = why.result, why.result.Title(), why.detail
	if why.result == license.Activated {
		f.Title = "Genuine"
	}
	return true
}

// refusal is a result with its words; license.Activated stands for good.
type refusal struct {
	result license.Result
	detail string
}

func unreadable(err error) refusal {
	if errors.Is(err, envelope.ErrForged) {
		return refusal{license.Forged, "The signature does not fit: nothing of it is believed."}
	}
	return refusal{license.Malformed, "The code is damaged or cut off: enter it again, whole."}
}

func said(panel ed25519.PublicKey, at time.Time) statementSeen {
	return statementSeen{Panel: envelope.ThumbprintOf(panel).String(), PanelKey: envelope.KeyText(panel), At: at}
}

func (s statements) identity(raw []byte) (statementSeen, refusal) {
	identity, err := license.OpenIdentity(raw)
	if err != nil {
		return statementSeen{}, unreadable(err)
	}
	seen := said(identity.Panel, identity.At)
	seen.Name = identity.Name
	return seen, refusal{license.Activated, fmt.Sprintf("This is %s. Show it to the panel that gives to it. Whether that key is a real panel's nobody can see: compare the id with that panel's page.", identity)}
}

func (s statements) activation(f *finding, raw []byte) (statementSeen, refusal) {
	activation, err := license.OpenActivation(raw)
	if err != nil {
		return statementSeen{}, unreadable(err)
	}
	seen := said(activation.Panel, activation.At)
	why := s.licenseIn(f, &seen, activation)
	seen.Holder = ""
	if why.result == license.Activated {
		why.detail = fmt.Sprintf("Panel %s activated this license on %s, and it holds there%s.", seen.Panel, day(activation.At), untilDay(seen.Ends))
	}
	return seen, why
}

// licenseIn looks at the license that an activation is about, as that panel must.
func (s statements) licenseIn(f *finding, seen *statementSeen, activation license.Activation) refusal {
	seen.Holder, seen.Activated, seen.Account = envelope.ThumbprintOf(activation.Panel).String(), activation.At, activation.Account
	text := envelope.Armor(envelope.License, activation.License)
	verdict := examineAsItsOwn(text, s.ring, license.PanelNamed(envelope.ThumbprintOf(activation.Panel)), s.now)
	f.License, f.Issuer, f.Root = verdict.Token, verdict.Issuer, verdict.Root
	if verdict.Token == nil {
		return refusal{verdict.Result, "The license in it: " + verdict.Message}
	}
	seen.Ends = verdict.Token.Expires
	if term := verdict.Token.Term; !term.IsZero() {
		if end := activation.At.AddDate(term.Years, 0, term.Days); seen.Ends.IsZero() || end.Before(seen.Ends) {
			seen.Ends = end
		}
	}
	switch {
	case verdict.Result.Refused():
		return refusal{verdict.Result, "The license in it: " + verdict.Message}
	case !seen.Ends.IsZero() && !s.now.Before(seen.Ends):
		return refusal{license.Expired, fmt.Sprintf("The license in it ended on %s, a term counted from %s.", day(seen.Ends), day(activation.At))}
	}
	return refusal{license.Activated, ""}
}

func (s statements) slice(f *finding, raw []byte) (statementSeen, refusal) {
	slice, err := license.OpenSlice(raw)
	if err != nil {
		return statementSeen{}, unreadable(err)
	}
	seen, why := s.given(f, slice)
	if why.result == license.Activated {
		why.detail = fmt.Sprintf("Panel %s gives panel %s %d of %s: given %d in all, %d returned%s.", seen.Panel, seen.To, slice.Given-slice.Returned, slice.Feature, slice.Given, slice.Returned, untilDay(seen.Ends))
	}
	return seen, why
}

// given looks at a slice whose signature holds.
func (s statements) given(f *finding, slice license.Slice) (statementSeen, refusal) {
	seen := said(slice.Holder, slice.At)
	seen.To, seen.Feature, seen.Given, seen.Returned = slice.To.String(), slice.Feature, slice.Given, slice.Returned
	activation, err := license.OpenActivation(slice.Activation)
	if err != nil {
		return seen, unreadable(err)
	}
	if !activation.Panel.Equal(slice.Holder) {
		return seen, refusal{license.Malformed, "It gives away what another panel activated."}
	}
	why := s.licenseIn(f, &seen, activation)
	if why.result != license.Activated {
		return seen, why
	}
	sold := 0
	for _, grant := range f.License.Grants {
		if grant.Feature == slice.Feature {
			sold = grant.Count
		}
	}
	if out := slice.Given - slice.Returned; out > sold {
		return seen, refusal{license.PoolExhausted, fmt.Sprintf("It gives %d of %s, the license has %d.", out, slice.Feature, sold)}
	}
	return seen, why
}

func (s statements) giveBack(f *finding, raw []byte) (statementSeen, refusal) {
	back, err := license.OpenReturn(raw)
	if err != nil {
		return statementSeen{}, unreadable(err)
	}
	own := said(back.Panel, back.At)
	slice, err := license.OpenSlice(back.Slice)
	if err != nil {
		return own, unreadable(err)
	}
	seen, why := s.given(f, slice)
	seen.Panel, seen.PanelKey, seen.At, seen.To, seen.Returned = own.Panel, own.PanelKey, own.At, seen.Holder, back.Returned
	switch {
	case own.Panel != slice.To.String():
		return seen, refusal{license.Malformed, fmt.Sprintf("It gives back what panel %s has.", slice.To)}
	case back.Returned > slice.Given:
		return seen, refusal{license.PoolExhausted, fmt.Sprintf("It gives %d back, %d were given.", back.Returned, slice.Given)}
	case why.result == license.Activated:
		why.detail = fmt.Sprintf("Panel %s has given panel %s %d of %d %s back in all. Show it there.", seen.Panel, seen.Holder, back.Returned, slice.Given, slice.Feature)
	}
	return seen, why
}

func (s statements) release(f *finding, raw []byte) (statementSeen, refusal) {
	release, err := license.OpenRelease(raw)
	if err != nil {
		return statementSeen{}, unreadable(err)
	}
	seen := said(release.Panel, release.At)
	activation, err := license.OpenActivation(release.Activation)
	if err != nil {
		return seen, unreadable(err)
	}
	if !activation.Panel.Equal(release.Panel) {
		return seen, refusal{license.Malformed, "It gives up what another panel activated."}
	}
	why := s.licenseIn(f, &seen, activation)
	if why.result == license.Activated {
		why.detail = fmt.Sprintf("Panel %s gave this license up on %s. ", seen.Panel, day(release.At))
		if bound := f.License.Scope == license.ScopePanel && len(f.License.Subject) > 0; bound {
			why.detail += "It was for that panel alone: doorlicense release issues one for another panel."
		} else {
			why.detail += "With this code another panel takes it over."
		}
	}
	return seen, why
}

func (s statements) pass(raw []byte) (statementSeen, refusal) {
	_, signer, err := envelope.OpenBySigner(envelope.Pass, raw)
	if err != nil {
		return statementSeen{}, unreadable(err)
	}
	pass, err := license.OpenPass(raw, signer)
	if err != nil {
		return statementSeen{}, unreadable(err)
	}
	seen := said(pass.Panel, time.Time{})
	seen.ID, seen.Uses, seen.Doors, seen.Begins, seen.Ends = pass.ID.String(), pass.Uses, pass.Doors, pass.NotBefore, pass.Expires
	switch {
	case !s.now.Before(pass.Expires):
		return seen, refusal{license.Expired, fmt.Sprintf("This guest's pass ended on %s.", day(pass.Expires))}
	case s.now.Before(pass.NotBefore):
		return seen, refusal{license.NotYetValid, fmt.Sprintf("This guest's pass begins on %s.", day(pass.NotBefore))}
	}
	return seen, refusal{license.Activated, fmt.Sprintf("A guest's pass of panel %s. How often it was used, and whether it was withdrawn, only that panel knows.", seen.Panel)}
}

func (s statements) command(raw []byte) (statementSeen, refusal) {
	command, _, err := telemetry.OpenCommand(raw, func(kid envelope.KeyID) (ed25519.PublicKey, bool) {
		for _, key := range s.commands {
			if envelope.IDOf(key) == kid {
				return key, true
			}
		}
		return nil, false
	})
	if errors.Is(err, envelope.ErrUnknownKey) {
		return statementSeen{}, refusal{license.UnknownIssuer, "Nothing in a command says who signed it: name the key with --command-key to see more."}
	}
	if err != nil {
		return statementSeen{}, unreadable(err)
	}
	return statementSeen{
		To: command.Panel, Orders: fmt.Sprint(command.Verb, " ", command.Object), Number: command.Number, Boot: command.Boot, Deadline: command.DeadlineMS,
	}, refusal{license.Activated, "Whether it is in time, and was not used before, only the panel knows: the deadline is on its own clock since its start."}
}

func day(at time.Time) string { return at.Format(time.DateOnly) }

func untilDay(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return " until " + day(at)
}

// lines are the statement for people.
func (s statementSeen) lines() [][2]string {
	lines := [][2]string{{"panel", s.Panel}, {"panel key", s.PanelKey}, {"name", s.Name}}
	if !s.At.IsZero() {
		lines = append(lines, [2]string{"said", s.At.Format(time.RFC3339)})
	}
	lines = append(lines, [2]string{"for panel", s.To})
	if s.Feature != "" {
		lines = append(lines, [2]string{"counts", fmt.Sprintf("%s: %d given, %d returned", s.Feature, s.Given, s.Returned)})
	}
	if !s.Activated.IsZero() {
		lines = append(lines, [2]string{"activated", fmt.Sprintf("%s by panel %s", s.Activated.Format(time.RFC3339), s.activatedBy())}, [2]string{"account", s.Account})
	}
	if s.Uses > 0 {
		doors := "every door that guests may use"
		if len(s.Doors) > 0 {
			doors = strings.Join(s.Doors, ", ")
		}
		lines = append(lines, [2]string{"pass", s.ID}, [2]string{"opens", fmt.Sprintf("%s, %s", doors, counted(s.Uses, "time"))}, [2]string{"begins", s.Begins.Format(time.RFC3339)})
	}
	if !s.Ends.IsZero() {
		lines = append(lines, [2]string{"ends", s.Ends.Format(time.RFC3339)})
	}
	if s.Number > 0 {
		lines = append(lines, [2]string{"command", s.Orders}, [2]string{"number", fmt.Sprint(s.Number)}, [2]string{"boot", s.Boot}, [2]string{"deadline", fmt.Sprintf("%d ms", s.Deadline)})
	}
	return lines
}

func (s statementSeen) activatedBy() string {
	if s.Holder == "" {
		return s.Panel
	}
	return s.Holder
}
