package web

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"iter"
	"strconv"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// usagePage is what is used in a group and right below it.
type usagePage struct {
	groupPage
	rows []ledger.Group
	more string
}

func (s *Server) usageRoutes() []route {
	if s.o.Ledger == nil {
		return nil
	}
	return []route{
		{Method: "GET", Pattern: "/groups/{group}/usage", Access: LoggedIn, Handler: s.pageUsage, Page: true, Status: 200, Query: []string{"after"}, Summary: "What a group uses"},
		{Method: "GET", Pattern: "/groups/{group}/usage.csv", Access: LoggedIn, Handler: s.usageCSV, Page: true, Status: 200, Media: "text/csv", Summary: "What a group and every group below it uses, as a table"},
		{Method: "GET", Pattern: "/groups/{group}/usage.json", Access: LoggedIn, Handler: s.usageJSON, Page: true, Status: 200, Media: "application/json", Summary: "What a group and every group below it uses"},
	}
}

func (s *Server) pageUsage(v *visit) error {
	p := usagePage{}
	err := v.inGroup(func(book ledger.Book, g groupView) (err error) {
		p.groupPage = groupPage{g, s.o.Now(), "usage"}
		p.rows, p.more, err = groupsBelow(book, g.ID, v.r.URL.Query().Get("after"))
		return err
	}, roles.SeeUsage)
	if err != nil {
		return err
	}
	return v.show(p.Name+": usage", "licenses", usageOfGroup(p))
}

// usageRows lets write make the report of the group that the address names, and sends it when it is made: what the report is read from
// must not be held for as long as a slow reader takes.
func (s *Server) usageRows(v *visit, name, media string, write func(out io.Writer, rows iter.Seq2[ledger.Row, error]) error) error {
	report, err := s.spool()
	if err != nil {
		return err
	}
	defer report.close()
	file := ""
	err = v.inGroup(func(book ledger.Book, g groupView) error {
		file = "usage-" + s.o.Now().In(g.zone).Format("2006-01-02") + name
		hidden := len(g.line()) - len(g.visible()) // groups above that the caller does not see
		return write(report.in, func(yield func(ledger.Row, error) bool) {
			for row, err := range ledger.Usage(book, g.ID) {
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
		names := []string{"at", "group", "path"}
		for _, r := range ledger.Resources() {
			names = append(names, r.String()+"_used", r.String()+"_active")
		}
		_ = out.Write(append(names, "registered_panels", "users")) // told by Error
		at := s.o.Now().UTC().Format(time.RFC3339)
		for row, err := range rows {
			if err != nil {
				return err
			}
			cells := []string{at, row.Group, plainCell(placeNames(row.Path))}
			for _, r := range ledger.Resources() {
				cells = append(cells, strconv.Itoa(row.Used[r]), strconv.Itoa(row.Active[r]))
			}
			if err := out.Write(append(cells, strconv.Itoa(row.Devices), strconv.Itoa(row.Users))); err != nil {
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
