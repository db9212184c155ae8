package web

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// JournalFilter chooses entries. The zero value chooses all.
type JournalFilter struct {
	Kinds []string // whole kinds, or what they begin with when it ends in a dot: "door."
	Door  string
	Who   string    // part of the name or of the credential's id, in either case
	Since time.Time // entries at that time or later, by the panel's clock
	Until time.Time // entries before that time
}

const (
	maxFilter = 128
	// searchStep is how many entries are looked at at a time, maxSearch how many one request looks at before it answers
	// with what it has and where to go on.
	searchStep = 1000
	maxSearch  = 50_000
)

// filterOf reads kind, door, who, since and until. The last two are dates or times of RFC 3339; a date begins in zone.
func filterOf(q url.Values, zone *time.Location) (f JournalFilter, err error) {
	for _, name := range []string{"kind", "door", "who", "since", "until"} {
		if len(q.Get(name)) > maxFilter {
			return f, problem(http.StatusBadRequest, "bad-query", fmt.Sprintf("%s has more than %d characters", name, maxFilter))
		}
	}
	if kinds := q.Get("kind"); kinds != "" {
		f.Kinds = strings.Split(kinds, ",")
	}
	f.Door, f.Who = q.Get("door"), strings.ToLower(q.Get("who"))
	if f.Since, err = timeOf("since", q.Get("since"), zone); err != nil {
		return f, err
	}
	f.Until, err = timeOf("until", q.Get("until"), zone)
	return f, err
}

func timeOf(name, text string, zone *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	t, err := time.ParseInLocation(time.DateOnly, text, zone)
	if err != nil {
		return t, problem(http.StatusBadRequest, "bad-query", name+" is a date like 2026-12-24 or a time like 2026-12-24T18:00:00Z")
	}
	return t, nil
}

func (f JournalFilter) empty() bool {
	return len(f.Kinds) == 0 && f.Door == "" && f.Who == "" && f.Since.IsZero() && f.Until.IsZero()
}

// Fits reports whether an entry is chosen.
func (f JournalFilter) Fits(e JournalEntry) bool {
	switch {
	case len(f.Kinds) > 0 && !slices.ContainsFunc(f.Kinds, func(k string) bool {
		return string(e.Kind) == k || strings.HasSuffix(k, ".") && strings.HasPrefix(string(e.Kind), k)
	}):
		return false
	case f.Door != "" && e.Door != f.Door:
		return false
	case f.Who != "" && !strings.Contains(strings.ToLower(e.Who), f.Who) && !strings.Contains(strings.ToLower(e.Credential), f.Who):
		return false
	case !f.Since.IsZero() && e.Time.Before(f.Since):
		return false
	case !f.Until.IsZero() && !e.Time.Before(f.Until):
		return false
	}
	return true
}

// search returns at most limit entries that fit, read one step after the other. next is where to go on when the journal was not
// looked through to its end; 0: it was.
func (f JournalFilter) search(read func(from uint64, limit int) ([]JournalEntry, error), from uint64, limit int) (found []JournalEntry, next uint64, err error) {
	for looked := 0; looked < maxSearch; {
		entries, err := read(from, searchStep)
		if err != nil || len(entries) == 0 {
			return found, 0, err
		}
		for _, e := range entries {
			from = e.Seq
			if !f.Fits(e) {
				continue
			}
			if found = append(found, e); len(found) == limit {
				return found, from, nil
			}
		}
		looked += len(entries)
	}
	return found, from, nil
}

// exportJournal writes all entries that fit, oldest first, as they are read.
func (s *Server) exportJournal(w http.ResponseWriter, r *http.Request, _ caller) error {
	filter, err := filterOf(r.URL.Query(), s.zone())
	if err != nil {
		return err
	}
	var out *JournalWriter
	switch format := r.URL.Query().Get("format"); format {
	case "", "json":
		w.Header().Set("Content-Type", "application/x-ndjson")
		out = NewJournalWriter(w, false)
	case "csv":
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		w.Header().Set("Content-Disposition", `attachment; filename="journal.csv"`)
		out = NewJournalWriter(w, true)
	default:
		return problem(http.StatusBadRequest, "bad-query", "format is json or csv")
	}
	for after := uint64(0); ; {
		found, next, err := filter.search(s.o.Journal.After, after, searchStep)
		if err == nil {
			err = out.Write(found)
		}
		if err != nil {
			s.log.Error("cannot export the journal", "cause", err)
			panic(http.ErrAbortHandler) // half a file must not be taken for a whole one
		}
		if next == 0 {
			return nil
		}
		if after = next; r.Context().Err() != nil {
			return nil
		}
	}
}

func (s *Server) tidyJournal(w http.ResponseWriter, r *http.Request, c caller) error {
	done, err := s.o.Archive.Tidy(r.Context(), c.User)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, done)
}

// zone is the one in which dates of the pages count.
func (s *Server) zone() *time.Location {
	if s.o.Zone == nil {
		return time.UTC
	}
	return s.o.Zone
}

// JournalWriter writes entries as lines of JSON or as CSV with a header.
type JournalWriter struct {
	csv  *csv.Writer
	json *json.Encoder
}

// NewJournalWriter writes to w, and the header of CSV at once.
func NewJournalWriter(w io.Writer, asCSV bool) *JournalWriter {
	if !asCSV {
		return &JournalWriter{json: json.NewEncoder(w)}
	}
	out := csv.NewWriter(w)
	_ = out.Write([]string{"seq", "time", "trusted", "kind", "door", "why", "reader", "who", "credential", "call", "button", "detail"}) // told by Flush
	return &JournalWriter{csv: out}
}

// Write writes entries and hands them on.
func (j *JournalWriter) Write(entries []JournalEntry) error {
	for _, e := range entries {
		if j.json != nil {
			if err := j.json.Encode(e); err != nil {
				return err
			}
			continue
		}
		button := ""
		if e.Button != 0 {
			button = strconv.Itoa(e.Button)
		}
		row := []string{strconv.FormatUint(e.Seq, 10), e.Time.Format(time.RFC3339), strconv.FormatBool(e.Trusted), string(e.Kind), e.Door, e.Why,
			e.Reader, e.Who, e.Credential, e.Call, button, e.Detail}
		for i := range row {
			row[i] = plainCell(row[i])
		}
		if err := j.csv.Write(row); err != nil {
			return err
		}
	}
	if j.csv != nil {
		j.csv.Flush()
		return j.csv.Error()
	}
	return nil
}

// plainCell keeps a table program from taking a text for a formula.
func plainCell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}
