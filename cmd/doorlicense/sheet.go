package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/qr"
)

type sheetFlags struct {
	trust               trustFlags
	out, png, svg, font string
	title               string
	asJSON              bool
}

// ticket is one license as it is printed.
type ticket struct {
	number int
	text   string
	token  license.Token
	signed string // key id
}

func sheetCommand(d desk) *cobra.Command {
	var f sheetFlags
	cmd := &cobra.Command{
		Use:   "sheet FILE ... --out FILE.pdf",
		Short: "Print licenses: a PDF sheet to cut, or one picture each",
		Long: `Print licenses: --out writes a PDF of A4 sheets, fourteen to a page with cut marks, each code 30 mm wide at level Q with its typed short
code, what it grants and for whom. --png and --svg write one picture for each license into a folder, with the short code below. Print at
100 %, not "fit to page".
A FILE is a batch of doorlicense issue, or a text with one code a line ("-" reads the input). Every code is verified before it is printed: a batch names
its key, for other files name the root with --root, and the delegations between. What a panel would refuse for ever is not printed.`,
		Example: `  doorlicense sheet flats.jsonl --out flats.pdf
  doorlicense sheet flats.jsonl --png pictures
  doorlicense sheet codes.txt --root ed25519:A6EH... --out codes.pdf --title "Order 4711"`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("sheet takes the files with the licenses; see doorlicense sheet --help")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if f.out == "" && f.png == "" && f.svg == "" {
				return usage("--out is missing: name a .pdf file, or a folder with --png or --svg")
			}
			if f.out != "" && !strings.HasSuffix(f.out, ".pdf") {
				return usage("cannot draw %q: the name must end in .pdf; --png and --svg name folders for pictures", f.out)
			}
			tickets, err := f.read(d, args)
			if err != nil {
				return err
			}
			return f.draw(d, tickets)
		},
	}
	flags := cmd.Flags()
	f.trust.register(cmd)
	flags.StringVar(&f.out, "out", "", "PDF to write")
	flags.StringVar(&f.png, "png", "", "folder for PNG pictures")
	flags.StringVar(&f.svg, "svg", "", "folder for SVG pictures")
	flags.StringVar(&f.title, "title", "", "line at the head of every page (default: the files' names)")
	flags.StringVar(&f.font, "font", "", "TrueType font for the PDF's texts (default: Helvetica, which has Western European letters)")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	return cmd
}

func (f *sheetFlags) read(d desk, files []string) ([]ticket, error) {
	ring, err := f.trust.ring(d)
	if err != nil {
		return nil, err
	}
	var tickets []ticket
	for _, name := range files {
		more, err := d.readTickets(name, ring)
		if err != nil {
			return nil, fmt.Errorf("cannot print %s: %w", name, err)
		}
		tickets = append(tickets, more...)
	}
	seen := map[license.TokenID]int{}
	for i := range tickets {
		tickets[i].number = i + 1
		if first := seen[tickets[i].token.ID]; first > 0 {
			return nil, fmt.Errorf("cannot print license %d: it is the same as license %d, and would be sold twice; leave one out", i+1, first)
		}
		seen[tickets[i].token.ID] = i + 1
	}
	switch {
	case len(tickets) == 0:
		return nil, errors.New("cannot print: there is no license in it")
	case len(tickets) > maxBatch:
		return nil, fmt.Errorf("cannot print %d licenses at once, at most %d; print some of the files", len(tickets), maxBatch)
	}
	if f.title == "" {
		names := make([]string, len(files))
		for i, name := range files {
			names[i] = filepath.Base(name)
		}
		f.title = strings.Join(names, ", ")
	}
	return tickets, nil
}

// readTickets reads the licenses of a file and believes nothing that is not signed.
func (d desk) readTickets(name string, ring license.Keyring) ([]ticket, error) {
	var tickets []ticket
	err := d.eachLicense(name, ring, func(text string, ring license.Keyring) error {
		made, err := d.ticket(text, ring)
		tickets = append(tickets, made)
		return err
	})
	return tickets, err
}

