package configs

import (
	"fmt"
	"regexp"
)

const (
	maxDays     = 3660
	maxPeriods  = 32
	maxOneOfAll = 64
)

var kindPattern = regexp.MustCompile(`^[a-z]+\.[a-z_]+$`)

// journalKinds reads the kinds of entries with periods of their own. That a kind exists is not known here.
func (r *reading) journalKinds(s *section, c *Journal) {
	seen := map[string]place{}
	for _, k := range s.tables("kind", maxPeriods) {
		var one JournalKind
		for _, p := range k.texts("kinds", maxOneOfAll) {
			switch first, twice := seen[p.v.text]; {
			case !kindPattern.MatchString(p.v.text):
				p.report("not a kind of entries", `write one of docs/journal-events.md, such as "access.refused"`)
			case twice:
				p.report(fmt.Sprintf("this kind has a period already, on row %d", first.row()), "keep one")
			default:
				seen[p.v.text] = p
				one.Kinds = append(one.Kinds, p.v.text)
			}
		}
		if k.t.items["kinds"] == nil {
			k.missing("kinds", `write kinds = ["access.refused"] or other kinds of entries`)
		}
		one.PersonsDays, _ = k.number("persons_days", 0, 0, maxDays)
		if k.t.items["persons_days"] == nil {
			k.missing("persons_days", "write persons_days = 30, or 0 for as long as the entry")
		}
		k.done()
		c.Kinds = append(c.Kinds, one)
	}
}
