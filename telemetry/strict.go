package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

const depthLimit = 8

// decode reads one JSON object as only one reading of it is possible: bounded size and depth, valid UTF-8, nothing behind it,
// and no member twice (also not in another case, since encoding/json matches names without regard to it).
func decode(what string, limit int, raw []byte, into any) error {
	if len(raw) > limit {
		return fmt.Errorf("cannot read %s: %d bytes are more than %d", what, len(raw), limit)
	}
	if err := unambiguous(raw); err != nil {
		return fmt.Errorf("cannot read %s: %w", what, err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("cannot read %s: %w", what, err)
	}
	return nil
}

func unambiguous(raw []byte) error {
	if !utf8.Valid(raw) {
		return errors.New("not valid UTF-8")
	}
	if json.Valid(raw) {
		return walk(raw)
	}
	return explained(raw)
}

// explained says what is wrong with JSON that is not valid, in words.
func explained(raw []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber() // how large a number may be is not asked here
	first, err := decoder.Token()
	if err != nil {
		return malformed(err)
	}
	if first != json.Delim('{') {
		return errors.New("not a JSON object")
	}
	if err := walkObject(decoder, 1); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON object")
	}
	return nil
}

func malformed(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the JSON ends too early")
	}
	return err
}

func walkObject(decoder *json.Decoder, depth int) error {
	seen := map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return malformed(err)
		}
		name, _ := token.(string)
		folded := folded(name)
		if seen[folded] {
			return fmt.Errorf("member %.40q is there twice", name)
		}
		seen[folded] = true
		if err := walkValue(decoder, depth); err != nil {
			return err
		}
	}
	_, err := decoder.Token()
	return malformed(err)
}

func walkValue(decoder *json.Decoder, depth int) error {
	token, err := decoder.Token()
	if err != nil {
		return malformed(err)
	}
	delimiter, nested := token.(json.Delim)
	if !nested {
		return nil
	}
	if depth >= depthLimit {
		return fmt.Errorf("nested deeper than %d", depthLimit)
	}
	if delimiter == '{' {
		return walkObject(decoder, depth+1)
	}
	for decoder.More() {
		if err := walkValue(decoder, depth+1); err != nil {
			return err
		}
	}
	_, err = decoder.Token()
	return malformed(err)
}

// folded is a name as encoding/json compares it: also the long s and the Kelvin sign are an s and a k to it.
func folded(name string) string { return strings.ToLower(strings.ToUpper(name)) }

// walk looks through JSON that is valid, without building anything from it.
func walk(raw []byte) error {
	w := walker{raw: raw}
	w.space()
	if w.raw[w.at] != '{' {
		return errors.New("not a JSON object")
	}
	return w.value(1)
}

// walker stands before the next byte of valid JSON.
type walker struct {
	raw []byte
	at  int
}

func (w *walker) space() {
	for w.raw[w.at] == ' ' || w.raw[w.at] == '\t' || w.raw[w.at] == '\r' || w.raw[w.at] == '\n' {
		w.at++
	}
}

func (w *walker) value(depth int) error {
	switch w.raw[w.at] {
	case '{', '[':
		if depth > depthLimit {
			return fmt.Errorf("nested deeper than %d", depthLimit)
		}
		return w.inside(depth)
	case '"':
		w.text()
		return nil
	}
	for strings.IndexByte(",]} \t\r\n", w.raw[w.at]) < 0 { // a number or a word: the object's end follows at the latest
		w.at++
	}
	return nil
}

// inside walks an object or an array up to its end.
func (w *walker) inside(depth int) error {
	object := w.raw[w.at] == '{'
	var names names
	for {
		w.at++ // the bracket or the comma
		w.space()
		if w.over() {
			return nil
		}
		if object {
			name, err := w.name()
			if err != nil {
				return err
			}
			if !names.add(folded(name)) {
				return fmt.Errorf("member %.40q is there twice", name)
			}
			w.space()
			w.at++ // the colon
			w.space()
		}
		if err := w.value(depth + 1); err != nil {
			return err
		}
		w.space()
		if w.over() {
			return nil
		}
	}
}

// over takes the end of an object or an array.
func (w *walker) over() bool {
	end := w.raw[w.at] == '}' || w.raw[w.at] == ']'
	if end {
		w.at++
	}
	return end
}

// text takes a string with its quotes.
func (w *walker) text() (text []byte, escaped bool) {
	from := w.at
	for w.at++; w.raw[w.at] != '"'; w.at++ {
		if w.raw[w.at] == '\\' {
			escaped = true
			w.at++
		}
	}
	w.at++
	return w.raw[from:w.at], escaped
}

func (w *walker) name() (name string, err error) {
	text, escaped := w.text()
	if !escaped {
		return string(text[1 : len(text)-1]), nil
	}
	return name, json.Unmarshal(text, &name)
}

// names are those of one object. Most have few.
type names struct {
	few  []string
	many map[string]bool
}

const fewNames = 24

// add reports whether the name is new.
func (n *names) add(name string) bool {
	switch {
	case n.many != nil:
		if n.many[name] {
			return false
		}
		n.many[name] = true
		return true
	case slices.Contains(n.few, name):
		return false
	case len(n.few) < fewNames:
		n.few = append(n.few, name)
		return true
	}
	n.many = map[string]bool{name: true}
	for _, before := range n.few {
		n.many[before] = true
	}
	return true
}
