package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/web"
)

// draws has a code drawn for somebody and returns what is typed.
func (b *book) draws(person string) (access.Credential, string) {
	b.t.Helper()
	c, code, err := b.AddCredential(context.Background(), web.NewCredential{Person: person, Kind: access.Code}, "admin")
	if err != nil {
		b.t.Fatal(err)
	}
	return c, code
}

func TestDrawnCodesAreNeverWeakNorTheSameAndGrowWithTheirNumber(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	seen := map[string]bool{}
	for n := 1; n <= 250; n++ {
		_, code := b.draws("Anna Rossi")
		// 0.01 x 10^digits / codes is at least 100 tries a day, of which each may mean five codes.
		budget := 0.01 / float64(n*access.DecoyWindows)
		for range code {
			budget *= 10
		}
		if budget < 100 || len(code) < 6 || access.WeakCode(code) != "" || seen[code] || strings.Trim(code, "0123456789") != "" {
			t.Fatalf("code %d is %q: a budget of %v", n, code, budget)
		}
		seen[code] = true
	}
	for code := range seen {
		if b.opens(access.Code, code) != "Anna Rossi" {
			t.Fatalf("%s opens nothing", code)
		}
	}
}

func TestCodeAfterTheFlatsNumberIsShorterWhereManyPeopleLive(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	for flat := range 80 {
		id := b.save(web.Person{Name: fmt.Sprintf("Person %d", flat), Flat: fmt.Sprint(flat + 1)})
		c, code := b.draws(id)
		secret, is := strings.CutPrefix(code, fmt.Sprint(flat+1))
		if !is || len(secret) != 5 || c.Kind != access.Code {
			t.Fatalf("flat %d: %q", flat+1, code)
		}
		if b.opens(access.Code, code) != fmt.Sprintf("Person %d", flat) {
			t.Errorf("%s opens nothing", code)
		}
		// Without the flat it is nobody's; with another flat's, neither, whatever may be typed around a code.
		for _, wrong := range []string{secret, "00" + secret} {
			if who := b.opens(access.Code, wrong); who == fmt.Sprintf("Person %d", flat) {
				t.Errorf("%s opens for %s", wrong, who)
			}
		}
	}
	detail, err := b.Person(b.everybody()[0].ID)
	if err != nil || detail.Credentials[0].Digits != 5 || detail.Credentials[0].Flat == "" || detail.Credentials[0].NeedsDigits != 0 {
		t.Errorf("%+v %v", detail, err)
	}
	// The flat's number may change: what was handed out goes on.
	p := b.everybody()[0]
	_, err = b.PutPerson(context.Background(), web.Person{ID: p.ID, Name: p.Name, Flat: "900"}, "admin")
	if err != nil {
		t.Fatal(err)
	}
	b.agrees(t)
}

func TestDigitsAroundACodeAreNotSeenByWhoeverLooksOverTheShoulder(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	b.add(web.NewCredential{Person: "Anna Rossi", Kind: access.Code, Code: "271829"})
	b.add(web.NewCredential{Person: "Marco Bianchi", Kind: access.Code, Code: "82645093"})
	ctx := context.Background()
	for typed, who := range map[string]string{
		"271829": "Anna Rossi", "9271829": "Anna Rossi", "2718290": "Anna Rossi", "5271829061": "Anna Rossi", "1112718299": "Anna Rossi",
		"11112718299": "", "27182": "", "82645093": "Marco Bianchi", "0182645093": "Marco Bianchi", "826450931234": "Marco Bianchi",
	} {
		if got := b.opens(access.Code, typed); got != who {
			t.Errorf("%s opens for %q, want %q", typed, got, who)
		}
	}
	if err := b.PutAccessSettings(ctx, web.AccessSettings{NoDecoys: true}, "admin"); err != nil {
		t.Fatal(err)
	}
	if b.opens(access.Code, "9271829") != "" || b.opens(access.Code, "271829") != "Anna Rossi" {
		t.Error("digits around a code are heard although that is switched off")
	}
	if again := newBook(t, b.store); again.opens(access.Code, "9271829") != "" || again.opens(access.Code, "271829") == "" {
		t.Error("the next start has forgotten it")
	}
}

