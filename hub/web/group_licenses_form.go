package web

import (
	"cmp"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"maps"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
)

// fieldTime is how a browser writes a time without a zone; fieldTimeSeconds when it has seconds.
const (
	fieldTime        = "2006-01-02T15:04"
	fieldTimeSeconds = "2006-01-02T15:04:05"
)

type (
	// limitsForm is ledger.Limits as fields of a page, by the clock of a group. What people typed stays as they typed it, so that
	// it is still there beside what is wrong with it.
	limitsForm struct {
		Restricted bool         `json:"restricted"`
		Mode       string       `json:"mode,omitempty"`
		Blocks     []blockForm  `json:"blocks,omitempty"`
		Remind     reminderForm `json:"remind"`
	}
	// blockForm is one license.
	blockForm struct {
		ID       string       `json:"id,omitempty"`
		SIP      string       `json:"sip_numbers,omitempty"`
		Apps     string       `json:"apps,omitempty"`
		UKey     string       `json:"ukey,omitempty"`
		Buttons  string       `json:"buttons,omitempty"`
		Panels   string       `json:"panels,omitempty"`
		Features []string     `json:"features,omitempty"`
		From     string       `json:"from,omitempty"`
		Until    string       `json:"until,omitempty"`
		Remind   reminderForm `json:"remind"`
	}
	// reminderForm is when somebody is told that a license ends.
	reminderForm struct {
		On    bool   `json:"on,omitempty"`
		Days  string `json:"days,omitempty"`
		Date  string `json:"date,omitempty"`
		Every string `json:"every,omitempty"`
		To    string `json:"to,omitempty"`
		Users bool   `json:"users,omitempty"`
	}
	// fieldErrors are what is wrong, by the name of the field; what belongs to none stands under "".
	fieldErrors map[string]string
)

// counts are the block's counted fields.
func (b *blockForm) counts() []struct {
	resource ledger.Resource
	text     *string
} {
	return []struct {
		resource ledger.Resource
		text     *string
	}{{ledger.SIPNumbers, &b.SIP}, {ledger.Apps, &b.Apps}, {ledger.UKey, &b.UKey}, {ledger.Buttons, &b.Buttons}, {ledger.Panels, &b.Panels}}
}

// formOf shows limits as fields. Blocks that came from a package or a Trial are not changed by hand and are left out.
func formOf(l ledger.Limits, zone *time.Location) limitsForm {
	form := limitsForm{Restricted: l.Restricted, Mode: modeWords(l.Mode), Remind: reminderOf(l.Reminder, zone)}
	for _, b := range l.Blocks {
		if byHand(b) {
			form.Blocks = append(form.Blocks, blockOf(b, zone))
		}
	}
	return form
}

func byHand(b ledger.Block) bool { return b.Source == "" || b.Source == ledger.ByHand }

func blockOf(b ledger.Block, zone *time.Location) blockForm {
	form := blockForm{ID: b.ID, Features: b.Features, From: fieldOfTime(b.From, zone), Until: fieldOfTime(b.Until, zone), Remind: reminderOf(b.Reminder, zone)}
	for _, c := range form.counts() {
		if n := b.Counts[c.resource]; n > 0 {
			*c.text = strconv.Itoa(n)
		}
	}
	return form
}

func fieldOfTime(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	if t.Truncate(time.Minute).Equal(t.Truncate(time.Second)) {
		return t.In(zone).Format(fieldTime)
	}
	return t.In(zone).Format(fieldTimeSeconds)
}

// timeOfField reads a time by the clock of a zone. A field that shows what was stays exactly that, with the fractions of a second and
// the half of a doubled hour that no field shows.
func timeOfField(name, text string, was time.Time, zone *time.Location) (time.Time, error) {
	if text = strings.TrimSpace(text); text == fieldOfTime(was, zone) {
		return was, nil
	}
	return moment(name, text, zone)
}

// stepOf is the step of a time's field: without one a browser refuses seconds.
func stepOf(text string) string {
	if len(text) == len(fieldTimeSeconds) {
		return "1"
	}
	return "60"
}

func reminderOf(r *ledger.Reminder, zone *time.Location) reminderForm {
	if r == nil {
		return reminderForm{}
	}
	form := reminderForm{On: true, Every: string(cmp.Or(r.Every, ledger.Once)), To: strings.Join(r.To, ", "), Users: r.Users}
	if r.Days > 0 {
		form.Days = strconv.Itoa(r.Days)
	}
	if !r.Date.IsZero() {
		form.Date = r.Date.In(zone).Format(time.DateOnly)
	}
	return form
}

