package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/qr"
)

func licenseCommand() *cobra.Command {
	var p place
	var asJSON bool
	var account string
	parent := &cobra.Command{Use: "license", Short: "Add, list and share out licenses", Args: cobra.NoArgs, RunE: needsSubcommand}
	p.flags(parent)
	add := &cobra.Command{
		Use:   "add CODE|FILE|-",
		Short: "Activate a license from its text, or from a text file or picture of its QR code",
		Example: "  doorpanel license add 'DP1:...'\n" +
			"  doorpanel license add license.png\n" +
			"  doorpanel license add - < license.txt",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			content, contentType, err := licenseInput(args[0], account, cmd.InOrStdin())
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
				if err != nil {
					return refusedOrder(cmd, err, asJSON)
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
				licenses, err := storedLicenses(ctx, a)
				if err != nil {
					return err
				}
				var gives struct {
					Overview json.RawMessage `json:"overview"`
				}
				if err := a.call(ctx, http.MethodGet, "/api/v1/entitlements", "", nil, &gives); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, map[string]any{"licenses": licenses, "overview": gives.Overview})
				}
				var lines []overviewLine
				if err := json.Unmarshal(gives.Overview, &lines); err != nil {
					return err
				}
				if err := printOverview(cmd, lines); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout())
				if len(licenses) == 0 {
					fmt.Fprintln(cmd.OutOrStdout(), "No license is stored: one call button, and everything on the LAN.")
					return nil
				}
				table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(table, "LICENSE\tGIVES\tSTATUS\tUNTIL\tNOTE")
				for _, l := range licenses {
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
	add.Flags().StringVar(&account, "account", "", "user for whom an account's license is (default: nobody yet)")
	for _, cmd := range []*cobra.Command{add, list} {
		cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	}
	parent.AddCommand(add, list)
	parent.AddCommand(poolCommands(&p)...)
	return parent
}

// licenseInput takes a code as it was typed, from standard input, or from a file, which may be a picture.
func licenseInput(arg, account string, stdin io.Reader) (content []byte, contentType string, err error) {
	raw := []byte(arg)
	switch info, err := os.Stat(arg); {
	case arg == "-":
		raw, err = readLicense("standard input", stdin)
		if err != nil {
			return nil, "", err
		}
	case err == nil && info.IsDir():
		return nil, "", fmt.Errorf("cannot read license %s: it is a directory; name the file in it", arg)
	case err == nil:
		f, err := os.Open(arg)
		if err != nil {
			return nil, "", fmt.Errorf("cannot read license: %w", err)
		}
		defer f.Close()
		if raw, err = readLicense(arg, f); err != nil {
			return nil, "", err
		}
	case looksLikeFile(arg):
		return nil, "", fmt.Errorf("cannot read license %s: there is no such file; name a file, or give the text that begins with DP1: in quotation marks", arg)
	}
	if kind := http.DetectContentType(raw); kind == "image/png" || kind == "image/jpeg" {
		if account == "" {
			return raw, kind, nil
		}
		text, err := qr.ReadBytes(raw)
		if err != nil {
			return nil, "", fmt.Errorf("cannot read license: %w", err)
		}
		raw = []byte(text)
	}
	if !utf8.Valid(raw) {
		return nil, "", fmt.Errorf("cannot read license: %.40q is neither a text nor a PNG or JPEG picture", raw)
	}
	content, err = json.Marshal(struct {
		Token   string `json:"token"`
		Account string `json:"account,omitempty"`
	}{strings.TrimSpace(string(raw)), account})
	return content, "application/json", err
}

// looksLikeFile tells a name that was mistyped from a code that was: no code has these endings, which are lower case.
func looksLikeFile(arg string) bool {
	if _, _, err := envelope.Unarmor(arg); err == nil {
		return false
	}
	return slices.Contains([]string{".txt", ".png", ".jpg", ".jpeg"}, strings.ToLower(filepath.Ext(arg))) && !strings.Contains(arg, ":")
}

func readLicense(name string, r io.Reader) ([]byte, error) {
	const limit = 4 << 20
	raw, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read license from %s: %w", name, err)
	}
	if len(raw) > limit {
		return nil, fmt.Errorf("cannot read license from %s: it is larger than 4 MiB", name)
	}
	return raw, nil
}
