package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/qr"
)

type releaseFlags struct {
	key, rootKey           keyFlags
	trust                  trustFlags
	sold                   []string
	reason, panel, to      string
	proof, activated       string
	holder, approved       string
	history, book, picture string
	asJSON                 bool
}

// toBearer is what --to says for a license that belongs to whoever activates it first.
const toBearer = "bearer"

func releaseCommand(d desk) *cobra.Command {
	var f releaseFlags
	cmd := &cobra.Command{
		Use:   "release LICENSE|FILE --reason dead|wrong --key FILE ...",
		Short: "Take a license off a dead or wrongly scanned panel, and replace it",
		Long: `Replace a license whose panel is dead, or was the wrong one: a new license of the same content and the remaining time, and the old one on the
revocation list. LICENSE is the code, a file with it, its picture, or with --sold its id or short code.

A panel that still works gives the license up itself (doorpanel license release) and shows a code, DF1:...; with --proof nothing needs to be revoked when the
license was bound to that panel, and the remaining time is exact. For a license that is bound to nobody name the panel with --panel as well, because anybody can make
a key up; it needs no replacement then: its paper and the proof activate it on another panel.
Without a proof the release is forced. For one holder's licenses from one issuer two are possible in a calendar year; more need the distributor:
--distributor-approved=NAME. Forced releases are counted in the book of releases (--book), which also makes a run that was interrupted go on.

The list is signed with the root's key: --root-key, or --key when that is the root. A license with a term needs the day since when it ran: from the proof, or with
--activated (the panel's page, its journal or an export say it; "never" when it was not activated).`,
		Example: `  doorlicense release villa.png --reason dead --key root.key --history revoked.txt --to am4wegjdp522mtysv237hfzdvm
  doorlicense release 000102030405060708090a0b0c0d0e0f --sold stock.jsonl --reason dead --activated 2026-03-01 --key north.key --root-key root.key --history revoked.txt
  doorlicense release villa.png --reason wrong --proof DF1:... --key north.key --to am4wegjdp522mtysv237hfzdvm`,
		Args: exactly(1, "one license: its text, file, picture, or with --sold its id"),
		RunE: func(_ *cobra.Command, args []string) error {
			if f.reason != "dead" && f.reason != "wrong" {
				return usage("--reason is missing: say dead (the panel is lost) or wrong (another one should have it)")
			}
			return f.run(d, args[0])
		},
	}
	f.key.register(cmd, "who signs the new license")
	f.trust.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.rootKey.file, "root-key", "", "key file of the root, which signs the list")
	flags.StringVar(&f.rootKey.passphraseFile, "root-passphrase-file", "", "file with that key file's passphrase (default: ask on the terminal)")
	flags.StringVar(&f.reason, "reason", "", "dead or wrong")
	flags.StringVar(&f.panel, "panel", "", "id of the panel that it is taken from")
	flags.StringVar(&f.to, "to", "", "id of the panel that gets it, or bearer (default: as it was, when it was bound to no panel)")
	flags.StringVar(&f.proof, "proof", "", "the panel's own release, DF1:..., as text, file or picture")
	flags.StringVar(&f.activated, "activated", "", "day since when a license with a term ran, or never")
	flags.StringArrayVar(&f.sold, "sold", nil, "file of licenses in which an id or short code is looked up; may be repeated")
	flags.StringVar(&f.holder, "holder", "", "whose license it is, for counting (default: what it is bound to, or its label)")
	flags.StringVar(&f.approved, "distributor-approved", "", "who at the distributor approved a third forced release in a year")
	flags.Lookup("distributor-approved").NoOptDefVal = "yes"
	flags.StringVar(&f.history, "history", "", "file with all revocation lists; the new one is added")
	flags.StringVar(&f.book, "book", "releases.jsonl", "book of releases; it is made with the first")
	flags.StringVar(&f.picture, "out", "", "picture of the new license to draw, .png or .svg")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	return cmd
}

