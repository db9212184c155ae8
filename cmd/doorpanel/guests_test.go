package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/web"
)

// tuesday is the slot of a guest under test.
var tuesday = web.NewGuest{
	Name: "Plumber", Kind: access.Code, From: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC), Until: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), Uses: 2,
}

// guestBook is a directory on the day before, with a user who lets guests in.
func guestBook(t *testing.T) *book {
	t.Helper()
	b := newBook(t, openStore(t, t.TempDir()))
	b.now = func() time.Time { return tuesday.From.Add(-24 * time.Hour) }
	b.signPass = func(id string, _ guestRecord) (string, error) { return "DG1:" + id, nil }
	if err := b.users.Put("ada", web.User{Name: "ada", Role: web.Resident}); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGuestsCodeAndPassGiveWhatWasAgreed(t *testing.T) {
	b := guestBook(t)
	ctx := context.Background()
	for _, kind := range []access.Kind{access.Code, access.Pass} {
		n := tuesday
		n.Kind, n.Doors = kind, []string{"garage", "front", "garage"}
		g, shown, err := b.MakeGuest(ctx, n, "ada")
		if err != nil {
			t.Fatal(err)
		}
		if kind == access.Pass {
			if shown != "DG1:"+g.ID {
				t.Errorf("%q", shown)
			}
			shown = g.ID
		}
		f, err := b.Facts(kind, shown)
		c := f.Credential
		if err != nil || c.ID != g.ID || c.Uses != 2 || !c.From.Equal(n.From) || !c.Until.Equal(n.Until) || strings.Join(c.Doors, " ") != "front garage" || len(f.Rights) != 1 || !strings.Contains(f.Person, "Plumber") {
			t.Errorf("%s: %+v %v", kind, f, err)
		}
		if err := b.RevokeGuest(ctx, g.ID, "somebody", false); !errors.Is(err, web.ErrNotFound) {
			t.Errorf("another resident withdraws it: %v", err)
		}
		if err := b.RevokeGuest(ctx, g.ID, "ada", false); err != nil {
			t.Fatal(err)
		}
		if f, err := b.Facts(kind, shown); err != nil || !f.Credential.Revoked {
			t.Errorf("withdrawn: %+v %v", f, err)
		}
		if _, err := b.ShowGuest(g.ID, "ada", false); !errors.Is(err, web.ErrNotFound) {
			t.Errorf("a withdrawn one is shown: %v", err)
		}
	}
	if f, err := b.Facts(access.Pass, "0f3a"); err != nil || f.Credential.ID != "" {
		t.Errorf("a pass that nobody gave: %+v %v", f, err)
	}
}

func TestGuestGoesWithWhoeverLetHimIn(t *testing.T) {
	b := guestBook(t)
	ctx := context.Background()
	g, code, err := b.MakeGuest(ctx, tuesday, "ada")
	if err != nil {
		t.Fatal(err)
	}
	opens := func() bool {
		f, err := b.Facts(access.Code, code)
		if err != nil {
			t.Fatal(err)
		}
		return f.Credential.ID == g.ID
	}
	if !opens() {
		t.Fatal("nothing is found")
	}
	if err := b.users.Put("ada", web.User{Name: "ada", Role: web.Installer, Until: b.now()}); err != nil {
		t.Fatal(err)
	}
	if opens() {
		t.Error("the account is over, the guest's code is not")
	}
	if err := b.users.Delete("ada"); err != nil {
		t.Fatal(err)
	}
	if opens() {
		t.Error("the user is gone, the guest's code is not")
	}
}

func TestWrongGuestsAreRefusedInWords(t *testing.T) {
	b := guestBook(t)
	for want, how := range map[string]func(*web.NewGuest){
		"the name is empty":                    func(n *web.NewGuest) { n.Name = " " },
		`there is no door "vault"`:             func(n *web.NewGuest) { n.Doors = []string{"vault"} },
		"write pass or code":                   func(n *web.NewGuest) { n.Kind = access.Card },
		"later than valid_from":                func(n *web.NewGuest) { n.Until = n.From },
		"is over already":                      func(n *web.NewGuest) { n.From, n.Until = n.From.AddDate(-1, 0, 0), n.Until.AddDate(-1, 0, 0) },
		"three months":                         func(n *web.NewGuest) { n.Until = n.From.AddDate(1, 0, 0) },
		"0 uses":                               func(n *web.NewGuest) { n.Uses = 0 },
		"1001 uses":                            func(n *web.NewGuest) { n.Uses = 1001 },
		"code of 13 digits":                    func(n *web.NewGuest) { n.Digits = 13 },
		"with so many codes in use it needs 6": func(n *web.NewGuest) { n.Digits = 4 },
		"it needs at least 10":                 func(n *web.NewGuest) { n.Digits, n.Picture = 9, true },
	} {
		n := tuesday
		how(&n)
		if _, shown, err := b.MakeGuest(context.Background(), n, "ada"); !errors.Is(err, web.ErrInvalid) || !strings.Contains(err.Error(), want) || shown != "" {
			t.Errorf("want %q, not %v", want, err)
		}
	}
	if len(b.notes) != 0 {
		t.Errorf("%+v", b.notes)
	}
	n := tuesday
	n.Picture = true
	if _, code, err := b.MakeGuest(context.Background(), n, "ada"); err != nil || len(code) < access.MinScannedCode {
		t.Errorf("%q %v", code, err)
	}
}

func TestGuestsAreBoundedAndForgottenWhenLongOver(t *testing.T) {
	b := guestBook(t)
	ctx := context.Background()
	var first string
	for i := range maxGuestsOfOne {
		_, code, err := b.MakeGuest(ctx, tuesday, "ada")
		if err != nil {
			t.Fatal(i, err)
		}
		if first == "" {
			first = code
		}
	}
	if _, _, err := b.MakeGuest(ctx, tuesday, "ada"); !errors.Is(err, web.ErrConflict) {
		t.Error(err)
	}
	if _, _, err := b.MakeGuest(ctx, tuesday, rootUser); err != nil {
		t.Error(err)
	}
	if list, err := b.Guests("ada"); err != nil || len(list) != maxGuestsOfOne {
		t.Error(len(list), err)
	}
	b.now = func() time.Time { return tuesday.Until.Add(25 * time.Hour) }
	n := tuesday
	n.From, n.Until = n.From.AddDate(0, 0, 7), n.Until.AddDate(0, 0, 7)
	if _, _, err := b.MakeGuest(ctx, n, "ada"); err != nil {
		t.Fatal(err)
	}
	c, _, err := b.counts.Get(countsKey)
	if err != nil || c.Codes != 1 || fmt.Sprint(b.codeRules.Load().lengths) != "[6]" {
		t.Errorf("%+v %+v %v", c, b.codeRules.Load(), err)
	}
	if f, err := b.Facts(access.Code, first); err != nil || f.Credential.ID != "" {
		t.Errorf("%+v %v", f, err)
	}
}

// Nothing at rest lets a thief in: neither a guest's code nor the text of a pass lies in the store.
func TestStoreDoesNotHoldWhatAGuestShows(t *testing.T) {
	b := guestBook(t)
	_, code, err := b.MakeGuest(context.Background(), tuesday, "ada")
	if err != nil {
		t.Fatal(err)
	}
	n := tuesday
	n.Kind = access.Pass
	if _, _, err := b.MakeGuest(context.Background(), n, "ada"); err != nil {
		t.Fatal(err)
	}
	var image strings.Builder
	if _, err := b.store.WriteTo(&image); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{code, "DG1:"} {
		if strings.Contains(image.String(), secret) {
			t.Errorf("the store holds %q", secret)
		}
	}
}
