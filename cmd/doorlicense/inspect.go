package main

import (
	"crypto/ed25519"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

// trustFlags name whose signatures are believed.
type trustFlags struct{ roots, delegations, revocations []string }

func (f *trustFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.roots, "root", nil, "public key of a trusted root; may be repeated")
	flags.StringArrayVar(&f.delegations, "delegation", nil, "delegation, as text or file; may be repeated")
	flags.StringArrayVar(&f.revocations, "revocation", nil, "revocation list, as text or file; may be repeated")
}

type inspectFlags struct {
	trust           trustFlags
	panel, site, at string
	commandKeys     []string
	asJSON          bool
}

// finding is what inspect prints.
type finding struct {
	Kind     envelope.Kind  `json:"kind,omitempty"`
	Result   license.Result `json:"result"`
	Title    string         `json:"title"`
	Message  string         `json:"message"`
	SignedBy string         `json:"signed_by,omitempty"` // key id, as the code claims it
	Issuer   string         `json:"issuer,omitempty"`
	Root     string         `json:"root,omitempty"`
	// Of these four, those that fit the kind. What a panel says about a license has both.
	License    *license.Token  `json:"license,omitempty"`
	Statement  *statementSeen  `json:"statement,omitempty"`
	Delegation *delegationSeen `json:"delegation,omitempty"`
	Revocation *listSeen       `json:"revocation,omitempty"`
	For        string          `json:"for,omitempty"`
	ShortCode  string          `json:"short_code,omitempty"`
	Updates    time.Time       `json:"updates_until,omitzero"`
}

// delegationSeen is a delegation whose signature holds.
type delegationSeen struct {
	IssuerKey string `json:"issuer_key"`
	IssuerID  string `json:"issuer_key_id"`
	license.Delegation
}

// listSeen is a revocation list whose signature holds.
type listSeen struct {
	Number   uint64      `json:"number"`
	IssuedAt time.Time   `json:"issued_at"`
	Licenses []entrySeen `json:"licenses"`
	Issuers  []entrySeen `json:"issuers"`
	Kept     int         `json:"kept"` // licenses of those issuers that hold all the same
}

type entrySeen struct {
	ID    string    `json:"id"`
	Since time.Time `json:"since"`
}

func seenList(list license.Revocation) *listSeen {
	seen := &listSeen{list.Number, list.IssuedAt, []entrySeen{}, []entrySeen{}, len(list.Kept)}
	for id, since := range list.Tokens {
		seen.Licenses = append(seen.Licenses, entrySeen{id.String(), since})
	}
	for id, since := range list.Issuers {
		seen.Issuers = append(seen.Issuers, entrySeen{id.String(), since})
	}
	byID := func(a, b entrySeen) int { return strings.Compare(a.ID, b.ID) }
	slices.SortFunc(seen.Licenses, byID)
	slices.SortFunc(seen.Issuers, byID)
	return seen
}

func inspectCommand(d desk) *cobra.Command {
	var f inspectFlags
	cmd := &cobra.Command{
		Use:   "inspect TEXT|FILE|PICTURE --root KEY ...",
		Short: "Say what a code holds, who signed it, and whether it is good now",
		Long: `Say what a code holds, who signed it, whether a panel would take it now, and why not. The code is a text, a file with it, a PNG or JPEG
picture, or "-" for the input, of any kind: license DP1, slice of a pool DS1, return DB1, activation DA1, release DF1, a panel's identity DI1, guest pass DG1, delegation DD1,
revocation list DR1, command DC1. Nothing that is signed is believed without its root: name it with --root, and the delegations between; what a panel
says bears that panel's key, and is as good as the license in it. Without --panel a bound license is looked at as its own panel would.
Exit code 0: a panel would take it; 1: it would not.`,
		Example: `  doorlicense inspect villa.png --root ed25519:A6EH...
  doorlicense inspect code.txt --root ed25519:A6EH... --delegation north.txt --at 2028-01-01 --json`,
		Args: exactly(1, "one text, file or picture"),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := d.codeText(args[0])
			if err != nil {
				return err
			}
			found, err := f.find(d, text)
			if err != nil {
				return err
			}
			if f.asJSON {
				err = printJSON(d.out, found)
			} else {
				err = found.print(d.out)
			}
			if err == nil && found.Result.Refused() {
				err = errRefused
			}
			return err
		},
	}
	f.trust.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.panel, "panel", "", "id of the panel that would take it")
	flags.StringVar(&f.site, "site", "", "site of that panel")
	flags.StringArrayVar(&f.commandKeys, "command-key", nil, "public key of a hub, for commands; may be repeated")
	flags.StringVar(&f.at, "at", "", "look at it as of this day (default: now)")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	return cmd
}