// releaseResult is what a release prints.
type releaseResult struct {
	Old       string `json:"old"`
	New       string `json:"new,omitempty"`
	ShortCode string `json:"short_code,omitempty"`
	Holds     string `json:"holds,omitempty"`
	Text      string `json:"text,omitempty"`
	Picture   string `json:"picture,omitempty"`
	Forced    bool   `json:"forced"`
	Holder    string `json:"holder,omitempty"`
	ThisYear  int    `json:"forced_this_year"` // of that holder, with this one
	Allowed   int    `json:"forced_allowed"`
	List      uint64 `json:"list,omitempty"` // number of the list that has the old license
	ListText  string `json:"list_text,omitempty"`
	Message   string `json:"message"`
}

// releaseDesk is everything a release needs, opened and checked.
type releaseDesk struct {
	desk
	key, root signingKey // root.private is nil when there is none
	standing  standing
	old       soldLicense
	verdict   license.Verdict // on the old license, under the lists that were named
	behind    string          // envelope.KeyText of the root behind it
	proof     *license.Activation
	now       time.Time
}

// bound tells that only one panel could ever use the old license.
func (r releaseDesk) bound() bool {
	return r.old.Scope == license.ScopePanel && len(r.old.Subject) > 0
}

func (f releaseFlags) run(d desk, named string) (err error) {
	r, err := f.open(d, named)
	if err != nil {
		return err
	}
	if r.proof != nil && !r.bound() && (f.to == "" || f.to == toBearer) {
		return f.print(d, releaseResult{
			Old: r.old.ID.String(), Allowed: forcedPerYear,
			Message: "Nothing to issue: the panel gave it up, and it is bound to no other. Scan its paper and the panel's release on the right panel.",
		})
	}
	kept, err := openBook(f.book)
	if err != nil {
		return err
	}
	defer func() { err = kept.close(err) }()
	entry, begun := kept.of(r.old.ID)
	if begun {
		err = r.sameAs(entry, f)
	} else {
		entry, err = f.plan(r, kept)
	}
	if err != nil {
		return err
	}
	var lists *history
	if entry.Revoke || f.history != "" && r.root.private != nil {
		if lists, err = f.openLists(r); err != nil {
			return err
		}
		defer func() { err = lists.close(err) }()
	}
	if !begun {
		if err := r.notRevoked(lists); err != nil {
			return err
		}
		if err := kept.add(entry); err != nil {
			return err
		}
	}
	result := releaseResult{
		Old: entry.License, New: entry.New, ShortCode: entry.ShortCode, Holds: entry.Holds, Text: entry.Text, Forced: entry.Forced, Holder: entry.Holder,
		ThisYear: kept.forced(entry.Issuer, entry.Holder, entry.At.Year()), Allowed: forcedPerYear,
	}
	if entry.Revoke {
		if result.List, result.ListText, err = r.revoke(lists); err != nil {
			return err
		}
	}
	if result.Picture = f.picture; f.picture != "" {
		if err := drawCode(entry.Text, f.picture, entry.ShortCode, qr.Options{}); err != nil {
			return err
		}
	}
	result.Message = entry.message(result, begun)
	return f.print(d, result)
}

// open finds and verifies the license, the keys and the proof.
func (f releaseFlags) open(d desk, named string) (releaseDesk, error) {
	r := releaseDesk{desk: d, now: d.now().UTC().Truncate(time.Second)}
	var err error
	if r.key, err = d.loadKey(f.key); err != nil {
		return r, err
	}
	if r.standing, err = f.trust.standingOf(d, r.key, f.key.file); err != nil {
		return r, err
	}
	switch f.rootKey.file {
	case "":
	case f.key.file:
		r.root = r.key
	default:
		if r.root, err = d.loadKey(f.rootKey); err != nil {
			return r, err
		}
	}
	ring, err := f.ring(r)
	if err != nil {
		return r, err
	}
	if r.old, err = d.findSold(named, f.sold, ring); err != nil {
		return r, fmt.Errorf("cannot release %s: %w", shortened(named), err)
	}
	r.verdict = license.Examine(r.old.text, ring, license.Panel{}, license.Clock{}, nil, "")
	r.behind = r.verdict.Root
	if r.root.private == nil && envelope.KeyText(r.key.pub) == r.behind {
		r.root = r.key
	}
	return r, f.checkProof(&r)
}

