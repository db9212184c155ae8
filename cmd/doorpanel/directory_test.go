package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/sip"
	"github.com/doorpanel/doorpanel/storage"
)

func openStore(t *testing.T, dir string) *storage.Store {
	t.Helper()
	store, notes, err := storage.Open(storage.Options{Dir: dir, Schema: schema, CopyEvery: -1, NoSync: true})
	if err != nil || len(notes) > 0 {
		t.Fatal(err, notes)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// book is a directory under test with what it noted.
type book struct {
	*directory
	t *testing.T

	mu    sync.Mutex
	notes []panel.Entry
}

func newBook(t *testing.T, store *storage.Store, seed ...buttonRecord) *book {
	t.Helper()
	d, err := newDirectory(store, []byte("0123456789abcdef0123456789abcdef"), []string{"front", "garage"}, seed)
	if err != nil {
		t.Fatal(err)
	}
	b := &book{directory: d, t: t}
	d.entitlements = func() license.Entitlements { return license.Entitlements{} }
	d.route, d.check = router(nil), sip.ParseTarget
	d.note = func(e panel.Entry) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.notes = append(b.notes, e)
	}
	return b
}

func (b *book) person(name string) string {
	b.t.Helper()
	p, err := b.PutPerson(context.Background(), web.Person{Name: name}, "admin")
	if err != nil {
		b.t.Fatal(err)
	}
	return p.ID
}

func (b *book) add(n web.NewCredential) access.Credential {
	b.t.Helper()
	c, _, err := b.AddCredential(context.Background(), n, "admin")
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// everybody is the first hundred by id.
func (b *book) everybody() []web.Person {
	b.t.Helper()
	page, err := b.People(web.PeopleQuery{Limit: 100})
	if err != nil {
		b.t.Fatal(err)
	}
	return page.People
}

// opens tells whose credential is found for what is shown.
func (b *book) opens(kind access.Kind, shown string) string {
	b.t.Helper()
	f, err := b.Facts(kind, shown)
	if err != nil {
		b.t.Fatal(err)
	}
	return f.Person
}

func TestCredentialIsFoundByWhatIsShownAndTheStoreDoesNotHoldIt(t *testing.T) {
	dir := t.TempDir()
	store := openStore(t, dir)
	b := newBook(t, store)
	anna := b.person("Anna Rossi")
	b.add(web.NewCredential{Person: anna, Kind: access.Card, UID: "04A1B2C3"})
	b.add(web.NewCredential{Person: anna, Kind: access.Code, Code: "471182"})
	for shown, kind := range map[string]access.Kind{"04A1B2C3": access.Card, "471182": access.Code} {
		if b.opens(kind, shown) != "Anna Rossi" {
			t.Errorf("%s opens nothing", shown)
		}
		other := map[access.Kind]access.Kind{access.Card: access.Code, access.Code: access.Card}[kind]
		if b.opens(other, shown) != "" {
			t.Errorf("%s is found as a %s, too", shown, other)
		}
	}
	var image strings.Builder
	if _, err := store.WriteTo(&image); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"04A1B2C3", "04a1b2c3", "471182"} {
		if strings.Contains(image.String(), secret) {
			t.Errorf("the store holds %s", secret)
		}
	}
	copied := newBook(t, store)
	copied.indexKey = []byte("the key of another panel")
	if copied.opens(access.Card, "04A1B2C3") != "" {
		t.Error("another panel's key finds the card")
	}
}

func TestDeletedPersonLeavesNothingThatOpens(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	ctx := context.Background()
	anna, marco := b.person("Anna Rossi"), b.person("Marco Bianchi")
	b.add(web.NewCredential{Person: anna, Kind: access.Card, UID: "04A1B2C3"})
	b.add(web.NewCredential{Person: anna, Kind: access.Code, Code: "471182"})
	b.add(web.NewCredential{Person: marco, Kind: access.Card, UID: "04FFFF01"})
	if err := b.DeletePeople(ctx, []string{anna}, "admin"); err != nil {
		t.Fatal(err)
	}
	if b.opens(access.Card, "04A1B2C3") != "" || b.opens(access.Code, "471182") != "" || b.opens(access.Card, "04FFFF01") != "Marco Bianchi" {
		t.Error("the wrong doors are open")
	}
	if left, err := b.Credentials("", 100); err != nil || len(left) != 1 {
		t.Errorf("%+v %v", left, err)
	}
	// The same card may be given to somebody else.
	b.add(web.NewCredential{Person: marco, Kind: access.Card, UID: "04A1B2C3"})
	for _, err := range []error{
		b.DeletePeople(ctx, []string{anna}, "admin"),
		second(b.PutPerson(ctx, web.Person{ID: anna, Name: "Anna"}, "admin")),
		b.RemoveCredential(ctx, "none", "admin"), b.DeleteSchedule(ctx, "none", "admin"), b.DeleteButton(ctx, 9, "admin"),
	} {
		if !errors.Is(err, web.ErrNotFound) || strings.Contains(err.Error(), "store") {
			t.Errorf("%v", err)
		}
	}
	if people := b.everybody(); len(people) != 1 || people[0].Cards != 2 {
		t.Errorf("%+v", people)
	}
}

func second[T any](_ T, err error) error { return err }

// Two administrators withdraw the same card, and between the two it is given to somebody else: that one's must go on working.
func TestCardWithdrawnTwiceAndGivenAgainBelongsToItsNewOwner(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	anna, marco := b.person("Anna Rossi"), b.person("Marco Bianchi")
	for round := range 50 {
		old := b.add(web.NewCredential{Person: anna, Kind: access.Card, UID: "04A1B2C3"})
		var wait sync.WaitGroup
		var given access.Credential
		first := make(chan struct{})
		asked := sync.OnceFunc(func() { close(first) })
		wait.Go(func() {
			for given.ID == "" { // until the card is free
				given, _, _ = b.AddCredential(context.Background(), web.NewCredential{Person: marco, Kind: access.Card, UID: "04A1B2C3"}, "admin")
				asked()
			}
		})
		<-first
		for range 4 {
			wait.Go(func() { _ = b.RemoveCredential(context.Background(), old.ID, "admin") })
		}
		wait.Wait()
		if b.opens(access.Card, "04A1B2C3") != "Marco Bianchi" {
			t.Fatalf("round %d: the card is listed and opens nothing", round)
		}
		if err := b.RemoveCredential(context.Background(), given.ID, "admin"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWrongCredentialsAreRefusedInWordsAndChangeNothing(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	ctx := context.Background()
	anna := b.person("Anna Rossi")
	b.person("Lia Verdi")
	b.person("LIA VERDI")
	b.add(web.NewCredential{Person: anna, Kind: access.Card, UID: "04A1B2C3"})
	b.add(web.NewCredential{Person: anna, Kind: access.Code, Code: "471182"})
	for _, c := range []struct {
		want string
		is   error
		n    web.NewCredential
	}{
		{`there is no door "vault"; the doors are front, garage`, web.ErrInvalid, web.NewCredential{Person: anna, Kind: access.Card, UID: "04FF0001", Doors: []string{"vault"}}},
		{`cannot use schedule "office"`, web.ErrInvalid, web.NewCredential{Person: anna, Kind: access.Card, UID: "04FF0001", Schedule: "office"}},
		{"this card is in use already", web.ErrConflict, web.NewCredential{Person: "New Tenant", Kind: access.Card, UID: "04A1B2C3"}},
		{"this code is in use already", web.ErrConflict, web.NewCredential{Person: "New Tenant", Kind: access.Code, Code: "471182"}},
		{"all its digits are the same", web.ErrInvalid, web.NewCredential{Person: anna, Kind: access.Code, Code: "7777"}},
		{"count up or down", web.ErrInvalid, web.NewCredential{Person: anna, Kind: access.Code, Code: "3456"}},
		{"it repeats itself", web.ErrInvalid, web.NewCredential{Person: anna, Kind: access.Code, Code: "471471"}},
		{"several people named", web.ErrConflict, web.NewCredential{Person: "lia verdi", Kind: access.Card, UID: "04FF0001"}},
		{"the name is empty", web.ErrInvalid, web.NewCredential{Person: " ", Kind: access.Card, UID: "04FF0001"}},
		{"longer than 64", web.ErrInvalid, web.NewCredential{Person: strings.Repeat("x", 65), Kind: access.Card, UID: "04FF0001"}},
	} {
		noted := len(b.notes)
		made, code, err := b.AddCredential(ctx, c.n, "admin")
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "store") || made.ID != "" || code != "" {
			t.Errorf("want %q, not %v, %+v", c.want, err, made)
		}
		if strings.Contains(err.Error(), "471182") || len(b.notes) != noted {
			t.Errorf("%v; noted %v", err, b.notes[noted:])
		}
	}
	if people := b.everybody(); len(people) != 3 {
		t.Errorf("refusals made people: %+v", people)
	}
	if all, err := b.Credentials("", 100); err != nil || len(all) != 2 {
		t.Errorf("%+v %v", all, err)
	}
	// A name that nobody has makes a person, one that somebody has in other letters finds them.
	b.add(web.NewCredential{Person: "Ugo Gialli", Kind: access.Card, UID: "04FF0002"})
	b.add(web.NewCredential{Person: "anna rossi", Kind: access.Card, UID: "04FF0003"})
	if people := b.everybody(); len(people) != 4 {
		t.Errorf("%+v", people)
	}
}

func TestScheduleThatIsUsedStays(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	ctx := context.Background()
	office := access.Profile{Name: "office", Slots: []access.Slot{{Days: []string{"mon"}, From: "08:00", To: "18:00"}}}
	if err := b.PutSchedule(ctx, office, "admin"); err != nil {
		t.Fatal(err)
	}
	c := b.add(web.NewCredential{Person: "Lia Verdi", Kind: access.Card, UID: "04FF0001", Schedule: "office"})
	if f, err := b.Facts(access.Card, "04FF0001"); err != nil || f.Credential.Profile != "office" {
		t.Errorf("%+v %v", f, err)
	}
	if err := b.DeleteSchedule(ctx, "office", "admin"); !errors.Is(err, web.ErrConflict) || strings.Contains(err.Error(), "store") {
		t.Error(err)
	}
	if err := b.RemoveCredential(ctx, c.ID, "admin"); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteSchedule(ctx, "office", "admin"); err != nil {
		t.Error(err)
	}
}

// A schedule that is gone although a credential names it must not turn a dated right into one without bounds.
func TestMissingScheduleIsNotNoSchedule(t *testing.T) {
	store := openStore(t, t.TempDir())
	b := newBook(t, store)
	ctx := context.Background()
	if err := b.PutSchedule(ctx, access.Profile{Name: "office"}, "admin"); err != nil {
		t.Fatal(err)
	}
	b.add(web.NewCredential{Person: "Lia Verdi", Kind: access.Card, UID: "04FF0001", Schedule: "office"})
	if err := b.schedules.Delete("office"); err != nil {
		t.Fatal(err)
	}
	f, err := b.Facts(access.Card, "04FF0001")
	if err != nil || f.Credential.Profile != "office" {
		t.Fatalf("%+v %v", f, err)
	}
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	q := access.Question{Door: "front", Credential: f.Credential, Rights: f.Rights, Timetable: b.policies().Timetable, Now: at, Trusted: true, Zone: time.UTC}
	if allowed, why := access.Decide(q); allowed {
		t.Errorf("it opens: %s", why)
	}
}

func TestButtonsAreSeededOnceAndLiveInMemory(t *testing.T) {
	dir := t.TempDir()
	store := openStore(t, dir)
	seed := []buttonRecord{{Number: 1, Label: "Rossi", Target: "sip:rossi@127.0.0.1"}, {Number: 2, Label: "Bianchi", Target: "101", Account: "pbx"}}
	b := newBook(t, store, seed...)
	ctx := context.Background()
	if e := b.Button(1); e.Target != "sip:rossi@127.0.0.1" || e.Route != panel.LAN || e.Label != "Rossi" {
		t.Errorf("%+v", e)
	}
	if e := b.Button(7); e.Button != 7 || e.Target != "" {
		t.Errorf("a button that nobody set: %+v", e)
	}
	// What people change stays, and the configuration's seed does not come back.
	if err := b.PutButton(ctx, web.ButtonView{Number: 2, Label: "Verdi", Target: "sip:102@192.168.1.5"}, "admin"); err != nil {
		t.Fatal(err)
	}
	if e := b.Button(2); e.Account != "pbx" || e.Route != panel.Server {
		t.Errorf("the account of the configuration is lost: %+v", e)
	}
	if err := b.DeleteButton(ctx, 1, "admin"); err != nil {
		t.Fatal(err)
	}
	again := newBook(t, store, seed...)
	if views := again.Buttons(); len(views) != 1 || views[0].Label != "Verdi" {
		t.Errorf("%+v", views)
	}
	if err := b.DeleteButton(ctx, 2, "admin"); err != nil {
		t.Fatal(err)
	}
	if views := newBook(t, store, seed...).Buttons(); len(views) != 0 {
		t.Errorf("deleted buttons came back: %+v", views)
	}
	for want, v := range map[string]web.ButtonView{
		"must be 1 to 999": {Number: 0, Label: "x"}, "the name is empty": {Number: 3}, "control": {Number: 3, Label: "a\nb"},
		"cannot use target": {Number: 3, Label: "x", Target: "rossi x"}, "longer than": {Number: 3, Label: strings.Repeat("x", 65)},
	} {
		if err := b.PutButton(ctx, v, "admin"); !errors.Is(err, web.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", v, err)
		}
	}
}

func TestButtonsSayWhyTheyAreOff(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()),
		buttonRecord{Number: 1, Label: "Lan", Target: "sip:a@127.0.0.1"}, buttonRecord{Number: 2, Label: "Second", Target: "sip:b@127.0.0.1"})
	views := b.Buttons()
	if !views[0].Active || views[1].Active || !strings.Contains(views[1].Why, "1 of 2 usable") {
		t.Errorf("%+v", views)
	}
	for target, want := range map[string]string{"": "Nobody is set", "sip:a@pbx.example.com": "sip license"} {
		if err := b.PutButton(context.Background(), web.ButtonView{Number: 1, Label: "Lan", Target: target}, "admin"); err != nil {
			t.Fatal(err)
		}
		if v := b.Buttons()[0]; v.Active || !strings.Contains(v.Why, want) {
			t.Errorf("%q: %+v", target, v)
		}
	}
}

func TestStoreOfANewerVersionIsReadAndNotWritten(t *testing.T) {
	dir := t.TempDir()
	store, _, err := storage.Open(storage.Options{Dir: dir, Schema: schema + 1, CopyEvery: -1, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	b := newBook(t, store, buttonRecord{Number: 1, Label: "Rossi", Target: "sip:rossi@127.0.0.1"})
	c := b.add(web.NewCredential{Person: "Anna Rossi", Kind: access.Card, UID: "04A1B2C3"})
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	old := newBook(t, openStore(t, dir), buttonRecord{Number: 1, Label: "Seed", Target: "sip:seed@127.0.0.1"})
	if old.opens(access.Card, "04A1B2C3") != "Anna Rossi" || old.Button(1).Label != "Rossi" {
		t.Error("what is there cannot be read")
	}
	ctx := context.Background()
	for what, err := range map[string]error{
		"person": second(old.PutPerson(ctx, web.Person{Name: "x"}, "a")), "delete person": old.DeletePeople(ctx, []string{c.Person}, "a"),
		"credential": old.RemoveCredential(ctx, c.ID, "a"), "button": old.PutButton(ctx, web.ButtonView{Number: 1, Label: "x"}, "a"),
		"delete button": old.DeleteButton(ctx, 1, "a"), "schedule": old.PutSchedule(ctx, access.Profile{Name: "x"}, "a"),
	} {
		if !errors.Is(err, web.ErrReadOnly) || !strings.Contains(err.Error(), "install that version") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if old.Button(1).Label != "Rossi" || len(old.notes) > 0 {
		t.Errorf("a refused change is seen: %+v %+v", old.Button(1), old.notes)
	}
}

func TestEveryChangeIsNotedWithoutWhatOpensOrNames(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	ctx := context.Background()
	anna := b.person("Anna Rossi")
	c := b.add(web.NewCredential{Person: anna, Kind: access.Code, Code: "471182"})
	err := errors.Join(b.PutSchedule(ctx, access.Profile{Name: "office"}, "admin"), b.DeleteSchedule(ctx, "office", "admin"),
		b.PutButton(ctx, web.ButtonView{Number: 1, Label: "Rossi"}, "admin"), b.DeleteButton(ctx, 1, "admin"),
		b.RemoveCredential(ctx, c.ID, "admin"), b.DeletePeople(ctx, []string{anna}, "admin"))
	if err != nil || len(b.notes) != 8 {
		t.Fatalf("%v, %d changes are noted: %+v", err, len(b.notes), b.notes)
	}
	for _, n := range b.notes {
		if text := fmt.Sprintf("%+v", n); n.Kind != panel.ConfigIs || n.Who != "admin" || n.Detail == "" || strings.Contains(text, "471182") || strings.Contains(text, "Anna") {
			t.Errorf("%+v", n)
		}
	}
}

func TestPeopleAndCredentialsComeInPages(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	for i := range 25 {
		b.add(web.NewCredential{Person: fmt.Sprintf("Person %d", i), Kind: access.Card, UID: fmt.Sprintf("04A1B2%02X", i)})
	}
	seen := map[string]bool{}
	for after := ""; ; {
		page, err := b.People(web.PeopleQuery{After: after, Limit: 10})
		if err != nil || len(page.People) > 10 || page.Total != 25 {
			t.Fatal(page, err)
		}
		for _, p := range page.People {
			seen[p.Name] = true
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if len(seen) != 25 {
		t.Errorf("%d of 25 people", len(seen))
	}
	seen = map[string]bool{}
	for after := ""; ; {
		page, err := b.Credentials(after, 7)
		if err != nil || len(page) > 7 {
			t.Fatal(page, err)
		}
		if len(page) == 0 {
			break
		}
		for _, c := range page {
			seen[c.ID] = true
			after = c.ID
		}
	}
	if len(seen) != 25 {
		t.Errorf("%d of 25 credentials", len(seen))
	}
}

func TestOnlyADirectCallOnTheLANIsFree(t *testing.T) {
	none := []configs.Account(nil)
	pbx := []configs.Account{{Name: "pbx", Registrar: "sip:PBX.lan:5070;transport=tcp"}, {Name: "voip", Registrar: "sip:sip.provider.example"}}
	for _, c := range []struct {
		target, account string
		accounts        []configs.Account
		route           panel.Route
		through         string
	}{
		{"", "", none, panel.NoRoute, ""},
		{"sip:rossi@127.0.0.1", "", none, panel.LAN, ""},
		{"sip:rossi@127.0.0.1:5070", "", none, panel.LAN, ""},
		{"sip:rossi@10.1.2.3;transport=tcp", "", none, panel.LAN, ""},
		{"sip:rossi@172.16.0.1", "", none, panel.LAN, ""},
		{"sip:rossi@172.32.0.1", "", none, panel.Server, ""},
		{"sip:rossi@192.168.1.20:5060;transport=udp", "", none, panel.LAN, ""},
		{"sip:rossi@169.254.10.1", "", none, panel.LAN, ""},
		{"sip:rossi@[::1]", "", none, panel.LAN, ""},
		{"sip:rossi@[fe80::1]:5070", "", none, panel.LAN, ""},
		{"sip:rossi@[fd00::17]", "", none, panel.LAN, ""},
		{"sip:rossi@[2001:db8::1]:5060", "", none, panel.Server, ""},
		{"sip:rossi@[::ffff:8.8.8.8]", "", none, panel.Server, ""},
		{"sip:rossi@8.8.8.8", "", none, panel.Server, ""},
		{"sip:rossi@0.0.0.0", "", none, panel.Server, ""},
		{"sip:rossi@100.64.0.1", "", none, panel.Server, ""},
		{"sip:rossi@phone", "", none, panel.LAN, ""},
		{"sip:rossi@3cx", "", none, panel.LAN, ""},
		{"sip:rossi@Phone.LOCAL", "", none, panel.LAN, ""},
		{"sip:rossi@phone.lan.", "", none, panel.LAN, ""},
		{"sip:rossi@phone.home.arpa:5060", "", none, panel.LAN, ""},
		{"sip:rossi@phone.internal", "", none, panel.LAN, ""},
		{"sip:rossi@sip.provider.example", "", none, panel.Server, ""},
		{"sip:rossi@local.example", "", none, panel.Server, ""},
		{"sip:rossi@notlocal", "", none, panel.LAN, ""},
		// Addresses that some resolvers read as others.
		{"sip:rossi@134744072", "", none, panel.Server, ""},
		{"sip:rossi@0x08080808", "", none, panel.Server, ""},
		{"sip:rossi@[2001:db8:::5060", "", none, panel.Server, ""},
		// What stands before the @ may look like a host and is none.
		{"sip:phone;x@sip.provider.example", "", none, panel.Server, ""},
		{"sip:127.0.0.1;x@8.8.8.8", "", none, panel.Server, ""},
		{"sip:a?b/127.0.0.1@8.8.8.8:5060;transport=tcp", "", none, panel.Server, ""},
		{"sip:rossi@8.8.8.8;x=127.0.0.1", "", none, panel.Server, ""},
		// Numbers, accounts and registrars.
		{"101", "", none, panel.Server, ""},
		{"101", "", pbx, panel.Server, "pbx"},
		{"101", "voip", pbx, panel.Server, "voip"},
		{"sip:101@127.0.0.1", "voip", pbx, panel.Server, "voip"},
		{"sip:101@pbx.lan", "", pbx, panel.Server, "pbx"},
		{"sip:101@SIP.provider.example:5060", "", pbx, panel.Server, "voip"},
		{"sip:101@192.168.1.9", "", pbx, panel.LAN, ""},
	} {
		if c.target != "" {
			if err := sip.ParseTarget(c.target); (err != nil) != strings.Contains(c.target, ":::") {
				t.Errorf("%s: %v", c.target, err)
			}
		}
		if route, through := router(c.accounts)(c.target, c.account); route != c.route || through != c.through {
			t.Errorf("%s through %q goes by %v %q, want %v %q", c.target, c.account, route, through, c.route, c.through)
		}
	}
}

// Whoever writes the user's part must not choose the host that is judged.
func FuzzHostIsNeverTakenFromTheUser(f *testing.F) {
	hosts := []string{"sip.provider.example", "8.8.8.8", "[2001:db8::1]"}
	for _, user := range []string{"rossi", "phone;x", "a?b", "127.0.0.1;y=z", "%40", "a&b=c", "sip:x", "[::1]"} {
		f.Add(user, uint8(0), ":5060")
		f.Add(user, uint8(2), ";transport=tcp")
	}
	f.Fuzz(func(t *testing.T, user string, n uint8, rest string) {
		host := hosts[int(n)%len(hosts)]
		target := "sip:" + user + "@" + host + rest
		if strings.Trim(rest, ":;") == rest && rest != "" || strings.Contains(user, "@") || sip.ParseTarget(target) != nil {
			return // the host would be another one
		}
		if route, _ := router(nil)(target, ""); route != panel.Server {
			t.Errorf("%s goes by %v", target, route)
		}
	})
}
