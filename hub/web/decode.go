package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"unicode/utf8"
)

const (
	maxJSON  = 64 << 10
	maxDepth = 16
)

// decode reads exactly one JSON object into the struct that into points to. Unknown and repeated names are refused, so
// that a misspelled name is found by whoever wrote it and no two readers understand one body differently.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	if t := mediaType(r); t != "" && t != "application/json" {
		return problem(http.StatusUnsupportedMediaType, "unsupported-media-type", fmt.Sprintf("the body is %.80q; send application/json", t))
	}
	b, err := body(w, r, maxJSON)
	if err != nil {
		return err
	}
	if err := unmarshal(b, into); err != nil {
		return problem(http.StatusBadRequest, "malformed-json", err.Error())
	}
	return nil
}

func unmarshal(b []byte, into any) error {
	if !utf8.Valid(b) {
		return errors.New("cannot read JSON: it is not UTF-8")
	}
	if err := checkShape(b); err != nil {
		return fmt.Errorf("cannot read JSON: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("cannot read JSON: %w", err)
	}
	return nil
}

// checkShape finds what encoding/json lets pass: another value than one object, too deep nesting and repeated names.
func checkShape(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	type level struct {
		names map[string]bool // nil in an array
		name  bool            // the next string is a name
	}
	var stack []level
	for first := true; ; first = false {
		token, err := d.Token()
		if err == io.EOF && !first && len(stack) == 0 {
			return nil
		}
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		if first && token != json.Delim('{') {
			return errors.New("send one object")
		}
		if !first && len(stack) == 0 {
			return errors.New("there is more after the object")
		}
		if top := len(stack) - 1; top >= 0 && stack[top].names != nil {
			if name, ok := token.(string); ok && stack[top].name {
				if stack[top].names[name] {
					return fmt.Errorf("%.80q is given twice", name)
				}
				stack[top].names[name] = true
				stack[top].name = false
				continue
			}
			stack[top].name = true // whatever follows the value that begins here
		}
		switch token {
		case json.Delim('{'):
			stack = append(stack, level{names: map[string]bool{}, name: true})
		case json.Delim('['):
			stack = append(stack, level{})
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
		}
		if len(stack) > maxDepth {
			return fmt.Errorf("it is nested deeper than %d", maxDepth)
		}
	}
}

// body reads the whole body, which may have limit bytes.
func body(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, problem(http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("the body has more than %d bytes", limit))
	}
	if err != nil {
		return nil, problem(http.StatusBadRequest, "malformed", "the body ended early")
	}
	return b, nil
}

// mediaType is the body's type without parameters; "" when none is named.
func mediaType(r *http.Request) string {
	header := r.Header.Get("Content-Type")
	if header == "" {
		return ""
	}
	t, _, err := mime.ParseMediaType(header)
	if err != nil {
		return "unreadable"
	}
	return t
}
