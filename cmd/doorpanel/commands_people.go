package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/doorpanel/doorpanel/panel/web"
)

func peopleCommand() *cobra.Command {
	var p place
	parent := &cobra.Command{Use: "people", Short: "Find, import, export and remove people", Args: cobra.NoArgs, RunE: needsSubcommand}
	p.flags(parent)
	parent.AddCommand(peopleListCommand(&p), peopleImportCommand(&p), peopleExportCommand(&p), peopleRemoveCommand(&p))
	return parent
}

func peopleListCommand(p *place) *cobra.Command {
	var group string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list [WORD]...", Short: "List people by name; words are looked for in names and notes, or are a flat's number",
		Example: "  doorpanel people list rossi\n  doorpanel people list --group staff --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				query := url.Values{"q": {strings.Join(args, " ")}, "group": {group}, "sort": {"name"}, "limit": {"1000"}}
				all := []web.Person{}
				for {
					var page web.PeoplePage
					if err := a.call(ctx, http.MethodGet, "/api/v1/people?"+query.Encode(), "", nil, &page); err != nil {
						return err
					}
					all = append(all, page.People...)
					if page.Next == "" {
						break
					}
					query.Set("after", page.Next)
				}
				if asJSON {
					return printJSON(cmd, map[string]any{"people": all})
				}
				table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(table, "ID\tNAME\tFLAT\tGROUPS\tCARDS\tCODES\tNOTE")
				for _, person := range all {
					fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", person.ID, person.Name, person.Flat, strings.Join(person.Groups, ", "), person.Cards, person.Codes, person.Note)
				}
				return table.Flush()
			})
		},
	}
	cmd.Flags().StringVar(&group, "group", "", "only members of this `GROUP`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

func peopleImportCommand(p *place) *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "import FILE|-",
		Short: "Bring in a list of people as CSV or JSON",
		Long: "Bring in people, their groups, cards and codes. The first row of a CSV file names its columns; name is needed:\n" +
			"  id           of a person who is here; without it the name, and the flat if several have it, say who is meant\n" +
			"  name, note   at most 64 characters\n" +
			"  flat         its number; it may be typed before a code\n" +
			"  groups       with | between them: staff|drivers\n" +
			"  card         UID in hexadecimal; several with | between them\n" +
			"  code         digits, or \"draw\" to have one drawn for who has none\n" +
			"  doors, schedule, valid_from, valid_until    what the person may open, and when; or\n" +
			"  rights       all, none, or what an export wrote\n" +
			"A column that is absent, and a card or code that is not in the list, stays as it is. Drawn codes are written to standard\n" +
			"output as CSV. Every row is checked before anything is changed; a list that was stopped can be brought in again.",
		Example: "  doorpanel people import --dry-run flats.csv\n  doorpanel people import flats.csv > codes.csv",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			content, err := readImport(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			o.contentType = "text/csv"
			if first := bytes.TrimLeft(content, " \t\r\n\ufeff"); strings.EqualFold(filepath.Ext(args[0]), ".json") || bytes.HasPrefix(first, []byte("{")) {
				o.contentType = "application/json"
			}
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error { return o.run(ctx, cmd, a, content) })
		},
	}
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "show the difference and change nothing")
	cmd.Flags().BoolVar(&o.replace, "replace", false, "remove everybody who is not in the list")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "answer in JSON")
	return cmd
}

func readImport(name string, stdin io.Reader) ([]byte, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("cannot read people: %w", err)
		}
		defer f.Close()
		in = f
	}
	content, err := io.ReadAll(io.LimitReader(in, maxImport+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read people: %w", err)
	}
	if len(content) > maxImport {
		return nil, fmt.Errorf("cannot read people: the file is larger than %d MiB; split it", maxImport>>20)
	}
	return content, nil
}

// importOptions is one call of people import.
type importOptions struct {
	dryRun, replace, asJSON bool
	contentType             string
}

func (o importOptions) run(ctx context.Context, cmd *cobra.Command, a *api, content []byte) error {
	query := url.Values{}
	if o.dryRun {
		query.Set("dry_run", "1")
	}
	if o.replace {
		query.Set("replace", "1")
	}
	var result *web.ImportResult
	bar := progressBar{to: cmd.ErrOrStderr()}
	codes := csv.NewWriter(cmd.OutOrStdout())
	var said web.ImportProgress
	err := a.lines(ctx, "/api/v1/people/import?"+query.Encode(), o.contentType, content, func(raw []byte) error {
		var line struct {
			Progress *web.ImportProgress
			Result   *web.ImportResult
			Problem  *problemDetails
		}
		if err := json.Unmarshal(raw, &line); err != nil {
			return fmt.Errorf("cannot read the panel's answer: %w", err)
		}
		if line.Progress != nil {
			said = *line.Progress
			bar.show(said.Done, said.Of)
			for _, c := range said.Codes {
				_ = codes.Write([]string{c.Name, c.Code})
			}
			codes.Flush()
			return codes.Error()
		}
		result = line.Result
		if line.Problem != nil {
			return *line.Problem
		}
		return nil
	})
	bar.end()
	var refused problemDetails
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("stopped: %d of %d rows are in, each whole; bring the same list in again to go on", said.Done, said.Of)
	case errors.As(err, &refused) && len(refused.Causes) > 0:
		return fmt.Errorf("cannot import people, nothing was changed; mistakes: %s", strings.Join(append([]string{fmt.Sprint(len(refused.Causes))}, refused.Causes...), "\n"))
	case err != nil:
		return fmt.Errorf("cannot import people: %w", err)
	case result == nil:
		return errors.New("cannot import people: the panel broke off; bring the same list in again to go on")
	case o.asJSON:
		return printJSON(cmd, result)
	}
	return o.tell(cmd, result)
}

