package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

type reissueFlags struct {
	key          keyFlags
	trust        trustFlags
	revoked      string
	table, batch string
	asJSON       bool
}

func reissueCommand(d desk) *cobra.Command {
	var f reissueFlags
	cmd := &cobra.Command{
		Use:   "reissue --key NEW --revoked-issuer KEY --batch FILE SOLD ...",
		Short: "Issue licenses of a revoked issuer anew, by the thousand",
		Long: `Sign a new license for each one that a revoked issuer sold: the same grants, term, label, and the same panel, account, site or group, with a new id, by a
new key. SOLD are batches of doorlicense issue, or texts with one code a line; --csv names a table with the columns text (the code) and activated (the day
since when an annual license runs, or empty: its term then begins anew). What has ended is left out. The result is a batch, which is printed
with doorlicense sheet, or entered on the panels' pages.
A panel counts the new ones as other licenses: put on the list (revoke --issuer) what they replace, and do not --keep the same licenses there. revoke --keep is
less work: it leaves the sold codes as they are.`,
		Example: `  doorlicense reissue --key north2.key --revoked-issuer ed25519:Kay6... --batch again.jsonl sold.jsonl
  doorlicense reissue --key north2.key --revoked-issuer ed25519:Kay6... --batch again.jsonl --csv sold.csv`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case f.revoked == "":
				return usage("--revoked-issuer is missing: name the public key whose licenses are issued anew")
			case len(args) == 0 && f.table == "":
				return usage("reissue takes the files with the sold licenses, or --csv; see doorlicense reissue --help")
			case f.batch == "":
				return usage("--batch is missing: name the file for the new licenses; a run that was stopped goes on from it")
			}
			now := d.now().UTC().Truncate(time.Second)
			tokens, err := f.tokens(d, args, now)
			if err != nil {
				return err
			}
			key, err := d.loadKey(f.key)
			if err != nil {
				return err
			}
			standing, err := f.trust.standingOf(d, key, f.key.file)
			if err != nil {
				return err
			}
			return issueFlags{batch: f.batch, asJSON: f.asJSON}.issueMany(cmd.Context(), d, tokens, key, standing, now)
		},
	}
	f.key.register(cmd, "the new issuer, or the root")
	f.trust.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.revoked, "revoked-issuer", "", "public key of the issuer that was revoked")
	flags.StringVar(&f.table, "csv", "", "table with the columns text and activated")
	flags.StringVar(&f.batch, "batch", "", "file that keeps the new licenses")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	return cmd
}

// tokens are the successors of the sold licenses, in their order, each once.
func (f reissueFlags) tokens(d desk, files []string, now time.Time) ([]license.Token, error) {
	pub, err := envelope.ParseKey(f.revoked)
	if err != nil {
		return nil, usageError{err}
	}
	ring, err := ringUnder(pub)
	if err != nil {
		return nil, err
	}
	r := reissue{ring: ring, now: now, seen: map[license.TokenID]bool{}}
	for _, name := range files {
		if err := d.eachLicense(name, ring, func(text string, _ license.Keyring) error { return r.add(text, time.Time{}) }); err != nil {
			return nil, fmt.Errorf("cannot issue %s anew, nothing was signed: %w", name, err)
		}
	}
	if f.table != "" {
		if err := r.addTable(f.table); err != nil {
			return nil, fmt.Errorf("cannot issue %s anew, nothing was signed: %w", f.table, err)
		}
	}
	if r.ended > 0 {
		fmt.Fprintf(d.notes, "%s ended and left out\n", counted(r.ended, "license"))
	}
	if len(r.tokens) == 0 {
		return nil, errors.New("cannot issue anew: there is no license that still holds")
	}
	if len(r.tokens) > maxBatch {
		return nil, fmt.Errorf("cannot issue %d licenses in one batch, at most %d; name some of the files", len(r.tokens), maxBatch)
	}
	return r.tokens, nil
}

type reissue struct {
	ring   license.Keyring
	now    time.Time
	seen   map[license.TokenID]bool
	tokens []license.Token
	ended  int
}

func (r *reissue) add(text string, activated time.Time) error {
	sold, err := openSold(text, r.ring)
	if err != nil {
		return err
	}
	if r.seen[sold.ID] {
		return fmt.Errorf("license %s is there twice; leave one out", sold.ID)
	}
	r.seen[sold.ID] = true
	next, err := successor(sold.Token, activated, r.now)
	if err != nil {
		r.ended++
		return nil
	}
	r.tokens = append(r.tokens, next)
	return nil
}

// addTable reads a CSV file with the columns text and activated.
func (r *reissue) addTable(path string) error {
	raw, err := readSmall(path)
	if err != nil {
		return err
	}
	reader := tableReader(raw)
	names, err := reader.Read()
	if err != nil {
		return fmt.Errorf("the line of column names is missing: %w", err)
	}
	for i := range names {
		names[i] = strings.ToLower(strings.TrimSpace(names[i]))
	}
	text, activated := slices.Index(names, "text"), slices.Index(names, "activated")
	if text < 0 {
		return errors.New("there is no column text with the codes; name the columns text and activated in the first line")
	}
	var mistakes []error
	for len(mistakes) < maxMistakes {
		cells, err := reader.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return errors.Join(append(mistakes, err)...)
		}
		line, _ := reader.FieldPos(0)
		var since time.Time
		if activated >= 0 {
			since, err = moment("activated", strings.TrimSpace(cells[activated]))
		}
		if err == nil {
			err = r.add(cells[text], since)
		}
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("line %d: %w", line, err))
		}
	}
	return errors.Join(mistakes...)
}