// limits reads the fields by the clock of a zone. Of was is kept what has no field, and what nobody touched.
func (f limitsForm) limits(zone *time.Location, was ledger.Limits) (ledger.Limits, fieldErrors) {
	wrong := fieldErrors{}
	out := ledger.Limits{Restricted: f.Restricted}
	switch ledger.Mode(f.Mode) {
	case "", ledger.Shared:
		if was.Mode == ledger.Shared {
			out.Mode = was.Mode
		}
	case ledger.Reserved:
		out.Mode = ledger.Reserved
	default:
		wrong["limits.mode"] = "choose shared or reserved"
	}
	for i, b := range f.Blocks {
		out.Blocks = append(out.Blocks, b.block(field("limits.blocks", i, ""), zone, was, wrong))
	}
	out.Reminder = f.Remind.reminder("limits.remind.", zone, was.Reminder, wrong)
	if len(wrong) == 0 {
		return out, nil
	}
	return out, wrong
}

func (b blockForm) block(name string, zone *time.Location, was ledger.Limits, wrong fieldErrors) ledger.Block {
	out := ledger.Block{ID: cmp.Or(b.ID, newRecordID()), Source: ledger.ByHand, Features: []string{}}
	var before ledger.Block
	if i := slices.IndexFunc(was.Blocks, func(old ledger.Block) bool { return old.ID == b.ID }); i >= 0 {
		before = was.Blocks[i]
	}
	for _, c := range b.counts() {
		text := strings.TrimSpace(*c.text)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > ledger.MaxCount {
			wrong[name+c.resource.String()] = "write a whole number of 0 to " + thousands(ledger.MaxCount)
			continue
		}
		out.Counts[c.resource] = n
	}
	for _, known := range ledger.Features() {
		if slices.Contains(b.Features, known.Name) {
			out.Features = append(out.Features, known.Name)
		}
	}
	slices.Sort(out.Features)
	var err error
	if out.From, err = timeOfField("the beginning", b.From, before.From, zone); err != nil {
		wrong[name+"from"] = err.Error()
	}
	if out.Until, err = timeOfField("the end", b.Until, before.Until, zone); err != nil {
		wrong[name+"until"] = err.Error()
	}
	if !out.From.IsZero() && !out.Until.IsZero() && !out.From.Before(out.Until) {
		wrong[name+"until"] = "the end has to be after the beginning"
	}
	out.Reminder = b.Remind.reminder(name+"remind.", zone, before.Reminder, wrong)
	return out
}

// reminder reads the fields whose names begin so; was is the one before.
func (r reminderForm) reminder(name string, zone *time.Location, was *ledger.Reminder, wrong fieldErrors) *ledger.Reminder {
	if !r.On {
		return nil
	}
	out := &ledger.Reminder{Every: ledger.Every(r.Every), Users: r.Users}
	if was == nil {
		was = &ledger.Reminder{}
	}
	out.Hour = was.Hour
	if was.Every == "" && out.Every == ledger.Once {
		out.Every = "" // means once as well
	}
	if !slices.Contains(repetitions(), ledger.Every(r.Every)) {
		wrong[name+"every"] = "choose how often"
	}
	days, date := strings.TrimSpace(r.Days), strings.TrimSpace(r.Date)
	switch {
	case days != "" && date != "":
		wrong[name+"date"] = "give a number of days or a date, not both"
	case date != "":
		day, err := time.ParseInLocation(time.DateOnly, date, zone)
		if err != nil {
			wrong[name+"date"] = "write the day as 2026-12-24"
		}
		out.Date = day
		if !was.Date.IsZero() && date == was.Date.In(zone).Format(time.DateOnly) {
			out.Date = was.Date
		}
	default:
		n, err := strconv.Atoi(days)
		if err != nil || n < 1 || n > 3650 {
			wrong[name+"days"] = "write a number of days of 1 to 3650, or a date"
		}
		out.Days = n
	}
	addresses, err := addressesOf(r.To)
	if err != nil {
		wrong[name+"to"] = err.Error()
	}
	if out.To = addresses; slices.Equal(addresses, was.To) {
		out.To = was.To
	}
	return out
}

func repetitions() []ledger.Every {
	return []ledger.Every{ledger.Once, ledger.Daily, ledger.Weekly, ledger.Every30Days}
}

