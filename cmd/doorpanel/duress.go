package main

import (
	"bufio"
	"context"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/agent"
	"github.com/doorpanel/doorpanel/panel/web"
)

// The silent alarm's keys and messages as people see them. What is sealed is HPKE (RFC 9180) in base mode: DHKEM(X25519,
// HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305, the encapsulated key before the ciphertext.
const (
	recipientPrefix = "x25519:"        // and the public key in base64url
	secretPrefix    = "x25519-secret:" // and the private key in base64url, in a file of its recipient's
	testPrefix      = "DT1:"           // and a sealed number in base64url
	markInfo        = "doorpanel/duress/1"
	testInfo        = "doorpanel/duress-test/1"
	// sealedMark is the length of a sealed mark: the encapsulated key, one byte, the tag.
	sealedMark = 32 + 1 + 16
	// theHub stands for the key that this panel's hub gave when it took the panel in.
	theHub = "hub"
)

var keyText = base64.RawURLEncoding

func readRecipient(text string) (hpke.PublicKey, error) {
	encoded, named := strings.CutPrefix(strings.TrimSpace(text), recipientPrefix)
	raw, err := keyText.DecodeString(encoded)
	if !named || err != nil {
		return nil, fmt.Errorf("cannot use recipient %q: a public key is x25519: and 43 characters, as doorpanel duress keygen printed it", text)
	}
	point, err := ecdh.X25519().NewPublicKey(raw)
	if err != nil {
		return nil, fmt.Errorf("cannot use recipient %q: %w", text, err)
	}
	return hpke.NewDHKEMPublicKey(point)
}

func seal(recipient, info string, plain []byte) ([]byte, error) {
	key, err := readRecipient(recipient)
	if err != nil {
		return nil, err
	}
	return hpke.Seal(key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(info), plain)
}

// sealMark makes the mark of a grant, always of one length.
func sealMark(recipient string, duress bool) ([]byte, error) {
	mark := byte(0)
	if duress {
		mark = 1
	}
	return seal(recipient, markInfo, []byte{mark})
}

// openMark reads a mark. A mark that was sealed to somebody else is an error.
func openMark(key hpke.PrivateKey, sealed []byte) (bool, error) {
	if len(sealed) != sealedMark {
		return false, fmt.Errorf("cannot read mark: it has %d bytes, not %d", len(sealed), sealedMark)
	}
	plain, err := hpke.Open(key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(markInfo), sealed)
	if err != nil {
		return false, fmt.Errorf("cannot read mark: it was not sealed to this key: %w", err)
	}
	return plain[0] != 0, nil
}

// readSecret reads the recipient's key file.
func readSecret(file string) (hpke.PrivateKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read key: %w", err)
	}
	encoded, named := strings.CutPrefix(strings.TrimSpace(string(text)), secretPrefix)
	raw, err := keyText.DecodeString(encoded)
	if !named || err != nil {
		return nil, fmt.Errorf("cannot read key %s: it is not a file of doorpanel duress keygen", file)
	}
	private, err := ecdh.X25519().NewPrivateKey(raw)
	if err != nil {
		return nil, fmt.Errorf("cannot read key %s: %w", file, err)
	}
	return hpke.NewDHKEMPrivateKey(private)
}

// alarmPort is the silent alarm for the pages.
type alarmPort struct {
	agent *agent.Agent
	dir   *directory
	hub   *membership
}

func (h *house) alarmPort() alarmPort { return alarmPort{h.agent, h.dir, h.hub} }

func (p alarmPort) Recipient() string { return p.agent.View().Duress }

// Waiting is whose test runs.
func (p alarmPort) Waiting() string { return p.agent.View().DuressTested }

// HubKey is the key to which marks for this panel's hub are sealed; empty: the panel has no hub, or one that takes none.
func (p alarmPort) HubKey() string {
	record, _, found, err := p.hub.current()
	if err != nil || !found {
		return ""
	}
	return record.Answer.Sealing
}

