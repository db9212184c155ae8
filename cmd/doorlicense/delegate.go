package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

func delegateCommand(d desk) *cobra.Command {
	var key keyFlags
	var issuer, name, from, until, out string
	var ceilings []string
	var number uint64
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "delegate --key ROOT --issuer KEY --name NAME --ceiling FEATURE[=COUNT] ...",
		Short: "Let an issuer sign licenses under a root, within ceilings",
		Long: `Sign a delegation: the issuer may sign licenses of at most the given count of each feature, issued from --from until --until. What is not
named is not allowed; --ceiling '*=100' stands for all that is not named. Enter the text at a panel like a license. A later
delegation for the same key (a higher number) replaces this one.`,
		Example: `  doorlicense delegate --key root.key --issuer ed25519:Kay6... --name "Dealer North" --ceiling buttons=100 --ceiling access_basic --until 2028-01-01`,
		Args:    exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			now := d.now().UTC().Truncate(time.Second)
			delegation := license.Delegation{Name: name, Number: number, IssuedAt: now}
			var err error
			if issuer == "" || name == "" {
				return usage("--issuer or --name is missing: give the issuer's public key as keygen printed it, and its name")
			}
			if delegation.Issuer, err = envelope.ParseKey(issuer); err != nil {
				return usageError{err}
			}
			if delegation.Ceilings, err = parseGrants("ceiling", ceilings); err != nil {
				return err
			}
			if delegation.NotBefore, err = moment("from", from); err != nil {
				return err
			}
			if delegation.Expires, err = moment("until", until); err != nil {
				return err
			}
			if number == 0 {
				delegation.Number = uint64(now.Unix())
			}
			signer, err := d.loadKey(key)
			if err != nil {
				return err
			}
			raw, err := delegation.Sign(signer.pub, signer.sign)
			if err != nil {
				return err
			}
			return d.deliver(document{kind: envelope.Delegation, raw: raw, summary: fmt.Sprintf("delegation %d for %s", delegation.Number, name)}, out, asJSON)
		},
	}
	key.register(cmd, "the root")
	flags := cmd.Flags()
	flags.StringVar(&issuer, "issuer", "", "public key of the issuer, ed25519:...")
	flags.StringVar(&name, "name", "", "name of the issuer, for people")
	flags.StringArrayVar(&ceilings, "ceiling", nil, "feature, or feature=largest count in one license; may be repeated")
	flags.StringVar(&from, "from", "", "first day on which licenses may be issued")
	flags.StringVar(&until, "until", "", "first day on which they no longer may")
	flags.Uint64Var(&number, "number", 0, "the highest number counts (default: the time, in seconds)")
	flags.StringVar(&out, "out", "", "picture to draw, .png or .svg")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