func (d desk) ticket(text string, ring license.Keyring) (ticket, error) {
	v := examineAsItsOwn(text, ring, license.Panel{}, d.now().UTC())
	if v.Token == nil || v.Result == license.Revoked || v.Result == license.Expired || v.Result == license.UnknownIssuer {
		return ticket{}, fmt.Errorf("%s: %s", v.Title, v.Message)
	}
	return ticket{text: strings.TrimSpace(text), token: *v.Token, signed: v.Token.Issuer.String()}, nil
}

func (f sheetFlags) draw(d desk, tickets []ticket) error {
	pages := 0
	if f.out != "" {
		var err error
		if pages, err = f.drawPDF(d, tickets); err != nil {
			return fmt.Errorf("cannot write sheet %s: %w", f.out, err)
		}
		fmt.Fprintf(d.notes, "wrote %s: %s on %s\n", f.out, counted(len(tickets), "license"), counted(pages, "page"))
	}
	for _, folder := range []struct{ path, kind string }{{f.png, ".png"}, {f.svg, ".svg"}} {
		if folder.path == "" {
			continue
		}
		if err := os.MkdirAll(folder.path, 0o700); err != nil {
			return fmt.Errorf("cannot write pictures: %w", err)
		}
		bar := progress{out: d.notes, live: d.live, total: len(tickets)}
		for i, t := range tickets {
			// The number sorts, the id tells two orders apart.
			name := fmt.Sprintf("%05d-%s%s", t.number, t.token.ID, folder.kind)
			if err := drawCode(t.text, filepath.Join(folder.path, name), t.token.ID.ShortCode().String(), qr.Options{}); err != nil {
				return err
			}
			bar.at(i + 1)
		}
		bar.end()
		fmt.Fprintf(d.notes, "wrote %s to %s\n", counted(len(tickets), "picture"), folder.path)
	}
	if f.asJSON {
		return printJSON(d.out, struct {
			Licenses int    `json:"licenses"`
			Sheet    string `json:"sheet,omitempty"`
			Pages    int    `json:"pages,omitempty"`
			PNG      string `json:"png,omitempty"`
			SVG      string `json:"svg,omitempty"`
		}{len(tickets), f.out, pages, f.png, f.svg})
	}
	return nil
}

// grants says what a license brings, for whoever holds the paper.
func (t ticket) grants() string {
	var parts []string
	for _, grant := range t.token.Grants {
		feature := license.Describe(grant.Feature)
		if feature.Counted || grant.Count > 1 {
			parts = append(parts, fmt.Sprintf("%s: %d", feature.Title, grant.Count))
		} else {
			parts = append(parts, feature.Title)
		}
	}
	return strings.Join(parts, ", ")
}

// holder says for whom it is.
func (t ticket) holder() string {
	if name := t.token.For(); name != "" {
		return fmt.Sprintf("For %s %s", t.token.Scope, name)
	}
	if t.token.Scope == license.ScopePanel {
		return "For the panel that reads it first"
	}
	return fmt.Sprintf("For one %s", t.token.Scope)
}

// duration says for how long.
func (t ticket) duration() string {
	var parts []string
	switch term := t.token.Term; {
	case term.Years == 1:
		parts = append(parts, "One year from activation")
	case term.Years > 1:
		parts = append(parts, fmt.Sprintf("%d years from activation", term.Years))
	}
	if days := t.token.Term.Days; days > 0 {
		parts = append(parts, fmt.Sprintf("%d days from activation", days))
	}
	if !t.token.NotBefore.IsZero() {
		parts = append(parts, "From "+t.token.NotBefore.Format(time.DateOnly))
	}
	if !t.token.Expires.IsZero() {
		parts = append(parts, "Until before "+t.token.Expires.Format(time.DateOnly))
	}
	if len(parts) == 0 {
		return "Without an end"
	}
	return strings.Join(parts, ", ")
}