// ring holds every root that may stand behind the license: those that are named, in files too, and the keys at hand.
func (f releaseFlags) ring(r releaseDesk) (license.Keyring, error) {
	p, err := f.trust.papers(r.desk)
	if err != nil {
		return license.Keyring{}, err
	}
	if beside := besideKey(f.key.file); exists(beside) {
		kept, err := r.readPapers(beside)
		if err != nil {
			return license.Keyring{}, err
		}
		p.add(kept)
	}
	if r.key.role == roleRoot {
		p.roots = append(p.roots, r.key.pub)
	}
	if r.root.private != nil {
		p.roots = append(p.roots, r.root.pub)
	}
	if len(p.roots) == 0 {
		return license.Keyring{}, usage("--root is missing: name the public key of the root behind the license")
	}
	ring, problems := license.NewKeyring(p.roots, p.delegations, p.revocations)
	if len(problems) > 0 {
		return ring, problems[0]
	}
	return ring, nil
}

// checkProof believes a release when the panel that the license was on has signed it.
func (f releaseFlags) checkProof(r *releaseDesk) error {
	if f.panel != "" {
		if _, err := envelope.ParseThumbprint(f.panel); err != nil {
			return usageError{err}
		}
		if r.bound() && f.panel != r.old.For() {
			return fmt.Errorf("cannot release license %s from panel %s: it is for panel %s", r.old.ID, f.panel, r.old.For())
		}
	}
	if f.proof == "" {
		return nil
	}
	raw, err := r.document(f.proof, envelope.Release)
	if err != nil {
		return err
	}
	release, err := license.OpenRelease(raw)
	if err != nil {
		return err
	}
	activation, err := license.OpenActivation(release.Activation)
	if err != nil {
		return err
	}
	panel := envelope.ThumbprintOf(release.Panel).String()
	switch {
	case !bytes.Equal(activation.License, r.old.raw):
		return errors.New("cannot use the proof: it is about another license; ask for the release of this one")
	case !activation.Panel.Equal(release.Panel):
		return errors.New("cannot use the proof: the panel that signed it is not the one that activated the license")
	case r.bound() && panel != r.old.For():
		return fmt.Errorf("cannot use the proof: panel %s signed it, the license is for panel %s", panel, r.old.For())
	case !r.bound() && f.panel == "":
		return usage("--panel is missing: this license is bound to no panel, so anybody could make a panel's key up; name the panel as your own books do (the proof says %s)", panel)
	case f.panel != "" && f.panel != panel:
		return fmt.Errorf("cannot use the proof: panel %s signed it, not %s", panel, f.panel)
	}
	r.proof = &activation
	return nil
}

