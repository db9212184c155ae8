// Command doorpanel is the panel's daemon, and the installer's commands beside it.
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
	"syscall"
	"time"
	_ "time/tzdata" // a board may come without

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

// execute runs one command. Exit codes: 0 done, 1 refused or failed, 2 usage, 3 start me again.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:           "doorpanel",
		Short:         "The door panel: calls, badges, licenses, doors",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageError{errors.New("cannot run doorpanel: no command was given; see doorpanel --help")}
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
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSilent) && err.Error() == "":
		return 1
	case errors.Is(err, errReset):
		fmt.Fprintln(stderr, "doorpanel:", err)
		return 3
	}
	fmt.Fprintln(stderr, "doorpanel:", err)
	if errors.As(err, &usage) || isCobraUsage(err) {
		return 2
	}
	return 1
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

// buildTime is when this program was committed: no panel that runs it lives before.
func buildTime() time.Time {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				if t, err := time.Parse(time.RFC3339, s.Value); err == nil {
					return t
				}
			}
		}
	}
	return time.Time{}
}
