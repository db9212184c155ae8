package web

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// usagePage is what is used in a group and right below it, now and in one month.
type usagePage struct {
	groupPage
	month  string   // "2026-11"
	months []choice // those that can be chosen, newest first
	runs   bool     // the month is the present one
	rows   []usageLine
	more   string
}

// usageLine is one group of the page.
type usageLine struct {
	ledger.Row
	name  string
	below bool
	zone  *time.Location
}

func (s *Server) usageRoutes() []route {
	if s.o.Ledger == nil {
		return nil
	}
	return []route{
		{Method: "GET", Pattern: "/groups/{group}/usage", Access: LoggedIn, Handler: s.pageUsage, Page: true, Status: 200, Query: []string{"month", "after"}, Summary: "What a group uses"},
		{Method: "GET", Pattern: "/groups/{group}/usage.csv", Access: LoggedIn, Handler: s.usageCSV, Page: true, Status: 200, Query: []string{"month"}, Media: "text/csv", Summary: "What a group and every group below it uses, as a table"},
		{Method: "GET", Pattern: "/groups/{group}/usage.json", Access: LoggedIn, Handler: s.usageJSON, Page: true, Status: 200, Query: []string{"month"}, Media: "application/json", Summary: "What a group and every group below it uses"},
	}
}

// askedMonth is the month that the address asks for; empty: the one that runs, for each group by its own calendar.
func (v *visit) askedMonth() (string, error) {
	month := v.r.URL.Query().Get("month")
	if month == "" {
		return "", nil
	}
	if _, _, err := ledger.ParseMonth(month, time.UTC); err != nil {
		return "", problem(http.StatusBadRequest, "bad-query", err.Error())
	}
	return month, nil
}

// monthChoices are the months that are kept, newest first.
func monthChoices(now time.Time, zone *time.Location) (list []choice) {
	year, month, _ := now.In(zone).Date()
	for back := range ledger.MonthsKept + 1 {
		first := time.Date(year, month-time.Month(back), 1, 0, 0, 0, 0, zone)
		list = append(list, choice{ledger.MonthOf(first, zone), first.Format("January 2006")})
	}
	return list
}

func (s *Server) pageUsage(v *visit) error {
	p := usagePage{}
	month, err := v.askedMonth()
	if err != nil {
		return err
	}
	err = v.inGroup(func(book ledger.Book, g groupView) error {
		p.groupPage = groupPage{g, s.o.Now(), "usage"}
		p.months = monthChoices(p.now, g.zone)
		p.month = cmp.Or(month, p.months[0].value)
		p.runs = p.month == p.months[0].value
		below, more, err := groupsBelow(book, g.ID, v.r.URL.Query().Get("after"))
		if err != nil {
			return err
		}
		p.more = more
		for i, one := range append([]ledger.Group{g.Group}, below...) {
			row, err := ledger.UsageOf(book, one.ID, p.month, p.now)
			if err != nil {
				return err
			}
			p.rows = append(p.rows, usageLine{row, one.Name, i > 0, g.zone})
		}
		return nil
	}, roles.SeeUsage)
	if err != nil {
		return err
	}
	return v.show(p.Name+": usage", "licenses", usageOfGroup(p))
}

// usageRows lets write make the report of the group that the address names, and sends it when it is made: what the report is read from
// must not be held for as long as a slow reader takes.
func (s *Server) usageRows(v *visit, name, media string, write func(out io.Writer, rows iter.Seq2[ledger.Row, error]) error) error {
	month, err := v.askedMonth()
	if err != nil {
		return err
	}
	report, err := s.spool()
	if err != nil {
		return err
	}
	defer report.close()
	file := ""
	err = v.inGroup(func(book ledger.Book, g groupView) error {
		file = "usage-" + cmp.Or(month, s.o.Now().In(g.zone).Format("2006-01-02")) + name
		hidden := len(g.line()) - len(g.visible()) // groups above that the caller does not see
		return write(report.in, func(yield func(ledger.Row, error) bool) {
			for row, err := range ledger.Usage(book, g.ID, month, s.o.Now()) {
				row.Path = row.Path[min(hidden, len(row.Path)):]
				if !yield(row, err) {
					return
				}
			}
		})
	}, roles.SeeUsage)
	if err != nil {
		return err
	}
	return report.send(v, file, media)
}

func (s *Server) usageCSV(v *visit) error {
	return s.usageRows(v, ".csv", "text/csv; charset=utf-8", func(to io.Writer, rows iter.Seq2[ledger.Row, error]) error {
		out := csv.NewWriter(to)
		_ = out.Write(append([]string{"at", "group", "path"}, ledger.UsageColumns()...)) // told by Error
		at := s.o.Now().UTC().Format(time.RFC3339)
		for row, err := range rows {
			if err != nil {
				return err
			}
			if err := out.Write(append([]string{at, row.Group, plainCell(placeNames(row.Path))}, row.Columns()...)); err != nil {
				return err
			}
		}
		out.Flush()
		return out.Error()
	})
}

func (s *Server) usageJSON(v *visit) error {
	return s.usageRows(v, ".json", "application/json", func(to io.Writer, rows iter.Seq2[ledger.Row, error]) error {
		out := json.NewEncoder(to)
		between := `{"at":"` + s.o.Now().UTC().Format(time.RFC3339) + `","rows":[` + "\n"
		for row, err := range rows {
			if err != nil {
				return err
			}
			if _, err := io.WriteString(to, between); err != nil {
				return err
			}
			between = ","
			if err := out.Encode(row); err != nil {
				return err
			}
		}
		_, err := io.WriteString(to, "]}\n")
		return err
	})
}

// measuredWords says when a month was not measured as a whole.
func (l usageLine) measuredWords() string {
	if l.Measured.IsZero() {
		return "not measured"
	}
	begins, _, err := ledger.ParseMonth(l.Month, l.zone)
	if err != nil || !l.Measured.After(begins.Add(24*time.Hour)) {
		return ""
	}
	return "from " + day(l.Measured, l.zone) + " on"
}

// monthWords are what is to be said of a resource in the month beside its number.
func (l usageLine) monthWords(r ledger.Resource, runs bool) (words []string) {
	peak := l.Peak[r]
	if peak.Count == 0 {
		return nil
	}
	if runs {
		words = append(words, "peak "+thousands(peak.Count)+", "+day(peak.At, l.zone))
	} else {
		words = append(words, "on "+day(peak.At, l.zone), "at the end "+thousands(l.Final[r]))
	}
	return append(words, "mean "+l.Average.Of(r))
}
