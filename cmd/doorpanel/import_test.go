package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/web"
)

// brings brings a CSV list in, or only compares it, and returns what came of it with the codes that were drawn.
func (b *book) brings(list string, o web.ImportOptions) (web.ImportResult, map[string]string) {
	b.t.Helper()
	codes := map[string]string{}
	r, err := b.ImportPeople(context.Background(), []byte(list), o, func(p web.ImportProgress) error {
		for _, c := range p.Codes {
			codes[c.Name] = c.Code
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return r, codes
}

// figures are the numbers of a result.
func figures(r web.ImportResult) string {
	return fmt.Sprintf("+%d ~%d =%d -%d !%d", r.Added, r.Changed, r.Unchanged, r.Removed, r.MistakeCount)
}

func TestDryRunTellsTheWholeDifferenceAndChangesNothing(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	b.brings("name,flat,card\nAnna Rossi,1,04A1B2C3\nMarco Bianchi,2,\nLia Verdi,3,\n", web.ImportOptions{})
	before := b.found(web.PeopleQuery{ByName: true, Limit: 100})
	notes := len(b.notes)
	list := "name;flat;note;card;code\nanna rossi;1;;04A1B2C3;\nMarco Bianchi;2;on the phone list;04A1B2C4;draw\nUgo Gialli;4;;;draw\n"
	r, codes := b.brings(list, web.ImportOptions{DryRun: true, Replace: true})
	want := []web.ImportDifference{
		{Line: 2, Name: "anna rossi", What: "changed", How: []string{"name: anna rossi, was Anna Rossi"}},
		{Line: 3, Name: "Marco Bianchi", What: "changed", How: []string{"note: on the phone list", "a card", "a drawn code"}},
		{Line: 4, Name: "Ugo Gialli", What: "added", How: []string{"a drawn code"}}, {Name: "Lia Verdi", What: "removed"},
	}
	if figures(r) != "+1 ~2 =0 -1 !0" || fmt.Sprint(r.Differences) != fmt.Sprint(want) || len(codes) != 0 {
		t.Errorf("%s %+v", figures(r), r.Differences)
	}
	if after := b.found(web.PeopleQuery{ByName: true, Limit: 100}); !slices.Equal(before, after) || len(b.notes) != notes || b.opens(access.Card, "04A1B2C4") != "" {
		t.Errorf("it changed something: %q", after)
	}
	r, codes = b.brings(list, web.ImportOptions{Replace: true})
	if figures(r) != "+1 ~2 =0 -1 !0" || len(codes) != 2 || b.opens(access.Code, codes["Ugo Gialli"]) != "Ugo Gialli" || b.opens(access.Card, "04A1B2C4") != "Marco Bianchi" {
		t.Errorf("%s %v", figures(r), codes)
	}
	// The same again makes no difference: a list that was stopped can be brought in again.
	if r, codes = b.brings(list, web.ImportOptions{Replace: true}); figures(r) != "+0 ~0 =3 -0 !0" || len(codes) != 0 {
		t.Errorf("again: %s %v", figures(r), codes)
	}
	b.agrees(t)
}

func TestMistakesOfAListAreToldAllAtOnceWithTheirLines(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	b.brings("name,card,code\nAnna Rossi,04A1B2C3,471982\nUgo,,\n", web.ImportOptions{})
	b.save(web.Person{Name: "Ugo"})
	for list, want := range map[string][]string{
		"name,card,groups,flat\nMarco,04A1B2C3,,\nLia,,staff,\nUgo,,,\nX,zz,,12b\n": {"2: card 04A1B2C3 is somebody else's", `3: cannot save person: there is no group "staff"`, "4: there are several", "5: the flat", "5: card"},
		"id,name\npnobody,Anna Rossi\n":                                             {`2: there is no person with the id "pnobody"`},
		"name\nUgo\n":                                                               {`2: there are several people named "Ugo"`},
		"name,code\nMarco,471982\nLia,4719\n":                                       {"2: the code is in use", "3: the code is too short"},
		"name,doors,rights\nMarco,vault,\nLia,front,all\nIda,,what\n":               {`2: cannot save right: there is no door "vault"`, "3: rights and doors", "4: the rights"},
		"name,valid_from,valid_until\nMarco,tomorrow,\nLia,2026-02-01,2026-01-01\n": {"2: cannot read the time", "3: cannot save right: valid_until"},
		"name\nAnna Rossi\nanna rossi\n":                                            {"3: a person of this name and flat is in line 2 already", "3: this is the person of line 2"},
	} {
		r, _ := b.brings(list, web.ImportOptions{})
		var got []string
		for _, m := range r.Mistakes {
			got = append(got, fmt.Sprintf("%d: %s", m.Line, m.Text))
		}
		if len(got) != len(want) || r.MistakeCount != len(want) {
			t.Errorf("%q: %q", list, got)
			continue
		}
		for i := range want {
			if !strings.HasPrefix(got[i], want[i]) {
				t.Errorf("%q: %q, want %q", list, got[i], want[i])
			}
		}
		if strings.Contains(strings.Join(got, " "), "471982") {
			t.Error("a code is told")
		}
	}
	if page, err := b.People(web.PeopleQuery{Limit: 10}); err != nil || page.Total != 3 {
		t.Errorf("%+v %v", page, err)
	}
}

func TestWhatAListDoesNotSpeakOfStays(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	ctx := context.Background()
	if err := b.PutGroup(ctx, web.Group{Name: "staff"}, "a"); err != nil {
		t.Fatal(err)
	}
	id := b.save(web.Person{Name: "Anna", Note: "night shift", Flat: "7", Groups: []string{"staff"}, Rights: []access.Right{{Doors: []string{"garage"}}}})
	b.add(web.NewCredential{Person: id, Kind: access.Card, UID: "04A1B2C3"})
	b.brings("name,card\nAnna,04A1B2C4\n", web.ImportOptions{})
	p, err := b.Person(id)
	if err != nil || p.Note != "night shift" || p.Flat != "7" || len(p.Groups) != 1 || len(p.Rights) != 1 || p.Cards != 2 {
		t.Errorf("%+v %v", p, err)
	}
	b.brings("id,name,note,groups,rights\n"+id+",Anna,,,none\n", web.ImportOptions{})
	if p, err = b.Person(id); err != nil || p.Note != "" || len(p.Groups) != 0 || len(p.Rights) != 0 || p.Cards != 2 {
		t.Errorf("%+v %v", p, err)
	}
	// A person whom nobody gave a right to does not get every right by coming in again.
	b.brings("name,doors,valid_until\nAnna,,\n", web.ImportOptions{})
	if p, err = b.Person(id); err != nil || len(p.Rights) != 0 {
		t.Errorf("%+v %v", p, err)
	}
	b.brings("name,doors,valid_until\nAnna,front|garage,2027-01-01\n", web.ImportOptions{})
	if p, err = b.Person(id); err != nil || len(p.Rights) != 1 || len(p.Rights[0].Doors) != 2 || p.Rights[0].Until.Year() != 2027 {
		t.Errorf("%+v %v", p, err)
	}
}

func TestImportThatIsStoppedLeavesWholeRowsAndGoesOn(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	var list strings.Builder
	list.WriteString("name,card,code\n")
	const rows = importBatch + 500
	for i := range rows {
		fmt.Fprintf(&list, "Person %d,04%08X,draw\n", i, i)
	}
	ctx, stop := context.WithCancel(context.Background())
	codes := 0
	r, err := b.ImportPeople(ctx, []byte(list.String()), web.ImportOptions{}, func(p web.ImportProgress) error {
		codes += len(p.Codes)
		stop()
		return nil
	})
	if err != nil || !r.Stopped || r.Added != importBatch || codes != importBatch {
		t.Fatalf("%s stopped %v, %d codes, %v", figures(r), r.Stopped, codes, err)
	}
	b.agrees(t)
	again, more := b.brings(list.String(), web.ImportOptions{})
	if figures(again) != fmt.Sprintf("+500 ~0 =%d -0 !0", importBatch) || len(more) != 500 {
		t.Errorf("%s, %d codes", figures(again), len(more))
	}
	b.agrees(t)
	// Whoever listens no more ends it, too.
	gone := errors.New("the reader went away")
	if _, err := b.ImportPeople(context.Background(), []byte("name\nUgo\n"), web.ImportOptions{}, func(web.ImportProgress) error { return gone }); !errors.Is(err, gone) {
		t.Error(err)
	}
}

func TestOneListIsBroughtInAtATime(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	_, err := b.ImportPeople(context.Background(), []byte("name\nUgo\n"), web.ImportOptions{}, func(web.ImportProgress) error {
		_, err := b.ImportPeople(context.Background(), []byte("name\nIda\n"), web.ImportOptions{}, nil)
		return err
	})
	if !errors.Is(err, web.ErrBusy) {
		t.Error(err)
	}
}

func TestFieldsThatLookLikeFormulasAreGuardedAndComeBack(t *testing.T) {
	for _, field := range []string{"=1+1", "+39 055", "-", "-1", "@x", "'quoted", "plain", ""} {
		l, err := readList([]byte("name,note\nX,"+guardedForTest(field)+"\n"), false)
		if err != nil || l.count != 0 || *l.rows[0].note != field {
			t.Errorf("%q: %+v %v", field, l, err)
		}
	}
}

// guardedForTest writes a field as an export does.
func guardedForTest(field string) string {
	if field != "" && strings.ContainsRune(web.FormulaBegins, rune(field[0])) {
		return "'" + field
	}
	return field
}

func FuzzPeopleList(f *testing.F) {
	for _, seed := range []string{"name,card\nA,04A1B2C3\n", "name;code\nA;draw\n", "\ufeffname\n\"x", `{"people":[{"name":"A","rights":[{}]}]}`, "name,rights\nA,[{}]\n", "name,flat,groups\nA,12,x|y\n"} {
		f.Add([]byte(seed), strings.HasPrefix(seed, "{"))
	}
	f.Fuzz(func(t *testing.T, content []byte, isJSON bool) {
		l, err := readList(content, isJSON)
		if err != nil {
			if !errors.Is(err, web.ErrInvalid) {
				t.Error(err)
			}
			return
		}
		if len(l.mistakes) > maxListed || l.count < len(l.mistakes) {
			t.Errorf("%d mistakes of %d", len(l.mistakes), l.count)
		}
		for _, r := range l.rows {
			if l.count == 0 && (r.name == "" || strings.ContainsAny(r.name, "\n\x00")) {
				t.Errorf("row %+v is taken", r)
			}
		}
	})
}

// A list that is brought in twice is the same as once, whatever it holds and whoever was there.
func TestImportIsIdempotent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBook(t, openStore(t, t.TempDir()))
		b.brings("name,flat,card\nAnna,1,04A1B200\nMarco,,\nUgo,3,04A1B201\n", web.ImportOptions{})
		var list strings.Builder
		list.WriteString("name,flat,card,code,note\n")
		for range rapid.IntRange(1, 6).Draw(rt, "rows") {
			pick := func(of ...string) string { return rapid.SampledFrom(of).Draw(rt, "field") }
			fmt.Fprintf(&list, "%s,%s,%s,%s,%s\n", pick("Anna", "Marco", "Lia", "Ugo"), pick("", "1", "3"), pick("", "04A1B200", "04A1B202", "04A1B203"), pick("", "draw", "8264509"), pick("", "x"))
		}
		o := web.ImportOptions{Replace: rapid.Bool().Draw(rt, "replace")}
		first, _ := b.brings(list.String(), o)
		b.agrees(rt)
		if first.MistakeCount > 0 {
			return
		}
		dry, _ := b.brings(list.String(), web.ImportOptions{DryRun: true, Replace: o.Replace})
		again, codes := b.brings(list.String(), o)
		if figures(dry) != figures(again) || again.Unchanged != again.Rows || len(codes) > 0 || again.Removed > 0 {
			rt.Errorf("%s\nfirst %s, dry %s, again %s", list.String(), figures(first), figures(dry), figures(again))
		}
	})
}
