package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/doorpanel/doorpanel/license"
)

const (
	maxMistakes = 20 // of a table, told at once
)

// columns of a table that is ordered from, named like the flags whose place they take.
func columns() map[string]func(*issueFlags, string) error {
	text := func(field func(*issueFlags) *string) func(*issueFlags, string) error {
		return func(f *issueFlags, cell string) error { *field(f) = cell; return nil }
	}
	return map[string]func(*issueFlags, string) error{
		"label":         text(func(f *issueFlags) *string { return &f.label }),
		"panel":         text(func(f *issueFlags) *string { return &f.panel }),
		"account":       text(func(f *issueFlags) *string { return &f.account }),
		"site":          text(func(f *issueFlags) *string { return &f.site }),
		"group":         text(func(f *issueFlags) *string { return &f.group }),
		"scope":         text(func(f *issueFlags) *string { return &f.scope }),
		"not-before":    text(func(f *issueFlags) *string { return &f.notBefore }),
		"expires":       text(func(f *issueFlags) *string { return &f.expires }),
		"updates-until": text(func(f *issueFlags) *string { return &f.updates }),
		"grant":         func(f *issueFlags, cell string) error { f.grants = strings.Fields(cell); return nil },
		"days":          func(f *issueFlags, cell string) (err error) { f.days, err = wholeNumber(cell); return err },
		"count":         func(f *issueFlags, cell string) (err error) { f.count, err = wholeNumber(cell); return err },
		"annual": func(f *issueFlags, cell string) error {
			f.annual = strings.EqualFold(cell, "yes")
			if !f.annual && !strings.EqualFold(cell, "no") {
				return fmt.Errorf("%q is neither yes nor no", cell)
			}
			return nil
		},
	}
}

func wholeNumber(cell string) (int, error) {
	n, err := strconv.Atoi(cell)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", cell)
	}
	return n, nil
}

// tableOrder reads an order from a CSV file with a line of column names. An empty cell leaves what the flag says. All mistakes
// are told at once, by the line in which they stand.
func tableOrder(table io.Reader, base issueFlags) ([]license.Token, error) {
	raw, err := io.ReadAll(io.LimitReader(table, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxFile {
		return nil, fmt.Errorf("larger than %d MiB; split it", maxFile>>20)
	}
	reader := tableReader(raw)
	names, err := reader.Read()
	if err != nil {
		return nil, fmt.Errorf("the line of column names is missing: %w", err)
	}
	setters, err := settersOf(names)
	if err != nil {
		return nil, err
	}

	var tokens []license.Token
	var mistakes []error
	for len(mistakes) < maxMistakes {
		cells, err := reader.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			mistakes = append(mistakes, err)
			break
		}
		line, _ := reader.FieldPos(0)
		row := base
		if row.count < 1 {
			row.count = 1
		}
		token, err := row.fill(setters, cells)
		if err == nil && (row.count < 1 || len(tokens)+row.count > maxBatch) {
			err = fmt.Errorf("%d licenses are too few, or more than %d in one order", row.count, maxBatch)
		}
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("line %d: %w", line, err))
			continue
		}
		for range row.count {
			tokens = append(tokens, token)
		}
	}
	if len(mistakes) == 0 && len(tokens) == 0 {
		return nil, errors.New("it has no lines below the column names")
	}
	return tokens, errors.Join(mistakes...)
}

// tableReader reads what a spreadsheet wrote; those of half the world separate by semicolons.
func tableReader(raw []byte) *csv.Reader {
	raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	reader := csv.NewReader(bytes.NewReader(raw))
	reader.TrimLeadingSpace = true
	if first, _, _ := bytes.Cut(raw, []byte("\n")); !bytes.ContainsRune(first, ',') && bytes.ContainsRune(first, ';') {
		reader.Comma = ';'
	}
	return reader
}

func settersOf(names []string) ([]func(*issueFlags, string) error, error) {
	known := columns()
	setters := make([]func(*issueFlags, string) error, len(names))
	for i, name := range names {
		name = strings.ToLower(strings.TrimSpace(name))
		setter, ok := known[name]
		if !ok {
			return nil, fmt.Errorf("there is no column %q (or it is there twice); the columns are label, panel, account, site, group, scope, grant, annual, days, not-before, expires, updates-until, count", name)
		}
		delete(known, name)
		setters[i] = setter
	}
	return setters, nil
}

func (f *issueFlags) fill(setters []func(*issueFlags, string) error, cells []string) (license.Token, error) {
	for i, cell := range cells {
		if cell = strings.TrimSpace(cell); cell == "" {
			continue
		}
		if err := setters[i](f, cell); err != nil {
			return license.Token{}, err
		}
	}
	return f.token()
}
