package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxFields = 512
	maxRows   = 64 // of one list in a form
)

// decodeForm reads a posted form into the struct that into points to. The fields have the names that the same struct has as
// JSON; those of a list are numbered: "hooks.0.url". Unknown names are refused as they are in JSON.
func (v *visit) decodeForm(into any) error {
	w, r := v.w, v.r
	if t := mediaType(r); t != "" && t != "application/x-www-form-urlencoded" {
		return problem(http.StatusUnsupportedMediaType, "unsupported-media-type", fmt.Sprintf("the body is %.80q; send a form", t))
	}
	b, err := body(w, r, maxJSON)
	if err != nil {
		return err
	}
	values, err := url.ParseQuery(string(b))
	if err != nil {
		return problem(http.StatusBadRequest, "malformed-form", "cannot read form: it is not encoded as forms are")
	}
	v.typed = values
	v.drawn = values.Get(editionField)
	delete(values, editionField)
	if err := fillForm(values, into); err != nil {
		return problem(http.StatusBadRequest, "malformed-form", "cannot read form: "+err.Error())
	}
	return nil
}

// fillForm puts the values into the fields of the struct that into points to, by their JSON names.
func fillForm(values url.Values, into any) error {
	if len(values) > maxFields {
		return fmt.Errorf("it has more than %d fields", maxFields)
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names) // the same form makes the same complaint
	for _, name := range names {
		for _, v := range values[name] {
			if !utf8.ValidString(v) {
				return fmt.Errorf("%.80q is not UTF-8", name)
			}
		}
		field, err := fieldOf(reflect.ValueOf(into).Elem(), strings.Split(name, "."))
		if err != nil {
			return fmt.Errorf("%.80q: %w", name, err)
		}
		if err := setField(field, values[name]); err != nil {
			return fmt.Errorf("%.80q: %w", name, err)
		}
	}
	return nil
}

// fieldOf finds what a dotted name means, and makes rows of lists up to its number.
func fieldOf(v reflect.Value, path []string) (reflect.Value, error) {
	for _, part := range path {
		switch v.Kind() {
		case reflect.Struct:
			found := false
			for i := range v.NumField() {
				name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
				if found = name == part && part != ""; found {
					v = v.Field(i)
					break
				}
			}
			if !found {
				return v, errors.New("there is no such field")
			}
		case reflect.Slice:
			n, err := strconv.Atoi(part)
			if err != nil || n < 0 || n >= maxRows {
				return v, fmt.Errorf("rows have the numbers 0 to %d", maxRows-1)
			}
			for v.Len() <= n {
				v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
			}
			v = v.Index(n)
		default:
			return v, errors.New("there is no such field")
		}
	}
	return v, nil
}

func setField(v reflect.Value, texts []string) error {
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String {
		list := reflect.MakeSlice(v.Type(), 0, len(texts))
		for _, text := range texts {
			if text = strings.TrimSpace(text); text != "" {
				list = reflect.Append(list, reflect.ValueOf(text).Convert(v.Type().Elem()))
			}
		}
		v.Set(list)
		return nil
	}
	if len(texts) != 1 {
		return errors.New("it is given twice")
	}
	text := texts[0]
	switch v.Kind() {
	case reflect.String:
		v.SetString(strings.ReplaceAll(text, "\r\n", "\n"))
	case reflect.Bool:
		if text != "on" && text != "true" && text != "" && text != "false" {
			return errors.New("it is on or absent")
		}
		v.SetBool(text == "on" || text == "true")
	case reflect.Int:
		if text = strings.TrimSpace(text); text == "" {
			v.SetInt(0)
			return nil
		}
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return errors.New("it is not a whole number")
		}
		v.SetInt(n)
	default:
		return errors.New("there is no such field")
	}
	return nil
}
