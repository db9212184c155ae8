package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/license/envelope"
)

type keygenFlags struct {
	out, show, protect, passphraseFile, newPassphraseFile string
	unencrypted, asJSON                                   bool
}

func keygenCommand(d desk) *cobra.Command {
	var f keygenFlags
	cmd := &cobra.Command{
		Use:   "keygen [root|issuer|command]",
		Short: "Make a signing key, show the public key of one, or change its passphrase",
		Long: `Make an Ed25519 signing key: a new file (mode 0600) and, on the output, its public key as text. The file is encrypted with a passphrase,
which is asked for on the terminal or read from --passphrase-file; age(1) opens it too (age --decrypt), inside is PKCS #8 in PEM. --unencrypted leaves the
passphrase away, with a warning; nothing else does. Files that are not encrypted are read as well; --protect
encrypts one, or changes a passphrase.
What the key may do is said elsewhere: a root is named in the panels' configuration ([license] roots), an issuer in a delegation, a
command key in [uplink] command_keys. Keep a root's file offline, and a copy of it elsewhere. Nobody can restore a lost key or passphrase.`,
		Example: `  doorlicense keygen root
  doorlicense keygen issuer --out north.key --passphrase-file north.pass
  doorlicense keygen --show north.key
  doorlicense keygen --protect old.key`,
		Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case f.show != "" && f.protect != "" || (f.show != "" || f.protect != "") && (len(args) > 0 || f.out != "" || f.unencrypted):
				return usage("--show and --protect each name a key file and make none; leave the rest away")
			case f.newPassphraseFile != "" && f.protect == "":
				return usage("--new-passphrase-file belongs to --protect; a new key takes --passphrase-file")
			case f.unencrypted && f.passphraseFile != "":
				return usage("--unencrypted and --passphrase-file exclude each other: keep one")
			case f.show != "":
				key, err := d.loadKey(keyFlags{f.show, f.passphraseFile})
				if err != nil {
					return err
				}
				return f.print(d, f.show, key)
			case f.protect != "":
				return f.change(d)
			}
			role := roleRoot
			if len(args) == 1 {
				role = args[0]
			}
			if len(args) > 1 || role != roleRoot && role != roleIssuer && role != roleCommand {
				return usage("keygen takes one of root, issuer, command; see doorlicense keygen --help")
			}
			if f.out == "" {
				f.out = role + ".key"
			}
			return f.create(d, role)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.out, "out", "", "key file to write (default: the role and .key)")
	flags.StringVar(&f.show, "show", "", "key file whose public key is shown")
	flags.StringVar(&f.protect, "protect", "", "key file that is encrypted, or whose passphrase is changed")
	flags.StringVar(&f.passphraseFile, "passphrase-file", "", "file with the passphrase (default: ask on the terminal)")
	flags.StringVar(&f.newPassphraseFile, "new-passphrase-file", "", "with --protect: file with the new passphrase (default: ask on the terminal)")
	flags.BoolVar(&f.unencrypted, "unencrypted", false, "write the key file without a passphrase")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	return cmd
}

func (f keygenFlags) create(d desk, role string) error {
	if exists(f.out) {
		return fmt.Errorf("cannot write key file %s: it is there; an existing key is never overwritten, choose another name", f.out)
	}
	passphrase := ""
	if !f.unencrypted {
		if d.ask == nil && f.passphraseFile == "" {
			return errors.New("cannot make key: nobody is there to type a passphrase; name a file that holds it with --passphrase-file, or say --unencrypted")
		}
		var err error
		if passphrase, err = d.newPassphrase(f.passphraseFile, f.out); err != nil {
			return err
		}
	}
	key, err := d.createKey(f.out, role, passphrase)
	if err != nil {
		return err
	}
	if !key.encrypted {
		fmt.Fprintf(d.notes, "warning: %s is not encrypted: whoever copies it can sign; protect it with: doorlicense keygen --protect %[1]s\n", f.out)
	}
	fmt.Fprintf(d.notes, "wrote %s; its public key follows\n", f.out)
	return f.print(d, f.out, key)
}

func (f keygenFlags) change(d desk) error {
	key, err := d.loadKey(keyFlags{f.protect, f.passphraseFile})
	if err != nil {
		return err
	}
	passphrase, err := d.newPassphrase(f.newPassphraseFile, f.protect)
	if err != nil {
		return err
	}
	if err := d.protectKey(f.protect, key, passphrase); err != nil {
		return err
	}
	fmt.Fprintf(d.notes, "%s is encrypted with the new passphrase; copies made before are not\n", f.protect)
	key.encrypted = true
	return f.print(d, f.protect, key)
}

func (f keygenFlags) print(d desk, path string, key signingKey) error {
	if f.asJSON {
		return printJSON(d.out, struct {
			File      string `json:"file"`
			Public    string `json:"public"`
			KeyID     string `json:"key_id"`
			Encrypted bool   `json:"encrypted"`
		}{path, envelope.KeyText(key.pub), envelope.IDOf(key.pub).String(), key.encrypted})
	}
	_, err := fmt.Fprintln(d.out, envelope.KeyText(key.pub))
	return err
}
