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

// Enter examines a code DP1: or a short code that is known here and activates it at a root; renew names a package of that root whose
// end this one follows, empty = none. A code that is not good is refused in the answer; a *ledger.Refusal says why the ledger does
// not take a good one. Another error says that it could not be kept.
func (p *Packages) Enter(root, text, renew, by string) (PackageAnswer, error) {
	text, known, err := p.resolve(text)
	if err != nil {
		return PackageAnswer{}, err
	}
	verdict := p.licenses.examineGroup(text, root)
	answer := PackageAnswer{LicenseAnswer: answerOf(verdict)}
	if verdict.Result.Refused() {
		return answer, nil
	}
	token := *verdict.Token
	if !known {
		if err := p.keep(token, text, by); err != nil {
			return answer, err
		}
	}
	changes, err := p.ledger.Decide(ledger.Request{Who: by}, ledger.ActivatePackage{
		Root: root, ID: token.ID.String(), Label: token.Label, For: string(token.Subject), Grant: token.Grants, From: token.NotBefore,
		Until: token.Expires, Term: token.Term, Renew: renew,
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
	return answer, err
}

// Stock makes a package known here before it is used, so that its short code is enough to activate it. A code that is not good is
// refused in the answer.
func (p *Packages) Stock(text, by string) (LicenseAnswer, error) {
	token, verdict := p.licenses.examineAnyGroup(strings.TrimSpace(text))
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
	verdict := p.licenses.examineGroup(string(t.Text), used.Root)
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

// examineGroup examines a license for a group.
func (l *Licenses) examineGroup(text, group string) license.Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	return license.ExamineGroup(text, l.ring, group, l.o.Clock())
}

// examineAnyGroup examines a license for whichever group it names.
func (l *Licenses) examineAnyGroup(text string) (license.Token, license.Verdict) {
	l.mu.Lock()
	defer l.mu.Unlock()
	verdict := license.ExamineGroup(text, l.ring, "", l.o.Clock())
	if verdict.Token == nil {
		return license.Token{}, verdict
	}
	if name := verdict.Token.For(); name != "" {
		verdict = license.ExamineGroup(text, l.ring, name, l.o.Clock())
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
