package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
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
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/storage"
)

func licenseCommand() *cobra.Command {
	var p place
	var asJSON bool
	parent := &cobra.Command{Use: "license", Short: "Add and list licenses", Args: cobra.NoArgs, RunE: needsSubcommand}
	p.flags(parent)
	add := &cobra.Command{
		Use:   "add CODE|FILE|-",
		Short: "Activate a license from its text, or from a text file or picture of its QR code",
		Example: "  doorpanel license add 'DP1:...'\n" +
			"  doorpanel license add license.png\n" +
			"  doorpanel license add - < license.txt",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			content, contentType, err := licenseInput(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			return withAPI(cmd, p, func(ctx context.Context, a *api) error {
				var answer struct {
					Result       string          `json:"result"`
					Message      string          `json:"message"`
					Entitlements json.RawMessage `json:"entitlements"`
				}
				err := a.call(ctx, http.MethodPost, "/api/v1/licenses", contentType, content, &answer)
				var problem problemDetails
				if errors.As(err, &problem) {
					result := problem.Type[strings.LastIndexAny(problem.Type, "/:#")+1:]
					if asJSON {
						return errors.Join(printJSON(cmd, map[string]string{"result": result, "title": problem.Title, "message": problem.Detail}), errSilent)
					}
					return fmt.Errorf("%s: %s: %s", result, problem.Title, problem.Detail)
				}
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, answer)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", answer.Result, answer.Message)
				return nil
			})
		},
	}
	list := &cobra.Command{
		Use: "list", Short: "List the licenses in this panel and what they give", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAPI(cmd, p, func(ctx context.Context, a *api) error {
				var answer struct {
					Licenses []web.LicenseView `json:"licenses"`
				}
				if err := a.call(ctx, http.MethodGet, "/api/v1/licenses", "", nil, &answer); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, answer)
				}
				if len(answer.Licenses) == 0 {
					fmt.Fprintln(cmd.OutOrStdout(), "No license is stored: one call button, and everything on the LAN.")
					return nil
				}
				table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(table, "LICENSE\tGIVES\tSTATUS\tUNTIL\tNOTE")
				for _, l := range answer.Licenses {
					var grants []string
					for feature, count := range l.Grants {
						grants = append(grants, fmt.Sprintf("%s=%d", feature, count))
					}
					slices.Sort(grants)
					until := "no end"
					if !l.Until.IsZero() {
						until = l.Until.Format("2006-01-02 15:04")
					}
					fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", l.ID, strings.Join(grants, " "), l.Status, until, strings.TrimSpace(l.Label+" "+l.Message))
				}
				return table.Flush()
			})
		},
	}
	slice := &cobra.Command{
		Use: "slice", Short: "Split a pool of buttons among panels (not in this version)",
		RunE: func(*cobra.Command, []string) error {
			return errors.New("cannot slice license: this version does not split pools; issue one license for each panel")
		},
	}
	for _, cmd := range []*cobra.Command{add, list} {
		cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	}
	parent.AddCommand(add, list, slice)
	return parent
}

// licenseInput takes a code as it was typed, from standard input, or from a file, which may be a picture.
func licenseInput(arg string, stdin io.Reader) (content []byte, contentType string, err error) {
	const limit = 4 << 20
	text := arg
	switch {
	case arg == "-":
		raw, err := io.ReadAll(io.LimitReader(stdin, limit))
		if err != nil {
			return nil, "", fmt.Errorf("cannot read standard input: %w", err)
		}
		text = string(raw)
	default:
		if info, err := os.Stat(arg); err == nil && info.Mode().IsRegular() {
			if info.Size() > limit {
				return nil, "", fmt.Errorf("cannot read %s: it is larger than 4 MiB", arg)
			}
			raw, err := os.ReadFile(arg)
			if err != nil {
				return nil, "", fmt.Errorf("cannot read license: %w", err)
			}
			if kind := http.DetectContentType(raw); kind == "image/png" || kind == "image/jpeg" {
				return raw, kind, nil
			}
			text = string(raw)
		}
	}
	content, err = json.Marshal(map[string]string{"token": strings.TrimSpace(text)})
	return content, "application/json", err
}

