package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/hub/ledger"
)

func ledgerCommand() *cobra.Command {
	p := &place{}
	return group(p, "ledger", "Who may hand out what: the license ledger", ledgerVerify(p), ledgerExport(p), ledgerShow(p), ledgerUsage(p))
}

func ledgerVerify(p *place) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "verify", Short: "Check that the ledger is one chain from its first entry to its newest", Args: cobra.NoArgs, Example: "  doorhub ledger verify --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				var found verified
				if err := a.call(ctx, http.MethodGet, localPrefix+"verify", nil, &found); err != nil {
					return err
				}
				switch {
				case asJSON:
					if err := printJSON(cmd, found); err != nil || found.Whole {
						return err
					}
					return errSilent
				case !found.Whole:
					return fmt.Errorf("cannot vouch for the ledger: %s", found.Detail)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%d entries fit.\n", found.Entries)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

func ledgerExport(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "export", Short: "Write all entries of the ledger, oldest first, one JSON object a line", Args: cobra.NoArgs, Example: "  doorhub ledger export > ledger.jsonl",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error { return a.copy(ctx, localPrefix+"export", cmd.OutOrStdout()) })
		},
	}
}

func ledgerShow(p *place) *cobra.Command {
	var asJSON, user bool
	cmd := &cobra.Command{
		Use: "show GROUP", Short: "Show what a group, or a user, may use, until when, and which group above binds", Args: cobra.ExactArgs(1),
		Example: "  doorhub ledger show 4f0c9a...\n  doorhub ledger show --user ada --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{"group": {args[0]}}
			if user {
				query = url.Values{"user": {args[0]}}
			}
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				if asJSON {
					return a.copyJSON(ctx, cmd, localPrefix+"state?"+query.Encode())
				}
				var state ledger.State
				if err := a.call(ctx, http.MethodGet, localPrefix+"state?"+query.Encode(), nil, &state); err != nil {
					return err
				}
				return printState(cmd, state)
			})
		},
	}
	cmd.Flags().BoolVar(&user, "user", false, "GROUP is the id of a user")
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

func printState(cmd *cobra.Command, s ledger.State) error {
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", printable(pathText(s.Path)), s.Type)
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		zone = time.UTC
	}
	var rows [][]string
	for _, line := range s.Lines {
		status, until := "off", "no time limit"
		if line.On {
			status = "on"
		}
		if !line.Until.IsZero() {
			until = line.Until.In(zone).Format("2006-01-02 15:04")
		}
		if !line.Counted {
			rows = append(rows, []string{line.Title, status, until, "", "", "", line.Text})
			continue
		}
		rows = append(rows, []string{line.Title, status, until, amount(line.Maximum), fmt.Sprint(line.Used), amount(line.Available), line.Text})
	}
	return printTable(cmd, "WHAT STATUS UNTIL MAXIMUM USED AVAILABLE WHY", rows)
}

func amount(n int) string {
	if n >= ledger.Unlimited {
		return "no limit"
	}
	return fmt.Sprint(n)
}

func ledgerUsage(p *place) *cobra.Command {
	var format, month string
	cmd := &cobra.Command{
		Use: "usage [GROUP]", Short: "Write what is used in each group, for a bill", Args: cobra.MaximumNArgs(1),
		Long: "Write a line for the group and each group below it, or for all companies. What is used below a group is counted in it; each use once.\n" +
			"Besides what is used now there stand the most that was used at once in a month, when, the mean, and what was used at its end. 26 months are kept.",
		Example: "  doorhub ledger usage > usage.csv\n  doorhub ledger usage COMPANY --month 2026-10 --format jsonl",
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "csv" && format != "jsonl" {
				return usageError{fmt.Errorf("cannot write usage as %q: write --format csv or --format jsonl", format)}
			}
			query := url.Values{"format": {format}, "month": {month}}
			if len(args) == 1 {
				query.Set("group", args[0])
			}
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				return a.copy(ctx, localPrefix+"usage?"+query.Encode(), cmd.OutOrStdout())
			})
		},
	}
	cmd.Flags().StringVar(&month, "month", "", "such as 2026-10, by each group's own calendar (default: the `MONTH` that runs)")
	cmd.Flags().StringVar(&format, "format", "csv", "csv, or jsonl: one JSON object a `LINE`")
	return cmd
}

func groupCommand() *cobra.Command {
	p := &place{}
	return group(p, "group", "Companies, buildings, apartments: the tree of groups", groupList(p), groupAdd(p), groupMove(p),
		groupChange(p, "archive GROUP", "End a group in which nothing is left", "groups/keep", "archived"),
		groupChange(p, "restore GROUP", "Bring an archived group back", "groups/back", "there again"))
}