func (f inspectFlags) find(d desk, text string) (finding, error) {
	ring, err := f.trust.ring(d)
	if err != nil {
		return finding{}, err
	}
	now, err := moment("at", f.at)
	if err != nil {
		return finding{}, err
	}
	if now.IsZero() {
		now = d.now().UTC()
	}
	panel := license.Panel{Site: f.site}
	if f.panel != "" {
		id, err := envelope.ParseThumbprint(f.panel)
		if err != nil {
			return finding{}, usageError{err}
		}
		panel = license.PanelNamed(id)
		panel.Site = f.site
	}
	commands, err := trustFlags{roots: f.commandKeys}.namedRoots()
	if err != nil {
		return finding{}, err
	}
	var found finding
	kind, raw, unreadable := envelope.Unarmor(text)
	if unreadable != nil || !(statements{ring, now, commands}).fill(&found, kind, raw) {
		found = examined(examineAsItsOwn(text, ring, panel, now))
	}
	if unreadable == nil {
		found.look(ring, raw)
		_, kid, _ := envelope.Open(kind, raw, func(envelope.KeyID) (ed25519.PublicKey, bool) { return nil, false })
		if kid != (envelope.KeyID{}) {
			found.SignedBy = kid.String()
		}
	}
	if s := found.Statement; s != nil && f.panel != "" && s.To != "" && s.To != f.panel && found.Result == license.Activated {
		found.Result, found.Title = license.OtherPanel, license.OtherPanel.Title()
		found.Message = fmt.Sprintf("This is for panel %s, not for panel %s.", s.To, f.panel)
	}
	if token := found.License; token != nil {
		found.For, found.Updates, found.ShortCode = token.For(), token.UpdatesUntil(), token.ID.ShortCode().String()
	}
	if found.Result == license.UnknownIssuer && len(f.trust.roots) == 0 && kind != envelope.Command {
		found.Message += " Name the root with --root to see more."
	}
	return found, nil
}

func examined(v license.Verdict) finding {
	return finding{Kind: v.Kind, Result: v.Result, Title: v.Title, Message: v.Message, Issuer: v.Issuer, Root: v.Root, License: v.Token}
}

// examineAsItsOwn asks the panel or site for which a bound license is, when none is named.
func examineAsItsOwn(text string, ring license.Keyring, panel license.Panel, now time.Time) license.Verdict {
	clock := license.Clock{Now: now, Trusted: true}
	verdict := license.Examine(text, ring, panel, clock, nil, "")
	if verdict.Result != license.OtherPanel || verdict.Token == nil {
		return verdict
	}
	switch token := verdict.Token; {
	case token.Scope == license.ScopePanel && panel.ID() == (envelope.Thumbprint{}):
		panel = license.PanelNamed(envelope.Thumbprint(token.Subject))
	case token.Scope == license.ScopeSite && panel.Site == "":
		panel.Site = string(token.Subject)
	}
	return license.Examine(text, ring, panel, clock, nil, "")
}

// look adds what a delegation or a list says, when its signature holds.
func (f *finding) look(ring license.Keyring, raw []byte) {
	switch f.Kind {
	case envelope.Delegation:
		if delegation, _, err := ring.OpenDelegation(raw); err == nil {
			f.Delegation = &delegationSeen{envelope.KeyText(delegation.Issuer), envelope.IDOf(delegation.Issuer).String(), delegation}
		}
	case envelope.Revocation:
		if list, _, err := ring.OpenRevocation(raw); err == nil {
			f.Revocation = seenList(list)
		}
	}
}

