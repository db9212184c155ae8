package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/telemetry"
)

func eventsCommand() *cobra.Command {
	p := &place{}
	return group(p, "events", "The journals of all panels", eventsExport(p), eventsVerify(p))
}

func eventsExport(p *place) *cobra.Command {
	filter := map[string]*string{"site": new(string), "panel": new(string), "kind": new(string), "door": new(string), "who": new(string), "from": new(string), "to": new(string)}
	var format string
	cmd := &cobra.Command{
		Use: "export", Short: "Write all events, or those that fit, newest first", Args: cobra.NoArgs,
		Example: "  doorhub events export > events.jsonl\n" +
			"  doorhub events export --format csv --site via-roma-7 --kind access. --since 2026-12-01 --until 2027-01-01",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "csv" && format != "jsonl" {
				return usageError{fmt.Errorf("cannot export as %q: write --format csv or --format jsonl", format)}
			}
			query := url.Values{"format": {format}}
			for name, value := range filter {
				if *value != "" {
					query.Set(name, *value)
				}
			}
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				return a.copy(ctx, "/api/v1/events/export?"+query.Encode(), cmd.OutOrStdout())
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&format, "format", "jsonl", "csv, or jsonl: one JSON object a `LINE`")
	flags.StringVar(filter["site"], "site", "", "`ID` of the site")
	flags.StringVar(filter["panel"], "panel", "", "`ID` of the panel")
	flags.StringVar(filter["kind"], "kind", "", "`KIND`; one that ends in a dot stands for all that begin so")
	flags.StringVar(filter["door"], "door", "", "name of the `DOOR`")
	flags.StringVar(filter["who"], "who", "", "`PART` of a name")
	flags.StringVar(filter["from"], "since", "", "first `DATE`, or time as 2026-12-24T18:00:00Z")
	flags.StringVar(filter["to"], "until", "", "`DATE` or time after the last one")
	return cmd
}

func eventsVerify(p *place) *cobra.Command {
	var panel string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "verify", Short: "Check that what is stored of each panel's journal is one chain without gaps", Args: cobra.NoArgs,
		Long: "Go through the events as they are stored: within an epoch each follows the one before it, by number and by chain. What the\n" +
			"panel itself said is gone (a gap event) is counted; what retention took from the beginning is no fault.",
		Example: "  doorhub events verify\n  doorhub events verify --panel PANELID --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			query := url.Values{"format": {"jsonl"}}
			if panel != "" {
				query.Set("panel", panel)
			}
			var report verification
			err := withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				reader, writer := io.Pipe()
				done := make(chan error, 1)
				go func() { done <- report.read(reader) }()
				err := a.copy(ctx, "/api/v1/events/export?"+query.Encode(), writer)
				_ = writer.CloseWithError(err) // io.Pipe documents that it returns nil
				return errors.Join(err, <-done)
			})
			switch {
			case err != nil:
				return err
			case asJSON:
				if err := printJSON(cmd, report); err != nil || len(report.Faults) == 0 {
					return err
				}
				return errSilent
			case len(report.Faults) > 0:
				return fmt.Errorf("cannot vouch for the events: %s; %d places in all", report.Faults[0], len(report.Faults))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d events of %d journals fit; %d entries were lost on the panels, as they said; %d events show no chain.\n",
				report.Events, report.Journals, report.Lost, report.Unchained)
			return nil
		},
	}
	cmd.Flags().StringVar(&panel, "panel", "", "`ID` of one panel (default: all)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

// verification is what was found about the events as they are stored.
type verification struct {
	Events    uint64   `json:"events"`
	Journals  int      `json:"journals"` // one for each panel and epoch
	Lost      uint64   `json:"lost"`     // entries that panels said are gone
	Unchained uint64   `json:"unchained"`
	Faults    []string `json:"faults"`
}

// maxFaults is how many places are told.
const maxFaults = 100

// read goes through events, newest first, one JSON object a line.
func (v *verification) read(from io.Reader) error {
	v.Faults = []string{}
	later := map[string]telemetry.Event{} // the event after the one that is read, by journal
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var r fleet.Received
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			_, _ = io.Copy(io.Discard, from)
			return fmt.Errorf("cannot read an event: %w", err)
		}
		e, name := r.Event, r.Panel+"/"+r.Event.Epoch
		v.Events++
		if e.Chain == "" {
			v.Unchained++
		}
		next, any := later[name]
		switch {
		case !any:
		case next.Gap != nil && next.Gap.From <= e.Seq+1 && next.Seq > e.Seq:
			v.Lost += next.Gap.Count
		case next.Seq != e.Seq+1:
			v.fault("panel %s, epoch %s: entry %d follows %d", r.Panel, e.Epoch, next.Seq, e.Seq)
		case next.Prev != "" && e.Chain != "" && next.Prev != e.Chain:
			v.fault("panel %s, epoch %s: entry %d does not follow the chain of %d", r.Panel, e.Epoch, next.Seq, e.Seq)
		}
		later[name] = e
	}
	v.Journals = len(later)
	return lines.Err()
}

func (v *verification) fault(format string, args ...any) {
	if len(v.Faults) < maxFaults {
		v.Faults = append(v.Faults, fmt.Sprintf(format, args...))
	}
}

func auditCommand() *cobra.Command {
	p := &place{}
	var asJSON bool
	verify := &cobra.Command{
		Use: "verify", Short: "Check the chain of the audit from its first entry to its last", Args: cobra.NoArgs, Example: "  doorhub audit verify --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				var found struct {
					Whole   bool   `json:"whole"`
					Entries uint64 `json:"entries"`
					Detail  string `json:"detail,omitempty"`
				}
				if err := a.call(ctx, http.MethodGet, "/api/v1/audit/verify", nil, &found); err != nil {
					return err
				}
				switch {
				case asJSON:
					if err := printJSON(cmd, found); err != nil || found.Whole {
						return err
					}
					return errSilent
				case !found.Whole:
					return fmt.Errorf("cannot vouch for the audit: %s", found.Detail)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%d entries fit.\n", found.Entries)
				return nil
			})
		},
	}
	verify.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return group(p, "audit", "Who changed what", verify)
}
