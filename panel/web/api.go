package web

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/qr"
)

const (
	maxList   = 1000
	maxName   = 100 // of persons, labels, notes, in bytes
	maxID     = 128
	maxDoors  = 64
	learnTime = 30 * time.Second
	openTime  = 10 * time.Second // for the panel's decision on a door
)

type (
	licenseRequest struct {
		Token string `json:"token"`
	}
	licenseAnswer struct {
		Result       license.Result   `json:"result"`
		Message      string           `json:"message"`
		Entitlements entitlementsView `json:"entitlements"`
	}
	entitlementsView struct {
		Buttons    int                    `json:"buttons"` // usable ones, the free one included
		Features   map[string]featureView `json:"features"`
		Missing    []missingView          `json:"missing"` // known features that no license names
		NextChange time.Time              `json:"next_change,omitzero"`
		// AccessLapsedUntil is how long enrolled cards and codes go on after access control has lapsed.
		AccessLapsedUntil time.Time `json:"access_lapsed_until,omitzero"`
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
	personRequest struct {
		Name string `json:"name"`
		Note string `json:"note,omitempty"`
	}
	credentialAnswer struct {
		access.Credential
		Code string `json:"code,omitempty"`
	}
	learnRequest struct {
		Reader string `json:"reader,omitempty"`
	}
	learnAnswer struct {
		UID    string `json:"uid"`
		Reader string `json:"reader"`
	}
	scheduleRequest struct {
		Name  string        `json:"name,omitempty"` // as in the address, or absent
		Slots []access.Slot `json:"slots"`
	}
	buttonRequest struct {
		Label  string `json:"label"`
		Target string `json:"target"`
	}
)

func (s *Server) getOpenAPI(w http.ResponseWriter, _ *http.Request, _ caller) error {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(s.openapi) // a reader that went away needs no answer
	return nil
}

func (s *Server) getStatus(w http.ResponseWriter, _ *http.Request, _ caller) error {
	status := s.o.Status()
	if status.Roots == nil {
		status.Roots = []string{}
	}
	if status.Parts == nil {
		status.Parts = []PartStatus{}
	}
	return writeJSON(w, http.StatusOK, status)
}

func (s *Server) healthz(w http.ResponseWriter, r *http.Request, _ caller) error {
	if s.o.Alive != nil {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if err := s.o.Alive(ctx); err != nil {
			return problem(http.StatusServiceUnavailable, "not-alive", "the panel's loop does not answer")
		}
	}
	return writeJSON(w, http.StatusOK, object{"alive": true})
}

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request, _ caller) error {
	if s.o.Ready != nil {
		if ok, causes := s.o.Ready(); !ok {
			d := problem(http.StatusServiceUnavailable, "not-ready", "the panel cannot do all of its job")
			d.Causes = causes
			return d
		}
	}
	return writeJSON(w, http.StatusOK, object{"ready": true})
}

// Licenses.

func (s *Server) getLicenses(w http.ResponseWriter, _ *http.Request, _ caller) error {
	return writeJSON(w, http.StatusOK, object{"licenses": list(s.o.Licenses.Held())})
}

func (s *Server) getEntitlements(w http.ResponseWriter, _ *http.Request, _ caller) error {
	return writeJSON(w, http.StatusOK, viewOf(s.o.Licenses.Entitlements()))
}

func (s *Server) postLicense(w http.ResponseWriter, r *http.Request, c caller) error {
	text, err := licenseText(w, r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), openTime)
	defer cancel()
	verdict, err := s.o.Licenses.Present(ctx, text, c.Via, c.User)
	if err != nil {
		return err
	}
	status := http.StatusCreated
	switch verdict.Result {
	case license.Activated:
	case license.AlreadyActive:
		status = http.StatusOK
	default:
		d := problem(http.StatusUnprocessableEntity, string(verdict.Result), verdict.Message)
		d.Title = verdict.Title
		return d
	}
	return writeJSON(w, status, licenseAnswer{verdict.Result, verdict.Message, viewOf(s.o.Licenses.Entitlements())})
}

