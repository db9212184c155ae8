package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/storage"
)

// save makes a person of a directory under test.
func (b *book) save(p web.Person) string {
	b.t.Helper()
	made, err := b.PutPerson(context.Background(), p, "admin")
	if err != nil {
		b.t.Fatal(err)
	}
	return made.ID
}

// found lists the names that a query gives, page by page.
func (b *book) found(q web.PeopleQuery) (names []string) {
	b.t.Helper()
	for {
		page, err := b.People(q)
		if err != nil || len(page.People) > q.Limit {
			b.t.Fatalf("%+v: %d people, %v", q, len(page.People), err)
		}
		for _, p := range page.People {
			names = append(names, p.Name)
		}
		if q.After = page.Next; q.After == "" {
			return names
		}
	}
}

func TestPeopleAreFoundByAnyPartOfTheirNameNoteOrFlat(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	for _, p := range []web.Person{
		{Name: "Ada Lovelace", Flat: "4", Note: "Analytical Engines Ltd"}, {Name: "Jürgen Groß", Flat: "12"}, {Name: "ådne Bø"},
		{Name: "Ada Byron", Note: "moved to 4"}, {Name: "Zoë Çelik", Flat: "41"},
	} {
		b.save(p)
	}
	for _, c := range []struct {
		search string
		want   []string
	}{
		{"", []string{"Ada Byron", "Ada Lovelace", "ådne Bø", "Jürgen Groß", "Zoë Çelik"}},
		{"ada", []string{"Ada Byron", "Ada Lovelace"}},
		{"LOVE", []string{"Ada Lovelace"}},
		{"lace ada", []string{"Ada Lovelace"}},
		{"jurgen gross", []string{"Jürgen Groß"}},
		{"zoe celik", []string{"Zoë Çelik"}},
		{"engines", []string{"Ada Lovelace"}},
		{"12", []string{"Jürgen Groß"}},
		{"4", []string{"Ada Byron", "Ada Lovelace"}}, // the flat in whole, the note in part; flat 41 is another
		{"s:", nil},
		{"nobody", nil},
	} {
		for _, limit := range []int{1, 2, 100} {
			if got := b.found(web.PeopleQuery{Search: c.search, ByName: true, Limit: limit}); !slices.Equal(got, c.want) {
				t.Errorf("%q in pages of %d: %q, want %q", c.search, limit, got, c.want)
			}
		}
	}
	if _, err := b.People(web.PeopleQuery{ByName: true, After: "no cursor!", Limit: 1}); !errors.Is(err, web.ErrInvalid) {
		t.Error(err)
	}
}

func TestPersonWhoIsRenamedIsFoundByTheNewNameAlone(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	id := b.save(web.Person{Name: "Ada Byron", Note: "unmarried"})
	b.add(web.NewCredential{Person: id, Kind: access.Card, UID: "04A1B2C3"})
	for _, p := range []web.Person{{ID: id, Name: "ADA BYRON"}, {ID: id, Name: "Ada King", Note: "countess"}} {
		b.save(p)
		if got := b.found(web.PeopleQuery{ByName: true, Limit: 10}); !slices.Equal(got, []string{p.Name}) {
			t.Errorf("%q", got)
		}
	}
	if got := b.found(web.PeopleQuery{Search: "unmarried", Limit: 10}); got != nil {
		t.Errorf("found by a note that is gone: %q", got)
	}
	detail, err := b.Person(id)
	if err != nil || detail.Cards != 1 || len(detail.Credentials) != 1 || b.opens(access.Card, "04A1B2C3") != "Ada King" {
		t.Errorf("%+v %v", detail, err)
	}
	if err := b.DeletePeople(context.Background(), []string{id}, "admin"); err != nil {
		t.Fatal(err)
	}
	if got := b.found(web.PeopleQuery{ByName: true, Limit: 10}); got != nil {
		t.Errorf("somebody who is gone is listed: %q", got)
	}
	if _, err := b.Person(id); !errors.Is(err, web.ErrNotFound) {
		t.Error(err)
	}
}

func TestOfSeveralDeletedPeopleAllGoOrNobody(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	anna, marco := b.person("Anna Rossi"), b.person("Marco Bianchi")
	b.add(web.NewCredential{Person: anna, Kind: access.Card, UID: "04A1B2C3"})
	ctx := context.Background()
	if err := b.DeletePeople(ctx, []string{anna, "pnobody"}, "admin"); !errors.Is(err, web.ErrNotFound) || len(b.everybody()) != 2 || b.opens(access.Card, "04A1B2C3") == "" {
		t.Errorf("%v, %+v", err, b.everybody())
	}
	if err := b.DeletePeople(ctx, []string{anna, marco}, "admin"); err != nil || len(b.everybody()) != 0 || b.opens(access.Card, "04A1B2C3") != "" {
		t.Errorf("%v, %+v", err, b.everybody())
	}
}

