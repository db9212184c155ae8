package main

import (
	"crypto/ed25519"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

type inspectFlags struct {
	roots, delegations, revocations []string
	panel, site, at                 string
	asJSON                          bool
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
	License  *license.Token `json:"license,omitempty"`
	For      string         `json:"for,omitempty"`
	Updates  time.Time      `json:"updates_until,omitzero"`
}

func inspectCommand(d desk) *cobra.Command {
	var f inspectFlags
	cmd := &cobra.Command{
		Use:   "inspect TEXT|FILE|PICTURE --root KEY ...",
		Short: "Say what a code holds, who signed it, and whether it is good now",
		Long: `Say what a code holds, who signed it, whether a panel would take it now, and why not. The code is a text, a file with it, a PNG or JPEG
picture, or "-" for the input. Nothing that is signed is believed without its root: name it with --root, and the delegations between. Without --panel
a bound license is looked at as its own panel would.
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
	flags := cmd.Flags()
	flags.StringArrayVar(&f.roots, "root", nil, "public key of a trusted root; may be repeated")
	flags.StringArrayVar(&f.delegations, "delegation", nil, "delegation, as text or file; may be repeated")
	flags.StringArrayVar(&f.revocations, "revocation", nil, "revocation list, as text or file; may be repeated")
	flags.StringVar(&f.panel, "panel", "", "id of the panel that would take it")
	flags.StringVar(&f.site, "site", "", "site of that panel")
	flags.StringVar(&f.at, "at", "", "look at it as of this day (default: now)")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	return cmd
}

func (f inspectFlags) find(d desk, text string) (finding, error) {
	ring, err := f.ring(d)
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
		if panel.ID, err = envelope.ParseThumbprint(f.panel); err != nil {
			return finding{}, usageError{err}
		}
	}
	clock := license.Clock{Now: now, Trusted: true}
	verdict := license.Examine(text, ring, panel, clock, nil)
	if verdict.Result == license.OtherPanel && verdict.Token != nil {
		switch token := verdict.Token; {
		case token.Scope == license.ScopePanel && f.panel == "":
			panel.ID = envelope.Thumbprint(token.Subject)
		case token.Scope == license.ScopeSite && f.site == "":
			panel.Site = string(token.Subject)
		}
		verdict = license.Examine(text, ring, panel, clock, nil)
	}
	found := finding{
		Kind: verdict.Kind, Result: verdict.Result, Title: verdict.Title, Message: verdict.Message,
		Issuer: verdict.Issuer, Root: verdict.Root, License: verdict.Token,
	}
	if verdict.Token != nil {
		found.For, found.Updates = verdict.Token.For(), verdict.Token.UpdatesUntil()
	}
	if kind, raw, err := envelope.Unarmor(text); err == nil {
		_, kid, _ := envelope.Open(kind, raw, func(envelope.KeyID) (ed25519.PublicKey, bool) { return nil, false })
		if kid != (envelope.KeyID{}) {
			found.SignedBy = kid.String()
		}
	}
	if verdict.Result == license.UnknownIssuer && len(f.roots) == 0 {
		found.Message += " Name the root with --root to see more."
	}
	return found, nil
}

func (f inspectFlags) ring(d desk) (license.Keyring, error) {
	var roots []ed25519.PublicKey
	for _, text := range f.roots {
		root, err := envelope.ParseKey(text)
		if err != nil {
			return license.Keyring{}, usageError{err}
		}
		roots = append(roots, root)
	}
	var delegations, revocations [][]byte
	for _, named := range f.delegations {
		raw, err := d.document(named, envelope.Delegation)
		if err != nil {
			return license.Keyring{}, err
		}
		delegations = append(delegations, raw)
	}
	for _, named := range f.revocations {
		raw, err := d.document(named, envelope.Revocation)
		if err != nil {
			return license.Keyring{}, err
		}
		revocations = append(revocations, raw)
	}
	ring, problems := license.NewKeyring(roots, delegations, revocations)
	if len(problems) > 0 {
		return ring, problems[0]
	}
	return ring, nil
}

func (f finding) print(out io.Writer) error {
	verdict := string(f.Result) + ": " + f.Title
	if f.Result == license.Activated {
		verdict = "good: a panel would take it"
	}
	lines := [][2]string{{"verdict", verdict}, {"", f.Message}, {"kind", string(f.Kind)}, {"signed by", "key " + f.SignedBy}}
	if f.SignedBy == "" {
		lines = lines[:3]
	}
	lines = append(lines, [2]string{"issuer", f.Issuer}, [2]string{"root", f.Root})
	if token := f.License; token != nil {
		lines = append(lines,
			[2]string{"holds", describe(*token)},
			[2]string{"label", token.Label},
			[2]string{"issued", token.IssuedAt.Format(time.RFC3339)},
			[2]string{"updates", "included until " + f.Updates.Format(time.DateOnly)})
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
