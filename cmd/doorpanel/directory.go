package main

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/storage"
)

// credentialRecord is a credential as the store keeps it: with the place of its index entry, never with the card's UID or
// the code.
type credentialRecord struct {
	access.Credential
	Index string `json:"index"`
}

type personRecord struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Note string `json:"note,omitempty"`
}

type buttonRecord struct {
	Number  int    `json:"number"`
	Label   string `json:"label"`
	Target  string `json:"target"`
	Account string `json:"account,omitempty"`
}

// directory keeps what people change: persons, credentials, schedules, buttons. It stands on the store and serves the
// pages, the commands and the readers.
type directory struct {
	store       *storage.Store
	indexKey    []byte
	people      storage.Table[personRecord]
	credentials storage.Table[credentialRecord]
	index       storage.Table[string] // keyed hash of what is shown -> credential id
	schedules   storage.Table[access.Profile]
	buttonTable storage.Table[buttonRecord]
	meta        storage.Table[string]

	// entitlements is the one gate's answer, for what the pages say; the machine asks for itself.
	entitlements func() license.Entitlements
	// route tells how a target would be reached.
	route func(target, account string) (panel.Route, string)
	// check says what is wrong with a target.
	check func(target string) error
	note  func(panel.Entry)
	// decide hands schedules and door policies to the machine after each change.
	decide func(panel.PoliciesChanged)
	doors  []string

	mu      sync.RWMutex
	buttons []buttonRecord // by number; in memory, so that the first button works without a disk
}

const seededKey = "buttons seeded"

func newDirectory(store *storage.Store, indexKey []byte, doors []string, seed []buttonRecord) (*directory, error) {
	d := &directory{
		store: store, indexKey: indexKey, doors: doors,
		people:      storage.NewTable[personRecord](store, "people"),
		credentials: storage.NewTable[credentialRecord](store, "credentials"),
		index:       storage.NewTable[string](store, "credential_index"),
		schedules:   storage.NewTable[access.Profile](store, "schedules"),
		buttonTable: storage.NewTable[buttonRecord](store, "buttons"),
		meta:        storage.NewTable[string](store, "meta"),
		note:        func(panel.Entry) {},
		decide:      func(panel.PoliciesChanged) {},
	}
	_, seeded, err := d.meta.Get(seededKey)
	if err == nil && !seeded && !store.ReadOnly() {
		err = store.Update(func(tx *storage.Tx) error {
			for _, b := range seed {
				if err := d.buttonTable.PutTx(tx, buttonKey(b.Number), b); err != nil {
					return err
				}
			}
			return d.meta.PutTx(tx, seededKey, "yes")
		})
	}
	for _, b := range d.buttonTable.All() {
		d.buttons = append(d.buttons, b)
	}
	if len(d.buttons) == 0 && !seeded {
		d.buttons = slices.Clone(seed) // a store that cannot be written must not silence the first button
	}
	return d, err
}

// update changes the store. What the function itself refuses is told in its own words, without the store's around them.
func (d *directory) update(change func(*storage.Tx) error) error {
	var refused error
	err := d.store.Update(func(tx *storage.Tx) error {
		refused = change(tx)
		return refused
	})
	for _, word := range []error{web.ErrNotFound, web.ErrInvalid, web.ErrConflict} {
		if errors.Is(refused, word) {
			return refused
		}
	}
	return storeError(err)
}

func buttonKey(number int) string { return fmt.Sprintf("%04d", number) }

// indexOf is where a card or code is found. Without the panel's key the stored value says nothing.
func (d *directory) indexOf(kind access.Kind, shown string) string {
	mac := hmac.New(sha256.New, d.indexKey)
	mac.Write([]byte(string(kind) + "\x00" + shown))
	return hex.EncodeToString(mac.Sum(nil))
}

// Facts is what the readers ask, in one look at the store. An unknown card is no error.
func (d *directory) Facts(kind access.Kind, shown string) (facts panel.Facts, err error) {
	index := d.indexOf(kind, shown)
	err = d.store.View(func(tx *storage.Tx) error {
		id, found, err := d.index.GetTx(tx, index)
		if err != nil || !found {
			return err
		}
		c, found, err := d.credentials.GetTx(tx, id)
		if err != nil || !found {
			return err
		}
		facts.Credential, facts.Rights = c.Credential, []access.Right{{}}
		// A name that cannot be read keeps nobody out.
		if p, ok, err := d.people.GetTx(tx, c.Person); err == nil && ok {
			facts.Person = p.Name
		}
		return nil
	})
	if err != nil {
		return panel.Facts{}, err
	}
	return facts, nil
}

