package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/qr"
)

func qrCommand(d desk) *cobra.Command {
	var out, level string
	var scale int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "qr TEXT|FILE --out FILE",
		Short: "Draw a license, delegation or pass as a QR code",
		Long: `Draw the code of a text, or of a file that holds it ("-" reads the input), as PNG or SVG with its quiet zone. Print an ordinary
license at least 30 mm wide. Only the frame is checked, not who signed it: that is what inspect does.`,
		Example: `  doorlicense qr villa.txt --out villa.svg
  doorlicense issue --key root.key --grant buttons=10 | doorlicense qr - --out ten.png`,
		Args: exactly(1, "one text or file"),
		RunE: func(_ *cobra.Command, args []string) error {
			if out == "" {
				return usage("--out is missing: name a .png or .svg file")
			}
			levels := map[string]qr.Level{"L": qr.L, "M": qr.M, "Q": qr.Q, "H": qr.H}
			correction, ok := levels[level]
			if !ok {
				return usage("cannot draw at level %q: it is one of L, M, Q, H", level)
			}
			text, err := d.codeText(args[0])
			if err != nil {
				return err
			}
			kind, raw, err := envelope.Unarmor(text)
			if err != nil {
				return err
			}
			if _, _, err := envelope.Open(kind, raw, func(envelope.KeyID) (ed25519.PublicKey, bool) { return nil, false }); !errors.Is(err, envelope.ErrUnknownKey) {
				return fmt.Errorf("cannot draw: %w; take the whole code", err)
			}
			if err := drawCode(envelope.Armor(kind, raw), out, "", qr.Options{Level: correction, Scale: scale}); err != nil {
				return err
			}
			fmt.Fprintf(d.notes, "wrote %s: %s\n", out, kind)
			if asJSON {
				return printJSON(d.out, struct {
					Kind    envelope.Kind `json:"kind"`
					Picture string        `json:"picture"`
					Level   string        `json:"level"`
				}{kind, out, level})
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&out, "out", "", "picture to write, .png or .svg")
	flags.StringVar(&level, "level", "Q", "how much may be damaged: L, M, Q or H")
	flags.IntVar(&scale, "scale", qr.DefaultScale, "pixels a module")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
