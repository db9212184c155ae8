package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

func rowForms(edition string, more ...string) string {
	form := url.Values{"edition": {edition}, "whole": {"on"}}
	for i := 0; i+1 < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form.Encode()
}

func editionOfRow(f *hubFake, id string) string {
	g := f.tree.groups[id]
	return editionOf([]any{g.Name, g.Limits})
}

func TestARowOfTheTreeIsSavedAsOneOrNotAtAll(t *testing.T) {
	for _, c := range []struct {
		name, group string
		fields      []string
		status      int
		says        string
		is          string // the name then
		numbers     int
	}{
		{"name and counts", "harbor", []string{"name", "Harbor 7", "sip_numbers", "9", "apps", "4"}, http.StatusSeeOther, "", "Harbor 7", 9},
		{"the name alone", "harbor", []string{"name", "Harbor 7", "sip_numbers", "6", "apps", "4"}, http.StatusSeeOther, "", "Harbor 7", 6},
		{"counts below what is in use", "harbor", []string{"name", "Harbor 7", "sip_numbers", "5", "apps", "4"}, http.StatusUnprocessableEntity, "6 in use, cannot lower to 5", "Harbor Street 7", 6},
		{"no number", "harbor", []string{"name", "Harbor 7", "sip_numbers", "six", "apps", "4"}, http.StatusUnprocessableEntity, "SIP numbers: write a whole number", "Harbor Street 7", 6},
		{"no name", "harbor", []string{"name", " ", "sip_numbers", "6", "apps", "4"}, http.StatusUnprocessableEntity, "name", "Harbor Street 7", 6},
		{"counts where nothing is restricted", "mill", []string{"name", "Mill", "sip_numbers", "9"}, http.StatusSeeOther, "", "Mill", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newHubFake()
			residences(t, f)
			admin := as(t, newServer(t, f), f, roles.Administrator)
			page := admin.want(c.status, "POST", "/groups/"+c.group+"/row", rowForms(editionOfRow(f, c.group), c.fields...))
			if !strings.Contains(page, c.says) || c.status != http.StatusSeeOther && !strings.Contains(page, `value="`+c.fields[1]+`"`) {
				t.Errorf("the row does not say %q, or has lost what was typed: %s", c.says, page)
			}
			g := f.tree.groups[c.group]
			numbers := 0
			for _, b := range g.Blocks {
				numbers += b.Counts[ledger.SIPNumbers]
			}
			if g.Name != c.is || numbers != c.numbers {
				t.Errorf("it is %q with %d numbers, want %q with %d", g.Name, numbers, c.is, c.numbers)
			}
		})
	}
}

func TestARowIsNotSavedFromAnOlderPageNorFromHalfAForm(t *testing.T) {
	f := newHubFake()
	residences(t, f)
	admin := as(t, newServer(t, f), f, roles.Administrator)
	drawn := editionOfRow(f, "harbor")
	half := url.Values{"edition": {drawn}, "name": {"Half"}}
	admin.want(http.StatusBadRequest, "POST", "/groups/harbor/row", half.Encode())
	admin.want(http.StatusSeeOther, "POST", "/groups/harbor/row", rowForms(drawn, "name", "First", "sip_numbers", "6", "apps", "4"))
	page := admin.want(http.StatusUnprocessableEntity, "POST", "/groups/harbor/row", rowForms(drawn, "name", "Second", "sip_numbers", "6", "apps", "4"))
	if !strings.Contains(page, "Somebody else has changed") || f.tree.groups["harbor"].Name != "First" {
		t.Errorf("the group is %q after a form of an older page", f.tree.groups["harbor"].Name)
	}
}

func TestARowOffersWhatItsReaderMayChange(t *testing.T) {
	f := newHubFake()
	residences(t, f)
	s := newServer(t, f)
	dealer := named(t, s, f, "dora", roles.Dealer, "harbor")
	if page := dealer.want(http.StatusOK, "GET", "/groups/harbor/row?edit=yes", nil); !strings.Contains(page, `name="name"`) || !strings.Contains(page, `name="sip_numbers"`) {
		t.Error("a dealer cannot write into the row of a group of theirs")
	}
	if page := dealer.want(http.StatusOK, "GET", "/groups/flat-1/row?edit=yes", nil); strings.Contains(page, `name="sip_numbers"`) {
		t.Error("a group without a license of its own shows counts to write in")
	}
	dealer.want(http.StatusNotFound, "GET", "/groups/a-residence/row?edit=yes", nil)
	dealer.want(http.StatusNotFound, "POST", "/groups/a-residence/row", rowForms(editionOfRow(f, "a-residence"), "name", "Mine"))
	manager := named(t, s, f, "mara", roles.Management, "harbor")
	if page := manager.want(http.StatusOK, "GET", "/groups?at=harbor", nil); strings.Contains(page, "/row?edit") {
		t.Error("who may change nothing is offered to")
	}
	manager.want(http.StatusForbidden, "GET", "/groups/harbor/row?edit=yes", nil)
	manager.want(http.StatusForbidden, "POST", "/groups/harbor/row", rowForms(editionOfRow(f, "harbor"), "name", "Mine", "sip_numbers", "9", "apps", "4"))
	if g := f.tree.groups["harbor"]; g.Name != "Harbor Street 7" || g.Blocks[0].Counts[ledger.SIPNumbers] != 6 {
		t.Errorf("harbor is %q with %v", g.Name, g.Blocks[0].Counts)
	}
}

// TestTheTreeIsEditedByKeyboard opens, renames, is refused, gives up and saves without a pointer, and never loses its place.
func TestTheTreeIsEditedByKeyboard(t *testing.T) {
	f := newHubFake()
	residences(t, f)
	s := newServer(t, f)
	as(t, s, f, roles.Administrator)
	url := serveReal(t, s)
	b := newBrowser(t)
	b.do(chromedp.EmulateViewport(1280, 900))
	b.enter(url)
	b.do(chromedp.Focus(chromedp.CSS("#t-acme")), chromedp.KeyEvent(kb.Enter))
	b.says("Harbor Street 7")
	b.at("the branch that was opened", `document.activeElement.id === "t-acme"`)
	pen := `#g-harbor > .node .pen`
	b.do(chromedp.Focus(chromedp.CSS(pen)), chromedp.KeyEvent(kb.Enter))
	b.says("level, place, archive")
	b.at("the first field", `document.activeElement.name === "name"`)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.gone("level, place, archive")
	b.at("the row that was left", `document.activeElement.matches("`+pen+`")`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.says("level, place, archive")
	b.fill("sip_numbers", "5")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.says("6 in use, cannot lower to 5")
	b.fill("name", "Harbor Street 9")
	b.fill("sip_numbers", "8")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.gone("level, place, archive")
	b.says("Harbor Street 9")
	b.at("the row that was saved", `document.activeElement.matches("`+pen+`")`)
	if g := read(f, func() ledger.Group { return f.tree.groups["harbor"] }); g.Name != "Harbor Street 9" || g.Blocks[0].Counts[ledger.SIPNumbers] != 8 {
		t.Errorf("saved is %q with %v", g.Name, g.Blocks[0].Counts)
	}
	b.quiet("status of 422")
}

// at waits until something holds in the page.
func (b *browser) at(what, script string) {
	b.t.Helper()
	if _, ok := b.shows(func(string) bool {
		is, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](script))
		return err == nil && is
	}); !ok {
		b.t.Errorf("the keyboard is not at %s", what)
	}
}
