package web

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
)

// drawnIDLeast and drawnIDMost are how long an id may be that a program draws for a record. Whoever could guess one could learn that it
// exists; and a license names its group in 32 bytes.
const (
	drawnIDLeast = 16
	drawnIDMost  = 32
)

type (
	// limitsJSON are ledger.Limits as the API has them. Times are RFC 3339, or without a zone by the clock of the group.
	limitsJSON struct {
		Restricted bool          `json:"restricted"`
		Mode       string        `json:"mode,omitempty"` // shared or reserved; empty: shared
		Blocks     []blockJSON   `json:"blocks,omitempty"`
		Reminder   *reminderJSON `json:"reminder,omitempty"` // for blocks without one of their own
	}
	// blockJSON is one license. Source and Package are those of a package or the Trial, which only a reminder can be added to.
	blockJSON struct {
		ID       string         `json:"id,omitempty"` // empty: one that follows from its place in the list
		Counts   ledger.Amounts `json:"counts"`
		Features []string       `json:"features,omitempty"`
		From     string         `json:"from,omitempty"`  // empty: always was
		Until    string         `json:"until,omitempty"` // first instant without it; empty: no end
		Reminder *reminderJSON  `json:"reminder,omitempty"`
		Source   string         `json:"source,omitempty"`
		Package  string         `json:"package,omitempty"`
	}
	// reminderJSON is when people are told that a block ends.
	reminderJSON struct {
		Days  int      `json:"days,omitempty"`
		Date  string   `json:"date,omitempty"` // instead of days: the day of the first one
		Every string   `json:"every,omitempty"`
		Hour  int      `json:"hour,omitempty"`
		To    []string `json:"to,omitempty"`
		Users bool     `json:"users,omitempty"`
	}
	// ledgerNumbers are what a problem says besides of a change that the license ledger refused.
	ledgerNumbers struct {
		Resource string        `json:"resource,omitempty"` // what there is not enough of
		Feature  string        `json:"feature,omitempty"`
		Block    string        `json:"block,omitempty"`
		Asked    *int          `json:"asked,omitempty"`
		Most     *int          `json:"most,omitempty"` // what would be possible now
		At       time.Time     `json:"at,omitzero"`    // the first instant at which it does not fit
		Binds    []ledger.Bind `json:"binds,omitempty"`
		Offer    *offerJSON    `json:"offer,omitempty"`
		InTheWay []string      `json:"in_the_way,omitempty"` // uses that would have to be given back first, newest first, at most 20
	}
	// offerJSON is what would be accepted instead.
	offerJSON struct {
		Text   string      `json:"text"`
		Blocks []blockJSON `json:"blocks,omitempty"`
		Count  int         `json:"count,omitempty"`
	}
	// whatIfAnswer is what a change would do.
	whatIfAnswer struct {
		Changed []changedWords  `json:"changed"`
		Stopped []stoppedWords  `json:"stopped"` // uses that would be suspended, newest first, at most 20
		More    int             `json:"more,omitempty"`
		Resumed int             `json:"resumed,omitempty"` // uses that would come back
		Later   []ledger.Fall   `json:"later,omitempty"`   // what will be suspended when licenses end, if nothing else changes
		Notices []ledger.Notice `json:"notices,omitempty"`
	}
	// changedWords is one resource or feature that would stand otherwise.
	changedWords struct {
		Before ledger.Line `json:"before"`
		After  ledger.Line `json:"after"`
	}
	// stoppedWords is one use that would be suspended.
	stoppedWords struct {
		Use      string          `json:"use"`
		Resource ledger.Resource `json:"resource"`
		Count    int             `json:"count"`
		Left     int             `json:"left"` // of Count, how much goes on
		Whose    string          `json:"whose,omitempty"`
	}
)

// treeAPI is everything that programs do with the license ledger.
func (s *Server) treeAPI() []route {
	if s.o.Ledger == nil {
		return nil
	}
	return slices.Concat(s.groupAPI(), s.licenseAPI(), s.peopleAPI(), s.useAPI(), s.devicesAPI(), s.paperAPI(), s.ledgerAPI())
}

// ledgerDeed is a deed of which the license ledger itself keeps who did it, in the same transaction; the audit says nothing of it.
func ledgerDeed[In any](d deed[In]) []route {
	made := d.routes()
	for i := range made {
		made[i].Changes = !strings.HasSuffix(d.API, "/preview")
		made[i].ByLedger = true
	}
	return made
}

// limitsIn shows limits by the clock of a zone.
func limitsIn(l ledger.Limits, zone *time.Location) limitsJSON {
	out := limitsJSON{Restricted: l.Restricted, Mode: string(l.Mode), Reminder: reminderIn(l.Reminder, zone)}
	for _, b := range l.Blocks {
		words := blockJSON{ID: b.ID, Counts: b.Counts, Features: b.Features, From: timeIn(b.From, zone), Until: timeIn(b.Until, zone), Reminder: reminderIn(b.Reminder, zone), Package: b.Package}
		if !byHand(b) {
			words.Source = string(b.Source)
		}
		out.Blocks = append(out.Blocks, words)
	}
	return out
}

func timeIn(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return t.In(zone).Format(time.RFC3339Nano)
}

func reminderIn(r *ledger.Reminder, zone *time.Location) *reminderJSON {
	if r == nil {
		return nil
	}
	out := &reminderJSON{Days: r.Days, Every: string(r.Every), Hour: r.Hour, To: r.To, Users: r.Users}
	if !r.Date.IsZero() {
		out.Date = r.Date.In(zone).Format(time.DateOnly)
	}
	return out
}