// TestDuress seals a number of 8 digits, or switches the silent alarm off.
func (p alarmPort) TestDuress(ctx context.Context, recipient, by string) (string, error) {
	if recipient == "" {
		return "", p.agent.Do(ctx, panel.DuressOff{Who: by})
	}
	if recipient = strings.TrimSpace(recipient); recipient == theHub {
		if recipient = p.HubKey(); recipient == "" {
			return "", invalid("cannot test the silent alarm: this panel belongs to no hub that takes it; pair it with one, or name the recipient's key")
		}
	}
	n, err := rand.Int(rand.Reader, big.NewInt(100_000_000))
	if err != nil {
		return "", fmt.Errorf("cannot draw a number: %w", err)
	}
	number := fmt.Sprintf("%08d", n)
	sealed, err := seal(recipient, testInfo, []byte(number))
	if err != nil {
		return "", invalid("%v", err)
	}
	if err := p.agent.Do(ctx, panel.DuressTested{Recipient: recipient, Number: number, Who: by, Sealed: sealed}); err != nil {
		return "", err
	}
	return testPrefix + keyText.EncodeToString(sealed), nil
}

func (p alarmPort) ConfirmDuress(ctx context.Context, number, by string) error {
	answer, err := p.agent.ConfirmDuress(ctx, strings.TrimSpace(number), by)
	switch {
	case err != nil || answer.Granted:
		return err
	case answer.Why == "no_test":
		return fmt.Errorf("cannot switch the silent alarm on: no test is running, or three wrong numbers ended it; make a new test: %w", web.ErrConflict)
	}
	return invalid("cannot switch the silent alarm on: this is not the number in the test")
}

// DrawDuressCode draws a code under duress, where there is somebody who hears of it.
func (p alarmPort) DrawDuressCode(ctx context.Context, credential, by string) (string, error) {
	if p.Recipient() == "" {
		return "", fmt.Errorf("%w: %w", errNoRecipient, web.ErrConflict)
	}
	return p.dir.DrawDuressCode(ctx, credential, by)
}

// DropDuressCode takes a code under duress away.
func (p alarmPort) DropDuressCode(ctx context.Context, credential, by string) error {
	return p.dir.DropDuressCode(ctx, credential, by)
}

// ForgiveGuesses counts wrong tries from nothing again.
func (p alarmPort) ForgiveGuesses(ctx context.Context, by string) error {
	return p.agent.Do(ctx, panel.BudgetReset{Who: by})
}

var errNoRecipient = errors.New("cannot draw a duress code: the silent alarm is not switched on; have its recipient confirm a test first")

func duressCommand() *cobra.Command {
	var p place
	parent := &cobra.Command{
		Use: "duress", Short: "The silent alarm: make its key, try it, read its marks", Args: cobra.NoArgs, RunE: needsSubcommand,
		Long: "Whoever is forced to open types a code of their own that opens like any other. Its mark is sealed to one recipient's key: nobody\n" +
			"at the panel can tell. The recipient makes a key, an administrator has it tested, and the number in the test switches it on.",
	}
	p.flags(parent)
	keygen := &cobra.Command{
		Use: "keygen FILE", Short: "Make the recipient's key, and print the public half for the panels", Args: cobra.ExactArgs(1),
		Example: "  doorpanel duress keygen guard.key",
		RunE:    func(cmd *cobra.Command, args []string) error { return makeSecret(cmd.OutOrStdout(), args[0]) },
	}
	var key string
	open := &cobra.Command{
		Use: "open --key FILE MESSAGE", Short: "Read the number in a test", Args: cobra.ExactArgs(1),
		Example: "  doorpanel duress open --key guard.key DT1:…",
		RunE: func(cmd *cobra.Command, args []string) error {
			secret, err := readSecret(key)
			if err != nil {
				return err
			}
			number, err := openTest(secret, args[0])
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), number)
			}
			return err
		},
	}
	open.Flags().StringVar(&key, "key", "", "the recipient's key")
	test := &cobra.Command{
		Use: "test RECIPIENT|hub", Short: "Seal a number to the recipient's public key; the silent alarm is off until it comes back", Args: cobra.ExactArgs(1),
		Long: "Seal a number to the recipient's public key, or to the hub that the panel belongs to: the hub sends it to those who get its silent\n" +
			"alarms. The silent alarm is off until the number comes back.",
		Example: "  doorpanel duress test x25519:…\n  doorpanel duress test hub",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAPI(cmd, p, func(ctx context.Context, a *api) error {
				var answer struct{ Message string }
				if err := a.callJSON(ctx, http.MethodPost, "/api/v1/duress/test", map[string]string{"recipient": args[0]}, &answer); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), answer.Message)
				return nil
			})
		},
	}
	confirm := &cobra.Command{
		Use: "confirm NUMBER", Short: "Switch the silent alarm on with the number that its recipient found", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAPI(cmd, p, func(ctx context.Context, a *api) error {
				if err := a.callJSON(ctx, http.MethodPost, "/api/v1/duress/confirm", map[string]string{"number": args[0]}, nil); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), "The silent alarm is switched on.")
				return nil
			})
		},
	}
	off := &cobra.Command{
		Use: "off", Short: "Switch the silent alarm off", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAPI(cmd, p, func(ctx context.Context, a *api) error {
				return a.call(ctx, http.MethodDelete, "/api/v1/duress", "", nil, nil)
			})
		},
	}
	parent.AddCommand(keygen, open, test, confirm, off)
	return parent
}