func peopleCommand() *cobra.Command {
	var p place
	var dryRun, asJSON bool
	parent := &cobra.Command{Use: "people", Short: "Import and export people", Args: cobra.NoArgs, RunE: needsSubcommand}
	p.flags(parent)
	imports := &cobra.Command{
		Use:   "import FILE|-",
		Short: "Add people from a CSV file with the columns name, note, card, code",
		Long: "Add people, their cards and their codes from a CSV file. Its first row names the columns: name is needed; note, card (UID in\n" +
			"hexadecimal) and code (digits, or \"draw\" to have one drawn) may be left out. Every row is checked before anything is changed.",
		Example: "  doorpanel people import --dry-run flats.csv\n  doorpanel people import flats.csv",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := cmd.InOrStdin()
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return fmt.Errorf("cannot read people: %w", err)
				}
				defer f.Close()
				in = f
			}
			rows, err := readPeople(in)
			if err != nil {
				return err
			}
			if dryRun {
				fmt.Fprintf(cmd.OutOrStdout(), "%d people would be added.\n", len(rows))
				return nil
			}
			return withAPI(cmd, p, func(ctx context.Context, a *api) error { return importPeople(ctx, cmd, a, rows) })
		},
	}
	imports.Flags().BoolVar(&dryRun, "dry-run", false, "check the file and change nothing")
	export := &cobra.Command{
		Use: "export", Short: "Write all people as CSV or JSON; what opens a door is not stored and not written", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAPI(cmd, p, func(ctx context.Context, a *api) error {
				var all []web.Person
				for after := ""; ; {
					var page struct {
						People []web.Person `json:"people"`
					}
					if err := a.call(ctx, http.MethodGet, "/api/v1/people?limit=1000&after="+url.QueryEscape(after), "", nil, &page); err != nil {
						return err
					}
					if len(page.People) == 0 {
						break
					}
					all = append(all, page.People...)
					after = page.People[len(page.People)-1].ID
				}
				if asJSON {
					return printJSON(cmd, map[string]any{"people": all})
				}
				w := csv.NewWriter(cmd.OutOrStdout())
				_ = w.Write([]string{"id", "name", "note", "cards", "codes"})
				for _, person := range all {
					_ = w.Write([]string{person.ID, person.Name, person.Note, fmt.Sprint(person.Cards), fmt.Sprint(person.Codes)})
				}
				w.Flush()
				return w.Error()
			})
		},
	}
	export.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	parent.AddCommand(imports, export)
	return parent
}

// row is one person of an imported file.
type row struct{ name, note, card, code string }

// readPeople reads and checks a whole file before anything is changed. All its mistakes are told at once.
func readPeople(r io.Reader) ([]row, error) {
	reader := csv.NewReader(io.LimitReader(r, 64<<20))
	reader.FieldsPerRecord = -1
	records, err := reader.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("cannot read people: %w", err)
	}
	if len(records) == 0 {
		return nil, errors.New("cannot read people: the file is empty; its first row names the columns name, note, card, code")
	}
	column := map[string]int{}
	for i, name := range records[0] {
		name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
		if !slices.Contains([]string{"name", "note", "card", "code"}, name) {
			return nil, fmt.Errorf("cannot read people: unknown column %q; the columns are name, note, card, code", name)
		}
		column[name] = i
	}
	if _, ok := column["name"]; !ok {
		return nil, errors.New("cannot read people: there is no column name")
	}
	var rows []row
	var faults []error
	cards := map[string]int{}
	for i, record := range records[1:] {
		get := func(name string) string {
			if at, ok := column[name]; ok && at < len(record) {
				return strings.TrimSpace(record[at])
			}
			return ""
		}
		line := i + 2
		person := row{get("name"), get("note"), strings.ToUpper(get("card")), get("code")}
		if err := checkName("person", person.name); err != nil {
			faults = append(faults, fmt.Errorf("row %d: the name %q is empty, too long or has control characters", line, person.name))
		}
		if c := person.card; c != "" && (strings.Trim(c, "0123456789ABCDEF") != "" || len(c)%2 != 0 || len(c) < 8 || len(c) > 20) {
			faults = append(faults, fmt.Errorf("row %d: card %q is not a UID: 4 to 10 bytes in hexadecimal", line, c))
		}
		if first, twice := cards[person.card]; twice && person.card != "" {
			faults = append(faults, fmt.Errorf("row %d: card %s is in row %d already", line, person.card, first))
		}
		cards[person.card] = line
		if c := person.code; c != "" && c != "draw" && (strings.Trim(c, "0123456789") != "" || len(c) < 4 || len(c) > 12 || weakCode(c) != "") {
			faults = append(faults, fmt.Errorf("row %d: the code is not 4 to 12 digits, or too easy to guess", line))
		}
		rows = append(rows, person)
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("cannot import people, nothing was changed; mistakes: %d\n%w", len(faults), errors.Join(faults...))
	}
	return rows, nil
}

