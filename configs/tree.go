package configs

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Bounds of what one reading does, whatever the file holds.
const (
	maxSyntax   = 20  // mistakes of form after which reading stops
	maxProblems = 200 // mistakes that are reported
	maxParts    = 8   // parts of one key; ours have three
)

// value is what stands behind a key, with its place in the text.
type value struct {
	kind  unstable.Kind // Table for every kind of table, ArrayTable for every list of tables
	at    int           // offset of the value, or of its header
	raw   string        // as it is written; empty for tables and lists
	text  string        // of a String: what it means
	list  []value       // of an Array or ArrayTable
	table *table        // of a Table
}

type item struct {
	keyAt int
	value value
}

type table struct {
	names  []string // in the order of the file
	items  map[string]*item
	header bool // has had its own [header]
}

func newTable() *table { return &table{items: map[string]*item{}} }

func (t *table) add(name string, i *item) {
	t.names = append(t.names, name)
	t.items[name] = i
}

// document is one file on its way from text to tree.
type document struct {
	name     string
	text     []byte
	problems Problems
	rows     []int // offset of the first byte of each row
	broken   bool  // the form is wrong somewhere: what seems to be missing may only be unreadable
}

func newDocument(name string, text []byte) *document {
	d := &document{name: name, text: bytes.TrimPrefix(text, []byte("\ufeff")), rows: []int{0}}
	for i, c := range d.text {
		if c == '\n' {
			d.rows = append(d.rows, i+1)
		}
	}
	return d
}

// rowOf returns the index of the row that holds an offset.
func (d *document) rowOf(offset int) int {
	return sort.SearchInts(d.rows, offset+1) - 1
}

func (d *document) row(i int) []byte {
	end := len(d.text)
	if i+1 < len(d.rows) {
		end = d.rows[i+1]
	}
	return d.text[d.rows[i]:end]
}

func (d *document) report(offset int, key, value, cause, remedy string) {
	row := d.rowOf(offset)
	d.problems = append(d.problems, Problem{
		File: d.name, Row: row + 1, Column: utf8.RuneCount(d.text[d.rows[row]:offset]) + 1,
		Key: short(key), Value: value, Cause: cause, Remedy: remedy,
	})
}

// sorted returns the problems in the order of the file, at most maxProblems.
func (d *document) sorted() Problems {
	sort.SliceStable(d.problems, func(i, j int) bool {
		a, b := d.problems[i], d.problems[j]
		if a.Row != b.Row {
			return a.Row < b.Row
		}
		return a.Column < b.Column
	})
	return d.problems[:min(len(d.problems), maxProblems)]
}

// tree reads the text. A row whose form is wrong is reported, taken out, and the rest is read again, so that one missing
// quote does not hide the other mistakes.
func (d *document) tree() *table {
	text := bytes.Clone(d.text)
	for range maxSyntax {
		root, failed := d.read(text)
		if failed == nil {
			return root
		}
		d.broken = true
		row := d.rowOf(failed.at)
		first := d.rowOf(failed.from)
		d.reportSyntax(failed)
		line := string(d.row(row))
		last := row
		if first != row || strings.HasPrefix(strings.TrimSpace(line), "[") || strings.Contains(line, `"""`) || strings.Contains(line, "'''") {
			// What follows belongs to something that has no beginning: go on at the next section.
			for last+1 < len(d.rows) && !bytes.HasPrefix(bytes.TrimSpace(d.row(last+1)), []byte("[")) {
				last++
			}
		}
		for i := first; i <= last; i++ {
			blank := text[d.rows[i]:]
			for j := range d.row(i) {
				if blank[j] != '\n' {
					blank[j] = ' '
				}
			}
		}
	}
	root, failed := d.read(text)
	if failed != nil {
		d.report(failed.at, "", "", "there are more mistakes of form than can be told at once", "mend the ones above first")
	}
	return root
}

// failure is a mistake of form: where it is, and where the statement begins that it spoils.
type failure struct {
	at, from int
	path     string // the section it is in
	cause    string
}