// licenseText reads the code's text from JSON, or from a picture of the printed code.
func licenseText(w http.ResponseWriter, r *http.Request) (string, error) {
	switch mediaType(r) {
	case "image/png", "image/jpeg":
		b, err := body(w, r, qr.MaxBytes)
		if err != nil {
			return "", err
		}
		return pictureText(b)
	case "multipart/form-data":
		b, err := pictureOfForm(w, r)
		if err != nil {
			return "", err
		}
		return pictureText(b)
	}
	var in licenseRequest
	if err := decode(w, r, &in); err != nil {
		return "", err
	}
	if in.Token == "" {
		return "", problem(http.StatusUnprocessableEntity, "malformed", "the token is missing: the text of a license begins with DP1:")
	}
	return in.Token, nil
}

func pictureText(b []byte) (string, error) {
	text, err := qr.ReadBytes(b)
	if err != nil {
		return "", problem(http.StatusUnprocessableEntity, "malformed", err.Error())
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
		license.Ended, license.Withdrawn, license.Unusable}, s)
}

// People.

func (s *Server) getPeople(w http.ResponseWriter, r *http.Request, _ caller) error {
	after, limit, err := page(r)
	if err != nil {
		return err
	}
	people, err := s.o.People.People(after, limit)
	if err != nil {
		return err
	}
	next := ""
	if len(people) == limit {
		next = people[len(people)-1].ID
	}
	return writeJSON(w, http.StatusOK, object{"people": list(people), "next": next})
}

func (s *Server) postPerson(w http.ResponseWriter, r *http.Request, c caller) error {
	return s.savePerson(w, r, c, "", http.StatusCreated)
}

func (s *Server) putPerson(w http.ResponseWriter, r *http.Request, c caller) error {
	return s.savePerson(w, r, c, r.PathValue("id"), http.StatusOK)
}

func (s *Server) savePerson(w http.ResponseWriter, r *http.Request, c caller, id string, status int) error {
	var in personRequest
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if err := errors.Join(checkName("name", in.Name, true), checkName("note", in.Note, false), checkID(id)); err != nil {
		return err
	}
	p, err := s.o.People.PutPerson(r.Context(), Person{ID: id, Name: in.Name, Note: in.Note}, c.User)
	if err != nil {
		return err
	}
	return writeJSON(w, status, p)
}

func (s *Server) deletePerson(w http.ResponseWriter, r *http.Request, c caller) error {
	return gone(w, s.o.People.DeletePerson(r.Context(), r.PathValue("id"), c.User))
}

// Credentials.

func (s *Server) getCredentials(w http.ResponseWriter, r *http.Request, _ caller) error {
	after, limit, err := page(r)
	if err != nil {
		return err
	}
	credentials, err := s.o.Credentials.Credentials(after, limit)
	if err != nil {
		return err
	}
	next := ""
	if len(credentials) == limit {
		next = credentials[len(credentials)-1].ID
	}
	return writeJSON(w, http.StatusOK, object{"credentials": list(credentials), "next": next})
}

func (s *Server) postCredential(w http.ResponseWriter, r *http.Request, c caller) error {
	var in NewCredential
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if err := checkCredential(&in); err != nil {
		return err
	}
	made, code, err := s.o.Credentials.AddCredential(r.Context(), in, c.User)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, credentialAnswer{made, code})
}

func (s *Server) deleteCredential(w http.ResponseWriter, r *http.Request, c caller) error {
	return gone(w, s.o.Credentials.RemoveCredential(r.Context(), r.PathValue("id"), c.User))
}

