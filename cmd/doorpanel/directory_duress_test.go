package main

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/web"
)

func TestACodeUnderDuressLooksLikeTheOneBesideIt(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	ctx := context.Background()
	c, own, err := b.AddCredential(ctx, web.NewCredential{Person: "Lia Verdi", Kind: access.Code, Doors: []string{"front"}}, "admin")
	if err != nil {
		t.Fatal(err)
	}
	duress, err := b.DrawDuressCode(ctx, c.ID, "admin")
	if err != nil || access.DuressFault(own, duress) != "" {
		t.Fatalf("%q %v: %s", duress, err, access.DuressFault(own, duress))
	}
	find := func(typed string) panel.Facts {
		t.Helper()
		f, err := b.Facts(access.Code, typed)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	calm, forced := find(own), find(duress)
	if calm.Duress || !forced.Duress {
		t.Errorf("duress %v and %v", calm.Duress, forced.Duress)
	}
	if forced.Duress = false; forced.Credential.ID != calm.Credential.ID || forced.Person != calm.Person || !slices.Equal(forced.Credential.Doors, calm.Credential.Doors) || len(forced.Rights) != len(calm.Rights) {
		t.Errorf("under duress %+v, else %+v", forced, calm)
	}
	if f, err := b.Facts(access.Card, duress); err != nil || f.Credential.ID != "" {
		t.Errorf("a card with the digits of a code: %+v %v", f, err)
	}
	for _, note := range b.notes {
		if note.Detail != "code added" && note.Detail != "code saved" {
			t.Errorf("noted %q", note.Detail)
		}
	}

	// Nobody else gets these digits, and another draw takes their place.
	if _, _, err := b.AddCredential(ctx, web.NewCredential{Person: "Ugo Neri", Kind: access.Code, Code: duress}, "admin"); !errors.Is(err, web.ErrConflict) {
		t.Error(err)
	}
	second, err := b.DrawDuressCode(ctx, c.ID, "admin")
	if err != nil {
		t.Fatal(err)
	}
	if second != duress && find(duress).Credential.ID != "" {
		t.Error("the duress code before still opens")
	}
	if f := find(second); !f.Duress || f.Credential.ID != c.ID {
		t.Errorf("%+v", f)
	}
	if err := b.DropDuressCode(ctx, c.ID, "admin"); err != nil || find(second).Credential.ID != "" || find(own).Credential.ID == "" {
		t.Error("it still opens, or the other does not", err)
	}
	if err := b.DropDuressCode(ctx, c.ID, "admin"); err != nil {
		t.Error(err)
	}
}

func TestACodeUnderDuressGoesWithTheOneBesideIt(t *testing.T) {
	for name, end := range map[string]func(b *book, c access.Credential) error{
		"withdrawn": func(b *book, c access.Credential) error {
			return b.RemoveCredential(context.Background(), c.ID, "admin")
		},
		"moved out": func(b *book, c access.Credential) error {
			return b.DeletePeople(context.Background(), []string{c.Person}, "admin")
		},
		"drawn anew": func(b *book, c access.Credential) error {
			_, _, err := b.RedrawCode(context.Background(), c.ID, "admin")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t, openStore(t, t.TempDir()))
			var removed []panel.Removed
			b.removed = func(e panel.Removed) { removed = append(removed, e) }
			c := b.add(web.NewCredential{Person: "Lia Verdi", Kind: access.Code, Uses: 5})
			code, err := b.DrawDuressCode(context.Background(), c.ID, "admin")
			if err != nil {
				t.Fatal(err)
			}
			if err := end(b, c); err != nil {
				t.Fatal(err)
			}
			if f, err := b.Facts(access.Code, code); err != nil || f.Credential.ID != "" {
				t.Errorf("it still opens: %+v %v", f, err)
			}
			if len(removed) != 1 || !slices.Equal(removed[0].Credentials, []string{c.ID}) || (name == "moved out") != slices.Equal(removed[0].People, []string{c.Person}) {
				t.Errorf("the machine was told %+v", removed)
			}
		})
	}
}

func TestDuressCodesStandBesideCodesAlone(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	card := b.add(web.NewCredential{Person: "Lia Verdi", Kind: access.Card, UID: "04FF0001"})
	for _, id := range []string{card.ID, "", "nobody-1", card.Person, card.Person + "-9"} {
		if _, err := b.DrawDuressCode(context.Background(), id, "admin"); !errors.Is(err, web.ErrNotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestMoreGuessesADayMakeLongerCodes(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	s := web.AccessSettings{NoDecoys: true}
	few := b.digitsFor(50, s)
	b.guesses = 1000
	if many := b.digitsFor(50, s); many != few+1 {
		t.Errorf("%d digits for 100 guesses a day, %d for 1000", few, many)
	}
}
