package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel/web"
)

func clockCommand() *cobra.Command {
	var p place
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "clock",
		Short: "Show the panel's time and who vouches for it, or set it",
		Example: "  doorpanel clock\n" +
			"  doorpanel clock set 2026-11-21T12:00:00+01:00",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAPI(cmd, p, func(ctx context.Context, a *api) error {
				var view web.ClockView
				if err := a.call(ctx, http.MethodGet, "/api/v1/clock", "", nil, &view); err != nil {
					return err
				}
				return showClock(cmd, view, asJSON)
			})
		},
	}
	cmd.PersistentFlags().BoolVar(&asJSON, "json", false, "answer in JSON")
	p.flags(cmd)
	cmd.AddCommand(clockSetCommand(&p, &asJSON))
	return cmd
}

func clockSetCommand(p *place, asJSON *bool) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "set TIME",
		Short: "Set the panel's clock by hand",
		Long: "Set the panel's clock by hand. The machine's own clock is left alone. The time holds until a better source speaks, and on a\n" +
			"board without a battery until the board is switched off.",
		Example: "  doorpanel clock set 2026-11-21T12:00:00+01:00\n" +
			"  doorpanel clock set \"$(ssh other-host date --rfc-3339=seconds)\"",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			now, err := parseClock(args[0])
			if err != nil {
				return usageError{err}
			}
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				var view web.ClockView
				if err := a.callJSON(ctx, http.MethodPost, "/api/v1/clock", map[string]any{"now": now, "confirm": yes}, &view); err != nil {
					return err
				}
				return showClock(cmd, view, *asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "the time is right, although it is far ahead of the last one the panel is sure of")
	return cmd
}

// parseClock reads a time that says its zone: a panel that is asked has no zone of whoever asks.
func parseClock(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05Z07:00"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("cannot read time %q: write it with its zone, like 2026-11-21T12:00:00+01:00", text)
}

func showClock(cmd *cobra.Command, view web.ClockView, asJSON bool) error {
	if asJSON {
		return printJSON(cmd, view)
	}
	return printClock(cmd.OutOrStdout(), view)
}

func printClock(out io.Writer, view web.ClockView) error {
	source := map[string]string{
		string(license.Synchronized): "a time server", string(license.Administrator): "set by hand", string(license.Battery): "the board's battery clock",
	}[view.Source]
	if source == "" {
		source = "nobody vouches for it"
	}
	trusted := "trusted"
	if !view.Trusted {
		trusted = "not trusted: what has dates or schedules is refused; doorpanel clock set TIME"
	}
	_, err := fmt.Fprintf(out, "time     %s (%s)\nclock    %s\ncertain  %s has passed for sure\n",
		view.Now.UTC().Format(time.RFC3339), source, trusted, view.Mark.UTC().Format(time.RFC3339))
	if err == nil && view.SettlesSeconds > 0 {
		_, err = fmt.Fprintf(out, "         the time that was set by hand counts as certain after %v more of running\n", time.Duration(view.SettlesSeconds)*time.Second)
	}
	return err
}