// checkCredential refuses what has no good form and writes the UID as readers do.
func checkCredential(c *NewCredential) error {
	bad := func(format string, args ...any) error {
		return problem(http.StatusUnprocessableEntity, "not-valid", fmt.Sprintf(format, args...))
	}
	if err := checkName("person", c.Person, true); err != nil {
		return err
	}
	switch c.Kind {
	case access.Card:
		if c.Code != "" {
			return bad("a card has no code; send its uid")
		}
		c.UID = strings.ToUpper(strings.NewReplacer(":", "", "-", "", " ", "").Replace(c.UID))
		if raw, err := hex.DecodeString(c.UID); err != nil || len(raw) < 4 || len(raw) > 10 {
			return bad("the uid %.40q is not a card's: write 4 to 10 bytes in hexadecimal, like 04A1B2C3", c.UID)
		}
	case access.Code:
		if c.UID != "" {
			return bad("a code has no uid")
		}
		if c.Code == "" {
			break
		}
		if len(c.Code) < 4 || len(c.Code) > 12 || strings.Trim(c.Code, "0123456789") != "" {
			return bad("a code has 4 to 12 digits")
		}
		if weakCode(c.Code) {
			return bad("this code is one of the first that are tried; use another, or leave it to the panel to draw one")
		}
	default:
		return bad("the kind %.20q is unknown; write card or code", string(c.Kind))
	}
	if len(c.Doors) > maxDoors {
		return bad("%d doors are too many", len(c.Doors))
	}
	for _, door := range c.Doors {
		if err := checkName("door", door, true); err != nil {
			return err
		}
	}
	if !c.From.IsZero() && !c.Until.IsZero() && !c.From.Before(c.Until) {
		return bad("valid_until must be later than valid_from")
	}
	return checkName("schedule", c.Schedule, false)
}

// weakCode finds codes of one digit repeated and of digits in a row.
func weakCode(code string) bool {
	up, down, same := true, true, true
	for i := 1; i < len(code); i++ {
		step := int(code[i]) - int(code[i-1])
		up, down, same = up && step == 1, down && step == -1, same && step == 0
	}
	return up || down || same
}

func (s *Server) postLearn(w http.ResponseWriter, r *http.Request, _ caller) error {
	var in learnRequest
	if r.ContentLength != 0 {
		if err := decode(w, r, &in); err != nil {
			return err
		}
	}
	ctx, leave, err := s.wait(w, r, learnTime)
	if err != nil {
		return err
	}
	defer leave()
	uid, reader, err := s.o.Learner.Learn(ctx, in.Reader)
	if errors.Is(err, context.DeadlineExceeded) {
		return problem(http.StatusNotFound, "no-card", "no card was presented within 30 seconds")
	}
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, learnAnswer{uid, reader})
}

// Schedules.

func (s *Server) getSchedules(w http.ResponseWriter, _ *http.Request, _ caller) error {
	profiles, err := s.o.Schedules.Schedules()
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{"schedules": list(profiles)})
}

func (s *Server) putSchedule(w http.ResponseWriter, r *http.Request, c caller) error {
	var in scheduleRequest
	if err := decode(w, r, &in); err != nil {
		return err
	}
	name := r.PathValue("name")
	if in.Name != "" && in.Name != name {
		return problem(http.StatusUnprocessableEntity, "not-valid", "the name in the body is not the one in the address; a schedule cannot be renamed")
	}
	if err := checkName("name", name, true); err != nil {
		return err
	}
	p := access.Profile{Name: name, Slots: in.Slots}
	if err := p.Check(); err != nil {
		return problem(http.StatusUnprocessableEntity, "not-valid", err.Error())
	}
	if err := s.o.Schedules.PutSchedule(r.Context(), p, c.User); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, p)
}

func (s *Server) deleteSchedule(w http.ResponseWriter, r *http.Request, c caller) error {
	return gone(w, s.o.Schedules.DeleteSchedule(r.Context(), r.PathValue("name"), c.User))
}

// Doors and buttons.