func groupList(p *place) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list [GROUP]", Short: "List the groups right below one, or the companies", Args: cobra.MaximumNArgs(1), Example: "  doorhub group list\n  doorhub group list COMPANY --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			path := localPrefix + "groups?" + url.Values{"parent": args}.Encode()
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				if asJSON {
					return a.copyJSON(ctx, cmd, path)
				}
				var list struct {
					Groups []groupLine `json:"groups"`
				}
				if err := a.call(ctx, http.MethodGet, path, nil, &list); err != nil {
					return err
				}
				var rows [][]string
				for _, g := range list.Groups {
					archived := ""
					if !g.Archived.IsZero() {
						archived = g.Archived.Format(time.DateOnly)
					}
					rows = append(rows, []string{g.ID, g.Name, g.Level, fmt.Sprint(g.Groups), fmt.Sprint(g.Users), fmt.Sprint(g.Devices), archived})
				}
				return printTable(cmd, "ID NAME LEVEL GROUPS USERS PANELS ARCHIVED", rows)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

func groupAdd(p *place) *cobra.Command {
	var in newGroup
	var asJSON bool
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Make a company, or a group below one", Args: cobra.ExactArgs(1),
		Long: "Make a group. Without --below it is a company. With --registration the company begins with the Trial of that partner: everything,\n" +
			"30 days, once.",
		Example: "  doorhub group add 'Rossi Immobili' --zone Europe/Rome --registration partner-4711\n  doorhub group add 'Building 7' --below COMPANY --level building",
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Group.Name = args[0]
			if in.Registration != "" && in.Group.Parent != "" {
				return usageError{errors.New("cannot start a Trial in a group: --registration belongs to a company, without --below")}
			}
			return changeLedger(cmd, *p, "groups", in, asJSON, "group {id} is there")
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&in.Group.ID, "id", "", "its `ID`, of a-z, 0-9 and - (default: drawn at random)")
	flags.StringVar(&in.Group.Parent, "below", "", "`ID` of the group above")
	flags.StringVar(&in.Group.Level, "level", "", "`ID` of its level: building, units, floors, apartments, or what the company calls them")
	flags.StringVar(&in.Group.Zone, "zone", "", "IANA `NAME` of the time zone (default: that of the group above)")
	flags.StringSliceVar(&in.Group.Administrators, "administrator", nil, "mail `ADDRESS` that reminders go to; may be repeated")
	flags.StringVar(&in.Registration, "registration", "", "the partner's registration, for the `ID` of his Trial")
	flags.BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

func groupMove(p *place) *cobra.Command {
	var in ledger.MoveGroup
	var asJSON bool
	cmd := &cobra.Command{
		Use: "move GROUP --to GROUP", Short: "Hang a group with all below it under another one of the same company", Args: cobra.ExactArgs(1),
		Example: "  doorhub group move FLAT --to BUILDING",
		RunE: func(cmd *cobra.Command, args []string) error {
			if in.ID = args[0]; in.To == "" {
				return usageError{errors.New("cannot move group: name the new group above with --to")}
			}
			return changeLedger(cmd, *p, "groups/move", in, asJSON, "moved")
		},
	}
	cmd.Flags().StringVar(&in.To, "to", "", "`ID` of the new group above")
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

func groupChange(p *place, use, short, path, done string) *cobra.Command {
	var asJSON bool
	name, _, _ := strings.Cut(use, " ")
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1), Example: "  doorhub group " + name + " FLAT",
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeLedger(cmd, *p, path, map[string]string{"id": args[0]}, asJSON, done)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

// changeLedger asks for a change and tells what became of it.
func changeLedger(cmd *cobra.Command, p place, path string, in any, asJSON bool, done string) error {
	return withAPI(cmd, p, func(ctx context.Context, a *api) error {
		var answer ledgerAnswer
		if err := a.call(ctx, http.MethodPost, localPrefix+path, in, &answer); err != nil {
			return err
		}
		if asJSON {
			return printJSON(cmd, answer)
		}
		if !answer.Changed {
			done = "it was so already"
		}
		fmt.Fprintln(cmd.OutOrStdout(), strings.ReplaceAll(done, "{id}", answer.ID))
		tellNotices(cmd, answer.Notices)
		return nil
	})
}

func tellNotices(cmd *cobra.Command, notices []ledger.Notice) {
	for _, n := range notices {
		fmt.Fprintln(cmd.OutOrStdout(), printable(n.Text))
	}
}

func packageCommand() *cobra.Command {
	p := &place{}
	return group(p, "package", "Packages of licenses that a company bought", packageAdd(p), packageList(p), packageUndo(p), packageAssign(p), packageTrial(p))
}

func packageAdd(p *place) *cobra.Command {
	var in packageAsk
	var asJSON bool
	cmd := &cobra.Command{
		Use: "add CODE", Short: "Activate a package at a company, or make it known", Args: cobra.ExactArgs(1),
		Long: "Activate a package. CODE is the text DP1:... of its QR code, the name of a file with that text, or the 20 digits of its short code when\n" +
			"the package is known here. --stock makes it known without activating it. Delegations and revocation lists are taken too.\n" +
			"A license of an account belongs to the user of --user, whatever his groups have; without it, it waits.",
		Example: "  doorhub package add DP1:... --group COMPANY\n  doorhub package add package.txt --stock\n  doorhub package add '1234 5678 9012 3456 7890' --group COMPANY --renew PACKAGE",
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if in.Text, err = codeOf(args[0]); err != nil {
				return err
			}
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				var answer packageAnswer
				if err := a.call(ctx, http.MethodPost, localPrefix+"packages", in, &answer); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, answer)
				}
				fmt.Fprintln(cmd.OutOrStdout(), cmp.Or(printable(answer.Message), answer.Result))
				tellNotices(cmd, answer.Notices)
				return nil
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&in.Root, "group", "", "`ID` of the company")
	flags.StringVar(&in.Renew, "renew", "", "`ID` of the package whose end this one follows")
	flags.StringVar(&in.User, "user", "", "`ID` of the user, of a license of an account; without it, it waits")
	flags.BoolVar(&in.Stock, "stock", false, "make it known, for its short code")
	flags.BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