func TestIdOfACredentialIsNeverGivenAgain(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	anna := b.person("Anna Rossi")
	first := b.add(web.NewCredential{Person: anna, Kind: access.Card, UID: "04A1B2C3"})
	if err := b.RemoveCredential(context.Background(), first.ID, "admin"); err != nil {
		t.Fatal(err)
	}
	if second := b.add(web.NewCredential{Person: anna, Kind: access.Card, UID: "04A1B2C3"}); second.ID == first.ID {
		t.Errorf("%s again", second.ID)
	}
	for _, id := range []string{"", "-", anna, anna + "-", anna + "-0", anna + "-02", anna + "-x", "pnobody-1"} {
		if err := b.RemoveCredential(context.Background(), id, "admin"); !errors.Is(err, web.ErrNotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestStoreOfAnEarlierVersionKeepsItsPeopleAndWhatTheyHold(t *testing.T) {
	dir := t.TempDir()
	store := openStore(t, dir)
	key := newBook(t, store).indexKey
	old := &directory{indexKey: key}
	people := storage.NewTable[map[string]string](store, "people")
	credentials := storage.NewTable[oldCredential](store, "credentials")
	index := storage.NewTable[string](store, "credential_index")
	err := store.Update(func(tx *storage.Tx) error {
		for id, name := range map[string]string{"aa11": "Anna Rossi", "bb22": "Marco Bianchi"} {
			if err := people.PutTx(tx, id, map[string]string{"id": id, "name": name, "note": "floor 2"}); err != nil {
				return err
			}
		}
		sum := fmt.Sprintf("%x%032x", old.indexOf(access.Card, "04A1B2C3"), 7)
		c := oldCredential{Credential: access.Credential{ID: "cc33", Person: "aa11", Kind: access.Card, Doors: []string{"garage"}}, Index: sum}
		return errors.Join(credentials.PutTx(tx, "cc33", c), index.PutTx(tx, sum, "cc33"))
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second start finds nothing to do
		b := newBook(t, store)
		f, err := b.Facts(access.Card, "04A1B2C3")
		if err != nil || f.Person != "Anna Rossi" || !slices.Equal(f.Credential.Doors, []string{"garage"}) || f.Credential.Person != "aa11" {
			t.Errorf("%+v %v", f, err)
		}
		if got := b.found(web.PeopleQuery{Search: "floor 2", Limit: 10}); !slices.Equal(got, []string{"Anna Rossi", "Marco Bianchi"}) {
			t.Errorf("%q", got)
		}
	}
	if n, err := credentials.Len(); n != 0 || err != nil {
		t.Error(n, err)
	}
}

// What is counted and what is indexed is what a look at every record would find, whatever was done before.
func TestCountsAndIndexesAgreeWithTheRecords(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBook(t, openStore(t, t.TempDir()))
		ctx := context.Background()
		var people, credentials []string
		for range rapid.IntRange(1, 25).Draw(rt, "changes") {
			name := rapid.SampledFrom([]string{"Anna", "anna", "Marco", "Ünal"}).Draw(rt, "name")
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0:
				people = append(people, b.save(web.Person{Name: name, Flat: rapid.SampledFrom([]string{"", "3", "12"}).Draw(rt, "flat")}))
			case 1:
				if len(people) > 0 {
					_, _ = b.PutPerson(ctx, web.Person{ID: rapid.SampledFrom(people).Draw(rt, "who"), Name: name, Flat: "3"}, "a")
				}
			case 2:
				uid := fmt.Sprintf("04A1B2%02X", rapid.IntRange(0, 3).Draw(rt, "card"))
				if c, _, err := b.AddCredential(ctx, web.NewCredential{Person: name, Kind: access.Card, UID: uid}, "a"); err == nil {
					credentials = append(credentials, c.ID)
				}
			case 3:
				if c, _, err := b.AddCredential(ctx, web.NewCredential{Person: name, Kind: access.Code}, "a"); err == nil {
					credentials = append(credentials, c.ID)
				}
			case 4:
				if len(credentials) > 0 {
					_ = b.RemoveCredential(ctx, rapid.SampledFrom(credentials).Draw(rt, "credential"), "a")
				}
			case 5:
				if len(people) > 0 {
					_ = b.DeletePeople(ctx, []string{rapid.SampledFrom(people).Draw(rt, "who")}, "a")
				}
			}
		}
		b.agrees(rt)
	})
}

// agrees fails when counts or indexes differ from what the records say.
func (b *book) agrees(t interface {
	Helper()
	Errorf(format string, args ...any)
}) {
	t.Helper()
	var want counts
	names, shown, flats := map[string]string{}, map[string]string{}, map[string]int{}
	for id, p := range b.people.All() {
		want.People++
		names[nameKey(p.Name, id)] = string(p.nameValue())
		for _, h := range p.Held {
			if h.Kind == access.Card {
				want.Cards++
			} else {
				want.Codes++
				want.Typed[len(h.Flat)+h.Digits]++
			}
			if h.Flat != "" {
				flats[h.Flat]++
			}
			shown[string(h.Index)] = credentialID(id, h.Number)
		}
	}
	got, _, err := b.counts.Get(countsKey)
	want.Next = got.Next
	if err != nil || got != want {
		t.Errorf("counted %+v, there are %+v, %v", got, want, err)
	}
	if got := maps.Collect(b.flatCodes.All()); !maps.Equal(got, flats) {
		t.Errorf("codes of flats: counted %v, there are %v", got, flats)
	}
	for _, c := range []struct {
		what  string
		table storage.Raw
		want  map[string]string
	}{{"names", b.names, names}, {"shown", b.index, shown}} {
		n := 0
		for key, value := range c.table.All() {
			n++
			if c.want[key] != string(value) {
				t.Errorf("%s: %q is %q, want %q", c.what, key, value, c.want[key])
			}
		}
		if n != len(c.want) {
			t.Errorf("%s: %d entries, want %d", c.what, n, len(c.want))
		}
	}
}

func TestFlatIsANumberThatCanBeTyped(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	for flat, good := range map[string]bool{"": true, "7": true, "12345": true, "123456": false, "3a": false, "٣": false, "-1": false} {
		_, err := b.PutPerson(context.Background(), web.Person{Name: "Anna", Flat: flat}, "a")
		if (err == nil) != good || err != nil && !strings.Contains(err.Error(), "note") {
			t.Errorf("%q: %v", flat, err)
		}
	}
}
