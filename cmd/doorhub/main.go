// Command doorhub watches a fleet of panels: presence, warnings, every event exactly once.
//
// It is the composition root: it alone knows all packages, and reads from top to bottom in wire.go. It decides nothing.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	_ "time/tzdata" // a box may come without

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// usageError is a command that was called wrongly: exit code 2.
type usageError struct{ error }

// errSilent is a failure that has been told already.
var errSilent = errors.New("")

// execute runs one command. Exit codes: 0 done, 1 refused or failed, 2 usage.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:           "doorhub",
		Short:         "The hub above door panels: who is there, what they tell, who is warned",
		Example:       "  doorhub run\n  doorhub pair --site via-roma-7",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usageError{errors.New("cannot run doorhub: no command was given; see doorhub --help")}
		},
	}
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(commands()...)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSilent) && err.Error() == "":
		return 1
	}
	fmt.Fprintln(stderr, "doorhub:", err)
	var usage usageError
	if errors.As(err, &usage) || isCobraUsage(err) {
		return 2
	}
	return 1
}

// isCobraUsage recognizes the errors that cobra itself makes of a wrong call.
func isCobraUsage(err error) bool {
	text := err.Error()
	for _, start := range []string{"unknown command", "unknown flag", "accepts ", "requires at least", "required flag", "invalid argument"} {
		if strings.HasPrefix(text, start) {
			return true
		}
	}
	return false
}

// version is what the build says of itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return info.Main.Version + "+" + s.Value[:12]
		}
	}
	return info.Main.Version
}