func importPeople(ctx context.Context, cmd *cobra.Command, a *api, rows []row) error {
	made := 0
	bar := func(n int) { fmt.Fprintf(cmd.ErrOrStderr(), "\r%d of %d", n, len(rows)) }
	for i, r := range rows {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("stopped: %d of %d people were added", made, len(rows))
		}
		var person web.Person
		if err := a.callJSON(ctx, http.MethodPost, "/api/v1/people", map[string]string{"name": r.name, "note": r.note}, &person); err != nil {
			return fmt.Errorf("cannot add %s (row %d): %w; %d of %d were added", r.name, i+2, err, made, len(rows))
		}
		if r.card != "" {
			if err := a.callJSON(ctx, http.MethodPost, "/api/v1/credentials", map[string]string{"person": person.ID, "kind": string(access.Card), "uid": r.card}, nil); err != nil {
				return fmt.Errorf("cannot add the card of %s (row %d): %w", r.name, i+2, err)
			}
		}
		if r.code != "" {
			request := map[string]string{"person": person.ID, "kind": string(access.Code)}
			if r.code != "draw" {
				request["code"] = r.code
			}
			var credential struct {
				Code string `json:"code"`
			}
			if err := a.callJSON(ctx, http.MethodPost, "/api/v1/credentials", request, &credential); err != nil {
				return fmt.Errorf("cannot add the code of %s (row %d): %w", r.name, i+2, err)
			}
			if credential.Code != "" {
				fmt.Fprintf(cmd.OutOrStdout(), "%s,%s\n", r.name, credential.Code)
			}
		}
		made++
		bar(made)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "\r%d people were added.\n", made)
	return nil
}

func journalCommand() *cobra.Command {
	var p place
	var asJSON bool
	parent := &cobra.Command{Use: "journal", Short: "Verify and export the journal", Args: cobra.NoArgs, RunE: needsSubcommand}
	p.flags(parent)
	verify := &cobra.Command{
		Use: "verify", Short: "Check the chain of the journal and name the first entry that does not fit", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := p.load()
			if err != nil {
				return err
			}
			report, err := storage.Verify(config.Data)
			if err != nil {
				return err
			}
			if asJSON {
				if err := printJSON(cmd, report); err != nil || len(report.Faults) == 0 {
					return err
				}
				return errSilent
			}
			if len(report.Faults) > 0 {
				return fmt.Errorf("cannot verify the journal: %v; %d places do not fit in all", report.Faults[0], len(report.Faults))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d entries, %d to %d, fit. Chain: %s\n", report.Entries, report.First, report.Last, report.Chain)
			return nil
		},
	}
	export := &cobra.Command{
		Use: "export", Short: "Write all entries, one JSON object a line", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAPI(cmd, p, func(ctx context.Context, a *api) error {
				for after := uint64(0); ; {
					var page struct {
						Entries []web.JournalEntry `json:"entries"`
					}
					if err := a.call(ctx, http.MethodGet, fmt.Sprintf("/api/v1/journal?after=%d&limit=1000", after), "", nil, &page); err != nil {
						return err
					}
					if len(page.Entries) == 0 {
						return nil
					}
					out := json.NewEncoder(cmd.OutOrStdout())
					for _, e := range page.Entries {
						if err := out.Encode(e); err != nil {
							return err
						}
						after = e.Seq
					}
				}
			})
		},
	}
	verify.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	export.Flags().Bool("json", true, "one JSON object a line, the only form there is")
	parent.AddCommand(verify, export)
	return parent
}

