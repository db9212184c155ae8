package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

type (
	// assignRequest says whose a license of an account is.
	assignRequest struct {
		User string `json:"user"` // empty: it waits again
	}
	// personLicenseRequest is the same from a user's page.
	personLicenseRequest struct {
		Package  string `json:"package"`
		TakeBack bool   `json:"take_back,omitempty"`
	}
	// ownRow is a license of an account.
	ownRow struct {
		ledger.Package
		gives     string
		whose     string    // the user's name, as far as the caller may know it; empty: it waits
		undoUntil time.Time // it can be given back before; zero: too late
		until     time.Time // it can be changed before; zero: it is somebody's for good
	}
	// personOwn is what a user's page says of the licenses of his account.
	personOwn struct {
		company string // empty: the caller may not enter any
		has     []ownRow
		waiting []ownRow
	}
)

// giveWords are the features that a license switches on.
func giveWords(p ledger.Package) string {
	var words []string
	for _, grant := range p.Grants {
		for _, f := range ledger.Features() {
			if f.Name == grant.Feature {
				words = append(words, f.Title)
			}
		}
	}
	return listWords(words)
}

func (v *visit) ownRow(book ledger.Book, p ledger.Package) (ownRow, error) {
	row := ownRow{Package: p, gives: giveWords(p)}
	now := v.s.o.Now()
	if last := p.Activated.AddDate(0, 0, undoDays); now.Before(last) {
		row.undoUntil = last
	}
	if last := p.Assigned.AddDate(0, 0, undoDays); now.Before(last) || p.Assigned.IsZero() {
		row.until = last
	}
	if p.User == "" {
		return row, nil
	}
	row.whose = "an account"
	person, err := v.findPerson(book, p.User)
	if err == nil {
		row.whose = person.Name
	} else if asDetails(err) == nil {
		return row, err
	}
	return row, nil
}

// ownRows are the licenses of accounts that were entered at a company and are in use or wait. Whose they are is told to those who may
// know him; the id stays out as well.
func (v *visit) ownRows(book ledger.Book, g groupView) (rows []ownRow, err error) {
	for p, err := range book.AccountPackages(g.ID, "") {
		if err != nil || len(rows) == maxList {
			return rows, err
		}
		if !p.Undone.IsZero() || !p.Revoked.IsZero() {
			continue
		}
		row, err := v.ownRow(book, p)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// personOwn are the licenses of a user's account, and those that wait where the caller may associate them.
func (v *visit) personOwn(book ledger.Book, p personView) (own personOwn, err error) {
	company, err := v.findGroup(book, p.Root)
	if err == nil && company.may(roles.EnterPackages) && p.may(roles.EditUserLicenses) {
		own.company = company.ID
	} else if err != nil && asDetails(err) == nil {
		return own, err
	}
	for _, b := range p.Own {
		pack, _, err := book.Package(b.Package)
		if err != nil {
			return own, err
		}
		row, err := v.ownRow(book, pack)
		if err != nil {
			return own, err
		}
		own.has = append(own.has, row)
	}
	if own.company == "" {
		return own, nil
	}
	all, err := v.ownRows(book, company)
	for _, row := range all {
		if row.User == "" && (row.For == "" || row.For == p.ID || strings.EqualFold(row.For, p.Mail)) {
			own.waiting = append(own.waiting, row)
		}
	}
	return own, err
}

// mayGiveTo refuses whoever may not give licenses to a user.
func (v *visit) mayGiveTo(id string) error {
	return v.s.o.Ledger.Look(func(book ledger.Book) error {
		p, err := v.findPerson(book, id)
		if err == nil && !p.may(roles.EditUserLicenses) {
			err = notAllowedIn(roles.EditUserLicenses, "every group of "+p.Name)
		}
		return err
	})
}

// assign associates a license of an account at the company with a user; empty lets it wait again.
func (v *visit) assign(g groupView, pack ledger.Package, user string) error {
	for _, id := range []string{pack.User, user} {
		if id == "" {
			continue
		}
		if err := v.mayGiveTo(id); err != nil && (id == user || asDetails(err) == nil || asDetails(err).Status != http.StatusNotFound) {
			return err // that the one before moved out meanwhile is no hindrance
		}
	}
	_, err := v.decide(g, ledger.AssignPackage{ID: pack.ID, User: user})
	return err
}

func (s *Server) doAPIAssign(v *visit, in assignRequest) (outcome, error) {
	g, pack, err := v.packageAt()
	if err != nil {
		return outcome{}, err
	}
	if err := v.assign(g, pack, in.User); err != nil {
		return outcome{}, err
	}
	var answer paperAnswer
	err = s.o.Ledger.Look(func(book ledger.Book) error {
		now, _, err := book.Package(pack.ID)
		if err != nil {
			return err
		}
		row, err := v.ownRow(book, now)
		answer = paperAnswer{row.Package, row.undoUntil}
		return err
	})
	return outcome{Body: answer}, err
}

func (s *Server) doPersonLicense(v *visit, in personLicenseRequest) (outcome, error) {
	p, err := v.personAt(roles.EditUserLicenses)
	if err != nil {
		return outcome{}, err
	}
	var g groupView
	var pack ledger.Package
	err = s.o.Ledger.Look(func(book ledger.Book) (err error) {
		if g, err = v.needGroup(book, p.Root, roles.EnterPackages); err != nil {
			return err
		}
		there := false
		pack, there, err = book.Package(in.Package)
		if err == nil && (!there || pack.Root != p.Root || in.TakeBack && pack.User != p.ID) {
			err = notThere()
		}
		return err
	})
	if err != nil {
		return outcome{}, err
	}
	user, said := p.ID, "The license is "+p.Name+"'s now. For "+plural(undoDays, "day", "days")+" this can be changed."
	if in.TakeBack {
		user, said = "", "The license waits for another account."
	}
	return outcome{Said: said, Back: at("people", p.ID)}, v.assign(g, pack, user)
}
