package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/license"
)

func poolCommand() *cobra.Command {
	p := &place{}
	return group(p, "pool", "Licenses that the hub holds for its panels", poolAdd(p), poolList(p), poolShow(p), poolAllot(p), poolDocuments(p))
}

func poolAdd(p *place) *cobra.Command {
	var in struct {
		Site    string `json:"site"`
		Token   string `json:"token"`
		Panel   string `json:"panel,omitempty"`
		Account string `json:"account,omitempty"`
		Keep    bool   `json:"keep,omitempty"`
	}
	var asJSON bool
	cmd := &cobra.Command{
		Use: "add CODE --site SITE", Short: "Enter a license for the panels of a site", Args: cobra.ExactArgs(1),
		Long: "Enter a license. What is counted becomes a pool on the hub, of which panels get shares (doorhub pool allot). What is for one\n" +
			"panel goes there, with --panel also one that is bound to nobody. What is for the whole site goes to each of its panels. With\n" +
			"--keep it waits for whoever types the digits beside its QR code at a panel of the site.",
		Example: "  doorhub pool add DP1:... --site via-roma-7\n  doorhub pool add - --site via-roma-7 --panel PANELID --account ines < seat.txt",
		RunE: func(cmd *cobra.Command, args []string) error {
			if in.Site == "" {
				return usageError{errors.New("cannot add license: name the site with --site")}
			}
			in.Token = args[0]
			if in.Token == "-" {
				var err error
				if in.Token, err = firstLine(cmd.InOrStdin()); err != nil {
					return err
				}
			}
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				var made fleet.PoolAnswer
				if err := a.call(ctx, http.MethodPost, "/api/v1/pools", in, &made); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, made)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s (%s)\n%s\n", made.License, made.Use, made.Message)
				return nil
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&in.Site, "site", "", "`ID` of the site")
	flags.StringVar(&in.Panel, "panel", "", "`ID` of the only panel that is to have it")
	flags.StringVar(&in.Account, "account", "", "`NAME` of the account that a seat is for")
	flags.BoolVar(&in.Keep, "keep", false, "only keep it, for whoever types its short code")
	flags.BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

func poolList(p *place) *cobra.Command {
	var site string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List them: what was sold, what is free", Args: cobra.NoArgs, Example: "  doorhub pool list --site via-roma-7 --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				path := "/api/v1/pools?" + url.Values{"site": {site}}.Encode()
				if asJSON {
					return a.copyJSON(ctx, cmd, path)
				}
				var list struct{ Licenses []fleet.PoolView }
				if err := a.call(ctx, http.MethodGet, path, nil, &list); err != nil {
					return err
				}
				var rows [][]string
				for _, l := range list.Licenses {
					for _, f := range l.Features {
						free := ""
						if l.Use == fleet.UsePool && f.Counted {
							free = strconv.Itoa(f.Free)
						}
						rows = append(rows, []string{l.ID, l.Site, string(l.Use), f.Name, strconv.Itoa(f.Sold), free, l.Status, l.Label})
					}
				}
				return printTable(cmd, "LICENSE SITE USE FEATURE SOLD FREE STATUS LABEL", rows)
			})
		},
	}
	cmd.Flags().StringVar(&site, "site", "", "`ID` of one site (default: all)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

func poolShow(p *place) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show LICENSE", Short: "Show what panels have of one: asked, given, taken, waited for", Args: cobra.ExactArgs(1), Example: "  doorhub pool show 8d0c... --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				path := "/api/v1/pools/" + url.PathEscape(args[0])
				if asJSON {
					return a.copyJSON(ctx, cmd, path)
				}
				var l fleet.PoolView
				if err := a.call(ctx, http.MethodGet, path, nil, &l); err != nil {
					return err
				}
				if l.Held != "" {
					fmt.Fprintln(cmd.OutOrStdout(), l.Held)
				}
				var rows [][]string
				for _, f := range l.Features {
					for _, s := range f.Shares {
						rows = append(rows, []string{f.Name, s.Panel, s.Name, strconv.Itoa(s.Asked), strconv.Itoa(s.Has), shareState(s)})
					}
				}
				return printTable(cmd, "FEATURE PANEL NAME ASKED HAS STATE", rows)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

func shareState(s fleet.PoolShare) string {
	const form = "2006-01-02 15:04"
	if s.Suspended > 0 {
		held := s
		held.Suspended = 0
		return fmt.Sprintf("%d suspended until a group above has room; %s", s.Suspended, shareState(held))
	}
	switch {
	case s.Waiting && s.Why != "":
		return "waiting for the panel since " + s.Since.Local().Format(form) + ": " + s.Why
	case s.Waiting:
		return "waiting for the panel since " + s.Since.Local().Format(form)
	case s.Refused != "":
		return "refused: " + s.Refused
	case s.Taken.IsZero():
		return "waiting for the panel to take it"
	}
	return "taken at " + s.Taken.Local().Format(form)
}

func poolAllot(p *place) *cobra.Command {
	var in struct {
		Panel   string `json:"panel"`
		Feature string `json:"feature,omitempty"`
		Count   int    `json:"count"`
		Confirm bool   `json:"confirm,omitempty"`
	}
	var preview, asJSON bool
	cmd := &cobra.Command{
		Use: "allot LICENSE PANEL COUNT", Short: "Say how much of a license a panel is to have, in all", Args: cobra.ExactArgs(3),
		Long: "Say how much of a license a panel is to have in all. More is given at once. Less is asked of the panel, and is free for others\n" +
			"only when the panel has given it back; what would stop there is named, and nothing is done without --yes.",
		Example: "  doorhub pool allot 8d0c... PANELID 50\n  doorhub pool allot 8d0c... PANELID 40 --preview\n  doorhub pool allot 8d0c... PANELID 40 --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			in.Panel = args[1]
			if in.Count, err = strconv.Atoi(args[2]); err != nil || in.Count < 0 {
				return usageError{fmt.Errorf("cannot allot %q: name a number from 0 up", args[2])}
			}
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				path := "/api/v1/pools/" + url.PathEscape(args[0]) + "/allot"
				if preview {
					path += "/preview"
				}
				var out fleet.PoolAllotted
				if err := a.call(ctx, http.MethodPost, path, in, &out); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, out)
				}
				fmt.Fprintln(cmd.OutOrStdout(), out.Message)
				return nil
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&in.Feature, "feature", license.Buttons, "what is allotted")
	flags.BoolVar(&in.Confirm, "yes", false, "also when something stops at the panel")
	flags.BoolVar(&preview, "preview", false, "say what would happen, and change nothing")
	flags.BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

func poolDocuments(p *place) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "documents PANEL", Short: "List a panel's signed documents, and what it said to each", Args: cobra.ExactArgs(1), Example: "  doorhub pool documents PANELID",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				path := panelPath(args[0]) + "/documents"
				if asJSON {
					return a.copyJSON(ctx, cmd, path)
				}
				var list struct{ Documents []fleet.Paper }
				if err := a.call(ctx, http.MethodGet, path, nil, &list); err != nil {
					return err
				}
				var rows [][]string
				for _, d := range list.Documents {
					at := ""
					if !d.At.IsZero() {
						at = d.At.Local().Format("2006-01-02 15:04:05")
					}
					rows = append(rows, []string{d.Kind, d.ID, d.What, string(d.State), at, d.Why})
				}
				return printTable(cmd, "KIND ID WHAT STATE AT WHY", rows)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}
