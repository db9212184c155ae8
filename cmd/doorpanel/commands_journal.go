package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/panel/web"
)

// journalExport writes the entries that a filter chooses.
func journalExport(p *place) *cobra.Command {
	filter := map[string]*string{"kind": new(string), "door": new(string), "who": new(string), "since": new(string), "until": new(string)}
	var asCSV bool
	asJSON := true
	cmd := &cobra.Command{
		Use: "export", Short: "Write all entries, or those that fit, oldest first", Args: cobra.NoArgs,
		Example: "  doorpanel journal export > journal.json\n" +
			"  doorpanel journal export --csv --kind access.,door.forced --door front --since 2026-12-01 --until 2027-01-01",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asCSV && cmd.Flags().Changed("json") && asJSON {
				return usageError{errors.New("cannot write CSV and JSON at once: keep --csv or --json")}
			}
			query := url.Values{"limit": {"1000"}}
			for name, value := range filter {
				if *value != "" {
					query.Set(name, *value)
				}
			}
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				return exportJournal(ctx, a, query, web.NewJournalWriter(cmd.OutOrStdout(), asCSV))
			})
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&asJSON, "json", true, "one JSON object a line")
	flags.BoolVar(&asCSV, "csv", false, "a table with a header")
	flags.StringVar(filter["kind"], "kind", "", "`KINDS` with commas between them; one that ends in a dot stands for all that begin so")
	flags.StringVar(filter["door"], "door", "", "name of the `DOOR`")
	flags.StringVar(filter["who"], "who", "", "`PART` of a name, or of a credential's id")
	flags.StringVar(filter["since"], "since", "", "first `DATE`, or time as 2026-12-24T18:00:00Z")
	flags.StringVar(filter["until"], "until", "", "`DATE` or time after the last one")
	return cmd
}

func exportJournal(ctx context.Context, a *api, query url.Values, out *web.JournalWriter) error {
	filtered := len(query) > 1
	for after := uint64(0); ; {
		query.Set("after", fmt.Sprint(after))
		var page struct {
			Entries []web.JournalEntry `json:"entries"`
			Next    uint64             `json:"next"`
		}
		if err := a.call(ctx, http.MethodGet, "/api/v1/journal?"+query.Encode(), "", nil, &page); err != nil {
			return err
		}
		if err := out.Write(page.Entries); err != nil {
			return err
		}
		switch {
		case filtered && page.Next == 0 || !filtered && len(page.Entries) == 0:
			return nil
		case filtered:
			after = page.Next
		default:
			after = page.Entries[len(page.Entries)-1].Seq
		}
	}
}