// Button is the event of a press, from memory.
func (d *directory) Button(number int) panel.CallButtonPressed {
	d.mu.RLock()
	defer d.mu.RUnlock()
	e := panel.CallButtonPressed{Button: number}
	for _, b := range d.buttons {
		if b.Number == number {
			e.Label, e.Target = b.Label, b.Target
			e.Route, e.Account = d.route(b.Target, b.Account)
		}
	}
	return e
}

// Buttons lists the call buttons with what a press would do.
func (d *directory) Buttons() []web.ButtonView {
	d.mu.RLock()
	defer d.mu.RUnlock()
	usable := d.entitlements()
	views := make([]web.ButtonView, 0, len(d.buttons))
	for _, b := range d.buttons {
		v := web.ButtonView{Number: b.Number, Label: b.Label, Target: b.Target, Active: true}
		route, _ := d.route(b.Target, b.Account)
		switch {
		case b.Number > usable.Buttons():
			v.Active, v.Why = false, fmt.Sprintf("Needs a license for more buttons: %d of %d usable", usable.Buttons(), len(d.buttons))
		case route == panel.NoRoute:
			v.Active, v.Why = false, "Nobody is set for this button"
		case route == panel.Server && !usable.Allows(license.SIP):
			v.Active, v.Why = false, "Needs a sip license: the target is reached through a server"
		}
		views = append(views, v)
	}
	return views
}

const maxButtons = 999

// PutButton makes a button or changes one.
func (d *directory) PutButton(_ context.Context, b web.ButtonView, by string) error {
	if b.Number < 1 || b.Number > maxButtons {
		return invalid("cannot save button %d: its number must be 1 to %d", b.Number, maxButtons)
	}
	if err := checkName("button label", b.Label); err != nil {
		return err
	}
	if b.Target != "" {
		if err := d.check(b.Target); err != nil {
			return invalid("%v", err)
		}
	}
	if err := d.saveButton(buttonRecord{Number: b.Number, Label: b.Label, Target: b.Target}); err != nil {
		return err
	}
	d.note(panel.Entry{Kind: panel.ConfigIs, Who: by, Button: b.Number, Detail: "button saved"})
	return nil
}

func (d *directory) saveButton(b buttonRecord) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := slices.IndexFunc(d.buttons, func(o buttonRecord) bool { return o.Number == b.Number }); i >= 0 {
		b.Account = d.buttons[i].Account
	}
	if err := d.buttonTable.Put(buttonKey(b.Number), b); err != nil {
		return storeError(err)
	}
	d.buttons = slices.DeleteFunc(d.buttons, func(o buttonRecord) bool { return o.Number == b.Number })
	d.buttons = append(d.buttons, b)
	slices.SortFunc(d.buttons, func(a, b buttonRecord) int { return cmp.Compare(a.Number, b.Number) })
	return nil
}

// DeleteButton takes a button away.
func (d *directory) DeleteButton(_ context.Context, number int, by string) error {
	if err := d.dropButton(number); err != nil {
		return err
	}
	d.note(panel.Entry{Kind: panel.ConfigIs, Who: by, Button: number, Detail: "button deleted"})
	return nil
}

func (d *directory) dropButton(number int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.buttons, func(o buttonRecord) bool { return o.Number == number })
	if i < 0 {
		return notFound("cannot delete button %d: there is none", number)
	}
	if err := d.buttonTable.Delete(buttonKey(number)); err != nil {
		return storeError(err)
	}
	d.buttons = slices.Delete(d.buttons, i, i+1)
	return nil
}

// People lists persons with the number of their credentials.
func (d *directory) People(after string, limit int) ([]web.Person, error) {
	cards, codes := map[string]int{}, map[string]int{}
	for _, c := range d.credentials.All() {
		if c.Kind == access.Card {
			cards[c.Person]++
		} else {
			codes[c.Person]++
		}
	}
	var list []web.Person
	for _, p := range d.people.After(after, limit) {
		list = append(list, web.Person{ID: p.ID, Name: p.Name, Note: p.Note, Cards: cards[p.ID], Codes: codes[p.ID]})
	}
	return list, nil
}

// PutPerson makes or renames a person.
func (d *directory) PutPerson(_ context.Context, p web.Person, by string) (web.Person, error) {
	if err := checkName("person", p.Name); err != nil {
		return p, err
	}
	known := p.ID != ""
	if !known {
		p.ID = newID(8)
	}
	err := d.update(func(tx *storage.Tx) error {
		if _, found, err := d.people.GetTx(tx, p.ID); known && (err != nil || !found) {
			return cmp.Or(err, notFound("cannot change person %q: there is none with this id", p.ID))
		}
		return d.people.PutTx(tx, p.ID, personRecord{ID: p.ID, Name: p.Name, Note: p.Note})
	})
	if err != nil {
		return p, storeError(err)
	}
	d.note(panel.Entry{Kind: panel.ConfigIs, Who: by, Detail: "person saved: " + p.ID})
	return p, nil
}