// storeFile is the name of the records inside a backup.
const storeFile = "store.db"

func backupCommand() *cobra.Command {
	var p place
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write people, credentials, licenses and settings into one file",
		Long: "Write the store into FILE while the panel goes on. The panel's keys and its journal are not in it: cards and codes of the\n" +
			"backup work on this panel only.",
		Example: "  doorpanel backup panel-2026-11-21.tar.gz",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAPI(cmd, p, func(ctx context.Context, a *api) error {
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+backupPath, nil)
				if err != nil {
					return err
				}
				response, err := a.client.Do(r)
				if err != nil {
					return fmt.Errorf("cannot read the store: %w", err)
				}
				defer response.Body.Close()
				image, err := io.ReadAll(response.Body)
				if err == nil && response.StatusCode != http.StatusOK {
					err = fmt.Errorf("the panel answers %s", response.Status)
				}
				if err != nil {
					return fmt.Errorf("cannot read the store: %w", err)
				}
				archive, err := pack(image)
				if err != nil {
					return fmt.Errorf("cannot pack the backup: %w", err)
				}
				if err := writeDurably(args[0], archive, 0o600); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %d KiB of records\n", args[0], len(image)/1024)
				return nil
			})
		},
	}
	p.flags(cmd)
	return cmd
}

func pack(image []byte) ([]byte, error) {
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	err := archive.WriteHeader(&tar.Header{Name: storeFile, Mode: 0o600, Size: int64(len(image)), ModTime: time.Now()})
	if err == nil {
		_, err = archive.Write(image)
	}
	err = errors.Join(err, archive.Close(), zipped.Close()) // the bytes are complete only then
	return out.Bytes(), err
}

func restoreCommand() *cobra.Command {
	var p place
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Bring a backup back; refused while a daemon runs",
		Long:    "Replace the store by the one in FILE. What is there is set aside, not deleted. The journal goes on.",
		Example: "  systemctl stop doorpanel && doorpanel restore panel-2026-11-21.tar.gz",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := p.load()
			if err != nil {
				return err
			}
			return restore(cmd, config, args[0])
		},
	}
	p.flags(cmd)
	return cmd
}

func restore(cmd *cobra.Command, config configs.Config, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("cannot read backup: %w", err)
	}
	defer f.Close()
	image, err := unpack(f)
	if err != nil {
		return fmt.Errorf("cannot read backup %s: %w; nothing was changed", file, err)
	}
	// A backup is opened and checked beside the store before it takes its place.
	trial, err := os.MkdirTemp(filepath.Dir(filepath.Clean(config.Data)), ".restore-*")
	if err != nil {
		return fmt.Errorf("cannot make room for the backup: %w", err)
	}
	defer os.RemoveAll(trial)
	if err := writeDurably(filepath.Join(trial, storeFile), image, 0o600); err != nil {
		return err
	}
	store, notes, err := storage.Open(storage.Options{Dir: trial, Schema: schema, CopyEvery: -1})
	if err != nil {
		return fmt.Errorf("cannot use backup %s: %w; nothing was changed", file, err)
	}
	newer := store.ReadOnly()
	if err := store.Close(); err != nil {
		return err
	}
	if len(notes) > 0 {
		return fmt.Errorf("cannot use backup %s: %s: %s; nothing was changed", file, notes[0].What, notes[0].Cause)
	}
	if newer {
		return fmt.Errorf("cannot use backup %s: it was made by a newer version; nothing was changed", file)
	}
	// Holding the lock proves that no daemon runs.
	held, _, err := storage.Open(storage.Options{Dir: config.Data, Schema: schema, CopyEvery: -1})
	if errors.Is(err, storage.ErrInUse) {
		return errors.New("cannot restore: the daemon is running; stop it first (systemctl stop doorpanel)")
	}
	if err == nil {
		err = held.Close()
	}
	if err != nil {
		return fmt.Errorf("cannot restore: %w", err)
	}
	path := filepath.Join(config.Data, storeFile)
	if _, err := os.Stat(path); err == nil {
		aside := filepath.Join(config.Data, "set-aside", "store.db-before-restore-"+time.Now().UTC().Format("20060102T150405Z"))
		if err := os.MkdirAll(filepath.Dir(aside), 0o700); err != nil {
			return fmt.Errorf("cannot set the present store aside: %w", err)
		}
		if err := os.Link(path, aside); err != nil {
			return fmt.Errorf("cannot set the present store aside: %w", err)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "the store that was there: %s\n", aside)
	}
	if err := writeDurably(path, image, 0o600); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "restored %s\n", file)
	return nil
}

