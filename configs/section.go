package configs

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// section reads one table key by key. Asking for a key makes it known; what is left over at the end is a mistake.
type section struct {
	d     *document
	t     *table
	path  string
	at    int             // where a missing key is reported
	there bool            // the table is in the file
	asked map[string]bool // keys of this table
	known map[string]bool // whole keys of the file, for the test of the documentation
}

func (s *section) item(key string) *item {
	s.asked[key] = true
	s.known[join(s.path, key)] = true
	return s.t.items[key]
}

// place is where a checked value stands, so that a later check can point at it. The zero place is a default.
type place struct {
	s   *section
	key string
	v   value
}

func (p place) given() bool { return p.s != nil }

func (p place) row() int { return p.s.d.rowOf(p.v.at) + 1 }

func (p place) report(cause, remedy string) {
	key := join(p.s.path, p.key)
	p.s.d.report(p.v.at, key, shown(key, p.v.display()), cause, remedy)
}

// missing reports a key that must be there. It is silent in a file whose form is wrong, where the key may stand in a
// row that could not be read.
func (s *section) missing(key, remedy string) {
	if !s.d.broken {
		s.d.report(s.at, join(s.path, key), "", "missing", remedy)
	}
}

func (s *section) find(key string, kind unstable.Kind, want string) (place, bool) {
	it := s.item(key)
	if it == nil {
		return place{}, false
	}
	p := place{s, key, it.value}
	if it.value.kind != kind {
		p.report("it is "+it.value.kindName()+", not "+want, "write "+want)
		return place{}, false
	}
	return p, true
}

// text returns a text without control characters of at most 200 characters.
func (s *section) text(key, otherwise string) (string, place) {
	p, ok := s.find(key, unstable.String, "a text in quotes")
	if !ok {
		return otherwise, place{}
	}
	if cause, remedy := checkText(p.v.text); cause != "" {
		p.report(cause, remedy)
		return otherwise, place{}
	}
	return p.v.text, p
}

func (s *section) oneOf(key, otherwise string, options ...string) (string, place) {
	text, p := s.text(key, otherwise)
	if !p.given() {
		return text, p
	}
	for _, o := range options {
		if text == o {
			return text, p
		}
	}
	quoted := make([]string, len(options))
	for i, o := range options {
		quoted[i] = strconv.Quote(o)
	}
	remedy := "write " + quoted[0]
	if len(quoted) > 1 {
		remedy = "write " + strings.Join(quoted[:len(quoted)-1], ", ") + " or " + quoted[len(quoted)-1]
	}
	p.report("not one of the values", remedy)
	return otherwise, place{}
}

func (s *section) truth(key string, otherwise bool) (bool, place) {
	p, ok := s.find(key, unstable.Bool, "true or false")
	if !ok {
		return otherwise, place{}
	}
	return p.v.text == "true", p
}

func (s *section) number(key string, otherwise, least, most int) (int, place) {
	p, ok := s.find(key, unstable.Integer, "a whole number")
	if !ok {
		return otherwise, place{}
	}
	n, err := strconv.ParseInt(p.v.text, 0, 64)
	if err != nil || n < int64(least) || n > int64(most) {
		p.report("out of range", fmt.Sprintf("write a number from %d to %d", least, most))
		return otherwise, place{}
	}
	return int(n), p
}

// duration returns a duration from least to most; zero is taken as well where zeroToo says so.
func (s *section) duration(key string, otherwise, least, most time.Duration, zeroToo bool) (time.Duration, place) {
	it := s.item(key)
	if it == nil {
		return otherwise, place{}
	}
	p := place{s, key, it.value}
	example := otherwise.String()
	switch p.v.kind {
	case unstable.String:
	case unstable.Integer:
		p.report("a number without a unit", fmt.Sprintf("write %q", p.v.raw+"s"))
		return otherwise, place{}
	default:
		p.report("it is "+p.v.kindName()+", not a duration", fmt.Sprintf("write %q", example))
		return otherwise, place{}
	}
	v, err := time.ParseDuration(p.v.text)
	if err != nil {
		if _, e := strconv.ParseUint(p.v.text, 10, 16); e == nil {
			example = p.v.text + "s"
		}
		p.report("not a duration", fmt.Sprintf("write %q", example))
		return otherwise, place{}
	}
	if (v < least || v > most) && !(zeroToo && v == 0) {
		remedy := fmt.Sprintf("write %s to %s", least, most)
		if zeroToo {
			remedy += ", or 0s for never"
		}
		p.report("out of range", remedy)
		return otherwise, place{}
	}
	return v, p
}

