package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/license/envelope"
)

func keygenCommand(d desk) *cobra.Command {
	var out, show string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "keygen [root|issuer|command]",
		Short: "Make a signing key, or show the public key of one",
		Long: `Make an Ed25519 signing key: a new file (PKCS #8 in PEM, mode 0600) and, on the output, its public key as text.
What the key may do is said elsewhere: a root is named in the panels' configuration ([license] roots), an issuer in a delegation, a
command key in [uplink] command_keys. Keep a root's file offline. Nobody can restore a lost key.`,
		Example: `  doorlicense keygen root
  doorlicense keygen issuer --out north.key
  doorlicense keygen --show north.key`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if show != "" {
				if len(args) > 0 || out != "" {
					return usage("--show reads a key file and makes none; leave the rest away")
				}
				key, err := loadKey(show)
				if err != nil {
					return err
				}
				return printKey(d, show, key, asJSON)
			}
			role := "root"
			if len(args) == 1 {
				role = args[0]
			}
			if len(args) > 1 || role != "root" && role != "issuer" && role != "command" {
				return usage("keygen takes one of root, issuer, command; see doorlicense keygen --help")
			}
			if out == "" {
				out = role + ".key"
			}
			key, err := createKey(out, d.random)
			if err != nil {
				return err
			}
			fmt.Fprintf(d.notes, "wrote %s; its public key follows\n", out)
			return printKey(d, out, key, asJSON)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "key file to write (default: the role and .key)")
	cmd.Flags().StringVar(&show, "show", "", "key file whose public key is shown")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printKey(d desk, path string, key signingKey, asJSON bool) error {
	if asJSON {
		return printJSON(d.out, struct {
			File   string `json:"file"`
			Public string `json:"public"`
			KeyID  string `json:"key_id"`
		}{path, envelope.KeyText(key.pub), envelope.IDOf(key.pub).String()})
	}
	_, err := fmt.Fprintln(d.out, envelope.KeyText(key.pub))
	return err
}