// read builds the tree up to the first mistake of form. The problems it reports itself (a key given twice) are dropped
// again when it fails, because the text is then read once more.
func (d *document) read(text []byte) (root *table, failed *failure) {
	before := len(d.problems)
	root = newTable()
	current, path := root, ""
	var p unstable.Parser
	p.Reset(text)
	end := 0
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.KeyValue:
			end = int(e.Raw.Offset + e.Raw.Length)
			d.insert(&p, current, path, e)
		case unstable.Table, unstable.ArrayTable:
			parts, at := keyOf(&p, e)
			end = at
			at = bytes.LastIndexByte(text[:at+1], '[')
			if e.Kind == unstable.ArrayTable {
				at = max(at-1, 0)
			}
			current, path = d.header(root, parts, at, e.Kind == unstable.ArrayTable)
		}
	}
	err := p.Error()
	if err == nil {
		return root, nil
	}
	d.problems = d.problems[:before]
	failed = &failure{at: len(text), from: d.nextStatement(text, end), path: path, cause: err.Error()}
	var pe *unstable.ParserError
	if errors.As(err, &pe) && pe.Highlight != nil {
		failed.at = int(p.Range(pe.Highlight).Offset)
	}
	failed.at = max(min(failed.at, len(text)-1), failed.from)
	return root, failed
}

// nextStatement returns the offset of the first statement on a row after the one that holds end, or on the first row.
func (d *document) nextStatement(text []byte, end int) int {
	row := 0
	if end > 0 {
		row = d.rowOf(end) + 1
	}
	for ; row < len(d.rows); row++ {
		stop := len(text)
		if row+1 < len(d.rows) {
			stop = d.rows[row+1]
		}
		line := bytes.TrimSpace(text[d.rows[row]:stop])
		if len(line) > 0 && line[0] != '#' {
			return d.rows[row]
		}
	}
	return d.rows[len(d.rows)-1]
}

var assignment = regexp.MustCompile(`^\s*([A-Za-z0-9_.-]+)\s*=\s*(.*?)\s*$`)

func (d *document) reportSyntax(f *failure) {
	line := string(d.row(d.rowOf(f.at)))
	m := assignment.FindStringSubmatch(line)
	if m == nil {
		remedy := `write name = value, [section] or # comment`
		if strings.HasPrefix(strings.TrimSpace(line), "[") {
			remedy = "write [section], or [[section]] for one of several"
		}
		d.report(f.at, "", "", f.cause, remedy)
		return
	}
	value, remedy := m[2], "write the value as TOML has it"
	switch {
	case value == "":
		remedy = "write a value after ="
	case strings.Trim(value, "0123456789_") == "":
		remedy = "write the number without a 0 before it"
	case !strings.ContainsAny(value[:1], "\"'[{"):
		remedy = "put text in quotes"
	case !strings.HasSuffix(value, value[:1]) && strings.ContainsAny(value[:1], "\"'"):
		remedy = "end the text with the quote it begins with"
	}
	d.report(f.at, join(f.path, m[1]), shown(m[1], short(value)), f.cause, remedy)
}

var secretKey = regexp.MustCompile(`(?i)passw|secret|token|pin|code`)

// shown hides what stands behind a key that sounds like a secret: a mistake may well be in its name.
func shown(key, value string) string {
	if value != "" && secretKey.MatchString(key) {
		return "***"
	}
	return value
}

func short(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}

// keyOf returns the parts of a key and the offset of the first.
func keyOf(p *unstable.Parser, e *unstable.Node) (parts []string, at int) {
	keys := e.Key()
	for keys.Next() {
		n := keys.Node()
		if len(parts) == 0 {
			at = int(n.Raw.Offset)
		}
		parts = append(parts, string(n.Data))
	}
	return parts, at
}

const (
	tooDeep       = "a key of too many parts"
	tooDeepRemedy = "delete it: no key here has more than three"
)

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// header finds or makes the table that a [header] or [[header]] opens.
func (d *document) header(root *table, parts []string, at int, list bool) (*table, string) {
	if len(parts) > maxParts {
		d.report(at, "", "", tooDeep, tooDeepRemedy)
		return newTable(), ""
	}
	t, path := root, ""
	for i, part := range parts {
		path = join(path, part)
		last := i == len(parts)-1
		it := t.items[part]
		if it == nil {
			it = &item{keyAt: at, value: value{kind: unstable.Table, at: at, table: newTable()}}
			if last && list {
				it.value = value{kind: unstable.ArrayTable, at: at}
			}
			t.add(part, it)
		}
		v := &it.value
		switch {
		case last && list && v.kind == unstable.ArrayTable:
			v.list = append(v.list, value{kind: unstable.Table, at: at, table: newTable()})
			return v.list[len(v.list)-1].table, path
		case v.kind == unstable.ArrayTable && !last:
			t = v.list[len(v.list)-1].table
		case v.kind == unstable.Table && !(last && list):
			t = v.table
			if last && t.header {
				d.report(at, path, "", fmt.Sprintf("section [%s] is there twice, first on row %d", path, d.rowOf(v.at)+1), "put all its keys into one")
			}
			if last {
				t.header, v.at = true, at
			}
		case last && list && v.kind == unstable.Table:
			d.report(at, path, "", fmt.Sprintf("%s is one section on row %d and one of several here", path, d.rowOf(v.at)+1), "write ["+path+"] or [["+path+"]], but one of them everywhere")
			return newTable(), path
		case last && v.kind == unstable.ArrayTable:
			d.report(at, path, "", fmt.Sprintf("%s is one of several on row %d and one section here", path, d.rowOf(v.at)+1), "write [["+path+"]] everywhere")
			return newTable(), path
		default:
			d.report(at, path, "", fmt.Sprintf("%s is a value on row %d and a section here", path, d.rowOf(v.at)+1), "keep one of the two")
			return newTable(), path
		}
	}
	return t, path
}

