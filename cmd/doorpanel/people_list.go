package main

import (
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/web"
)

// row is one person of a list. What a list does not speak of is nil, and stays as it is.
type row struct {
	line   int
	id     string
	name   string
	note   *string
	flat   *string
	groups []string
	rights []access.Right
	cards  []string // UIDs in upper-case hexadecimal
	code   string   // digits, "draw", or empty
}

// maxImport bounds a list: 16 MiB hold a hundred thousand people. maxListed bounds what is said about one.
const (
	maxImport = 16 << 20
	maxListed = 1000
	maxRows   = 200_000
)

// list is a list of people as it was read, with its mistakes.
type list struct {
	rows     []row
	mistakes []web.ImportMistake
	count    int            // of mistakes
	cards    map[string]int // line of each
	codes    map[string]int // line of each
	people   map[string]int // line of each id, and of each name with its flat
}

func (l *list) mistake(line int, format string, args ...any) {
	if l.count++; l.count <= maxListed {
		l.mistakes = append(l.mistakes, web.ImportMistake{Line: line, Text: fmt.Sprintf(format, args...)})
	}
}

// readList reads and checks a whole list. All its mistakes are found; an error says that it is no list at all.
func readList(content []byte, isJSON bool) (*list, error) {
	if !utf8.Valid(content) {
		return nil, invalid("cannot read people: the file is not UTF-8; save it as \"CSV UTF-8\"")
	}
	l := &list{cards: map[string]int{}, codes: map[string]int{}, people: map[string]int{}}
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	var err error
	if isJSON {
		err = l.readJSON(content)
	} else {
		err = l.readCSV(content)
	}
	if err != nil {
		return nil, err
	}
	if len(l.rows) > maxRows {
		return nil, invalid("cannot read people: the list has %d rows; split it into lists of at most %d", len(l.rows), maxRows)
	}
	return l, nil
}

// The columns of a list. Those of ignored come from an export and say nothing new.
var (
	columns = []string{"id", "name", "note", "flat", "groups", "rights", "card", "code", "doors", "schedule", "valid_from", "valid_until"}
	ignored = []string{"cards", "codes"}
)

func (l *list) readCSV(content []byte) error {
	reader := csv.NewReader(bytes.NewReader(content))
	reader.FieldsPerRecord = -1
	reader.Comma = delimiter(content)
	head, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return invalid("cannot read people: the file is empty; its first row names the columns, such as name, flat, card, code")
	} else if err != nil {
		return invalid("cannot read people: %v", err)
	}
	column, counted := map[string]int{}, map[int]string{}
	for i, name := range head {
		name = strings.ToLower(strings.TrimSpace(name))
		if slices.Contains(ignored, name) {
			counted[i] = name
			continue
		}
		if !slices.Contains(columns, name) {
			return invalid("cannot read people: unknown column %q; the columns are %s, with commas or semicolons between them", name, strings.Join(columns, ", "))
		}
		if _, twice := column[name]; twice {
			return invalid("cannot read people: there are two columns %s; delete one", name)
		}
		column[name] = i
	}
	if _, ok := column["name"]; !ok {
		return invalid("cannot read people: there is no column name")
	}
	for {
		record, err := reader.Read()
		var malformed *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &malformed):
			l.mistake(malformed.StartLine, "%v; double a quotation mark that belongs to the text, and end what was begun with one", malformed.Err)
			continue
		case err != nil:
			return invalid("cannot read people: %v", err)
		}
		line, _ := reader.FieldPos(0)
		if len(record) > len(head) {
			// Which field is which is not known.
			l.mistake(line, "it has %d fields, the first line names %d columns; put a text with a comma between quotation marks", len(record), len(head))
			continue
		}
		if l.miscounted(line, record, counted) {
			continue
		}
		l.take(l.fields(line, record, column))
	}
}