func makeSecret(out io.Writer, file string) error {
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("cannot make key: %w", err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("cannot write key: %w", err)
	}
	_, err = fmt.Fprintln(f, secretPrefix+keyText.EncodeToString(private.Bytes()))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("cannot write key: %w", err)
	}
	_, err = fmt.Fprintln(out, recipientPrefix+keyText.EncodeToString(private.PublicKey().Bytes()))
	return err
}

func openTest(key hpke.PrivateKey, message string) (string, error) {
	encoded, named := strings.CutPrefix(strings.TrimSpace(message), testPrefix)
	sealed, err := keyText.DecodeString(encoded)
	if !named || err != nil {
		return "", errors.New("cannot read test: it is DT1: and what follows, as the panel showed it")
	}
	number, err := hpke.Open(key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(testInfo), sealed)
	if err != nil {
		return "", fmt.Errorf("cannot read test: it was not sealed to this key: %w", err)
	}
	return string(number), nil
}

// journalDuress lists the entries whose mark says duress, from an export or from the panel itself.
func journalDuress(p *place) *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use:   "duress --key FILE [EXPORT|-]",
		Short: "List what was opened under duress, with the recipient's key",
		Long: "Read an export of the journal, or the events of a broker one a line, and list the entries whose mark says duress, one JSON object\n" +
			"a line. Without an export the panel's own journal is read. Only the recipient's key can tell; keep it away from the panel.",
		Example: "  doorpanel journal export > journal.jsonl\n  doorpanel journal duress --key guard.key journal.jsonl",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			secret, err := readSecret(key)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return duressInPanel(cmd, *p, secret)
			}
			in := cmd.InOrStdin()
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return fmt.Errorf("cannot read export: %w", err)
				}
				defer f.Close()
				in = f
			}
			return duressIn(in, cmd.OutOrStdout(), secret)
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "the recipient's key")
	return cmd
}

func duressInPanel(cmd *cobra.Command, p place, secret hpke.PrivateKey) error {
	return withAPI(cmd, p, func(ctx context.Context, a *api) error {
		for after := uint64(0); ; {
			var page struct{ Entries []json.RawMessage }
			if err := a.call(ctx, http.MethodGet, fmt.Sprintf("/api/v1/journal?after=%d&limit=1000", after), "", nil, &page); err != nil {
				return err
			}
			if len(page.Entries) == 0 {
				return nil
			}
			for _, line := range page.Entries {
				seq, err := duressLine(line, cmd.OutOrStdout(), secret)
				if err != nil {
					return err
				}
				after = seq
			}
		}
	})
}

// maxLine bounds one line of an export, in bytes.
const maxLine = 1 << 20

func duressIn(in io.Reader, out io.Writer, secret hpke.PrivateKey) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		if _, err := duressLine(lines.Bytes(), out, secret); err != nil {
			return fmt.Errorf("row %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("cannot read export: %w", err)
	}
	return nil
}

// duressLine repeats a line whose mark says duress. A mark for somebody else is passed over: recipients change.
func duressLine(line []byte, out io.Writer, secret hpke.PrivateKey) (seq uint64, err error) {
	var e struct {
		Seq    uint64 `json:"seq"`
		Sealed []byte `json:"sealed"`
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return 0, fmt.Errorf("cannot read entry: %w", err)
	}
	if duress, err := openMark(secret, e.Sealed); err == nil && duress {
		_, err := fmt.Fprintf(out, "%s\n", strings.TrimSpace(string(line)))
		return e.Seq, err
	}
	return e.Seq, nil
}