// namedRoots are the roots that --root names.
func (f trustFlags) namedRoots() ([]ed25519.PublicKey, error) {
	var roots []ed25519.PublicKey
	for _, text := range f.roots {
		root, err := envelope.ParseKey(text)
		if err != nil {
			return nil, usageError{err}
		}
		roots = append(roots, root)
	}
	return roots, nil
}

// papers are everything that the flags name, and the roots in the files as well.
func (f trustFlags) papers(d desk) (papers, error) {
	roots, err := f.namedRoots()
	all := papers{roots: roots}
	if err != nil {
		return all, err
	}
	for _, named := range slices.Concat(f.delegations, f.revocations) {
		p, err := d.readPapers(named)
		if err != nil {
			return all, err
		}
		all.add(p)
	}
	return all, nil
}

// ring trusts the roots of --root alone, not those that a file names.
func (f trustFlags) ring(d desk) (license.Keyring, error) {
	roots, err := f.namedRoots()
	if err != nil {
		return license.Keyring{}, err
	}
	p, err := f.papers(d)
	if err != nil {
		return license.Keyring{}, err
	}
	ring, problems := license.NewKeyring(roots, p.delegations, p.revocations)
	if len(problems) > 0 {
		return ring, problems[0]
	}
	return ring, nil
}

func (f finding) print(out io.Writer) error {
	verdict := string(f.Result) + ": " + f.Title
	if f.Result == license.Activated {
		verdict = "good: a panel would take it"
		if f.Statement != nil {
			verdict = "good: genuine, and it holds"
		}
	}
	lines := [][2]string{{"verdict", verdict}, {"", f.Message}, {"kind", string(f.Kind)}, {"signed by", "key " + f.SignedBy}}
	if f.SignedBy == "" {
		lines = lines[:3]
	}
	if f.Statement != nil {
		lines = append(lines, f.Statement.lines()...)
	}
	lines = append(lines, [2]string{"issuer", f.Issuer}, [2]string{"root", f.Root})
	if token := f.License; token != nil {
		lines = append(lines,
			[2]string{"holds", describe(*token)},
			[2]string{"label", token.Label},
			[2]string{"short code", f.ShortCode},
			[2]string{"issued", token.IssuedAt.Format(time.RFC3339)},
			[2]string{"updates", "included until " + f.Updates.Format(time.DateOnly)})
	}
	if d := f.Delegation; d != nil {
		lines = append(lines,
			[2]string{"key", d.IssuerKey + ", key id " + d.IssuerID},
			[2]string{"number", strconv.FormatUint(d.Number, 10)},
			[2]string{"may issue", window(d.NotBefore, d.Expires)})
		for _, ceiling := range d.Ceilings {
			lines = append(lines, [2]string{"at most", fmt.Sprintf("%s=%d in one license", ceiling.Feature, ceiling.Count)})
		}
		lines = append(lines, [2]string{"issued", d.IssuedAt.Format(time.RFC3339)})
	}
	if list := f.Revocation; list != nil {
		lines = append(lines, [2]string{"number", strconv.FormatUint(list.Number, 10)}, [2]string{"issued", list.IssuedAt.Format(time.RFC3339)})
		lines = append(lines, entryLines("license", list.Licenses)...)
		lines = append(lines, entryLines("issuer key", list.Issuers)...)
		if list.Kept > 0 {
			lines = append(lines, [2]string{"kept", counted(list.Kept, "license") + " of these issuers hold all the same"})
		}
	}
	for _, line := range lines {
		if line[1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(out, "%-10s %s\n", line[0], line[1]); err != nil {
			return err
		}
	}
	return nil
}

func window(from, until time.Time) string {
	text := "from the beginning"
	if !from.IsZero() {
		text = "from " + from.Format(time.DateOnly)
	}
	if until.IsZero() {
		return text + ", without an end"
	}
	return text + " until before " + until.Format(time.DateOnly)
}

const shownEntries = 50 // of a list; --json has them all

func entryLines(title string, entries []entrySeen) [][2]string {
	var lines [][2]string
	for i, entry := range entries {
		if i == shownEntries {
			return append(lines, [2]string{title, fmt.Sprintf("and %d more; see --json", len(entries)-i)})
		}
		lines = append(lines, [2]string{title, entry.ID + " since " + entry.Since.Format(time.DateOnly)})
	}
	return lines
}
