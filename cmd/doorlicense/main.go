// Command doorlicense is the vendor's desk: it makes keys, lets issuers sign, issues and revokes licenses, inspects and
// prints their codes. What it issued in bulk and what it revoked it keeps in files that its caller names; it never speaks to a panel.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func main() {
	d := desk{in: os.Stdin, out: os.Stdout, notes: os.Stderr, now: time.Now, random: rand.Reader, workFactor: 18}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		d.ask = askTerminal
	}
	d.live = term.IsTerminal(int(os.Stderr.Fd()))
	os.Exit(run(context.Background(), d, os.Args[1:]))
}

// askTerminal reads one line without showing it.
func askTerminal(prompt string) (string, error) {
	fmt.Fprint(os.Stderr, prompt+": ")
	line, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(os.Stderr)
	return string(line), err
}

// desk is the outside world as the commands see it.
type desk struct {
	in     io.Reader
	out    io.Writer // what a script reads
	notes  io.Writer // what only people read
	now    func() time.Time
	random io.Reader
	// ask shows a prompt and reads a passphrase; nil when nobody sits at a terminal.
	ask        func(prompt string) (string, error)
	live       bool // notes is a terminal, on which a line may be drawn again
	workFactor int  // of scrypt for key files, as a power of two: 18 takes 256 MiB and about a second
}

// Exit codes of the outside contract.
const (
	done    = 0
	refused = 1
	misused = 2
)

// usageError is a command line that cannot be understood; everything else is a refusal or failure.
type usageError struct{ error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errRefused ends with the exit code for a refusal after the answer was printed in full.
var errRefused = errors.New("refused")

func run(ctx context.Context, d desk, args []string) int {
	root := &cobra.Command{
		Use:           "doorlicense",
		Short:         "Make keys, issue, inspect and revoke doorpanel licenses",
		Example:       firstSteps,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("unknown command %q; see doorlicense --help", args[0])
			}
			return cmd.Help()
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage("%w; see %s --help", err, cmd.CommandPath()) })
	root.SetIn(d.in)
	root.SetOut(d.out)
	root.SetErr(d.notes)
	root.SetArgs(args)
	root.AddCommand(keygenCommand(d), delegateCommand(d), issueCommand(d), inspectCommand(d), sheetCommand(d), qrCommand(d), revokeCommand(d), releaseCommand(d), reissueCommand(d), signCommand(d))
	for _, cmd := range root.Commands() {
		strictFlags(cmd)
	}
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return done
	case errors.Is(err, errRefused):
		return refused
	case errors.As(err, &usageError{}):
		fmt.Fprintln(d.notes, "doorlicense:", err)
		return misused
	}
	fmt.Fprintln(d.notes, "doorlicense:", err)
	return refused
}

const firstSteps = `  doorlicense keygen root --out root.key
  doorlicense issue --key root.key --grant buttons=10 --label "Villa Rosa" --out villa.png
  doorlicense inspect villa.png --root "$(doorlicense keygen --show root.key)"`

func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usage("%s takes %s; see doorlicense %s --help", cmd.Name(), what, cmd.Name())
		}
		return nil
	}
}

// counted is a number with its noun.
func counted(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

func printJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// moment reads a date (its first instant in UTC) or a time with zone.
func moment(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, usage("cannot read --%s %q: write a date like 2027-01-31, or a time like 2027-01-31T12:00:00Z", flag, text)
}