// tell says what a list changed, or would change.
func (o importOptions) tell(cmd *cobra.Command, r *web.ImportResult) error {
	to, will := cmd.ErrOrStderr(), "were"
	if o.dryRun {
		to, will = cmd.OutOrStdout(), "would be"
		for _, d := range r.Differences {
			line := ""
			if d.Line > 0 {
				line = fmt.Sprintf(" (line %d)", d.Line)
			}
			how := strings.Join(d.How, ", ")
			if how != "" {
				how = ": " + how
			}
			fmt.Fprintf(to, "%-8s %s%s%s\n", d.What, d.Name, line, how)
		}
		if more := r.Added + r.Changed + r.Removed - len(r.Differences); more > 0 {
			fmt.Fprintf(to, "and %d more\n", more)
		}
	}
	if r.MistakeCount > 0 {
		var lines []string
		for _, m := range r.Mistakes {
			lines = append(lines, fmt.Sprintf("line %d: %s", m.Line, m.Text))
		}
		return fmt.Errorf("cannot import people, nothing was changed; mistakes: %d\n%s", r.MistakeCount, strings.Join(lines, "\n"))
	}
	fmt.Fprintf(to, "%d people %s added, %d changed, %d removed; %d are as they are in the list.\n", r.Added, will, r.Changed, r.Removed, r.Unchanged)
	return nil
}

// progressBar shows on a terminal how far something has come; elsewhere nothing.
type progressBar struct {
	to    io.Writer
	shown bool
}

const barWidth = 30

func (b *progressBar) show(done, of int) {
	f, is := b.to.(*os.File)
	if !is || of == 0 || !term.IsTerminal(int(f.Fd())) {
		return
	}
	b.shown = true
	full := done * barWidth / of
	fmt.Fprintf(b.to, "\r[%s%s] %d of %d ", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), done, of)
}

func (b *progressBar) end() {
	if b.shown {
		fmt.Fprintln(b.to)
	}
}

func peopleExportCommand(p *place) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "export", Short: "Write all people as CSV or JSON; what opens a door is not stored and not written", Args: cobra.NoArgs,
		Long: "Write all people as CSV or JSON, so that they can be brought in again. A field that a table program would take for a formula\n" +
			"is written with an apostrophe before it.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				format := "csv"
				if asJSON {
					format = "json"
				}
				return a.copy(ctx, "/api/v1/people/export?format="+format, cmd.OutOrStdout())
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func peopleRemoveCommand(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "remove ID...", Short: "Erase people with every card and code: all of them, or nobody when one is not known", Args: cobra.MinimumNArgs(1),
		Example: "  doorpanel people remove p00004f7a21c",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				return a.callJSON(ctx, http.MethodPost, "/api/v1/people/delete", map[string]any{"ids": args}, nil)
			})
		},
	}
}

func presenceCommand() *cobra.Command {
	var p place
	var asJSON bool
	cmd := &cobra.Command{
		Use: "presence", Short: "List who is inside now; it needs no network", Args: cobra.NoArgs,
		Example: "  doorpanel presence\n  doorpanel presence reset p00004f7a21c",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAPI(cmd, p, func(ctx context.Context, a *api) error {
				var answer struct {
					Inside []web.InsideView `json:"inside"`
				}
				if err := a.call(ctx, http.MethodGet, "/api/v1/presence", "", nil, &answer); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, answer)
				}
				table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(table, "NAME\tSINCE\tDOOR\tID")
				for _, v := range answer.Inside {
					since := v.Since.Local().Format("2006-01-02 15:04")
					if !v.Trusted {
						since = "not known"
					}
					fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", v.Name, since, v.Door, v.Person)
				}
				if err := table.Flush(); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%d inside.\n", len(answer.Inside))
				return err
			})
		},
	}
	p.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	cmd.AddCommand(&cobra.Command{
		Use: "reset [ID]", Short: "Take somebody off the list of those inside, or everybody", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAPI(cmd, p, func(ctx context.Context, a *api) error {
				return a.callJSON(ctx, http.MethodPost, "/api/v1/presence/reset", map[string]string{"person": strings.Join(args, "")}, nil)
			})
		},
	})
	return cmd
}
