package hub

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

// VoucherShelf keeps the signed packages that the hub knows.
type VoucherShelf interface {
	// PutVoucher keeps one durably, in the place of the one with the same ID.
	PutVoucher(fleet.Voucher) error
	// VoucherByCode finds one by the digest of its short code.
	VoucherByCode(digest string) (fleet.Voucher, bool, error)
	// Vouchers are those with an ID above after, by ID, at most limit.
	Vouchers(after string, limit int) ([]fleet.Voucher, error)
}

// PackageAnswer is what came of a presented package.
type PackageAnswer struct {
	LicenseAnswer
	Package ledger.Package  // as it is in the ledger now
	Notices []ledger.Notice // what whoever asked should read
}

// Packages turns signed licenses for groups into what a company may hand out (T-4, T-27). What is believed is what Licenses believes.
// It is safe for concurrent use.
type Packages struct {
	licenses *Licenses
	shelf    VoucherShelf
	ledger   *Ledger
	log      *slog.Logger
	onPanels func(id string) (bool, error)
}

// NewPackages connects the parts; a nil logger is silent.
func NewPackages(licenses *Licenses, shelf VoucherShelf, book *Ledger, log *slog.Logger) (*Packages, error) {
	if licenses == nil || shelf == nil || book == nil {
		return nil, errors.New("cannot set up packages: the licenses, the shelf or the ledger is missing")
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Packages{licenses: licenses, shelf: shelf, ledger: book, log: log}, nil
}

// KeepApart has licenses of accounts refused that are on a panel, as onPanels says. It is called before the first Enter.
func (p *Packages) KeepApart(onPanels func(id string) (bool, error)) { p.onPanels = onPanels }

// PackageEntry is a package, or a license of an account, that somebody enters.
type PackageEntry struct {
	Root  string // the company
	Text  string // DP1: or a short code that is known here
	Renew string // the package of that root whose end this one follows; empty = none
	User  string // whose account's license it is to be; empty = it waits
	By    string
}

// Enter examines a code DP1: or a short code that is known here and activates it at a root. A license of an account belongs to a
// user from then on, or waits for one (I-4). A code that is not good is refused in the answer; a *ledger.Refusal says why the ledger does
// not take a good one. Another error says that it could not be kept.
func (p *Packages) Enter(e PackageEntry) (PackageAnswer, error) {
	text, known, err := p.resolve(e.Text)
	if err != nil {
		return PackageAnswer{}, err
	}
	verdict := p.licenses.examineAtCompany(text, e.Root)
	answer := PackageAnswer{LicenseAnswer: answerOf(verdict)}
	if verdict.Result.Refused() {
		return answer, nil
	}
	token := *verdict.Token
	account := token.Scope == license.ScopeAccount
	if result, why, err := p.misplaced(token, e); err != nil {
		return answer, err
	} else if why != "" {
		answer.LicenseAnswer = refused(answer.LicenseAnswer, result, why)
		return answer, nil
	}
	if !known {
		if err := p.keep(token, text, e.By); err != nil {
			return answer, err
		}
	}
	changes, err := p.ledger.Decide(ledger.Request{Who: e.By}, ledger.ActivatePackage{
		Root: e.Root, ID: token.ID.String(), Label: token.Label, For: string(token.Subject), Grant: token.Grants, From: token.NotBefore,
		Until: token.Expires, Term: token.Term, Renew: e.Renew, Account: account, User: e.User,
	})
	if err != nil {
		return answer, err
	}
	answer.Notices = changes.Notices
	if changes.Empty() {
		answer.Result, answer.Title = license.AlreadyActive, license.AlreadyActive.Title()
	}
	answer.Package, err = p.stored(answer.License)
	answer.Message = saidOf(answer.Package)
	if account && answer.Package.User == "" {
		answer.Message += "; it waits for an account"
	}
	return answer, err
}

// misplaced says why a good license cannot be entered in this way.
func (p *Packages) misplaced(token license.Token, e PackageEntry) (result license.Result, why string, err error) {
	if token.Scope != license.ScopeAccount {
		if e.User != "" {
			why = "this is a package of the company, not a license of an account: enter it without a user"
		}
		return license.NotPossible, why, nil
	}
	if p.onPanels == nil {
		return "", "", nil
	}
	there, err := p.onPanels(token.ID.String())
	if there {
		why = "this license is used on a panel: an account has it there"
	}
	return license.UsedElsewhere, why, err
}

// Stock makes a package known here before it is used, so that its short code is enough to activate it. A code that is not good is
// refused in the answer.
func (p *Packages) Stock(text, by string) (LicenseAnswer, error) {
	token, verdict := p.licenses.examineAnywhere(strings.TrimSpace(text))
	answer := answerOf(verdict)
	if verdict.Result.Refused() {
		return answer, nil
	}
	answer.Message = "Known here now. Its short code is " + token.ID.ShortCode().String() + "."
	return answer, p.keep(token, strings.TrimSpace(text), by)
}

// resolve finds the text that a short code stands for. One that is not known here stays as it is, and is refused in the words for it.
func (p *Packages) resolve(text string) (_ string, known bool, err error) {
	text = strings.TrimSpace(text)
	code, err := license.ParseShortCode(text)
	if err != nil {
		return text, false, nil
	}
	token, known, err := p.shelf.VoucherByCode(code.Digest())
	if err != nil {
		return text, false, fmt.Errorf("cannot look up the short code: %w; nothing was changed, try again", err)
	}
	if !known {
		return text, false, nil
	}
	return string(token.Text), true, nil
}

func (p *Packages) keep(token license.Token, text, by string) error {
	err := p.shelf.PutVoucher(fleet.Voucher{
		ID: token.ID.String(), Code: token.ID.ShortCode().Digest(), Text: []byte(text), Added: p.ledger.o.Now().UTC().Truncate(time.Second), By: by,
	})
	if err != nil {
		return fmt.Errorf("cannot keep the package: %w; nothing was changed, try again", err)
	}
	return nil
}

func (p *Packages) stored(id string) (found ledger.Package, err error) {
	err = p.ledger.Look(func(book ledger.Book) error {
		found, _, err = book.Package(id)
		return err
	})
	return found, err
}

// saidOf says what a package gives: "50 SIP numbers, 40 applications, until 2027-11-22".
func saidOf(p ledger.Package) string {
	var parts []string
	for _, g := range p.Grants {
		f := license.Describe(g.Feature)
		if f.Counted {
			parts = append(parts, fmt.Sprintf("%d %s", g.Count, f.Title))
		} else {
			parts = append(parts, f.Title)
		}
	}
	text := strings.Join(parts, ", ")
	if !p.From.Equal(p.Activated) {
		text += ", from " + p.From.Format(time.DateOnly)
	}
	if !p.Until.IsZero() {
		text += ", until " + p.Until.Format(time.DateOnly)
	}
	return text
}

// EnterPaper takes a delegation or a revocation list, and ends the packages that the list names.
func (p *Packages) EnterPaper(text, by string) (LicenseAnswer, error) {
	answer, err := p.licenses.enterPaper(text, by)
	if err != nil || answer.Result.Refused() {
		return answer, err
	}
	return answer, p.Review()
}

const vouchersAtOnce = 200

// Review ends what its issuer revoked of the packages that are in use. It is called at the start, and whenever a revocation list came.
func (p *Packages) Review() error {
	for after := ""; ; {
		vouchers, err := p.shelf.Vouchers(after, vouchersAtOnce)
		if err != nil {
			return fmt.Errorf("cannot read the packages: %w", err)
		}
		for _, t := range vouchers {
			after = t.ID
			if err := p.review(t); err != nil {
				return err
			}
		}
		if len(vouchers) < vouchersAtOnce {
			return nil
		}
	}
}

func (p *Packages) review(t fleet.Voucher) error {
	used, err := p.stored(t.ID)
	if err != nil || used.ID == "" || !used.Undone.IsZero() || !used.Revoked.IsZero() {
		return err
	}
	verdict := p.licenses.examineAtCompany(string(t.Text), used.Root)
	switch verdict.Result {
	case license.Revoked:
		p.log.Warn("a package was revoked by its issuer", "package", t.ID, "root", used.Root)
		_, err := p.ledger.Decide(ledger.Request{Who: "hub"}, ledger.RevokePackage{ID: t.ID})
		return err
	case license.Activated, license.Expired:
	default:
		// Bought is bought: a root that was taken out of the file, or a damaged copy, ends nothing by itself.
		p.log.Error("a package in use cannot be verified any more", "package", t.ID, "root", used.Root, "cause", verdict.Message)
	}
	return nil
}

// examineAtCompany examines a license for a company: a package, or a license of an account.
func (l *Licenses) examineAtCompany(text, group string) license.Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	verdict := license.ExamineGroup(text, l.ring, group, l.o.Clock())
	if verdict.Token != nil && verdict.Token.Scope == license.ScopeAccount {
		verdict = license.ExamineAccount(text, l.ring, l.o.Clock())
	}
	return verdict
}

// examineAnywhere examines a license for whichever group or account it names.
func (l *Licenses) examineAnywhere(text string) (license.Token, license.Verdict) {
	verdict := l.examineAtCompany(text, "")
	if verdict.Token == nil {
		return license.Token{}, verdict
	}
	if name := verdict.Token.For(); name != "" && verdict.Token.Scope == license.ScopeGroup {
		verdict = l.examineAtCompany(text, name)
	}
	return *verdict.Token, verdict
}

// enterPaper keeps a delegation or a revocation list.
func (l *Licenses) enterPaper(text, by string) (LicenseAnswer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	clock := l.o.Clock()
	verdict := license.Examine(text, l.ring, license.Panel{Key: l.o.Key}, clock, l.papers, "")
	answer := answerOf(verdict)
	if verdict.Kind != envelope.Delegation && verdict.Kind != envelope.Revocation {
		return refused(answer, license.NotPossible, "this is no delegation and no revocation list"), nil
	}
	return answer, l.keepPapers(verdict, by)
}