// addressesOf reads mail addresses with commas or blanks between them.
func addressesOf(text string) ([]string, error) {
	var found []string
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || r == ' ' || r == '\n' || r == '\r' || r == '\t' }) {
		a, err := mail.ParseAddress(word)
		if err != nil || a.Address != word || len(word) > 320 {
			return nil, fmt.Errorf("%.80q is not an e-mail address such as ines@example.org", word)
		}
		if !slices.Contains(found, word) {
			found = append(found, word)
		}
	}
	if len(found) > maxAddresses {
		return nil, fmt.Errorf("at most %d addresses", maxAddresses)
	}
	return found, nil
}

const maxAddresses = 16

// preset is one of the four usual ways to hand licenses out (T-20 to T-23).
type preset struct{ id, title, words string }

func presets() []preset {
	return []preset{
		{"count", "Only count", "No restriction: what is used is counted and reported."},
		{"postpaid", "Quantity, no end", "For long projects that pay afterwards."},
		{"prepaid", "Quantity and time", "Paid in advance: ends by itself."},
		{"reminded", "Quantity, time and reminder", "As before, and somebody is told in time."},
	}
}

// apply fills the fields as the preset has them. Counts that are there already stay.
func (p preset) apply(f limitsForm, now time.Time, zone *time.Location) limitsForm {
	if p.id == "count" {
		return limitsForm{Mode: f.Mode}
	}
	f.Restricted = true
	if len(f.Blocks) == 0 {
		f.Blocks = []blockForm{{SIP: "50", Apps: "50"}}
	}
	year := time.Date(now.In(zone).Year()+1, now.In(zone).Month(), now.In(zone).Day(), 0, 0, 0, 0, zone)
	for i := range f.Blocks {
		b := &f.Blocks[i]
		if p.id == "postpaid" {
			b.From, b.Until = "", ""
			continue
		}
		b.Until = cmp.Or(b.Until, fieldOfTime(year, zone))
	}
	f.Remind = reminderForm{}
	if p.id == "reminded" {
		f.Remind = reminderForm{On: true, Days: "30", Every: string(ledger.Weekly)}
	}
	return f
}

// refused puts a refusal beside the field that it is about.
func refused(f limitsForm, r *ledger.Refusal) fieldErrors {
	name := "limits.blocks." + strconv.Itoa(blockAt(f, r.Block)) + "."
	if len(f.Blocks) == 0 {
		return fieldErrors{"": r.Text}
	}
	switch r.Reason {
	case ledger.BeyondParent, ledger.BelowUse, ledger.LimitReached, ledger.TooFewSIP:
		resource := r.Resource
		if r.Reason == ledger.TooFewSIP {
			resource = ledger.SIPNumbers
		}
		return fieldErrors{name + resource.String(): r.Text}
	case ledger.WindowBeyond:
		return fieldErrors{name + "until": r.Text}
	case ledger.NotGranted:
		return fieldErrors{name + "features": r.Text}
	case ledger.OnlyAbove:
		return onlyAbove(name, r)
	case ledger.ReservedFull:
		return fieldErrors{"limits.mode": r.Text}
	}
	return fieldErrors{"": r.Text}
}

// goesOn tells that the reader goes on in this field: what he asked for, or the first that is wrong.
func (l limitsView) goesOn(name string) bool {
	if len(l.wrong) == 0 {
		return l.focus == name
	}
	return name == slices.Min(slices.Collect(maps.Keys(l.wrong)))
}

// blockAt is where a block stands in the form; the first one when the refusal is about all of them.
func blockAt(f limitsForm, id string) int {
	return max(0, slices.IndexFunc(f.Blocks, func(b blockForm) bool { return b.ID == id && id != "" }))
}

// newRecordID draws an id for a block, user or use.
func newRecordID() string { return drawID(15) }

// newGroupID draws an id for a group. Those of later groups come later, so that groups which are too many to be sorted by name
// stay in the order in which they were made.
func newGroupID(now time.Time) string {
	const digits = "0123456789abcdefghijklmnopqrstuv"
	seconds := now.Unix()
	var made [7]byte
	for i := len(made) - 1; i >= 0; i-- {
		made[i] = digits[seconds&31]
		seconds >>= 5
	}
	return string(made[:]) + "-" + drawID(10)
}

// drawID draws n bytes, written with digits and small letters.
func drawID(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: documented to end the process instead
	return strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
}