// ownName reads a name that no other section of its list has.
func (s *section) ownName(seen map[string]place, kind string) string {
	name, p := s.text("name", "")
	if !p.given() {
		if s.t.items["name"] == nil {
			s.missing("name", `write name = "..."`)
		}
		return ""
	}
	if cause, remedy := checkName(name); cause != "" {
		p.report(cause, remedy)
		return ""
	}
	if first, ok := seen[name]; ok {
		p.report(fmt.Sprintf("another %s has this name, on row %d", kind, first.row()), "give each its own")
		return ""
	}
	seen[name] = p
	return name
}

// texts returns the places of a list of texts.
func (s *section) texts(key string, most int) []place {
	list, ok := s.find(key, unstable.Array, "a list of texts")
	if !ok {
		return nil
	}
	if len(list.v.list) > most {
		list.report(fmt.Sprintf("%d entries", len(list.v.list)), fmt.Sprintf("write at most %d", most))
		return nil
	}
	var out []place
	for _, v := range list.v.list {
		p := place{s, key, v}
		if v.kind != unstable.String {
			p.report("it is "+v.kindName()+", not a text in quotes", "write a text in quotes")
			continue
		}
		if cause, remedy := checkText(v.text); cause != "" {
			p.report(cause, remedy)
			continue
		}
		out = append(out, p)
	}
	return out
}

// table returns a section below this one; it can be asked for its keys even when it is not in the file.
func (s *section) table(key string) *section {
	child := s.child(key, nil, s.at, false)
	it := s.item(key)
	if it == nil {
		return child
	}
	switch v := it.value; v.kind {
	case unstable.Table:
		return s.child(key, v.table, v.at, true)
	case unstable.ArrayTable:
		place{s, key, v}.report("there can be one only", "write ["+child.path+"]")
	default:
		place{s, key, v}.report("it is "+v.kindName()+", not a section", "write ["+child.path+"] and its keys below it")
	}
	return child
}

// tables returns the sections of a list.
func (s *section) tables(key string, most int) []*section {
	it := s.item(key)
	if it == nil {
		return nil
	}
	path := join(s.path, key)
	v := it.value
	if v.kind != unstable.ArrayTable {
		if v.kind == unstable.Array && len(v.list) == 0 {
			return nil
		}
		place{s, key, v}.report("it is "+v.kindName()+", and there may be several", "write [["+path+"]]")
		if v.kind != unstable.Table {
			return nil
		}
		// Read it all the same, for the mistakes inside it.
		return []*section{s.child(key, v.table, v.at, true)}
	}
	if len(v.list) > most {
		place{s, key, v}.report(fmt.Sprintf("%d are too many", len(v.list)), fmt.Sprintf("write at most %d", most))
		return nil
	}
	out := make([]*section, len(v.list))
	for i, one := range v.list {
		out[i] = s.child(key, one.table, one.at, true)
	}
	return out
}

func (s *section) child(key string, t *table, at int, there bool) *section {
	if t == nil {
		t = newTable()
	}
	return &section{d: s.d, t: t, path: join(s.path, key), at: at, there: there, asked: map[string]bool{}, known: s.known}
}

// done reports every key that nobody asked for.
func (s *section) done() {
	for _, name := range s.t.names {
		if s.asked[name] {
			continue
		}
		it := s.t.items[name]
		cause := "unknown key"
		if it.value.kind == unstable.Table || it.value.kind == unstable.ArrayTable {
			cause = "unknown section"
		}
		var names []string
		for known := range s.asked {
			names = append(names, known)
		}
		sort.Strings(names)
		remedy := "delete it; known here: " + strings.Join(names, ", ")
		if like := nearest(name, names); like != "" {
			remedy = "did you mean " + like + "?"
		}
		s.d.report(it.keyAt, join(s.path, name), "", cause, remedy)
	}
}

// nearest returns the known name with the fewest letters to change, where they are few enough to be a slip.
func nearest(name string, known []string) string {
	best, least := "", max(1, min(3, len(name)/3))+1
	if len(name) > 40 {
		return ""
	}
	for _, k := range known {
		if n := distance(name, k); n < least {
			best, least = k, n
		}
	}
	return best
}

// distance is the number of letters to add, drop, change or swap with their neighbor.
func distance(a, b string) int {
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}