// plan decides what comes in the old license's place. Nothing is kept yet.
func (f releaseFlags) plan(r releaseDesk, kept *book) (released, error) {
	entry := released{
		Release: 1, At: r.now, License: r.old.ID.String(), Reason: f.reason, Panel: f.panel, Issuer: r.old.Issuer.String(), Forced: r.proof == nil, To: f.to,
		Holder: f.holder, Revoke: r.proof == nil || !r.bound(),
	}
	if r.proof != nil {
		entry.Panel = envelope.ThumbprintOf(r.proof.Panel).String()
	}
	if r.verdict.Result == license.Revoked {
		return entry, fmt.Errorf("cannot release license %s: %s", r.old.ID, r.verdict.Message)
	}
	next, err := f.next(r)
	if err != nil {
		return entry, err
	}
	for _, name := range []string{kept.holderOf(r.old.ID), string(boundName(r.old.Token)), r.old.Label, entry.License} {
		if entry.Holder == "" {
			entry.Holder = name
		}
	}
	if already := kept.forced(entry.Issuer, entry.Holder, r.now.Year()); entry.Forced && already >= forcedPerYear {
		if f.approved == "" {
			return entry, fmt.Errorf("cannot release license %s: it would be forced release %d in %d of the licenses of %q, %d are possible without the distributor; bring the panel's own release (--proof), or the distributor's word (--distributor-approved=NAME)",
				r.old.ID, already+1, r.now.Year(), entry.Holder, forcedPerYear)
		}
		entry.ApprovedBy = f.approved
	}
	next.IssuedAt = r.now
	if err := r.standing.check(next); err != nil {
		return entry, err
	}
	if err := r.drawID(&next); err != nil {
		return entry, err
	}
	raw, err := next.Sign(r.key.pub, r.key.sign)
	if err != nil {
		return entry, err
	}
	entry.New, entry.ShortCode, entry.Holds = next.ID.String(), next.ID.ShortCode().String(), describe(next)
	entry.Text = envelope.Armor(envelope.License, raw)
	return entry, nil
}

// boundName is the account, site or group that a license is for.
func boundName(token license.Token) []byte {
	if token.Scope == license.ScopePanel {
		return nil
	}
	return token.Subject
}

// next is the license that comes in the old one's place, without id and time of issue.
func (f releaseFlags) next(r releaseDesk) (license.Token, error) {
	ran, err := f.ranSince(r)
	if err != nil {
		return license.Token{}, err
	}
	next, err := successor(r.old.Token, ran, r.now)
	if err != nil {
		return next, err
	}
	switch {
	case f.to == "" && r.bound():
		return next, usage("--to is missing: name the panel that gets the license by its id, or say --to bearer")
	case f.to == "":
		return next, nil
	case next.Scope != license.ScopePanel:
		return next, usage("--to belongs to licenses for panels; this one is for the %s %s and stays so", next.Scope, next.For())
	case f.to == toBearer:
		next.Subject = nil
		return next, nil
	}
	id, err := envelope.ParseThumbprint(f.to)
	if err != nil {
		return next, usageError{err}
	}
	if f.to == r.old.For() || f.to == f.panel || r.proof != nil && id == envelope.ThumbprintOf(r.proof.Panel) {
		return next, fmt.Errorf("cannot release license %s from panel %s to the same panel", r.old.ID, f.to)
	}
	next.Subject = id[:]
	return next, nil
}

// ranSince is the day since when a license with a term ran; zero when it has none, or never ran.
func (f releaseFlags) ranSince(r releaseDesk) (time.Time, error) {
	switch {
	case r.old.Term.IsZero() && f.activated != "":
		return time.Time{}, usage("--activated belongs to licenses with a term; this one has none")
	case r.old.Term.IsZero():
		return time.Time{}, nil
	case f.activated == "never" && r.proof != nil:
		return time.Time{}, usage("--activated never contradicts the proof: the panel has activated the license")
	case f.activated == "never":
		return time.Time{}, nil
	case f.activated != "":
		return moment("activated", f.activated)
	case r.proof != nil:
		return r.proof.At, nil
	}
	return time.Time{}, usage("--activated is missing: the license has a term, so say since when it ran (the panel's page and its exports show it; the day of issue, %s, is certainly not too late), or \"never\"",
		r.old.IssuedAt.Format(time.DateOnly))
}

// sameAs refuses another order about a license that was released already.
func (r releaseDesk) sameAs(entry released, f releaseFlags) error {
	if entry.To != f.to || entry.Reason != f.reason || f.panel != "" && f.panel != entry.Panel {
		return fmt.Errorf("cannot release license %s again: license %s took its place on %s (%s, to %q); repeat that order exactly to see it again, or release %[2]s",
			entry.License, entry.New, entry.At.Format(time.DateOnly), entry.Reason, entry.To)
	}
	return nil
}