// miscounted finds a card's number or a code in a column that an export fills with counts: whoever put it there means something new.
func (l *list) miscounted(line int, record []string, counted map[int]string) bool {
	for i, field := range record {
		field = strings.TrimSpace(field)
		if counted[i] != "" && (len(field) > 2 || strings.Trim(field, "0123456789") != "") {
			l.mistake(line, "column %s counts what an export found, and this is no count; the column for a new one is %s", counted[i], strings.TrimSuffix(counted[i], "s"))
			return true
		}
	}
	return false
}

// delimiter is what stands between the first row's names: programs in some countries write semicolons.
func delimiter(content []byte) rune {
	head, _, _ := bytes.Cut(content, []byte("\n"))
	for _, mark := range []rune{';', '\t'} {
		if bytes.ContainsRune(head, mark) && !bytes.ContainsRune(head, ',') {
			return mark
		}
	}
	return ','
}

// fields makes a row of the fields of a line.
func (l *list) fields(line int, record []string, column map[string]int) row {
	get := func(name string) (string, bool) {
		at, has := column[name]
		if !has || at >= len(record) {
			return "", has
		}
		return unguarded(strings.TrimSpace(record[at])), true
	}
	r := row{line: line}
	r.id, _ = get("id")
	r.name, _ = get("name")
	if note, has := get("note"); has {
		r.note = &note
	}
	if flat, has := get("flat"); has {
		r.flat = &flat
	}
	if groups, has := get("groups"); has {
		r.groups = several(groups)
	}
	if cards, _ := get("card"); cards != "" {
		r.cards = several(cards)
	}
	r.code, _ = get("code")
	if text, _ := get("rights"); text != "" {
		rights, err := rightsOf(text)
		if err != nil {
			l.mistake(line, "the rights %.80q cannot be read: write all, none, or what an export wrote", text)
		}
		r.rights = rights
	}
	own, said, err := ownRight(get)
	switch {
	case err != nil:
		l.mistake(line, "%v", err)
	case said && r.rights != nil:
		l.mistake(line, "rights and doors, schedule, valid_from or valid_until are both given; keep one way")
	case said:
		r.rights = []access.Right{own}
	}
	return r
}

// several takes apart a field that holds more than one: 04A1B2C3|04D5E6F7.
func several(field string) []string {
	all := []string{}
	for part := range strings.SplitSeq(field, "|") {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}

// rightsOf reads what web.RightsText wrote.
func rightsOf(text string) ([]access.Right, error) {
	switch text {
	case "all":
		return []access.Right{{}}, nil
	case "none":
		return []access.Right{}, nil
	}
	rights := []access.Right{}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&rights); err != nil || rights == nil {
		return nil, fmt.Errorf("cannot read rights: %w", err)
	}
	return rights, nil
}

// ownRight is the one right that the columns doors, schedule, valid_from and valid_until give.
func ownRight(get func(string) (string, bool)) (r access.Right, said bool, err error) {
	doors, _ := get("doors")
	if doors != "" {
		r.Doors = several(doors)
	}
	r.Profile, _ = get("schedule")
	from, _ := get("valid_from")
	until, _ := get("valid_until")
	if r.From, err = moment(from); err == nil {
		r.Until, err = moment(until)
	}
	return r, !r.Unlimited(), err
}

func moment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("cannot read the time %.40q; write it as 2026-12-24, or as 2026-12-24T18:00:00+01:00", text)
}

// unguarded takes the apostrophe off that an export, or a careful table program, set before what looks like a formula.
func unguarded(field string) string {
	if len(field) > 1 && field[0] == '\'' && strings.ContainsRune(web.FormulaBegins, rune(field[1])) {
		return field[1:]
	}
	return field
}

