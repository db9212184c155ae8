package store_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/roles"
	"github.com/doorpanel/doorpanel/hub/store"
	"github.com/doorpanel/doorpanel/hub/store/storetest"
	"github.com/doorpanel/doorpanel/storage"
)

var writeFixture = flag.Bool("write-fixture", false, "write testdata/schema-N.tar.gz of the present schema, once, before it is raised")

var fixtureDay = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// fillFixture makes a store in which every table has something. What a later schema adds is added here too, and the older
// fixtures stay as they are.
func fillFixture(t *testing.T, s *store.Store) {
	t.Helper()
	edit := fleet.Edit{Change: fleet.Change{Who: "anna", Via: "web", What: "record.made", At: fixtureDay}}
	delivery := fleet.Delivery{ID: "d1", Site: "north", Recipient: "anna", Channel: fleet.Email, Made: fixtureDay, Due: fixtureDay, State: fleet.Waiting}
	claimed := delivery
	claimed.State, claimed.By = fleet.Claimed, "hub"
	_, siteErr := s.PutSite(fleet.Site{ID: "north", Name: "Nord", Zone: "Europe/Berlin", Language: "de", Created: fixtureDay}, edit)
	_, panelErr := s.PutPanel(fleet.Panel{ID: "p", Site: "north", Key: []byte{1}, Added: fixtureDay}, edit)
	_, userErr := s.PutUser(fleet.User{Name: "anna", Hash: "$argon2id$"}, edit)
	_, settingErr := s.PutSetting("mail", []byte(`{"host":"mx"}`), edit)
	_, numberErr := s.NextNumber(fixtureDay)
	_, leaseErr := s.Lease("deliver", "hub", fixtureDay, fixtureDay.Add(time.Hour))
	rewritten := storetest.Event("p", "aa", 20)
	rewritten.Event.Chain = storetest.Chain("p", "other", 20)
	_, eventsErr := s.Append(append(events("p", 1, 40), rewritten, storetest.Gap("p", "aa", 41, 50)))
	_, erasedErr := s.Erase(t.Context(), "Person 3")
	if err := errors.Join(siteErr, panelErr, userErr, settingErr, numberErr, leaseErr, eventsErr, erasedErr,
		s.Enrolling(t.Context(), []string{"p"}, func(all *fleet.Enrolling) error {
			all.Windows = append(all.Windows, fleet.Window{ID: "w", Site: "north", Opened: fixtureDay})
			all.Certificates = append(all.Certificates, fleet.Certificate{Serial: "01", Panel: "p", Issued: fixtureDay})
			return nil
		}),
		s.Arrange(func(a *roles.Arrangement) error {
			a.Roles = []roles.Role{{ID: "guard", Title: "Guard", Rights: []roles.Right{roles.Monitor}, Group: "acme"}}
			a.Assignments = []roles.Assignment{{User: "anna", Role: roles.Administrator, Group: roles.Hub, By: "root", Since: fixtureDay}}
			a.HandOvers = []roles.HandOver{{ID: "h", Group: "acme", From: []string{"ben"}, To: "eve", Role: roles.Dealer, State: roles.Asked, AskedBy: "anna", Asked: fixtureDay}}
			return nil
		}),
		s.PutSession("hash", fleet.Session{User: "anna", Label: "export"}),
		s.PutDocument(fleet.Document{Panel: "p", Kind: "grant", ID: "7", Bytes: []byte{1, 2}}),
		s.PutLicense(fleet.License{ID: "l", Site: "north", Token: []byte{3}}, edit.Change),
		s.PutOrder(fleet.Order{Number: 7, Panel: "p", Verb: "open", State: fleet.OrderDone}),
		s.Commit("north", []byte(`{"v":1}`), []fleet.Delivery{delivery}, nil),
		s.Move(delivery, claimed),
		s.SetCursor("hook", 12),
	); err != nil {
		t.Fatal(err)
	}
}

