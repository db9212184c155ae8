package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/storage"
)

type buttonRecord struct {
	Number  int    `json:"number"`
	Label   string `json:"label"`
	Target  string `json:"target"`
	Account string `json:"account,omitempty"`
}

// directory keeps what people change: persons, credentials, schedules, buttons. It stands on the store and serves the
// pages, the commands and the readers.
type directory struct {
	store        *storage.Store
	indexKey     []byte
	people       storage.Table[personRecord]
	names        storage.Raw // how a person is found by name: directory_search.go
	index        storage.Raw // keyed hash of what is shown -> credential id
	counts       storage.Table[counts]
	flatCodes    storage.Table[int] // how many codes are typed after the number of a flat
	groups       storage.Table[groupRecord]
	schedules    storage.Table[access.Profile]
	calendars    storage.Table[access.Calendar]
	doorPolicies storage.Table[access.DoorPolicy]
	settings     storage.Table[web.AccessSettings]
	guests       storage.Table[guestRecord]
	users        storage.Table[web.User]
	buttonTable  storage.Table[buttonRecord]
	meta         storage.Table[string]

	// entitlements is the one gate's answer, for what the pages say; the machine asks for itself.
	entitlements func() license.Entitlements
	// route tells how a target would be reached.
	route func(target, account string) (panel.Route, string)
	// check says what is wrong with a target.
	check func(target string) error
	note  func(panel.Entry)
	// now is the time of the panel, and signPass a guest's pass under its key.
	now      func() time.Time
	signPass func(id string, g guestRecord) (text string, err error)
	// decide hands schedules and door policies to the machine after each change.
	decide func(panel.PoliciesChanged)
	// removed tells the machine of whom it need not know anything any more.
	removed func(panel.Removed)
	// wrongTry counts a code that somebody chose and that is in use; codesBlocked is how long none may be chosen.
	wrongTry     func(panel.WrongTry)
	codesBlocked func() time.Duration
	guesses      int // wrong codes that are heard on one day
	doors        []string

	presence   web.Presence // both are made once there is a loop and a journal
	attendance web.Attendance

	importing sync.Mutex // one list after the other
	changing  sync.Mutex // of people: what is in memory follows the store in its order
	codeRules atomic.Pointer[codeRules]

	mu      sync.RWMutex
	buttons []buttonRecord // by number; in memory, so that the first button works without a disk
}

const seededKey = "buttons seeded"

func newDirectory(store *storage.Store, indexKey []byte, doors []string, seed []buttonRecord) (*directory, error) {
	d := &directory{
		store: store, indexKey: indexKey, doors: doors,
		people:       storage.NewTable[personRecord](store, "persons"),
		names:        storage.NewRaw(store, "person_names"),
		index:        storage.NewRaw(store, "shown"),
		counts:       storage.NewTable[counts](store, "counts"),
		flatCodes:    storage.NewTable[int](store, "flat_codes"),
		groups:       storage.NewTable[groupRecord](store, "groups"),
		calendars:    storage.NewTable[access.Calendar](store, "calendar"),
		doorPolicies: storage.NewTable[access.DoorPolicy](store, "door_policies"),
		settings:     storage.NewTable[web.AccessSettings](store, "access_settings"),
		guests:       storage.NewTable[guestRecord](store, "guests"),
		users:        storage.NewTable[web.User](store, "users"),
		now:          time.Now,
		schedules:    storage.NewTable[access.Profile](store, "schedules"),
		buttonTable:  storage.NewTable[buttonRecord](store, "buttons"),
		meta:         storage.NewTable[string](store, "meta"),
		note:         func(panel.Entry) {},
		decide:       func(panel.PoliciesChanged) {},
		removed:      func(panel.Removed) {},
		wrongTry:     func(panel.WrongTry) {},
		codesBlocked: func() time.Duration { return 0 },
		guesses:      access.GuessesADay,
	}
	return d, errors.Join(d.seedButtons(seed), d.takeOver(), d.readCodeRules())
}

// ports is what the pages about access control are served from.
func (d *directory) ports() web.AccessPorts {
	return web.AccessPorts{Groups: d, Calendars: d, Codes: d, Policies: d, Settings: d, Lists: d, Guests: d, Presence: d.presence, Attendance: d.attendance}
}

// seedButtons reads the call buttons, and stores the configuration's the first time.
func (d *directory) seedButtons(seed []buttonRecord) error {
	_, seeded, err := d.meta.Get(seededKey)
	if err == nil && !seeded && !d.store.ReadOnly() {
		err = d.store.Update(func(tx *storage.Tx) error {
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
	return err
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

// Schedules lists the weekly profiles.
func (d *directory) Schedules() ([]access.Profile, error) {
	var list []access.Profile
	for _, p := range d.schedules.All() {
		list = append(list, p)
	}
	return list, nil
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
		if user := d.scheduleUserTx(tx, name); user != "" {
			return fmt.Errorf("cannot delete schedule %q: %s uses it; choose another there first: %w", name, user, web.ErrConflict)
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