// DeletePerson erases a person and all credentials of that person at once.
func (d *directory) DeletePerson(_ context.Context, id, by string) error {
	err := d.update(func(tx *storage.Tx) error {
		if _, found, err := d.people.GetTx(tx, id); err != nil || !found {
			return cmp.Or(err, notFound("cannot delete person %q: there is none with this id", id))
		}
		var gone []credentialRecord
		for _, c := range d.credentials.AllTx(tx) {
			if c.Person == id {
				gone = append(gone, c)
			}
		}
		for _, c := range gone {
			if err := errors.Join(d.index.DeleteTx(tx, c.Index), d.credentials.DeleteTx(tx, c.ID)); err != nil {
				return err
			}
		}
		return d.people.DeleteTx(tx, id)
	})
	if err != nil {
		return storeError(err)
	}
	d.note(panel.Entry{Kind: panel.ConfigIs, Who: by, Detail: "person deleted: " + id})
	return nil
}

// Credentials lists credentials. What opens a door with them is not known here.
func (d *directory) Credentials(after string, limit int) ([]access.Credential, error) {
	var list []access.Credential
	for _, c := range d.credentials.After(after, limit) {
		list = append(list, c.Credential)
	}
	return list, nil
}

// AddCredential makes a card or a code for a person.
func (d *directory) AddCredential(_ context.Context, n web.NewCredential, by string) (access.Credential, string, error) {
	if e := d.entitlements(); !e.Allows(license.AccessBasic) && !e.AccessLapsedUntil().IsZero() {
		return access.Credential{}, "", fmt.Errorf("cannot add credential: access control has lapsed; renew the license, enrolled people go on until %s: %w",
			e.AccessLapsedUntil().Format("2006-01-02"), web.ErrNotLicensed)
	}
	for _, door := range n.Doors {
		if !slices.Contains(d.doors, door) {
			return access.Credential{}, "", invalid("cannot add credential: there is no door %q; the doors are %s", door, strings.Join(d.doors, ", "))
		}
	}
	c := access.Credential{ID: newID(8), Kind: n.Kind, Doors: n.Doors, From: n.From, Until: n.Until, Profile: n.Schedule}
	shown, drawn := n.UID, ""
	if n.Kind == access.Code {
		if shown = n.Code; shown != "" {
			if why := weakCode(shown); why != "" {
				return access.Credential{}, "", invalid("cannot use this code: %s; choose another, or leave it empty to have one drawn", why)
			}
		}
	}
	err := d.update(func(tx *storage.Tx) error {
		if n.Schedule != "" {
			if _, found, err := d.schedules.GetTx(tx, n.Schedule); err != nil || !found {
				return cmp.Or(err, invalid("cannot add credential: there is no schedule %q; make it first", n.Schedule))
			}
		}
		var err error
		if c.Person, err = d.personTx(tx, n.Person); err != nil {
			return err
		}
		for shown == "" {
			code, err := drawCode()
			if err != nil {
				return err
			}
			if _, taken, err := d.index.GetTx(tx, d.indexOf(access.Code, code)); err != nil {
				return err
			} else if !taken {
				shown, drawn = code, code
			}
		}
		index := d.indexOf(n.Kind, shown)
		if _, taken, err := d.index.GetTx(tx, index); err != nil {
			return err
		} else if taken {
			// That a code is taken must not tell whose it is, nor be a way to try codes: makers of credentials are logged in.
			return fmt.Errorf("cannot add credential: this %s is in use already: %w", n.Kind, web.ErrConflict)
		}
		if err := d.index.PutTx(tx, index, c.ID); err != nil {
			return err
		}
		return d.credentials.PutTx(tx, c.ID, credentialRecord{Credential: c, Index: index})
	})
	if err != nil {
		return access.Credential{}, "", storeError(err)
	}
	d.note(panel.Entry{Kind: panel.ConfigIs, Who: by, Credential: c.ID, Detail: string(c.Kind) + " added"})
	return c, drawn, nil
}

