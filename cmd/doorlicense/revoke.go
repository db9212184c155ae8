package main

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

type revokeFlags struct {
	key                             keyFlags
	list, history, show, since, out string
	adopt                           string
	roots                           trustFlags
	licenses, issuers, lifted, kept []string
	asJSON                          bool
}

func revokeCommand(d desk) *cobra.Command {
	var f revokeFlags
	cmd := &cobra.Command{
		Use:   "revoke --key ROOT [--history FILE] --license ID ... --issuer KEY ... --lift ID ...",
		Short: "Sign a list of licenses and issuers that no longer hold",
		Long: `Sign a revocation list. A list is complete: it replaces the one before, so its entries must be in the next one. --history FILE takes care of that:
it keeps every list ever signed, one a line, continues the last one and adds the new one; the file is made with the first. Without it name the last list
with --list. Every list has a higher number than the one before, and panels keep the highest. --lift takes an entry back, in case the
wrong license was named, or makes room for others when a license has expired anyway. When one root follows another, --adopt takes over
the entries of the old root's last list, because a list speaks of licenses behind its own root only.
Revoking an issuer's key revokes everything it has signed, except what --keep names: files of licenses that were sold honestly (batches of
issue, or one code a line). Whoever stole the key can write any date and any id, but not the bytes that were sold. 3,500 licenses can be kept; issue the others
anew with reissue.
Enter the text at a panel like a license. --show FILE prints a history.`,
		Example: `  doorlicense revoke --key root.key --history revoked.txt --license 000102030405060708090a0b0c0d0e0f
  doorlicense revoke --key root.key --history revoked.txt --issuer ed25519:Kay6... --keep sold.jsonl
  doorlicense revoke --key root.key --list list.txt --lift 000102030405060708090a0b0c0d0e0f > list2.txt
  doorlicense revoke --key new.key --history new.txt --adopt old-list.txt --root ed25519:A6EH...
  doorlicense revoke --show revoked.txt --root ed25519:A6EH...`,
		Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			named := len(f.licenses)+len(f.issuers)+len(f.lifted)+len(f.kept) > 0 || f.adopt != ""
			switch {
			case f.show != "" && (named || f.list != "" || f.history != ""):
				return usage("--show reads a history and signs nothing; leave the rest away")
			case f.show != "":
				return f.print(d)
			case !named:
				return usage("--license or --issuer is missing: name what no longer holds, or with --lift what does again")
			case f.adopt != "" && len(f.roots.roots) == 0:
				return usage("--root is missing: name the public key of the root whose list is adopted")
			case f.list != "" && f.history != "":
				return usage("--list and --history both name the last list: keep one")
			}
			return f.sign(d)
		},
	}
	flags := cmd.Flags()
	f.key.register(cmd, "the root")
	flags.StringVar(&f.list, "list", "", "the last list, as text or file; its entries are kept")
	flags.StringVar(&f.history, "history", "", "file with all lists, one a line; the new one is added")
	flags.StringVar(&f.show, "show", "", "file with lists, one a line, that is printed")
	flags.StringArrayVar(&f.roots.roots, "root", nil, "with --show and --adopt: public key of the other root")
	flags.StringVar(&f.adopt, "adopt", "", "the last list of another root, as text or file; its entries are added")
	flags.StringArrayVar(&f.licenses, "license", nil, "id of a license; may be repeated")
	flags.StringArrayVar(&f.issuers, "issuer", nil, "public key or key id of an issuer; may be repeated")
	flags.StringArrayVar(&f.kept, "keep", nil, "file with licenses of a revoked issuer that hold all the same; may be repeated")
	flags.StringArrayVar(&f.lifted, "lift", nil, "id of a license, or key of an issuer, that holds again; may be repeated")
	flags.StringVar(&f.since, "since", "", "day since when it does not hold (default: now)")
	flags.StringVar(&f.out, "out", "", "picture to draw, .png or .svg; a long list does not fit")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	return cmd
}

func (f revokeFlags) sign(d desk) (err error) {
	now := d.now().UTC().Truncate(time.Second)
	change, err := f.change(now)
	if err != nil {
		return err
	}
	if f.adopt != "" {
		if err := f.adoptInto(d, &change); err != nil {
			return err
		}
	}
	key, err := d.loadKey(f.key)
	if err != nil {
		return err
	}
	list := emptyList()
	var book *history
	switch {
	case f.history != "":
		if book, err = openHistory(f.history, key.pub); err != nil {
			return err
		}
		defer func() { err = book.close(err) }()
		if book.last != nil {
			list = *book.last
		}
	case f.list != "":
		if list, err = d.lastList(f.list, key.pub); err != nil {
			return err
		}
	}
	if err := change.apply(&list); err != nil {
		return err
	}
	if err := f.keep(d, &list, now); err != nil {
		return err
	}
	list.Number, list.IssuedAt = max(list.Number+1, uint64(now.Unix())), now
	raw, err := list.Sign(key.pub, key.sign)
	if err != nil {
		return err
	}
	if book != nil {
		if err := book.add(envelope.Armor(envelope.Revocation, raw)); err != nil {
			return err
		}
	}
	summary := fmt.Sprintf("revocation list %d: %d licenses, %d issuers", list.Number, len(list.Tokens), len(list.Issuers))
	if len(list.Kept) > 0 {
		summary += fmt.Sprintf(", %d licenses of revoked issuers kept", len(list.Kept))
	}
	return d.deliver(document{kind: envelope.Revocation, raw: raw, summary: summary}, f.out, f.asJSON)
}