// insert puts a key = value statement, whose key may be dotted, into a table.
func (d *document) insert(p *unstable.Parser, t *table, path string, e *unstable.Node) {
	parts, keyAt := keyOf(p, e)
	if len(parts) > maxParts {
		d.report(keyAt, "", "", tooDeep, tooDeepRemedy)
		return
	}
	for _, part := range parts[:len(parts)-1] {
		path = join(path, part)
		it := t.items[part]
		if it == nil {
			it = &item{keyAt: keyAt, value: value{kind: unstable.Table, at: keyAt, table: newTable()}}
			t.add(part, it)
		}
		if it.value.kind != unstable.Table {
			d.report(keyAt, path, "", fmt.Sprintf("%s is something else on row %d", path, d.rowOf(it.keyAt)+1), "keep one of the two")
			return
		}
		t = it.value.table
	}
	name := parts[len(parts)-1]
	v := d.valueOf(p, join(path, name), e)
	if first := t.items[name]; first != nil {
		d.report(keyAt, join(path, name), "", fmt.Sprintf("given twice, first on row %d", d.rowOf(first.keyAt)+1), "keep one")
		return
	}
	t.add(name, &item{keyAt: keyAt, value: v})
}

// valueOf copies the value of a statement out of the parser.
func (d *document) valueOf(p *unstable.Parser, path string, e *unstable.Node) value {
	keys := e.Key()
	end := 0
	for keys.Next() {
		n := keys.Node()
		end = int(n.Raw.Offset + n.Raw.Length)
	}
	// Lists carry no place of their own: theirs is the first character after the equals sign.
	for end < len(d.text) && strings.IndexByte(" \t=", d.text[end]) >= 0 {
		end++
	}
	return d.copied(p, path, e.Value(), end)
}

func (d *document) copied(p *unstable.Parser, path string, n *unstable.Node, at int) value {
	v := value{kind: n.Kind, at: at}
	switch n.Kind {
	case unstable.Array:
		children := n.Children()
		tables := true
		for children.Next() {
			c := children.Node()
			if c.Kind == unstable.Comment {
				continue
			}
			tables = tables && c.Kind == unstable.InlineTable
			v.list = append(v.list, d.copied(p, path, c, at))
		}
		if tables && len(v.list) > 0 {
			v.kind = unstable.ArrayTable
		}
	case unstable.InlineTable:
		v.kind, v.at, v.table = unstable.Table, int(n.Raw.Offset), newTable()
		children := n.Children()
		for children.Next() {
			if c := children.Node(); c.Kind == unstable.KeyValue {
				d.insert(p, v.table, path, c)
			}
		}
	default:
		v.at = int(n.Raw.Offset)
		v.raw = string(p.Raw(n.Raw))
		v.text = string(n.Data)
	}
	return v
}

// display is a value as a problem shows it.
func (v value) display() string {
	switch v.kind {
	case unstable.Table:
		return "{…}"
	case unstable.Array, unstable.ArrayTable:
		return "[…]"
	case unstable.String:
		return short(strconv.Quote(v.text))
	}
	return short(v.raw)
}

// kindName is a TOML type in words.
func (v value) kindName() string {
	switch v.kind {
	case unstable.String:
		return "a text"
	case unstable.Bool:
		return "true or false"
	case unstable.Integer, unstable.Float:
		return "a number"
	case unstable.Array:
		return "a list"
	case unstable.Table:
		return "a section"
	case unstable.ArrayTable:
		return "a list of sections"
	}
	return "a date or time"
}
