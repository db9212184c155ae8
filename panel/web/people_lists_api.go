package web

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/panel/access"
)

// maxImport bounds a list of people: 16 MiB hold a hundred thousand.
const maxImport = 16 << 20

// importLine is one line of the answer to an import: how far it has come, or at the end what came of it.
type importLine struct {
	Progress *ImportProgress `json:"progress,omitempty"`
	Result   *ImportResult   `json:"result,omitempty"`
	Problem  *details        `json:"problem,omitempty"`
}

func (s *Server) listRoutes() []route {
	return []route{
		{Method: "POST", Pattern: api + "/people/import", Access: AsInstaller, Handler: s.postImport, Status: 200, Query: []string{"dry_run", "replace"},
			Summary:  "Bring in a list of people (text/csv or application/json); dry_run=1 tells the difference, replace=1 removes who is not in it. Answers lines of JSON: progress, then the result",
			Response: importLine{Result: &ImportResult{Rows: 80, Added: 78, Unchanged: 2}}},
		{Method: "GET", Pattern: api + "/people/export", Access: AsInstaller, Handler: s.getExport, Status: 200, Query: []string{"format"},
			Summary:  "Everybody by name as csv (the default) or json, without what opens a door; it can be brought in again",
			Response: object{"people": []ExportedPerson{{ID: "p7", Name: "Ada Lovelace", Flat: "4", Groups: []string{"residents"}, Rights: []access.Right{}, Cards: 1}}}},
	}
}

func (s *Server) postImport(w http.ResponseWriter, r *http.Request, c caller) error {
	o := ImportOptions{By: c.User}
	switch t := mediaType(r); t {
	case "text/csv", "text/plain", "application/vnd.ms-excel", "":
	case "application/json":
		o.JSON = true
	default:
		return problem(http.StatusUnsupportedMediaType, "unsupported-media-type", fmt.Sprintf("the body is %.80q; send text/csv or application/json", t))
	}
	var err error
	if o.DryRun, err = flag(r, "dry_run"); err != nil {
		return err
	}
	if o.Replace, err = flag(r, "replace"); err != nil {
		return err
	}
	content, err := body(w, r, maxImport)
	if err != nil {
		return err
	}
	ctx, leave, err := s.wait(w, r, 0)
	if err != nil {
		return err
	}
	defer leave()
	lines := lineWriter{st: stream{w, http.NewResponseController(w)}}
	// Comparing a long list takes a while before the first line.
	_ = lines.st.c.SetWriteDeadline(time.Now().Add(importTime))
	result, err := s.o.Access.Lists.ImportPeople(ctx, content, o, func(p ImportProgress) error { return lines.write(importLine{Progress: &p}) })
	switch {
	case err != nil && !lines.begun:
		return err
	case err != nil:
		d := asDetails(err)
		if d == nil {
			s.log.Error("import failed", "error", err)
			d = problem(http.StatusInternalServerError, "internal", "the panel could not do this; its log says why")
		}
		return lines.write(importLine{Problem: d, Result: &result})
	case result.MistakeCount > 0 && !o.DryRun:
		d := problem(http.StatusUnprocessableEntity, "mistakes", fmt.Sprintf("the list has %d mistakes; nothing was changed", result.MistakeCount))
		for _, m := range result.Mistakes {
			d.Causes = append(d.Causes, fmt.Sprintf("line %d: %s", m.Line, m.Text))
		}
		return d
	}
	return lines.write(importLine{Result: &result})
}

// importTime is how long comparing a list with everybody may take.
const importTime = 5 * time.Minute

// lineWriter writes one JSON object a line, each at once.
type lineWriter struct {
	st    stream
	begun bool
}

func (l *lineWriter) write(line importLine) error {
	b, err := json.Marshal(line)
	if err != nil {
		return err
	}
	if !l.begun {
		l.begun = true
		l.st.w.Header().Set("Content-Type", "application/x-ndjson")
	}
	return l.st.write("%s\n", b)
}