func (f releaseFlags) openLists(r releaseDesk) (*history, error) {
	switch {
	case r.root.private == nil:
		return nil, usage("--root-key is missing: the old license must go on the list of root %s; name that key's file, or bring the panel's release with --proof", r.behind)
	case envelope.KeyText(r.root.pub) != r.behind:
		return nil, fmt.Errorf("cannot revoke license %s with key %s: it stands behind root %s; name that root's key with --root-key", r.old.ID, envelope.KeyText(r.root.pub), r.behind)
	case f.history == "":
		return nil, usage("--history is missing: name the file with the revocation lists; it is made with the first")
	}
	return openHistory(f.history, r.root.pub)
}

// notRevoked refuses to replace what holds no more for another reason: that would make a withdrawn license good again.
func (r releaseDesk) notRevoked(lists *history) error {
	if lists == nil || lists.last == nil {
		return nil
	}
	at, listed := lists.last.Tokens[r.old.ID]
	if since, stolen := lists.last.Issuers[r.old.Issuer]; stolen && !lists.last.Keeps(r.old.raw) {
		at, listed = since, true
	}
	if listed {
		return fmt.Errorf("cannot release license %s: it was revoked on %s; issue another one when its owner has a right to it", r.old.ID, at.Format(time.DateOnly))
	}
	return nil
}

// revoke puts the old license on the root's list, once.
func (r releaseDesk) revoke(lists *history) (number uint64, text string, err error) {
	list := emptyList()
	if lists.last != nil {
		list = *lists.last
		if _, done := list.Tokens[r.old.ID]; done {
			return list.Number, lists.lastText, nil
		}
	}
	list.Tokens[r.old.ID] = r.now
	list.Number, list.IssuedAt = max(list.Number+1, uint64(r.now.Unix())), r.now
	raw, err := list.Sign(r.root.pub, r.root.sign)
	if err != nil {
		return 0, "", err
	}
	text = envelope.Armor(envelope.Revocation, raw)
	return list.Number, text, lists.add(text)
}

func (e released) message(result releaseResult, begun bool) string {
	var parts []string
	if begun {
		parts = append(parts, fmt.Sprintf("This release was made on %s already.", e.At.Format(time.DateOnly)))
	}
	if e.Forced {
		text := fmt.Sprintf("Forced release %d of %d in %d for %s", result.ThisYear, forcedPerYear, e.At.Year(), e.Holder)
		if e.ApprovedBy != "" {
			text += ", approved by " + e.ApprovedBy
		}
		parts = append(parts, text+".")
	} else {
		parts = append(parts, fmt.Sprintf("Panel %s gave it up.", e.Panel))
	}
	if e.Revoke {
		parts = append(parts, fmt.Sprintf("Enter revocation list %d at the panels: until then the old panel goes on.", result.List))
	}
	return strings.Join(parts, " ")
}

func (f releaseFlags) print(d desk, result releaseResult) error {
	if f.asJSON {
		return printJSON(d.out, result)
	}
	list := ""
	if result.List > 0 {
		list = fmt.Sprint(result.List)
	}
	for _, line := range [][2]string{
		{"old", result.Old}, {"new", result.New}, {"holds", result.Holds}, {"short code", result.ShortCode}, {"license", result.Text}, {"list", list},
		{"list text", result.ListText}, {"picture", result.Picture}, {"", result.Message},
	} {
		if line[1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(d.out, "%-10s %s\n", line[0], line[1]); err != nil {
			return err
		}
	}
	return nil
}

// shortened is what a person named, short enough for a message.
func shortened(named string) string {
	if len(named) > 40 {
		return named[:40] + "…"
	}
	return named
}