func emptyList() license.Revocation {
	return license.Revocation{Tokens: map[license.TokenID]time.Time{}, Issuers: map[envelope.KeyID]time.Time{}}
}

// keep adds the honest licenses of revoked issuers. Those that have ended are left out.
func (f revokeFlags) keep(d desk, list *license.Revocation, now time.Time) error {
	var keys []ed25519.PublicKey
	for _, text := range f.issuers {
		if pub, err := envelope.ParseKey(text); err == nil {
			keys = append(keys, pub)
		}
	}
	ring, problems := license.NewKeyring(keys, nil, nil)
	if len(problems) > 0 {
		return problems[0]
	}
	kept := map[license.Digest]bool{}
	for _, digest := range list.Kept {
		kept[digest] = true
	}
	for _, name := range f.kept {
		if err := d.eachLicense(name, ring, func(text string, ring license.Keyring) error {
			sold, err := openSold(text, ring)
			if err != nil {
				return err
			}
			if _, revoked := list.Issuers[sold.Issuer]; !revoked {
				return fmt.Errorf("its issuer's key %s is not on the list; name that with --issuer, or leave the file out", sold.Issuer)
			}
			if sold.Expires.IsZero() || now.Before(sold.Expires) {
				kept[license.DigestOf(sold.raw)] = true
			}
			return nil
		}); err != nil {
			return fmt.Errorf("cannot keep %s: %w", name, err)
		}
	}
	list.Kept = slices.Collect(maps.Keys(kept))
	if len(list.Issuers) == 0 {
		list.Kept = nil // nobody's licenses
	}
	if len(f.issuers) > 0 && len(list.Kept) == 0 {
		fmt.Fprintln(d.notes, "warning: everything that key has signed stops, also what was sold honestly; name that with --keep FILE")
	}
	return nil
}

// change is what a new list says beyond the last one.
type change struct {
	license.Revocation
	liftedTokens  []license.TokenID
	liftedIssuers []envelope.KeyID
}

func (f revokeFlags) change(now time.Time) (change, error) {
	c := change{Revocation: emptyList()}
	at, err := moment("since", f.since)
	if err != nil {
		return c, err
	}
	if at.IsZero() {
		at = now
	}
	for _, text := range f.licenses {
		id, err := license.ParseTokenID(text)
		if err != nil {
			return c, usageError{err}
		}
		c.Tokens[id] = at
	}
	for _, text := range f.issuers {
		id, err := parseKeyID(text)
		if err != nil {
			return c, err
		}
		c.Issuers[id] = at
	}
	for _, text := range f.lifted {
		if id, err := license.ParseTokenID(text); err == nil {
			c.liftedTokens = append(c.liftedTokens, id)
			continue
		}
		id, err := parseKeyID(text)
		if err != nil {
			return c, usage("cannot read --lift %q: neither the 32 digits of a license's id nor an issuer's key", text)
		}
		c.liftedIssuers = append(c.liftedIssuers, id)
	}
	return c, nil
}

// adoptInto adds the entries of another root's list.
func (f revokeFlags) adoptInto(d desk, c *change) error {
	raw, err := d.document(f.adopt, envelope.Revocation)
	if err != nil {
		return err
	}
	ring, err := f.roots.ring(d)
	if err != nil {
		return err
	}
	list, _, err := ring.OpenRevocation(raw)
	if err != nil {
		return fmt.Errorf("cannot adopt list: %w", err)
	}
	maps.Copy(c.Tokens, list.Tokens)
	maps.Copy(c.Issuers, list.Issuers)
	c.Kept = list.Kept
	return nil
}

// apply keeps the time of an entry that is there already, and refuses to lift what is not: that would be a mistake in an id.
func (c change) apply(list *license.Revocation) error {
	for _, id := range c.liftedTokens {
		if _, ok := list.Tokens[id]; !ok {
			return fmt.Errorf("cannot lift %s: it is not on the last list; look there with revoke --show or inspect", id)
		}
		delete(list.Tokens, id)
	}
	for _, id := range c.liftedIssuers {
		if _, ok := list.Issuers[id]; !ok {
			return fmt.Errorf("cannot lift %s: it is not on the last list; look there with revoke --show or inspect", id)
		}
		delete(list.Issuers, id)
	}
	before := maps.Clone(list.Tokens)
	maps.Copy(list.Tokens, c.Tokens)
	maps.Copy(list.Tokens, before)
	issuers := maps.Clone(list.Issuers)
	maps.Copy(list.Issuers, c.Issuers)
	maps.Copy(list.Issuers, issuers)
	list.Kept = append(list.Kept, c.Kept...)
	return nil
}

// lastList opens the list that is continued; it must be the same root's.
func (d desk) lastList(named string, root ed25519.PublicKey) (license.Revocation, error) {
	raw, err := d.document(named, envelope.Revocation)
	if err != nil {
		return license.Revocation{}, err
	}
	ring, err := ringUnder(root)
	if err != nil {
		return license.Revocation{}, err
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