// contents says everything that the store holds, in words.
func contents(t *testing.T, s *store.Store) string {
	t.Helper()
	var b strings.Builder
	put := func(name string, v any, err error) {
		t.Helper()
		text, jsonErr := json.Marshal(v)
		if err := errors.Join(err, jsonErr); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		fmt.Fprintf(&b, "%s %s\n", name, text)
	}
	site, edition, err := s.SiteToEdit("north")
	put("site", []any{site, edition}, err)
	panels, err := s.Panels()
	put("panels", panels, err)
	users, err := s.Users()
	put("users", users, err)
	made, err := s.Roles()
	put("roles", made, err)
	assignments, err := s.Assignments("")
	put("assignments", assignments, err)
	handOvers, err := s.HandOvers()
	put("hand-overs", handOvers, err)
	settings, err := s.Settings("")
	put("settings", settings, err)
	tokens, err := s.Tokens()
	put("tokens", tokens, err)
	windows, err := s.Windows()
	put("windows", windows, err)
	certificates, err := s.Certificates("")
	put("certificates", certificates, err)
	documents, err := s.Documents("")
	put("documents", documents, err)
	licenses, err := s.Licenses("")
	put("licenses", licenses, err)
	orders, err := s.Orders("", 10)
	put("orders", orders, err)
	situations, err := s.Situations()
	put("situations", situations, err)
	due, _, err := s.Due(fixtureDay, 10)
	put("due", due, err)
	history, err := s.Deliveries(fleet.DeliveryQuery{})
	put("history", history, err)
	changes, _, err := s.Changes(fleet.ChangeQuery{})
	put("audit", changes, err)
	whole, err := s.VerifyChanges(t.Context())
	put("audit entries that are whole", whole, err)
	heads, err := s.Heads()
	put("heads", heads, err)
	faults, err := s.Faults("", 10)
	put("faults", faults, err)
	cursor, err := s.Cursor("hook")
	put("cursor", cursor, err)
	all, err := s.After(0, 1000)
	put("events", all, err)
	mine, err := s.Lease("deliver", "another hub", fixtureDay, fixtureDay.Add(time.Hour))
	put("lease to be had", mine, err)
	return b.String()
}