// limits reads them by the clock of a zone. What makes no sense by itself is refused here or by the ledger.
func (l limitsJSON) limits(zone *time.Location) (out ledger.Limits, err error) {
	out = ledger.Limits{Restricted: l.Restricted, Mode: ledger.Mode(l.Mode)}
	if out.Reminder, err = l.Reminder.reminder("reminder", zone); err != nil {
		return out, err
	}
	if len(l.Blocks) > ledger.MaxBlocks {
		return out, notValid(fmt.Sprintf("%d licenses: at most %d", len(l.Blocks), ledger.MaxBlocks))
	}
	for i, words := range l.Blocks {
		block, err := words.block("blocks."+strconv.Itoa(i)+".", zone)
		if err != nil {
			return out, err
		}
		block.ID = cmp.Or(block.ID, l.idAt(i))
		out.Blocks = append(out.Blocks, block)
	}
	return out, nil
}

// idAt is the id of a block that came without one: the same request gives it the same one.
func (l limitsJSON) idAt(place int) string {
	for n := place + 1; ; n += len(l.Blocks) {
		id := "license-" + strconv.Itoa(n)
		if !slices.ContainsFunc(l.Blocks, func(b blockJSON) bool { return b.ID == id }) {
			return id
		}
	}
}

func (b blockJSON) block(name string, zone *time.Location) (out ledger.Block, err error) {
	out = ledger.Block{ID: b.ID, Counts: b.Counts, Features: b.Features, Source: ledger.Source(b.Source), Package: b.Package}
	if out.From, err = moment(name+"from", b.From, zone); err != nil {
		return out, err
	}
	if out.Until, err = moment(name+"until", b.Until, zone); err != nil {
		return out, err
	}
	out.Reminder, err = b.Reminder.reminder(name+"reminder", zone)
	return out, err
}

func (r *reminderJSON) reminder(name string, zone *time.Location) (*ledger.Reminder, error) {
	if r == nil {
		return nil, nil
	}
	out := &ledger.Reminder{Days: r.Days, Every: ledger.Every(r.Every), Hour: r.Hour, To: r.To, Users: r.Users}
	if len(r.To) > maxAddresses {
		return nil, notValid(fmt.Sprintf("%s.to: at most %d addresses", name, maxAddresses))
	}
	if r.Date == "" {
		return out, nil
	}
	day, err := time.ParseInLocation(time.DateOnly, r.Date, zone)
	if err != nil {
		return nil, notValid(name + ".date is a day such as 2026-12-24")
	}
	out.Date = day
	return out, nil
}

// numbersOf are the numbers of a refusal, as far as who asked may know them.
func numbersOf(r *ledger.Refusal) *ledgerNumbers {
	out := &ledgerNumbers{Feature: r.Feature, Block: r.Block, At: r.At, Binds: r.Binds, InTheWay: r.InTheWay}
	switch r.Reason {
	case ledger.LimitReached, ledger.BelowUse, ledger.BeyondParent, ledger.TooFewSIP, ledger.ReservedFull:
		out.Resource = r.Resource.String()
		out.Asked, out.Most = &r.Asked, &r.Most
	case ledger.OnlyAbove:
		if r.Asked > r.Most {
			out.Resource, out.Asked, out.Most = r.Resource.String(), &r.Asked, &r.Most
		}
	case ledger.TooOften:
		out.Asked, out.Most = &r.Asked, &r.Most
	}
	if r.Offer != nil {
		out.Offer = &offerJSON{Text: r.Offer.Text, Count: r.Offer.Count, Blocks: limitsIn(ledger.Limits{Blocks: r.Offer.Blocks}, time.UTC).Blocks}
	}
	return out
}

// answer is a what-if in the words of the API.
func (w whatIf) answer() whatIfAnswer {
	out := whatIfAnswer{Changed: []changedWords{}, Stopped: []stoppedWords{}, More: w.more, Resumed: w.resumed, Notices: w.notices}
	for _, c := range w.changed {
		out.Changed = append(out.Changed, changedWords{c.was, c.is})
	}
	for _, fall := range w.later {
		out.Later = append(out.Later, fall.Fall)
	}
	for _, one := range w.stopped {
		out.Stopped = append(out.Stopped, stoppedWords{Use: one.use.ID, Resource: one.use.Resource, Count: one.use.Count, Left: one.left, Whose: one.whose})
	}
	return out
}

// drawnID is the id of a new record: the one that the program drew, so that a request which it repeats makes nothing twice, or one
// drawn here.
func drawnID(asked string, draw func() string) (string, error) {
	if asked == "" {
		return draw(), nil
	}
	if len(asked) < drawnIDLeast || len(asked) > drawnIDMost || strings.Trim(asked, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return "", notValid(fmt.Sprintf("id %.70q: draw %d to %d of a-z 0-9 - at random, or leave it out", asked, drawnIDLeast, drawnIDMost))
	}
	return asked, nil
}

// once has a record made. When there is one with its id already, same tells whether it is what was asked for: the request is
// repeated then, and changes nothing.
func (v *visit) once(g groupView, c ledger.Change, same func(ledger.Book) (bool, error)) ([]ledger.Notice, error) {
	changes, err := v.decide(g, c)
	var r *ledger.Refusal
	if err == nil || !errors.As(err, &r) || r.Reason != ledger.Taken {
		return changes.Notices, err
	}
	repeated := false
	lookErr := v.s.o.Ledger.Look(func(book ledger.Book) (err error) {
		repeated, err = same(book)
		return err
	})
	switch {
	case lookErr != nil:
		return nil, lookErr
	case repeated:
		return nil, nil
	}
	return nil, &ledger.Refusal{Reason: ledger.Taken, Text: "this id is used already: draw another one"}
}

// tag answers with an edition, for If-Match.
func (v *visit) tag(edition string) string {
	v.w.Header().Set("ETag", strconv.Quote(edition))
	return edition
}
