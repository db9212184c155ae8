package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/qr"
)

type (
	licenseRequest struct {
		Token string `json:"token"`
		// Account is for whom an account's license is; absent or empty: nobody yet.
		Account string `json:"account,omitempty"`
	}
	licenseAnswer struct {
		Result  license.Result `json:"result"`
		Message string         `json:"message"`
		// License is the id of the license that was shown; absent for other codes.
		License string `json:"license,omitempty"`
		// Waiting says that the license is for somebody who has not been named: PUT …/licenses/{id}/account.
		Waiting bool `json:"waiting,omitempty"`
		// Panel is the id of the panel whose identity was shown.
		Panel        string           `json:"panel,omitempty"`
		Entitlements entitlementsView `json:"entitlements"`
	}
	entitlementsView struct {
		Buttons    int                    `json:"buttons"` // usable ones, the free one included
		Features   map[string]featureView `json:"features"`
		Missing    []missingView          `json:"missing"` // known features that no license names
		NextChange time.Time              `json:"next_change,omitzero"`
		// AccessLapsedUntil is how long enrolled cards and codes go on after access control has lapsed.
		AccessLapsedUntil time.Time `json:"access_lapsed_until,omitzero"`
		// Overview is one line for each feature: maximum, used, available, from which licenses, and why not.
		Overview []license.Line `json:"overview"`
	}
	featureView struct {
		Title   string         `json:"title"`
		Status  license.Status `json:"status"`
		Count   int            `json:"count,omitempty"` // of all active licenses together
		From    time.Time      `json:"from,omitzero"`
		Until   time.Time      `json:"until,omitzero"`
		Message string         `json:"message,omitempty"`
	}
	missingView struct {
		Feature string `json:"feature"`
		Title   string `json:"title"`
		Why     string `json:"why"`
	}
)

// licenseRoutes are the licenses and what they give.
func (s *Server) licenseRoutes() []route {
	return []route{
		{Method: "GET", Pattern: api + "/licenses", Access: AsInstaller, Handler: s.getLicenses, Status: 200, Summary: "The licenses stored in this panel",
			Response: object{"accounts": []string{defaultAdministrator}, "licenses": []LicenseView{{
				ID: "8d0c…", Grants: map[string]int{license.Buttons: 6}, Sold: map[string]int{license.Buttons: 10}, Pools: []string{license.Buttons},
				Given: []GivenAway{{Panel: "k3x2…", Name: "Stairs B", Feature: license.Buttons, Count: 4}}, Scope: "panel", Status: "active",
			}}}},
		{Method: "POST", Pattern: api + "/licenses", Access: AsInstaller, Handler: s.postLicense, Status: 201, Query: []string{"account"}, Summary: "Activate a license from its text, or from a picture (image/png, image/jpeg, multipart)",
			Request: licenseRequest{Token: "DP1:…"}, Response: licenseAnswer{Result: "activated", Message: "10 buttons added", Entitlements: exampleEntitlements()}},
		{Method: "GET", Pattern: api + "/entitlements", Access: AsInstaller, Handler: s.getEntitlements, Status: 200, Summary: "What the licenses give",
			Response: exampleEntitlements()},
	}
}

func exampleEntitlements() entitlementsView {
	return entitlementsView{
		Buttons: 11, Features: map[string]featureView{license.Buttons: {Title: "Call buttons", Status: license.Active, Count: 10}}, Missing: []missingView{},
		Overview: []license.Line{{
			Feature: license.Buttons, Title: "Call buttons", Counted: true, Status: license.Active, Maximum: 10, Used: 1, Available: 9,
			From: []license.Source{{Label: "12 Mill Lane", Count: 10, Status: license.Active}}, Given: []license.Share{},
		}},
	}
}

func (s *Server) getLicenses(w http.ResponseWriter, _ *http.Request, _ caller) error {
	accounts, err := s.accountNames()
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{"licenses": list(s.o.Licenses.Held()), "accounts": list(accounts)})
}

// accountNames are for whom a license may be: everybody who may log in.
func (s *Server) accountNames() ([]string, error) {
	users, err := s.o.Accounts.Users()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, u := range users {
		names = append(names, u.Name)
	}
	slices.Sort(names)
	return names, nil
}

// checkAccount refuses a name that nobody logs in with; empty is nobody yet.
func (s *Server) checkAccount(name string) error {
	if name == "" {
		return nil
	}
	names, err := s.accountNames()
	if err != nil {
		return err
	}
	if !slices.Contains(names, name) {
		return problem(http.StatusUnprocessableEntity, "not-valid", fmt.Sprintf("there is no user %.40q; a license is for one of the panel's users, or for nobody yet", name))
	}
	return nil
}

func (s *Server) getEntitlements(w http.ResponseWriter, _ *http.Request, _ caller) error {
	return writeJSON(w, http.StatusOK, s.entitlements())
}

func (s *Server) postLicense(w http.ResponseWriter, r *http.Request, c caller) error {
	in, err := shownLicense(w, r)
	if err != nil {
		return err
	}
	if err := s.checkAccount(in.Account); err != nil {
		return err
	}
	if known, found := s.byShortCode(in.Token); found {
		return writeJSON(w, http.StatusOK, licenseAnswer{
			Result: license.AlreadyActive, License: known.ID, Entitlements: s.entitlements(),
			Message: fmt.Sprintf("This is the short code of a license that is stored here already: %s. Nothing was changed.", cmp.Or(known.Label, known.ID)),
		})
	}
	ctx, cancel := context.WithTimeout(r.Context(), openTime)
	defer cancel()
	verdict, err := s.o.Licenses.Present(ctx, in.Token, in.Account, c.Via, c.User)
	if err != nil {
		return err
	}
	if verdict.Result.Refused() {
		return refusal(verdict.Result, verdict.Title, verdict.Message)
	}
	status := http.StatusCreated
	if verdict.Result == license.AlreadyActive {
		status = http.StatusOK
	}
	answer := licenseAnswer{Result: verdict.Result, Message: verdict.Message, Entitlements: s.entitlements()}
	if verdict.Token != nil {
		answer.License = verdict.Token.ID.String()
		answer.Waiting = s.waits(answer.License)
	}
	if verdict.Peer != nil {
		answer.Panel = envelope.NameOf(verdict.Peer.Panel)
	}
	return writeJSON(w, status, answer)
}

