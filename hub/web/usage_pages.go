package web

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
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

// usageRows walks over the report row by row. What was begun cannot be answered with a problem any more: the connection is cut
// instead, so that a part is not taken for the whole.
func (s *Server) usageRows(v *visit, name, media string, begin func(g groupView) error, row func(ledger.Row) error) error {
	return v.inGroup(func(book ledger.Book, g groupView) error {
		v.w.Header().Set("Content-Type", media)
		v.w.Header().Set("Content-Disposition", `attachment; filename="usage-`+s.o.Now().In(g.zone).Format("2006-01-02")+name+`"`)
		if err := begin(g); err != nil {
			return err
		}
		hidden := len(g.line()) - len(g.visible()) // groups above that the caller does not see
		for one, err := range ledger.Usage(book, g.ID) {
			if err != nil {
				s.log.Warn("usage report ended early", "error", err)
				panic(http.ErrAbortHandler)
			}
			one.Path = one.Path[min(hidden, len(one.Path)):]
			if err := row(one); err != nil {
				return nil // the reader went away
			}
		}
		return nil
	}, roles.SeeUsage)
}

func (s *Server) usageCSV(v *visit) error {
	out := csv.NewWriter(&slowly{v.w, http.NewResponseController(v.w)})
	names := []string{"at", "group", "path"}
	for _, r := range ledger.Resources() {
		names = append(names, r.String()+"_used", r.String()+"_active")
	}
	at := s.o.Now().UTC().Format(time.RFC3339)
	err := s.usageRows(v, ".csv", "text/csv; charset=utf-8", func(groupView) error { return out.Write(append(names, "registered_panels", "users")) }, func(row ledger.Row) error {
		cells := []string{at, row.Group, unformulated(placeNames(row.Path))}
		for _, r := range ledger.Resources() {
			cells = append(cells, strconv.Itoa(row.Used[r]), strconv.Itoa(row.Active[r]))
		}
		return out.Write(append(cells, strconv.Itoa(row.Devices), strconv.Itoa(row.Users)))
	})
	out.Flush()
	return err
}

// unformulated keeps a table's reader from taking a name for something to be computed.
func unformulated(name string) string {
	if name != "" && (name[0] == '=' || name[0] == '+' || name[0] == '-' || name[0] == '@') {
		return "'" + name
	}
	return name
}

func (s *Server) usageJSON(v *visit) error {
	out := json.NewEncoder(&slowly{v.w, http.NewResponseController(v.w)})
	write := func(text string) error { _, err := v.w.Write([]byte(text)); return err }
	first := true
	err := s.usageRows(v, ".json", "application/json", func(groupView) error {
		return write(`{"at":"` + s.o.Now().UTC().Format(time.RFC3339) + `","rows":[` + "\n")
	}, func(row ledger.Row) error {
		if !first {
			if err := write(","); err != nil {
				return err
			}
		}
		first = false
		return out.Encode(row)
	})
	if err == nil {
		_ = write("]}\n") // a reader that went away needs no answer
	}
	return err
}