// codeOf is the code itself, or what the file of that name holds.
func codeOf(arg string) (string, error) {
	const most = 64 << 10
	info, err := os.Stat(arg)
	if err != nil || info.IsDir() {
		return strings.TrimSpace(arg), nil
	}
	if info.Size() > most {
		return "", fmt.Errorf("cannot read %s: %d bytes are more than a package has", arg, info.Size())
	}
	text, err := os.ReadFile(arg)
	if err != nil {
		return "", fmt.Errorf("cannot read the package: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

func packageList(p *place) *cobra.Command {
	var root string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the packages that this hub knows", Args: cobra.NoArgs, Example: "  doorhub package list --group COMPANY --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := localPrefix + "packages?" + url.Values{"group": {root}}.Encode()
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				if asJSON {
					return a.copyJSON(ctx, cmd, path)
				}
				var list struct {
					Packages []ledger.Package `json:"packages"`
				}
				if err := a.call(ctx, http.MethodGet, path, nil, &list); err != nil {
					return err
				}
				var rows [][]string
				for _, one := range list.Packages {
					rows = append(rows, []string{one.ID, one.Root, one.Label, packageState(one), dateOf(one.Until)})
				}
				return printTable(cmd, "ID COMPANY LABEL STATE UNTIL", rows)
			})
		},
	}
	cmd.Flags().StringVar(&root, "group", "", "`ID` of a company: only what it bought")
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

func packageState(p ledger.Package) string {
	switch {
	case !p.Revoked.IsZero():
		return "revoked " + dateOf(p.Revoked)
	case p.Root == "":
		return "known"
	case !p.Undone.IsZero():
		return "given back " + dateOf(p.Undone)
	case p.Account && p.User == "":
		return "waits for an account"
	case p.Account:
		return "of user " + p.User
	}
	return "active since " + dateOf(p.Activated)
}

func dateOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

func packageUndo(p *place) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "undo PACKAGE", Short: "Give a package back within seven days of its activation", Args: cobra.ExactArgs(1), Example: "  doorhub package undo 0a1b...",
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeLedger(cmd, *p, "packages/undo", ledger.UndoPackage{ID: args[0]}, asJSON, "given back; it may be activated somewhere else")
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

func packageAssign(p *place) *cobra.Command {
	var in ledger.AssignPackage
	var wait, asJSON bool
	cmd := &cobra.Command{
		Use: "assign PACKAGE [USER]", Short: "Associate a license of an account with a user", Args: cobra.RangeArgs(1, 2),
		Long: "Associate a license of an account with a user of the company at which it was entered. For seven days this can be changed, or taken\n" +
			"back with --wait; then the license is his for good.",
		Example: "  doorhub package assign 0a1b... ADA\n  doorhub package assign 0a1b... --wait",
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 2) == wait {
				return usageError{errors.New("cannot associate license: name the user, or write --wait")}
			}
			in.ID = args[0]
			done := "it waits for an account"
			if !wait {
				in.User, done = args[1], "it is the user's now"
			}
			return changeLedger(cmd, *p, "packages/assign", in, asJSON, done)
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "let it wait for another account")
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

func packageTrial(p *place) *cobra.Command {
	var in ledger.StartTrial
	var asJSON bool
	cmd := &cobra.Command{
		Use: "trial COMPANY --registration ID", Short: "Start the Trial of a partner at his company: everything, 30 days, once", Args: cobra.ExactArgs(1),
		Example: "  doorhub package trial COMPANY --registration partner-4711",
		RunE: func(cmd *cobra.Command, args []string) error {
			if in.Root = args[0]; in.Registration == "" {
				return usageError{errors.New("cannot start the Trial: it belongs to a partner's registration, name it with --registration")}
			}
			return changeLedger(cmd, *p, "trial", in, asJSON, "the Trial has begun")
		},
	}
	cmd.Flags().StringVar(&in.Registration, "registration", "", "`ID` of the partner's registration")
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}
