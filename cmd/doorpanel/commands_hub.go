package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/panel/web"
)

const hubPath = "/api/v1/hub"

func hubCommand() *cobra.Command {
	var p place
	var asJSON bool
	parent := &cobra.Command{Use: "hub", Short: "Join a hub, leave it, or show which one the panel belongs to", Args: cobra.NoArgs, RunE: needsSubcommand}
	p.flags(parent)
	parent.PersistentFlags().BoolVar(&asJSON, "json", false, "answer in JSON")
	pair := &cobra.Command{
		Use: "pair CODE|-", Short: "Join the hub that shows this pairing code",
		Long: "Join the hub that shows this pairing code. A code is good for ten minutes and for one panel. When the answer is lost the same\n" +
			"code may be given again: the panel is taken in once.",
		Example: "  doorpanel hub pair 'DH1:...'\n" +
			"  doorpanel hub pair - < code.txt",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			code, err := pairingCode(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			return withAPI(cmd, p, func(ctx context.Context, a *api) error {
				var view web.HubView
				if err := a.callJSON(ctx, http.MethodPost, hubPath, map[string]string{"code": code}, &view); err != nil {
					return err
				}
				return showHub(cmd, view, asJSON)
			})
		},
	}
	status := &cobra.Command{
		Use: "status", Short: "Show which hub the panel belongs to, and whether it is connected", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAPI(cmd, p, func(ctx context.Context, a *api) error {
				var view web.HubView
				if err := a.call(ctx, http.MethodGet, hubPath, "", nil, &view); err != nil {
					return err
				}
				return showHub(cmd, view, asJSON)
			})
		},
	}
	parent.AddCommand(pair, status, hubLeave(&p))
	return parent
}

func hubLeave(p *place) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "leave", Short: "Leave the hub", Args: cobra.NoArgs,
		Long: "Leave the hub: the panel forgets it and the key that it showed there. The hub shows the panel as gone; revoke it there, too.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				if !yes {
					fmt.Fprint(cmd.ErrOrStderr(), "The panel leaves its hub and is not watched any more. Type yes to go on: ")
					line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 1<<10)).ReadString('\n')
					if err != nil && !errors.Is(err, io.EOF) {
						return fmt.Errorf("cannot read the answer: %w", err)
					}
					if strings.TrimSpace(line) != "yes" {
						return errors.New("cannot leave the hub: it was not confirmed; nothing was changed")
					}
				}
				if err := a.call(ctx, http.MethodDelete, hubPath, "", nil, nil); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), "The panel has left its hub. Revoke it there, too.")
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// pairingCode takes a code as it was typed, or from standard input, where other users of this host do not see it.
func pairingCode(arg string, stdin io.Reader) (string, error) {
	if arg != "-" {
		return strings.TrimSpace(arg), nil
	}
	raw, err := io.ReadAll(io.LimitReader(stdin, 4<<10))
	if err != nil {
		return "", fmt.Errorf("cannot read the pairing code: %w", err)
	}
	return strings.TrimSpace(string(raw)), nil
}

func showHub(cmd *cobra.Command, v web.HubView, asJSON bool) error {
	if asJSON {
		return printJSON(cmd, v)
	}
	out := cmd.OutOrStdout()
	switch {
	case v.Configured != "":
		fmt.Fprintf(out, "broker   %s (from the configuration; no hub can be joined)\n", v.Configured)
	case !v.Paired:
		fmt.Fprintln(out, "The panel belongs to no hub. doorpanel hub pair CODE joins one.")
		return nil
	default:
		fmt.Fprintf(out, "hub      %s\nsite     %s\nsince    %s, by %s\naddress  %s\nbroker   %s\nuntil    %s (certificate)\n",
			v.Hub, v.Site, v.Since.UTC().Format(time.RFC3339), v.By, v.Address, v.Broker, v.Until.UTC().Format(time.RFC3339))
	}
	state := map[string]string{"ok": "connected", "failed": "not connected", "starting": "connecting", "": "the panel does not run, or begins to connect"}[v.State]
	if v.Detail != "" {
		state += ": " + v.Detail
	}
	fmt.Fprintln(out, "state   ", state)
	return nil
}