func TestCodeThatIsTooShortForSoManyIsRefusedAndLaterShown(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	ctx := context.Background()
	if _, _, err := b.AddCredential(ctx, web.NewCredential{Person: "Anna Rossi", Kind: access.Code, Code: "4719"}, "a"); !errors.Is(err, web.ErrInvalid) || !strings.Contains(err.Error(), "needs 5 digits") {
		t.Error(err)
	}
	if err := b.PutAccessSettings(ctx, web.AccessSettings{NoDecoys: true}, "a"); err != nil {
		t.Fatal(err)
	}
	short := b.add(web.NewCredential{Person: "Anna Rossi", Kind: access.Code, Code: "4719"})
	short = b.needing(short, 0)
	for i := range 10 {
		b.draws(fmt.Sprintf("Person %d", i))
	}
	short = b.needing(short, 6)
	b.shortCodes(10, short.ID+" Anna Rossi 6")
	if b.opens(access.Code, "4719") != "Anna Rossi" {
		t.Error("a code that is too short now stopped by itself")
	}
	made, code, err := b.RedrawCode(ctx, short.ID, "admin")
	if err != nil || len(code) < 6 || made.Person != short.Person || b.opens(access.Code, code) != "Anna Rossi" || b.opens(access.Code, "4719") != "" || made.ID == short.ID {
		t.Errorf("%+v %q %v", made, code, err)
	}
	b.needing(made, 0)
	b.shortCodes(10)
	b.agrees(t)
	for _, id := range []string{short.ID, "pnobody-1", ""} {
		if _, _, err := b.RedrawCode(ctx, id, "admin"); !errors.Is(err, web.ErrNotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// shortCodes fails unless these codes are listed as too short, page by page.
func (b *book) shortCodes(limit int, want ...string) {
	b.t.Helper()
	var got []string
	for after := ""; ; {
		page, err := b.ShortCodes(after, limit)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, c := range page.Credentials {
			got = append(got, fmt.Sprintf("%s %s %d", c.ID, c.Name, c.NeedsDigits))
		}
		if after = page.Next; after == "" {
			break
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		b.t.Errorf("in pages of %d too short are %q, want %q", limit, got, want)
	}
}

func TestEveryCodeThatIsTooShortIsListedOnce(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	ctx := context.Background()
	if err := b.PutAccessSettings(ctx, web.AccessSettings{NoDecoys: true}, "a"); err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 10 {
		name := fmt.Sprintf("Person %d", i%7) // some have two
		made := b.add(web.NewCredential{Person: name, Kind: access.Code, Code: fmt.Sprintf("%05d", 47193+1237*i)})
		b.add(web.NewCredential{Person: name, Kind: access.Card, UID: fmt.Sprintf("04A1B2%02X", i)})
		want = append(want, made.ID+" "+name+" 6")
	}
	b.shortCodes(100)
	b.draws("Person 11")
	for _, limit := range []int{1, 2, 3, 100} {
		b.shortCodes(limit, want...)
	}
}

// needing fails unless a code is shown to need that many digits.
func (b *book) needing(c access.Credential, digits int) access.Credential {
	b.t.Helper()
	p, err := b.Person(c.Person)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, held := range p.Credentials {
		if held.ID == c.ID && held.NeedsDigits != digits {
			b.t.Errorf("%s is shown to need %d digits, want %d", c.ID, held.NeedsDigits, digits)
		}
	}
	return c
}

func TestRedrawnCodeKeepsItsLimits(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	c := b.add(web.NewCredential{Person: "Anna Rossi", Kind: access.Code, Code: "471982", Doors: []string{"garage"}, Uses: 3, Minutes: 60})
	made, _, err := b.RedrawCode(context.Background(), c.ID, "admin")
	if made.ID = c.ID; err != nil || fmt.Sprint(made) != fmt.Sprint(c) {
		t.Errorf("%+v, want %+v: %v", made, c, err)
	}
}

func TestChoosingCodesIsNoWayToFindThoseOfOthers(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	_, secret := b.draws("Anna Rossi")
	var counted []panel.WrongTry
	blocked := time.Duration(0)
	b.wrongTry = func(e panel.WrongTry) { counted = append(counted, e) }
	b.codesBlocked = func() time.Duration { return blocked }
	choose := func(code string) error {
		_, _, err := b.AddCredential(context.Background(), web.NewCredential{Person: "Anna Rossi", Kind: access.Code, Code: code}, "installer")
		return err
	}
	if err := choose(secret); !errors.Is(err, web.ErrConflict) || len(counted) != 1 || counted[0].Source != panel.ByPage || strings.Contains(counted[0].Detail, secret) {
		t.Fatalf("%v, counted %+v", err, counted)
	}
	if err := choose("80417264"); err != nil || len(counted) != 1 {
		t.Fatalf("a free code: %v, counted %+v", err, counted)
	}
	blocked = 30 * time.Second
	for _, code := range []string{secret, "59372618"} {
		if err := choose(code); !errors.Is(err, web.ErrBusy) || !strings.Contains(err.Error(), "30s") {
			t.Errorf("choosing %s during a block: %v", code, err)
		}
	}
	if len(counted) != 1 {
		t.Errorf("a code was looked at during a block: %+v", counted)
	}
	b.draws("Anna Rossi")
}
