package main

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

func revokeCommand(d desk) *cobra.Command {
	var key keyFlags
	var list, since, out string
	var licenses, issuers []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "revoke --key ROOT [--list LAST] --license ID ... --issuer KEY ...",
		Short: "Sign a list of licenses and issuers that no longer hold",
		Long: `Sign a revocation list. A list is complete: it replaces the one before, so name that one with --list, and its entries are kept. Revoking an
issuer's key revokes everything it has signed. Enter the text at a panel like a license.`,
		Example: `  doorlicense revoke --key root.key --license 000102030405060708090a0b0c0d0e0f > list.txt
  doorlicense revoke --key root.key --list list.txt --issuer ed25519:Kay6... > list2.txt`,
		Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			now := d.now().UTC().Truncate(time.Second)
			at, err := moment("since", since)
			if err != nil {
				return err
			}
			if at.IsZero() {
				at = now
			}
			if len(licenses)+len(issuers) == 0 {
				return usage("--license or --issuer is missing: name what no longer holds")
			}
			signer, err := d.loadKey(key)
			if err != nil {
				return err
			}
			revocation := license.Revocation{Tokens: map[license.TokenID]time.Time{}, Issuers: map[envelope.KeyID]time.Time{}}
			if list != "" {
				if revocation, err = d.lastList(list, signer.pub); err != nil {
					return err
				}
			}
			revocation.Number, revocation.IssuedAt = max(revocation.Number+1, uint64(now.Unix())), now
			for _, text := range licenses {
				id, err := license.ParseTokenID(text)
				if err != nil {
					return usageError{err}
				}
				if _, ok := revocation.Tokens[id]; !ok {
					revocation.Tokens[id] = at
				}
			}
			for _, text := range issuers {
				id, err := parseKeyID(text)
				if err != nil {
					return err
				}
				if _, ok := revocation.Issuers[id]; !ok {
					revocation.Issuers[id] = at
				}
			}
			raw, err := revocation.Sign(signer.pub, signer.sign)
			if err != nil {
				return err
			}
			summary := fmt.Sprintf("revocation list %d: %d licenses, %d issuers", revocation.Number, len(revocation.Tokens), len(revocation.Issuers))
			return d.deliver(document{kind: envelope.Revocation, raw: raw, summary: summary}, out, asJSON)
		},
	}
	key.register(cmd, "the root")
	flags := cmd.Flags()
	flags.StringVar(&list, "list", "", "the last list, as text or file; its entries are kept")
	flags.StringArrayVar(&licenses, "license", nil, "id of a license; may be repeated")
	flags.StringArrayVar(&issuers, "issuer", nil, "public key or key id of an issuer; may be repeated")
	flags.StringVar(&since, "since", "", "day since when it does not hold (default: now)")
	flags.StringVar(&out, "out", "", "picture to draw, .png or .svg; a long list does not fit")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// lastList opens the list that is continued; it must be the same root's.
func (d desk) lastList(named string, root ed25519.PublicKey) (license.Revocation, error) {
	raw, err := d.document(named, envelope.Revocation)
	if err != nil {
		return license.Revocation{}, err
	}
	ring, problems := license.NewKeyring([]ed25519.PublicKey{root}, nil, nil)
	if len(problems) > 0 {
		return license.Revocation{}, problems[0]
	}
	list, _, err := ring.OpenRevocation(raw)
	return list, err
}

func parseKeyID(text string) (envelope.KeyID, error) {
	if raw, err := hex.DecodeString(text); err == nil && len(raw) == len(envelope.KeyID{}) {
		return envelope.KeyID(raw), nil
	}
	pub, err := envelope.ParseKey(text)
	if err != nil {
		return envelope.KeyID{}, usageError{err}
	}
	return envelope.IDOf(pub), nil
}
