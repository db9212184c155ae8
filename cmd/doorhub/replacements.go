package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
)

const asksListed = 1_000

// localAsks lists replacements that wait for an approval, of one company or of all.
func (h *house) localAsks(w http.ResponseWriter, r *http.Request) error {
	list := []ledger.Ask{}
	err := h.ledger.Look(func(book ledger.Book) error {
		roots := []string{r.FormValue("group")}
		if roots[0] == "" {
			roots = nil
			for g, err := range book.Children("", "") {
				if err != nil {
					return err
				}
				roots = append(roots, g.ID)
			}
		}
		for _, root := range roots {
			some, err := ledger.Asks(book, root, "", asksListed-len(list))
			list = append(list, some...)
			if err != nil || len(list) >= asksListed {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return writeLocal(w, map[string]any{"replacements": list})
}

// localReplace puts a panel in the place of a dead one.
func (h *house) localReplace(w http.ResponseWriter, r *http.Request) error {
	var in ledger.ReplaceDevice
	if err := readLocal(r, &in); err != nil {
		return err
	}
	return h.replaceDevice(w, in)
}

// localApprove approves a replacement that waits.
func (h *house) localApprove(w http.ResponseWriter, r *http.Request) error {
	var in ledger.DeclineReplacement
	if err := readLocal(r, &in); err != nil {
		return err
	}
	var ask ledger.Ask
	err := h.ledger.Look(func(book ledger.Book) (err error) {
		ask, _, err = book.Ask(in.Dead)
		return err
	})
	switch {
	case err != nil:
		return err
	case ask.Dead == "":
		return &ledger.Refusal{Reason: ledger.Unknown, Text: "no replacement of this panel waits; see doorhub replacement list"}
	}
	return h.replaceDevice(w, ledger.ReplaceDevice{Dead: ask.Dead, Fresh: ask.Fresh, Approved: true})
}

func (h *house) replaceDevice(w http.ResponseWriter, in ledger.ReplaceDevice) error {
	panels, err := h.store.Panels()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(panels, func(p fleet.Panel) bool { return p.ID == in.Fresh && p.State() == fleet.PanelEnrolled }) {
		return misuse{fmt.Errorf("panel %.64q is not enrolled in this hub: pair it first", in.Fresh)}
	}
	changes, err := h.ledger.Decide(ledger.Request{Who: byRoot}, in)
	var refusal *ledger.Refusal
	if errors.As(err, &refusal) && refusal.Reason == ledger.TooOften {
		told := *refusal
		told.Text += " (--approve)"
		return &told
	}
	if err != nil {
		return err
	}
	return writeLocal(w, ledgerAnswer{Changed: !changes.Empty(), Notices: changes.Notices})
}

func replacementCommand() *cobra.Command {
	p := &place{}
	return group(p, "replacement", "Panels in the place of dead ones, and those that wait for an approval", replacementList(p), replacementMake(p),
		replacementAnswer(p, "approve DEAD", "Approve a replacement that waits: it is done at once", "approve", "the new panel has what the dead one held"),
		replacementAnswer(p, "decline DEAD", "Decline a replacement that waits", "decline", "declined; it stays in the list"))
}

func replacementList(p *place) *cobra.Command {
	var root string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the replacements that wait, or were declined", Args: cobra.NoArgs, Example: "  doorhub replacement list --group COMPANY --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := localPrefix + "replacements?" + url.Values{"group": {root}}.Encode()
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				if asJSON {
					return a.copyJSON(ctx, cmd, path)
				}
				var list struct {
					Replacements []ledger.Ask `json:"replacements"`
				}
				if err := a.call(ctx, http.MethodGet, path, nil, &list); err != nil {
					return err
				}
				var rows [][]string
				for _, one := range list.Replacements {
					state := "waits; free from " + one.Free.Format(time.DateOnly)
					if !one.Declined.IsZero() {
						state = "declined by " + one.DeclinedBy
					}
					rows = append(rows, []string{one.Dead, one.Fresh, one.Root, one.By, dateOf(one.At), state})
				}
				return printTable(cmd, "DEAD NEW COMPANY ASKED-BY ON STATE", rows)
			})
		},
	}
	cmd.Flags().StringVar(&root, "group", "", "`ID` of a company: only its replacements")
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

func replacementMake(p *place) *cobra.Command {
	var in ledger.ReplaceDevice
	var asJSON bool
	cmd := &cobra.Command{
		Use: "make DEAD NEW", Short: "Put a panel in the place of a dead one, with all that it held", Args: cobra.ExactArgs(2),
		Long: "Put the panel NEW in the place of the panel DEAD, with all that it held of licenses. Two a year are free at one place, two weeks apart;\n" +
			"--approve approves one more.",
		Example: "  doorhub replacement make DEAD NEW\n  doorhub replacement make DEAD NEW --approve",
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Dead, in.Fresh = args[0], args[1]
			return changeLedger(cmd, *p, "replacements", in, asJSON, "the new panel has what the dead one held")
		},
	}
	cmd.Flags().BoolVar(&in.Approved, "approve", false, "approve it where it was done too often")
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

func replacementAnswer(p *place, use, short, path, done string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1), Example: "  doorhub replacement " + path + " DEAD",
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeLedger(cmd, *p, "replacements/"+path, ledger.DeclineReplacement{Dead: args[0]}, asJSON, done)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}