// refusal is a code or an order that was not accepted; its type ends in the result.
func refusal(result license.Result, title, message string) *details {
	d := problem(http.StatusUnprocessableEntity, string(result), message)
	d.Title = title
	return d
}

// byShortCode finds the stored license beside whose QR code this short code is printed.
func (s *Server) byShortCode(text string) (LicenseView, bool) {
	code, err := license.ParseShortCode(text)
	if err != nil {
		return LicenseView{}, false // the panel says what the text is, or what is wrong with it
	}
	for _, held := range s.o.Licenses.Held() {
		if id, err := license.ParseTokenID(held.ID); err == nil && id.ShortCode() == code {
			return held, true
		}
	}
	return LicenseView{}, false
}

func (s *Server) waits(id string) bool {
	return slices.ContainsFunc(s.o.Licenses.Held(), func(v LicenseView) bool {
		return v.ID == id && v.Status == string(license.Waiting)
	})
}

// shownLicense reads the code's text from JSON, or from a picture of the printed code; a picture's account is a query.
func shownLicense(w http.ResponseWriter, r *http.Request) (licenseRequest, error) {
	in := licenseRequest{Account: r.URL.Query().Get("account")}
	var b []byte
	var err error
	switch mediaType(r) {
	case "image/png", "image/jpeg":
		b, err = body(w, r, qr.MaxBytes)
	case "multipart/form-data":
		b, err = pictureOfForm(w, r)
	default:
		if err := decode(w, r, &in); err != nil {
			return in, err
		}
		if in.Token == "" {
			return in, problem(http.StatusUnprocessableEntity, "malformed", "the token is missing: the text of a license begins with DP1:")
		}
		return in, nil
	}
	if err != nil {
		return in, err
	}
	in.Token, err = pictureText(b)
	return in, err
}

// noCode is the why of a picture that shows no code, so that a page with a camera goes on looking.
const noCode = "no_code"

func pictureText(b []byte) (string, error) {
	text, err := qr.ReadBytes(b)
	if err != nil {
		d := problem(http.StatusUnprocessableEntity, "malformed", err.Error())
		if errors.Is(err, qr.ErrNoCode) {
			d.Why = noCode
		}
		return "", d
	}
	return text, nil
}

// pictureOfForm takes the first part that is a file; it is read in memory, bounded, and never written to a disk.
func pictureOfForm(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	malformed := problem(http.StatusBadRequest, "malformed-form", "the form has no picture; send one file")
	r.Body = http.MaxBytesReader(w, r.Body, qr.MaxBytes+maxJSON)
	form, err := r.MultipartReader()
	if err != nil {
		return nil, malformed
	}
	for {
		var part *multipart.Part
		if part, err = form.NextPart(); err != nil {
			return nil, malformed
		}
		if part.FileName() == "" {
			continue
		}
		b, err := io.ReadAll(io.LimitReader(part, qr.MaxBytes+1))
		if err != nil {
			return nil, malformed
		}
		return b, nil // qr.ReadBytes refuses one byte too many
	}
}

func (s *Server) entitlements() entitlementsView {
	v := viewOf(s.o.Licenses.Entitlements())
	v.Overview = list(s.o.Licenses.Overview())
	return v
}

// viewOf sums the stored licenses up, feature by feature. Of several for one feature, the one that stands best speaks.
func viewOf(e license.Entitlements) entitlementsView {
	v := entitlementsView{
		Buttons: e.Buttons(), Features: map[string]featureView{}, Missing: []missingView{},
		NextChange: e.NextChange(), AccessLapsedUntil: e.AccessLapsedUntil(),
	}
	for _, entry := range e.List() {
		if entry.Feature == "" {
			continue // a stored license that cannot be opened is shown among the licenses
		}
		f := featureView{entry.Title, entry.Status, e.Count(entry.Feature), entry.From, entry.Until, entry.Message}
		v.add(entry.Feature, f)
		if implied := license.Describe(entry.Feature).Implies; implied != "" {
			f.Title, f.Message = license.Describe(implied).Title, "comes with "+entry.Title
			v.add(implied, f)
		}
	}
	for _, f := range license.Features() {
		if _, has := v.Features[f.Name]; !has {
			v.Missing = append(v.Missing, missingView{f.Name, f.Title, "no license for it is stored in this panel"})
		}
	}
	return v
}

func (v entitlementsView) add(feature string, f featureView) {
	old, has := v.Features[feature]
	better := rank(f.Status) < rank(old.Status) ||
		rank(f.Status) == rank(old.Status) && !old.Until.IsZero() && (f.Until.IsZero() || f.Until.After(old.Until))
	if !has || better {
		v.Features[feature] = f
	}
}

func rank(s license.Status) int {
	return slices.Index([]license.Status{license.Active, license.Ending, license.Waiting, license.Grace, license.Pending,
		license.Ended, license.Elsewhere, license.Released, license.Withdrawn, license.Missing, license.Unusable}, s)
}
