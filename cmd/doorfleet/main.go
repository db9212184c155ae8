// Command doorfleet runs many real panels in one process against a hub: for load, for tests and for demonstration.
//
// Each of them is the panel's own machine, loop, journal and uplink; only hardware, residents and the disk's syncs are left out.
// It decides nothing about doors, and it does not help the hub: what it knows about the panels it only uses to count afterwards.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // the sites are in a zone

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// usageError is a command that was called wrongly: exit code 2.
type usageError struct{ error }

// errNotWhole is that something is lost or there twice. The report has said what.
var errNotWhole = errors.New("")

// execute runs one command. Exit codes: 0 all entries are at the hub once, 1 they are not or something failed, 2 usage.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use: "doorfleet", Short: "Many simulated door panels against one hub", SilenceErrors: true, SilenceUsage: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usageError{errors.New("cannot run doorfleet: no command was given; see doorfleet --help")}
		},
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(runCommand(), storyCommand())
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errNotWhole):
		return 1
	}
	fmt.Fprintln(stderr, "doorfleet:", err)
	if errors.As(err, &usage) || strings.HasPrefix(err.Error(), "unknown command") {
		return 2
	}
	return 1
}

func storyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "story [FILE]", Short: "say what a story can tell, or check one", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				fmt.Fprint(cmd.OutOrStdout(), storyHelp)
				return nil
			}
			scenes, err := readStory(args[0])
			if err != nil {
				return err
			}
			for _, s := range scenes {
				fmt.Fprintf(cmd.OutOrStdout(), "%8s  %s\n", s.at, s.text)
			}
			return nil
		},
	}
}

const storyHelp = `A story is a text file with one happening a line, at a time of the day:

  begins 10:00                       # when the clock of the story starts
  10:02  site Roma 1 loses its line for 5 minutes
  10:03  panel 2 of Milano 1 loses its power for 90 s
  10:04  panel 17 flaps 6 times
  10:05  everybody storms with 3 visits each
  10:15  the end

Who:   everybody | site NAME | panel N of SITE | panel N | N percent | the hub | the broker
What:  loses its line [for ...]      nothing passes and nobody is told
       loses its power [for ...]     nothing more is written or sent; then it boots
       stops [for ...]               in good order, with a goodbye
       restarts
       is away for ...               the hub or the broker only
       flaps N times                 its line is gone for 40 s, back for 20 s
       storms [with N visits each]   people come to all of them at the same moment
       has the clock of the year 2000 [for ...]
       has a clock that jumps 3 hours ahead (or back)
       does not know the time [for ...]
       is copied, is restored        set back to the copy: its journal is rewritten
       has a twin for ...            a second panel with its key and its journal
       sends garbage
       makes N entries a minute      everybody only
       the end                       without anybody
`

func readStory(path string) ([]scene, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the story: %w", err)
	}
	scenes, faults := parseStory(string(text))
	return scenes, errors.Join(faults...)
}