// flag reads a switch of the query.
func flag(r *http.Request, name string) (bool, error) {
	switch r.URL.Query().Get(name) {
	case "", "0", "false":
		return false, nil
	case "1", "true":
		return true, nil
	}
	return false, problem(http.StatusBadRequest, "bad-query", name+" is 1 or 0")
}

// exportBatch people are written at once.
const exportBatch = 256

func (s *Server) getExport(w http.ResponseWriter, r *http.Request, _ caller) error {
	format := r.URL.Query().Get("format")
	write := csvExport
	switch format {
	case "", "csv":
		format = "csv"
	case "json":
		write = jsonExport
	default:
		return problem(http.StatusBadRequest, "bad-query", "format is csv or json")
	}
	ctx, leave, err := s.wait(w, r, 0)
	if err != nil {
		return err
	}
	defer leave()
	w.Header().Set("Content-Type", map[string]string{"csv": "text/csv; charset=utf-8", "json": "application/json"}[format])
	w.Header().Set("Content-Disposition", `attachment; filename="people.`+format+`"`)
	st := stream{w, http.NewResponseController(w)}
	if err := write(ctx, s.o.Access.Lists, st); err != nil && ctx.Err() == nil {
		// The answer has begun: breaking it off is the only way left to say that it is not whole.
		s.log.Error("export failed", "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// csvExport writes a list for table programs: with a byte order mark, by which they know that it is UTF-8.
func csvExport(ctx context.Context, lists PeopleLists, st stream) error {
	var buffer bytes.Buffer
	buffer.WriteString("\ufeff")
	out := csv.NewWriter(&buffer)
	_ = out.Write([]string{"id", "name", "note", "flat", "groups", "rights", "cards", "codes"}) // into memory
	flush := func() error {
		out.Flush()
		defer buffer.Reset()
		return st.write("%s", buffer.Bytes())
	}
	n := 0
	err := lists.ExportPeople(ctx, func(p ExportedPerson) error {
		rights, err := RightsText(p.Rights)
		if err != nil {
			return err
		}
		fields := []string{p.ID, p.Name, p.Note, p.Flat, strings.Join(p.Groups, "|"), rights, strconv.Itoa(p.Cards), strconv.Itoa(p.Codes)}
		for i := range fields {
			fields[i] = guarded(fields[i])
		}
		_ = out.Write(fields)
		if n++; n%exportBatch > 0 {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// FormulaBegins are the characters at which a table program takes a field for a formula. Such a field is written with an
// apostrophe before it, which is taken off again when the list comes back.
const FormulaBegins = "=+-@\t\r"

func guarded(field string) string {
	if field != "" && strings.ContainsRune(FormulaBegins, rune(field[0])) {
		return "'" + field
	}
	return field
}

// RightsText writes rights into one field of a list: all, none, or as JSON.
func RightsText(rights []access.Right) (string, error) {
	switch {
	case len(rights) == 0:
		return "none", nil
	case len(rights) == 1 && rights[0].Unlimited():
		return "all", nil
	}
	b, err := json.Marshal(rights)
	return string(b), err
}

func jsonExport(ctx context.Context, lists PeopleLists, st stream) error {
	var buffer bytes.Buffer
	buffer.WriteString(`{"people": [`)
	n := 0
	err := lists.ExportPeople(ctx, func(p ExportedPerson) error {
		p.Groups, p.Rights = list(p.Groups), list(p.Rights)
		b, err := json.Marshal(p)
		if err != nil {
			return err
		}
		if n > 0 {
			buffer.WriteString(",")
		}
		buffer.WriteString("\n")
		buffer.Write(b)
		if n++; n%exportBatch > 0 {
			return nil
		}
		defer buffer.Reset()
		return st.write("%s", buffer.Bytes())
	})
	if err != nil {
		return err
	}
	buffer.WriteString("]}\n")
	return st.write("%s", buffer.Bytes())
}