func unpack(r io.Reader) ([]byte, error) {
	zipped, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	archive := tar.NewReader(zipped)
	header, err := archive.Next()
	if err != nil {
		return nil, err
	}
	const limit = 256 << 20
	if header.Name != storeFile || header.Size > limit {
		return nil, fmt.Errorf("it is not a backup of a panel: it begins with %q", header.Name)
	}
	return io.ReadAll(archive)
}

func doctorCommand() *cobra.Command {
	var p place
	cmd := &cobra.Command{
		Use: "doctor", Short: "Look at everything a panel needs, and say what is wrong and what to do", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return doctor(cmd, p) },
	}
	p.flags(cmd)
	return cmd
}

func doctor(cmd *cobra.Command, p place) error {
	bad := 0
	say := func(ok bool, what, remedy string) {
		mark := "ok "
		if !ok {
			mark, bad = "BAD", bad+1
			what += ": " + remedy
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", mark, what)
	}
	config, err := p.load()
	if err != nil {
		say(false, "configuration", err.Error())
		return errSilent
	}
	say(true, "configuration", "")
	info, err := os.Stat(config.Data)
	if err != nil {
		say(false, "data directory "+config.Data, "it is not there; start the panel once, or name it with --data")
		return errSilent
	}
	say(info.Mode().Perm()&0o077 == 0, "data directory is private", fmt.Sprintf("others may look into it (mode %v); chmod 700 %s", info.Mode().Perm(), config.Data))
	report, err := storage.Verify(config.Data)
	switch {
	case err != nil:
		say(false, "journal", err.Error())
	case len(report.Faults) > 0:
		say(false, "journal", fmt.Sprint(report.Faults[0]))
	default:
		say(true, "journal fits its chain", "")
	}
	err = withAPI(cmd, p, func(ctx context.Context, a *api) error {
		say(a.live, "daemon runs", "start it: systemctl start doorpanel")
		var status web.Status
		if err := a.call(ctx, http.MethodGet, "/api/v1/status", "", nil, &status); err != nil {
			return err
		}
		say(!status.ReadOnly, "store can be written", "a newer version wrote it; install that version")
		say(status.Trusted, "clock can be trusted", "start time synchronization, or set the clock on the page")
		for _, part := range status.Parts {
			say(part.State == "ok" || part.State == "off", part.Kind+" "+part.Name+" is "+part.State, part.Detail)
		}
		for _, note := range status.Notes {
			say(false, "found at the start", note)
		}
		return nil
	})
	if err != nil {
		say(false, "panel", err.Error())
	}
	if bad > 0 {
		return errSilent
	}
	return nil
}

func needsSubcommand(cmd *cobra.Command, _ []string) error {
	return usageError{fmt.Errorf("cannot run %s: say what to do; see %s --help", cmd.CommandPath(), cmd.CommandPath())}
}

func printJSON(cmd *cobra.Command, v any) error {
	out := json.NewEncoder(cmd.OutOrStdout())
	out.SetIndent("", "  ")
	return out.Encode(v)
}
