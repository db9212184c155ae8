package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

type delegateFlags struct {
	key                       keyFlags
	issuer, name, from, until string
	ceilings                  []string
	number                    uint64
	previous, file, out       string
	narrower, asJSON          bool
}

func delegateCommand(d desk) *cobra.Command {
	var f delegateFlags
	cmd := &cobra.Command{
		Use:   "delegate --key ROOT --issuer KEY --name NAME --ceiling FEATURE[=COUNT] ...",
		Short: "Let an issuer sign licenses under a root, within ceilings",
		Long: `Sign a delegation: the issuer may sign licenses of at most the given count of each feature, issued from --from until --until. What is not
named is not allowed; --ceiling '*=100' stands for all that is not named. Enter the text at a panel like a license.
--file writes the root's public key and the delegation into a file for the issuer, who keeps it beside the key (north.delegation
beside north.key): issue then refuses what panels would refuse.

A later delegation for the same key (a higher number) replaces this one, also for licenses that were issued before it: panels measure each by the newest. So it
may be wider than the one before, and end later, but not narrower; --previous names the one before (default: the --file that is there), and what would
lose its cover is refused. To give an issuer less, let it make a new key and delegate that. --narrower does it all the same.`,
		Example: `  doorlicense delegate --key root.key --issuer ed25519:Kay6... --name "Dealer North" --ceiling buttons=100 --ceiling access_basic --until 2028-01-01 --file north.delegation`,
		Args:    exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			delegation, err := f.delegation(d.now().UTC().Truncate(time.Second))
			if err != nil {
				return err
			}
			signer, err := d.loadKey(f.key)
			if err != nil {
				return err
			}
			if err := f.continuePrevious(d, &delegation, signer); err != nil {
				return err
			}
			raw, err := delegation.Sign(signer.pub, signer.sign)
			if err != nil {
				return err
			}
			if f.file != "" {
				content := envelope.KeyText(signer.pub) + "\n" + envelope.Armor(envelope.Delegation, raw) + "\n"
				if err := replaceFile(f.file, []byte(content)); err != nil {
					return fmt.Errorf("cannot write delegation: %w", err)
				}
				fmt.Fprintf(d.notes, "wrote %s, for beside the issuer's key file\n", f.file)
			}
			return d.deliver(document{kind: envelope.Delegation, raw: raw, summary: fmt.Sprintf("delegation %d for %s", delegation.Number, f.name)}, f.out, f.asJSON)
		},
	}
	f.key.register(cmd, "the root")
	flags := cmd.Flags()
	flags.StringVar(&f.issuer, "issuer", "", "public key of the issuer, ed25519:...")
	flags.StringVar(&f.name, "name", "", "name of the issuer, for people")
	flags.StringArrayVar(&f.ceilings, "ceiling", nil, "feature, or feature=largest count in one license; may be repeated")
	flags.StringVar(&f.from, "from", "", "first day on which licenses may be issued")
	flags.StringVar(&f.until, "until", "", "first day on which they no longer may")
	flags.Uint64Var(&f.number, "number", 0, "the highest number counts (default: the time, in seconds)")
	flags.StringVar(&f.previous, "previous", "", "the delegation before, as text or file, which must not be narrowed")
	flags.BoolVar(&f.narrower, "narrower", false, "allow what takes the cover from licenses that were issued")
	flags.StringVar(&f.file, "file", "", "file to write for the issuer: root and delegation")
	flags.StringVar(&f.out, "out", "", "picture to draw, .png or .svg")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	return cmd
}

func (f delegateFlags) delegation(now time.Time) (license.Delegation, error) {
	delegation := license.Delegation{Name: f.name, Number: f.number, IssuedAt: now}
	var err error
	if f.issuer == "" || f.name == "" {
		return delegation, usage("--issuer or --name is missing: give the issuer's public key as keygen printed it, and its name")
	}
	if delegation.Issuer, err = envelope.ParseKey(f.issuer); err != nil {
		return delegation, usageError{err}
	}
	if delegation.Ceilings, err = parseGrants("ceiling", f.ceilings); err != nil {
		return delegation, err
	}
	if delegation.NotBefore, err = moment("from", f.from); err != nil {
		return delegation, err
	}
	if delegation.Expires, err = moment("until", f.until); err != nil {
		return delegation, err
	}
	if !delegation.Expires.IsZero() && !delegation.NotBefore.Before(delegation.Expires) {
		return delegation, usage("--until %s is not after --from %s: nothing could be issued", f.until, f.from)
	}
	if f.number == 0 {
		delegation.Number = uint64(now.Unix())
	}
	return delegation, nil
}

// continuePrevious holds the next delegation of a key to the one before, and numbers it after that.
func (f delegateFlags) continuePrevious(d desk, next *license.Delegation, root signingKey) error {
	if f.previous == "" && f.file != "" && exists(f.file) {
		f.previous = f.file
	}
	if f.previous == "" {
		return nil
	}
	p, err := d.readPapers(f.previous)
	if err != nil {
		return err
	}
	ring, err := ringUnder(root.pub)
	if err != nil {
		return err
	}
	for _, raw := range p.delegations {
		before, _, err := ring.OpenDelegation(raw)
		if err != nil {
			return fmt.Errorf("cannot continue %s: %w", f.previous, err)
		}
		if !before.Issuer.Equal(next.Issuer) {
			return fmt.Errorf("cannot continue %s: it is for key %s; name another --file for another issuer", f.previous, envelope.KeyText(before.Issuer))
		}
		if lost := next.Narrower(before, next.IssuedAt); lost != "" && !f.narrower {
			return fmt.Errorf("cannot narrow delegation %d of %s: %s would no longer hold; delegate a new key instead, or say --narrower", before.Number, before.Name, lost)
		}
		if f.number == 0 {
			next.Number = max(next.Number, before.Number+1)
		}
		if next.Number <= before.Number {
			return fmt.Errorf("cannot continue %s: number %d is not above %d, panels would keep the old one", f.previous, next.Number, before.Number)
		}
	}
	return nil
}