func (s *Server) getDoors(w http.ResponseWriter, _ *http.Request, _ caller) error {
	return writeJSON(w, http.StatusOK, object{"doors": list(s.o.Doors.Doors())})
}

func (s *Server) postOpen(w http.ResponseWriter, r *http.Request, c caller) error {
	if r.ContentLength != 0 {
		if err := decode(w, r, &struct{}{}); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), openTime)
	defer cancel()
	granted, why, err := s.o.Doors.Open(ctx, r.PathValue("name"), c.User, c.Via)
	if err != nil {
		return err
	}
	if !granted {
		d := problem(http.StatusForbidden, "refused", "the panel did not open: "+strings.ReplaceAll(why, "_", " "))
		d.Why = why
		return d
	}
	return writeJSON(w, http.StatusOK, object{"result": "granted"})
}

func (s *Server) getButtons(w http.ResponseWriter, _ *http.Request, _ caller) error {
	return writeJSON(w, http.StatusOK, object{"buttons": list(s.o.Buttons.Buttons())})
}

func (s *Server) putButton(w http.ResponseWriter, r *http.Request, c caller) error {
	number, err := buttonNumber(r.PathValue("number"))
	if err != nil {
		return err
	}
	var in buttonRequest
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if err := errors.Join(checkName("label", in.Label, true), checkName("target", in.Target, false)); err != nil {
		return err
	}
	if err := s.o.Buttons.PutButton(r.Context(), ButtonView{Number: number, Label: in.Label, Target: in.Target}, c.User); err != nil {
		return err
	}
	for _, b := range s.o.Buttons.Buttons() {
		if b.Number == number {
			return writeJSON(w, http.StatusOK, b)
		}
	}
	return fmt.Errorf("cannot find button %d after storing it", number)
}

func (s *Server) deleteButton(w http.ResponseWriter, r *http.Request, c caller) error {
	number, err := buttonNumber(r.PathValue("number"))
	if err != nil {
		return err
	}
	return gone(w, s.o.Buttons.DeleteButton(r.Context(), number, c.User))
}

func buttonNumber(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 9999 {
		return 0, problem(http.StatusNotFound, "not-found", "a button's number is 1 to 9999")
	}
	return n, nil
}

// Small things.

// page reads after and limit of a list.
func page(r *http.Request) (after string, limit int, err error) {
	q := r.URL.Query()
	if after = q.Get("after"); len(after) > maxID {
		return "", 0, problem(http.StatusBadRequest, "bad-query", "after is too long to be an id")
	}
	limit, err = limitOf(q.Get("limit"))
	return after, limit, err
}

func limitOf(text string) (int, error) {
	if text == "" {
		return 100, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxList {
		return 0, problem(http.StatusBadRequest, "bad-query", fmt.Sprintf("limit is a number of 1 to %d", maxList))
	}
	return n, nil
}

// list makes an empty list of none, which JSON would call null.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func gone(w http.ResponseWriter, err error) error {
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// checkName takes one line of text for people.
func checkName(field, text string, needed bool) error {
	switch {
	case needed && strings.TrimSpace(text) == "":
		return problem(http.StatusUnprocessableEntity, "not-valid", field+" is missing")
	case len(text) > maxName:
		return problem(http.StatusUnprocessableEntity, "not-valid", fmt.Sprintf("%s has more than %d bytes", field, maxName))
	case !utf8.ValidString(text):
		return problem(http.StatusUnprocessableEntity, "not-valid", field+" is not UTF-8")
	}
	for _, r := range text {
		// Direction marks could make one name look like another.
		if unicode.IsControl(r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x2028 || r == 0x2029 {
			return problem(http.StatusUnprocessableEntity, "not-valid", field+" has characters that cannot be shown")
		}
	}
	return nil
}

func checkID(id string) error {
	if len(id) > maxID {
		return problem(http.StatusNotFound, "not-found", "there is no such id")
	}
	return nil
}
