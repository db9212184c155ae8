package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

// papers are texts that say who may sign: roots' public keys, delegations, revocation lists.
type papers struct {
	roots                    []ed25519.PublicKey
	delegations, revocations [][]byte
}

func (p *papers) add(more papers) {
	p.roots = append(p.roots, more.roots...)
	p.delegations, p.revocations = append(p.delegations, more.delegations...), append(p.revocations, more.revocations...)
}

// readPapers takes what a person named apart: one text, a picture, or a file with several, one a line.
func (d desk) readPapers(named string) (papers, error) {
	var p papers
	text, err := d.codeText(named)
	if err != nil {
		return p, err
	}
	for _, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if strings.HasPrefix(line, "ed25519:") {
			root, err := envelope.ParseKey(line)
			if err != nil {
				return p, fmt.Errorf("cannot use %s: %w", named, err)
			}
			p.roots = append(p.roots, root)
			continue
		}
		kind, raw, err := envelope.Unarmor(line)
		if err != nil {
			return p, fmt.Errorf("cannot use %s: %w", named, err)
		}
		switch kind {
		case envelope.Delegation:
			p.delegations = append(p.delegations, raw)
		case envelope.Revocation:
			p.revocations = append(p.revocations, raw)
		default:
			return p, fmt.Errorf("cannot use %s: it is a %s, not a delegation or a revocation list", named, kind)
		}
	}
	return p, nil
}

// besideKey is the file in which an issuer keeps its root's public key and its delegation.
func besideKey(keyFile string) string { return strings.TrimSuffix(keyFile, ".key") + ".delegation" }

// standing is how far a key's licenses are honored: one ring for each root that may stand behind it. None: unknown.
type standing struct {
	key   ed25519.PublicKey
	rings []license.Keyring
}

// standingOf finds the delegation of a key in the flags, or else beside its file. A root needs none.
func (f trustFlags) standingOf(d desk, key signingKey, keyFile string) (standing, error) {
	s := standing{key: key.pub}
	p, err := f.papers(d)
	if err != nil {
		return s, err
	}
	beside := besideKey(keyFile)
	if len(f.delegations) == 0 && exists(beside) {
		kept, err := d.readPapers(beside)
		if err != nil {
			return s, err
		}
		p.add(kept)
	}
	for _, root := range p.roots {
		if root.Equal(key.pub) {
			return s, s.under(p, root)
		}
	}
	switch {
	case len(p.delegations) == 0 && key.role == roleRoot:
		return s, s.under(p, key.pub)
	case len(p.delegations) == 0:
		fmt.Fprintf(d.notes, "warning: no delegation for %s is at hand, so nothing was checked: a panel refuses what goes beyond it. "+
			"Name it with --delegation, or keep it as %s; for a root's own key name that with --root %s\n", keyFile, beside, envelope.KeyText(key.pub))
		return s, nil
	case len(p.roots) == 0:
		return s, usage("--root is missing: name the public key of the root that signed the delegation, or write it into that file as a line of its own")
	}
	for _, root := range p.roots {
		if err := s.under(p, root); err != nil {
			return s, err
		}
	}
	if len(s.rings) == 0 {
		return s, errors.New("cannot use the delegation: none of the roots that were named has signed it; name its root with --root")
	}
	return s, nil
}

// under adds a root when it is the key itself, or has signed one of the delegations.
func (s *standing) under(p papers, root ed25519.PublicKey) error {
	trusted, err := ringUnder(root)
	if err != nil {
		return err
	}
	var delegations, revocations [][]byte
	for _, raw := range p.delegations {
		_, _, err := trusted.OpenDelegation(raw)
		if errors.Is(err, envelope.ErrUnknownKey) {
			continue // another root's
		}
		if err != nil {
			return err
		}
		delegations = append(delegations, raw)
	}
	for _, raw := range p.revocations {
		if _, _, err := trusted.OpenRevocation(raw); err == nil {
			revocations = append(revocations, raw)
		}
	}
	if len(delegations) == 0 && !root.Equal(s.key) {
		return nil
	}
	ring, problems := license.NewKeyring([]ed25519.PublicKey{root}, delegations, revocations)
	s.rings = append(s.rings, ring)
	return errors.Join(problems...)
}

// check refuses what a panel under any of the roots would refuse.
func (s standing) check(token license.Token) error {
	for _, ring := range s.rings {
		if err := ring.Covers(s.key, token); err != nil {
			return err
		}
	}
	return nil
}

// checkAll is check for an order, before its first license is signed.
func (s standing) checkAll(tokens []license.Token, issuedAt time.Time) error {
	for i, token := range tokens {
		token.IssuedAt = issuedAt
		if err := s.check(token); err != nil {
			return fmt.Errorf("license %d of %d %q: %w", i+1, len(tokens), token.Label, err)
		}
	}
	return nil
}
