package ledger_test

import (
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/license"
)

func seat(id int, change func(*ledger.ActivatePackage)) ledger.ActivatePackage {
	c := ledger.ActivatePackage{Root: "company", ID: packageID(id), Label: "Remote App", Grant: []license.Grant{{Feature: license.AppRemote, Count: 1}}, Account: true}
	if change != nil {
		change(&c)
	}
	return c
}

func (w *world) own(user string) ledger.Line {
	w.Helper()
	return w.userState(user).Line(license.AppRemote)
}

// I-3, I-4, R-23: what an account's license gives is its user's, whatever his groups have, and takes nothing of theirs.
func TestALicenseOfAnAccountWaitsAndIsThenItsUsers(t *testing.T) {
	w := residence(t)
	w.do(ledger.AddUser{User: ledger.User{ID: "ada", Mail: "ada@example.org", Groups: []string{"a1"}}}, ledger.AddUser{User: ledger.User{ID: "ben", Groups: []string{"a1"}}})
	before := w.line("company", license.AppRemote)
	w.do(seat(7, nil))
	if w.own("ada").On || w.own("ben").On {
		t.Error("a license that waits gives somebody something")
	}
	w.do(ledger.AssignPackage{ID: packageID(7), User: "ada"})
	if line := w.own("ada"); !line.On || !line.OwnLicense || len(line.Binds) > 0 || !strings.Contains(line.Text, "license of the account") {
		t.Errorf("its user's line: %+v", line)
	}
	if w.own("ben").On || w.line("a1", license.AppRemote).On || w.line("company", license.AppRemote).On != before.On {
		t.Error("others have it too")
	}
	// For seven days it can be somebody else's, then it stays.
	w.now = start.AddDate(0, 0, 6)
	w.do(ledger.AssignPackage{ID: packageID(7), User: "ben"})
	if w.own("ada").On || !w.own("ben").On {
		t.Error("it was not moved")
	}
	w.do(ledger.AssignPackage{ID: packageID(7)}, ledger.AssignPackage{ID: packageID(7), User: "ben"})
	w.now = start.AddDate(0, 0, 8)
	w.refused(ledger.AssignPackage{ID: packageID(7), User: "ada"}, ledger.TooLate, "not transferable")
	w.refused(ledger.AssignPackage{ID: packageID(7)}, ledger.TooLate, "not transferable")
	w.refused(ledger.UndoPackage{ID: packageID(7)}, ledger.TooLate, "could be given back")
	w.do(ledger.RemoveUser{ID: "ben"}) // it leaves with its user
	w.refused(ledger.AssignPackage{ID: packageID(7), User: "ada"}, ledger.TooLate, "not transferable")
	for _, e := range w.book.entries {
		if text := string(e.Before) + string(e.After); strings.Contains(text, "ada@") || strings.Contains(text, "Remote App") {
			t.Errorf("entry %d names more than ids: %s", e.Number, text)
		}
	}
}

func TestALicenseOfAnAccountEndsRevokedUndoneOrByTime(t *testing.T) {
	for name, end := range map[string]func(w *world){
		"undone":  func(w *world) { w.do(ledger.UndoPackage{ID: packageID(7)}) },
		"revoked": func(w *world) { w.do(ledger.RevokePackage{ID: packageID(7)}) },
		"over":    func(w *world) { w.tick(start.AddDate(0, 0, 3)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := residence(t)
			w.do(ledger.AddUser{User: ledger.User{ID: "ada", Groups: []string{"a1"}}})
			until := start.AddDate(0, 0, 3)
			w.do(seat(7, func(c *ledger.ActivatePackage) { c.User, c.Until = "ada", until }))
			if line := w.own("ada"); !line.On || !line.Until.Equal(until) {
				t.Fatalf("%+v", line)
			}
			if next, err := ledger.NextChange(w.book, w.now); err != nil || next.After(until) {
				t.Errorf("the end is no edge: %v, %v", next, err)
			}
			end(w)
			if w.own("ada").On {
				t.Error("it goes on")
			}
			if name == "over" {
				return
			}
			for _, e := range w.book.edges {
				if e.User == "ada" {
					t.Errorf("an edge is left: %+v", e)
				}
			}
		})
	}
}

func TestALicenseOfAnAccountIsForItsAccountAndItsCompany(t *testing.T) {
	w := residence(t)
	w.do(ledger.CreateGroup{Group: ledger.Group{ID: "another", Name: "another"}}, ledger.AddUser{User: ledger.User{ID: "eve", Groups: []string{"another"}}},
		ledger.AddUser{User: ledger.User{ID: "ada", Mail: "ada@example.org", Groups: []string{"a1"}}}, ledger.AddUser{User: ledger.User{ID: "ben", Groups: []string{"a1"}}})
	w.do(seat(7, nil))
	w.refused(ledger.AssignPackage{ID: packageID(7), User: "eve"}, ledger.OtherProject, "another company")
	w.refused(seat(7, func(c *ledger.ActivatePackage) { c.Root = "another" }), ledger.Taken, "another project")
	w.refused(ledger.AssignPackage{ID: packageID(7), User: "nobody"}, ledger.Unknown, "no such user")
	w.refused(seat(8, func(c *ledger.ActivatePackage) { c.Root = "a1" }), ledger.OtherProject, "no company")
	w.do(seat(9, func(c *ledger.ActivatePackage) { c.For = "Ada@Example.org" }))
	w.refused(ledger.AssignPackage{ID: packageID(9), User: "ben"}, ledger.Taken, "sold for the account")
	w.do(ledger.AssignPackage{ID: packageID(9), User: "ada"})
	w.do(seat(10, func(c *ledger.ActivatePackage) { c.For = "ben" })) // named by his id: at once
	if !w.own("ada").On || !w.own("ben").On {
		t.Error("whom it was sold for does not have it")
	}
	if c := w.do(seat(10, nil)); !c.Empty() {
		t.Errorf("entered twice: %+v", c.Entries)
	}
	w.refused(seat(11, func(c *ledger.ActivatePackage) { c.Grant = grants(1, 1) }), ledger.Invalid, "counted down the company's tree")
	w.refused(seat(11, func(c *ledger.ActivatePackage) { c.Renew = packageID(10) }), ledger.Invalid, "renews no package")
	w.do(ledger.RevokePackage{ID: packageID(7)})
	w.refused(ledger.AssignPackage{ID: packageID(7), User: "ada"}, ledger.Taken, "given back or revoked")
	w.refused(seat(7, nil), ledger.Taken, "revoked")
	var listed []string
	for p, err := range w.book.AccountPackages("company", "") {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, p.ID)
	}
	if len(listed) != 3 {
		t.Errorf("listed: %v", listed)
	}
}

func TestALicenseOfAnAccountThatRunsForATermBeginsWhenItIsEntered(t *testing.T) {
	w := residence(t)
	w.do(seat(7, func(c *ledger.ActivatePackage) { c.Term = license.Term{Days: 30} }))
	w.now = start.AddDate(0, 0, 2)
	w.do(ledger.AddUser{User: ledger.User{ID: "ada", Groups: []string{"a1"}}}, ledger.AssignPackage{ID: packageID(7), User: "ada"})
	if until := w.own("ada").Until; !until.Equal(start.AddDate(0, 0, 30)) {
		t.Errorf("it ends %s", until)
	}
}