// personTx finds a person by id or name, or makes one.
func (d *directory) personTx(tx *storage.Tx, who string) (id string, err error) {
	if _, found, err := d.people.GetTx(tx, who); err != nil || found {
		return who, err
	}
	for _, p := range d.people.AllTx(tx) {
		switch {
		case !strings.EqualFold(p.Name, who):
		case id != "":
			return "", fmt.Errorf("cannot add credential: there are several people named %q; give the id of the one you mean: %w", who, web.ErrConflict)
		default:
			id = p.ID
		}
	}
	if id != "" {
		return id, nil
	}
	if err := checkName("person", who); err != nil {
		return "", err
	}
	p := personRecord{ID: newID(8), Name: who}
	return p.ID, d.people.PutTx(tx, p.ID, p)
}

// RemoveCredential withdraws a card or a code.
func (d *directory) RemoveCredential(_ context.Context, id, by string) error {
	var c credentialRecord
	err := d.update(func(tx *storage.Tx) error {
		var found bool
		var err error
		if c, found, err = d.credentials.GetTx(tx, id); err != nil || !found {
			return cmp.Or(err, notFound("cannot remove credential %q: there is none with this id", id))
		}
		return errors.Join(d.index.DeleteTx(tx, c.Index), d.credentials.DeleteTx(tx, id))
	})
	if err != nil {
		return storeError(err)
	}
	d.note(panel.Entry{Kind: panel.ConfigIs, Who: by, Credential: id, Detail: string(c.Kind) + " removed"})
	return nil
}

// Schedules lists the weekly profiles.
func (d *directory) Schedules() ([]access.Profile, error) {
	var list []access.Profile
	for _, p := range d.schedules.All() {
		list = append(list, p)
	}
	return list, nil
}

// policies is what the machine decides by.
func (d *directory) policies() panel.PoliciesChanged {
	var e panel.PoliciesChanged
	for _, p := range d.schedules.All() {
		e.Timetable.Profiles = append(e.Timetable.Profiles, p)
	}
	return e
}

// PutSchedule makes or changes a weekly profile.
func (d *directory) PutSchedule(_ context.Context, p access.Profile, by string) error {
	if err := d.schedules.Put(p.Name, p); err != nil {
		return storeError(err)
	}
	d.decide(d.policies())
	d.note(panel.Entry{Kind: panel.ConfigIs, Who: by, Detail: "schedule saved: " + p.Name})
	return nil
}

// DeleteSchedule takes a profile away that no credential names.
func (d *directory) DeleteSchedule(_ context.Context, name, by string) error {
	err := d.update(func(tx *storage.Tx) error {
		if _, found, err := d.schedules.GetTx(tx, name); err != nil || !found {
			return cmp.Or(err, notFound("cannot delete schedule %q: there is none", name))
		}
		for _, c := range d.credentials.AllTx(tx) {
			if c.Profile == name {
				return fmt.Errorf("cannot delete schedule %q: credentials use it; give them another first: %w", name, web.ErrConflict)
			}
		}
		return d.schedules.DeleteTx(tx, name)
	})
	if err != nil {
		return storeError(err)
	}
	d.decide(d.policies())
	d.note(panel.Entry{Kind: panel.ConfigIs, Who: by, Detail: "schedule deleted: " + name})
	return nil
}

// drawnDigits is the length of a code that the panel draws.
const drawnDigits = 6

func drawCode() (string, error) {
	for {
		n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
		if err != nil {
			return "", err
		}
		if code := fmt.Sprintf("%0*d", drawnDigits, n); weakCode(code) == "" {
			return code, nil
		}
	}
}

// weakCode says why a code is too easy to guess, or nothing.
func weakCode(code string) string {
	up, down, same := true, true, true
	for i := 1; i < len(code); i++ {
		step := int(code[i]) - int(code[i-1])
		up, down, same = up && step == 1, down && step == -1, same && step == 0
	}
	switch {
	case same:
		return "all its digits are the same"
	case up || down:
		return "its digits only count up or down"
	case len(code)%2 == 0 && code[:len(code)/2] == code[len(code)/2:]:
		return "it repeats itself"
	}
	return ""
}

const maxName = 64

func checkName(what, name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return invalid("cannot save %s: the name is empty", what)
	case len([]rune(name)) > maxName:
		return invalid("cannot save %s: the name is longer than %d characters", what, maxName)
	case strings.ContainsFunc(name, unicode.IsControl):
		return invalid("cannot save %s: the name has control characters", what)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), web.ErrInvalid)
}

func notFound(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), web.ErrNotFound)
}

// storeError puts the store's errors into the words of the pages.
func storeError(err error) error {
	if errors.Is(err, storage.ErrReadOnly) || errors.Is(err, storage.ErrFull) {
		return fmt.Errorf("%w: %w", err, web.ErrReadOnly)
	}
	return err
}
