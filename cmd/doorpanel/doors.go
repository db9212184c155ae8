package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/agent"
)

// lockdownPort lets the pages lock the panel down.
type lockdownPort struct{ agent *agent.Agent }

func (p lockdownPort) Lockdown() bool { return p.agent.View().Lockdown }

func (p lockdownPort) SetLockdown(ctx context.Context, on bool, who, via string) error {
	answer, err := p.agent.Lockdown(ctx, panel.LockdownRequested{Request: newID(8), On: on, Who: who, Via: via})
	if err == nil && !answer.Granted {
		err = errors.New("cannot change the lockdown: " + answer.Why)
	}
	return err
}

func lockdownCommand() *cobra.Command {
	var p place
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "lockdown [on|off]",
		Short: "Let nobody in but who may in an emergency, end that, or say how it is",
		Long: "A lockdown refuses cards, codes, calls, the pages and commands from upstream at every door, but not credentials that are made for\n" +
			"emergencies. Exit buttons and the fire input open as ever. It lasts until it is ended, also over a restart.",
		Example: "  doorpanel lockdown on\n  doorpanel lockdown --json",
		Args:    cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs), ValidArgs: []string{"on", "off"},
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAPI(cmd, p, func(ctx context.Context, a *api) error {
				var state struct {
					On bool `json:"on"`
				}
				var err error
				if len(args) == 0 {
					err = a.call(ctx, http.MethodGet, "/api/v1/lockdown", "", nil, &state)
				} else {
					err = a.callJSON(ctx, http.MethodPost, "/api/v1/lockdown", map[string]bool{"on": args[0] == "on"}, &state)
				}
				switch {
				case err != nil:
					return err
				case asJSON:
					return printJSON(cmd, state)
				case state.On:
					fmt.Fprintln(cmd.OutOrStdout(), "The panel is locked down. Exit and fire open as ever.")
				default:
					fmt.Fprintln(cmd.OutOrStdout(), "The panel is not locked down.")
				}
				return nil
			})
		},
	}
	p.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}
