package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	decoder := json.NewDecoder(bytes.NewReader(raw))
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
		folded := strings.ToLower(name)
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