// TestEverySchemaThatEverWasIsRead walks the fixtures of all schemas, the present one among them.
func TestEverySchemaThatEverWasIsRead(t *testing.T) {
	for schema := 1; schema <= store.Schema; schema++ {
		t.Run(fmt.Sprint("schema ", schema), func(t *testing.T) {
			name := filepath.Join("testdata", fmt.Sprintf("schema-%d", schema))
			if *writeFixture && schema == store.Schema {
				s := open(t, store.Options{Dir: t.TempDir()})
				fillFixture(t, s)
				saveAs(t, s, name, contents(t, s))
			}
			s := openFixture(t, name)
			want, err := os.ReadFile(name + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			if got := contents(t, s); got != string(want) {
				t.Errorf("holds\n%s\nnot\n%s", got, want)
			}
			stored(t, s, events("p", 51, 52))
		})
	}
}

// TestRolesOfSchema1BecomeAssignments writes users as schema 1 had them.
func TestRolesOfSchema1BecomeAssignments(t *testing.T) {
	dir := t.TempDir()
	db, _, err := storage.Open(storage.Options{Dir: dir, Schema: 1})
	if err != nil {
		t.Fatal(err)
	}
	users := storage.NewRaw(db, "users")
	err = db.Update(func(tx *storage.Tx) error {
		var errs []error
		for name, rest := range map[string]string{
			"anna": `"role":"administrator","sites":["north"]`, "ben": `"role":"operator"`, "cara": `"role":"viewer","sites":["north","south"]`, "dan": `"role":"nobody"`,
		} {
			errs = append(errs, users.PutTx(tx, name, []byte(`{"edition":{"number":3,"by":"root","at":"2026-03-01T08:00:00Z"},"value":{"name":"`+name+`","hash":"h","generation":7,`+rest+`}}`)))
		}
		return errors.Join(errs...)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s := open(t, store.Options{Dir: dir})
	got, err := s.Assignments("")
	if err != nil {
		t.Fatal(err)
	}
	want := []roles.Assignment{
		{User: "anna", Role: roles.Administrator, Group: roles.Hub}, {User: "ben", Role: roles.Operator, Group: roles.Hub},
		{User: "cara", Role: roles.Viewer, Group: roles.Site("north")}, {User: "cara", Role: roles.Viewer, Group: roles.Site("south")}, {User: "dan", Role: "nobody", Group: roles.Hub},
	}
	for i := range want {
		want[i].By, want[i].Since = "root", fixtureDay
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("assignments %+v", got)
	}
	u, edition, err := s.UserToEdit("cara")
	if err != nil || u.Hash != "h" || u.Generation != 7 || edition.Number != 3 {
		t.Errorf("the user is %+v, %+v, %v", u, edition, err)
	}
}

// asNewer raises the schema number of a store.
func asNewer(t *testing.T, dir string) {
	t.Helper()
	db, _, err := storage.Open(storage.Options{Dir: dir, Schema: store.Schema + 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStoreOfANewerVersionIsReadAndNotWritten(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir})
	stored(t, s, events("p", 1, 3))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	asNewer(t, dir)
	s = open(t, store.Options{Dir: dir})
	if !s.ReadOnly() {
		t.Error("it does not say that it is read-only")
	}
	if page, err := s.After(0, 10); err != nil || len(page) != 3 {
		t.Errorf("%d events are read, %v", len(page), err)
	}
	_, appendErr := s.Append(events("p", 4, 4))
	_, siteErr := s.PutSite(fleet.Site{ID: "north"}, fleet.Edit{})
	_, sweepErr := s.Sweep(fixtureDay, nil)
	_, eraseErr := s.Erase(t.Context(), "anna")
	for i, err := range []error{appendErr, siteErr, sweepErr, eraseErr, s.Note(fleet.Change{What: "x"}), s.SetCursor("c", 1)} {
		if !errors.Is(err, storage.ErrReadOnly) {
			t.Errorf("write %d: %v", i, err)
		}
	}
}

// TestChangedAuditIsFound changes, removes and cuts off entries as somebody would who can write the file.
func TestChangedAuditIsFound(t *testing.T) {
	for _, c := range []struct {
		name  string
		twist func(tx *storage.Tx, audit storage.Raw) error
		want  string
	}{
		{"a word changed", func(tx *storage.Tx, audit storage.Raw) error {
			b, _, err := audit.GetTx(tx, fmt.Sprintf("%016x", 3))
			return errors.Join(err, audit.PutTx(tx, fmt.Sprintf("%016x", 3), bytes.Replace(b, []byte("anna"), []byte("mina"), 1)))
		}, "entry 3 was changed"},
		{"one removed", func(tx *storage.Tx, audit storage.Raw) error {
			return audit.DeleteTx(tx, fmt.Sprintf("%016x", 2))
		}, "entry 2 is missing"},
		{"the last ones removed", func(tx *storage.Tx, audit storage.Raw) error {
			return errors.Join(audit.DeleteTx(tx, fmt.Sprintf("%016x", 4)), audit.DeleteTx(tx, fmt.Sprintf("%016x", 5)))
		}, "entries 4 to 5 are missing"},
		{"two exchanged", func(tx *storage.Tx, audit storage.Raw) error {
			a, _, err := audit.GetTx(tx, fmt.Sprintf("%016x", 2))
			b, _, err2 := audit.GetTx(tx, fmt.Sprintf("%016x", 3))
			return errors.Join(err, err2, audit.PutTx(tx, fmt.Sprintf("%016x", 2), b), audit.PutTx(tx, fmt.Sprintf("%016x", 3), a))
		}, "entry 2 cannot be read"},
		{"one that is no entry", func(tx *storage.Tx, audit storage.Raw) error {
			return audit.PutTx(tx, fmt.Sprintf("%016x", 2), []byte("x"))
		}, "entry 2 cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, store.Options{Dir: dir})
			for range 5 {
				if err := s.Note(fleet.Change{Who: "anna", What: "site.changed", At: fixtureDay}); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			db, _, err := storage.Open(storage.Options{Dir: dir, Schema: store.Schema})
			if err != nil {
				t.Fatal(err)
			}
			err = db.Update(func(tx *storage.Tx) error { return c.twist(tx, storage.NewRaw(db, "audit")) })
			if err := errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
			s = open(t, store.Options{Dir: dir})
			if _, err := s.VerifyChanges(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("found %v, want %q", err, c.want)
			}
		})
	}
}
