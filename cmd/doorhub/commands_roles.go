package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/hub/roles"
)

// roleAnswer is the API's list of roles and rights.
type roleAnswer struct {
	Roles  []roles.Role `json:"roles"`
	Rights []struct {
		Right string `json:"right"`
		Area  string `json:"area"`
		Title string `json:"title"`
	} `json:"rights"`
}

func roleCommand() *cobra.Command {
	p := &place{}
	return group(p, "role", "Roles and their rights", roleList(p), rolePut(p), roleRemove(p), roleAppoint(p))
}

func roleList(p *place) *cobra.Command {
	var asJSON, rights bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the roles with their rights", Args: cobra.NoArgs, Example: "  doorhub role list\n  doorhub role list --rights",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				var list roleAnswer
				if err := a.call(ctx, http.MethodGet, "/api/v1/roles", nil, &list); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, list)
				}
				var rows [][]string
				if rights {
					for _, r := range list.Rights {
						rows = append(rows, []string{r.Right, r.Area, r.Title})
					}
					return printTable(cmd, "RIGHT AREA MEANING", rows)
				}
				for _, r := range list.Roles {
					var has []string
					for _, right := range r.Rights {
						has = append(has, string(right))
					}
					rows = append(rows, []string{r.ID, r.Title, r.Group, strings.Join(has, ",")})
				}
				return printTable(cmd, "ID TITLE GROUP RIGHTS", rows)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	cmd.Flags().BoolVar(&rights, "rights", false, "list the rights that there are instead")
	return cmd
}

func rolePut(p *place) *cobra.Command {
	var role roles.Role
	var rights []string
	cmd := &cobra.Command{
		Use: "put ID", Short: "Make a role, or change it for everybody who has it", Args: cobra.ExactArgs(1),
		Example: "  doorhub role put night-desk --title 'Night desk' --rights journals.see,monitor.see --group north",
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, right := range rights {
				role.Rights = append(role.Rights, roles.Right(right))
			}
			body := map[string]any{"title": role.Title, "rights": role.Rights, "group": role.Group}
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				var saved json.RawMessage
				if err := a.call(ctx, http.MethodPut, rolePath(args[0]), body, &saved); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "The role %s is saved.\n", args[0])
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&role.Title, "title", "", "`WORDS` that people see")
	cmd.Flags().StringSliceVar(&rights, "rights", nil, "`RIGHTS` with commas; see doorhub role list --rights")
	cmd.Flags().StringVar(&role.Group, "group", "", "`ID` of the group where it may be given, with everything below (default: anywhere)")
	return cmd
}

func roleRemove(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "remove ID", Short: "Remove a role that nobody has", Args: cobra.ExactArgs(1), Example: "  doorhub role remove night-desk",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				return a.call(ctx, http.MethodDelete, rolePath(args[0]), nil, nil)
			})
		},
	}
}

func rolePath(id string) string { return "/api/v1/roles/" + url.PathEscape(id) }

func roleAppoint(p *place) *cobra.Command {
	var at string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "appoint USER --group ID", Short: "Appoint the first management company of a group, with a code for its first password", Args: cobra.ExactArgs(1),
		Example: "  doorhub role appoint palazzo --group north",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				var made struct {
					User  string    `json:"user"`
					Code  string    `json:"code"`
					Until time.Time `json:"until"`
				}
				if err := a.call(ctx, http.MethodPost, "/api/v1/appointments", map[string]any{"user": args[0], "group": at}, &made); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, made)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s is appointed. Its code, for the page /join, good once until %s:\n%s\n", made.User, made.Until.UTC().Format("2006-01-02 15:04 UTC"), made.Code)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&at, "group", "", "`ID` of the group")
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}