// listedPerson is a person of a JSON list. Line stands for the place in the list, from 1.
type listedPerson struct {
	ID     string          `json:"id"`
	Name   string          `json:"name"`
	Note   *string         `json:"note"`
	Flat   *string         `json:"flat"`
	Groups []string        `json:"groups"`
	Rights []access.Right  `json:"rights"`
	Card   []string        `json:"card"`
	Code   string          `json:"code"`
	Cards  json.RawMessage `json:"cards"` // how many, in an export
	Codes  json.RawMessage `json:"codes"`
}

func (l *list) readJSON(content []byte) error {
	var in struct {
		People []json.RawMessage `json:"people"`
	}
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return invalid("cannot read people: %v; send {\"people\":[{\"name\":\"…\"}]}", err)
	}
	for i, raw := range in.People {
		var p listedPerson
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(&p); err != nil {
			l.mistake(i+1, "%v", err)
			continue
		}
		l.take(row{line: i + 1, id: p.ID, name: p.Name, note: p.Note, flat: p.Flat, groups: p.Groups, rights: p.Rights, cards: p.Card, code: p.Code})
	}
	return nil
}

// take checks what can be known from the list alone, and keeps the row.
func (l *list) take(r row) {
	if !importable(r.name) || r.name == "" {
		l.mistake(r.line, "the name %.80q is empty, longer than %d characters, or has characters that cannot be shown", r.name, maxName)
	}
	if r.note != nil && !importable(*r.note) {
		l.mistake(r.line, "the note %.80q is longer than %d characters, or has characters that cannot be shown", *r.note, maxName)
	}
	if r.flat != nil && checkFlat(*r.flat) != nil {
		l.mistake(r.line, "the flat %.40q is not a number of at most %d digits; write anything else into the note", *r.flat, maxFlat)
	}
	for i, card := range r.cards {
		r.cards[i] = strings.ToUpper(strings.NewReplacer(":", "", "-", "", " ", "").Replace(card))
		l.takeCard(r.line, r.cards[i])
	}
	l.takeCode(r)
	if r.id != "" {
		l.once(r.line, "id "+r.id, "the person with this id")
	} else if r.name != "" {
		flat := ""
		if r.flat != nil {
			flat = *r.flat
		}
		l.once(r.line, "name "+strings.ToLower(r.name)+"\x00"+flat, "a person of this name and flat")
	}
	l.rows = append(l.rows, r)
}

func (l *list) once(line int, key, what string) {
	if first, twice := l.people[key]; twice {
		l.mistake(line, "%s is in line %d already", what, first)
		return
	}
	l.people[key] = line
}

func (l *list) takeCard(line int, card string) {
	if uid, err := hex.DecodeString(card); err != nil || len(uid) < 4 || len(uid) > 10 {
		l.mistake(line, "card %.40q is not a UID: write 4 to 10 bytes in hexadecimal", card)
	} else if first, twice := l.cards[card]; twice {
		l.mistake(line, "card %s is in line %d already", card, first)
	} else {
		l.cards[card] = line
	}
}

// takeCode never shows a code: mistakes are read over shoulders and kept in logs.
func (l *list) takeCode(r row) {
	switch {
	case r.code == "" || r.code == "draw":
	case len(r.code) < access.MinCodeLength || len(r.code) > access.MaxCodeLength || strings.Trim(r.code, "0123456789") != "":
		l.mistake(r.line, "the code is not 4 to 12 digits; write \"draw\" to have one drawn")
	case access.WeakCode(r.code) != "":
		l.mistake(r.line, "the code is too easy to guess: %s; write \"draw\" to have one drawn", access.WeakCode(r.code))
	case l.codes[r.code] != 0:
		l.mistake(r.line, "the code is in line %d already; each person needs another one", l.codes[r.code])
	default:
		l.codes[r.code] = r.line
	}
}

// importable is true for a text that the panel stores and shows as it is.
func importable(text string) bool {
	hidden := func(r rune) bool {
		return unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
	}
	return utf8.RuneCountInString(text) <= maxName && len(text) <= 100 && !strings.ContainsFunc(text, hidden)
}
