package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/doorpanel/doorpanel/license"
)

// A book of releases holds one JSON object a line for every license that was taken off a panel and replaced. It only grows, and a line is on the
// disk before anything of it is shown: who is interrupted runs the same command again and gets the same license, not another one.

const (
	forcedPerYear = 2 // for one holder, without the distributor
	maxBookLine   = 16 << 10
)

// released is one line of the book.
type released struct {
	Release    int       `json:"release"` // version of this format
	At         time.Time `json:"at"`
	License    string    `json:"license"`
	Reason     string    `json:"reason"`
	Panel      string    `json:"panel,omitempty"` // that it was on
	Holder     string    `json:"holder"`
	Issuer     string    `json:"issuer"` // key id of who sold it
	Forced     bool      `json:"forced"` // without the panel's word
	ApprovedBy string    `json:"approved_by,omitempty"`
	To         string    `json:"to"`
	Revoke     bool      `json:"revoke"` // the old license belongs on the list
	New        string    `json:"new"`
	ShortCode  string    `json:"short_code"`
	Holds      string    `json:"holds"`
	Text       string    `json:"text"`
}

// book is an open book of releases that nobody else writes.
type book struct {
	file    *os.File
	entries []released
}

func openBook(path string) (*book, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open book of releases: %w", err)
	}
	b := &book{file: file}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, b.close(fmt.Errorf("cannot open book of releases %s: another run is at it (%w); wait for its end", path, err))
	}
	entries, size, err := readBook(file)
	if err == nil {
		err = rewind(file, size)
	}
	if err != nil {
		return nil, b.close(fmt.Errorf("cannot continue book of releases %s: %w", path, err))
	}
	b.entries = entries
	return b, nil
}

// readBook reads the whole lines. The beginning of one at the end was never acted upon.
func readBook(from io.Reader) (entries []released, size int64, err error) {
	reader := bufio.NewReaderSize(from, maxBookLine)
	for n := 1; ; n++ {
		line, err := reader.ReadSlice('\n')
		if err == io.EOF {
			return entries, size, nil
		}
		if err == bufio.ErrBufferFull {
			err = fmt.Errorf("longer than %d bytes", maxBookLine)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("line %d: %w", n, err)
		}
		var entry released
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&entry); err != nil || entry.Release != 1 || entry.At.IsZero() || entry.License == "" || entry.Text == "" {
			return nil, 0, fmt.Errorf("line %d is no release of this version; take the file from its copy", n)
		}
		entries, size = append(entries, entry), size+int64(len(line))
	}
}

// add makes a release durable before anybody sees it.
func (b *book) add(entry released) error {
	raw, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	if len(raw) >= maxBookLine {
		return fmt.Errorf("cannot keep release: %d bytes are more than %d; shorten the names", len(raw), maxBookLine)
	}
	_, err = b.file.Write(append(raw, '\n'))
	if err = errors.Join(err, b.file.Sync(), syncFolder(b.file.Name())); err != nil {
		return fmt.Errorf("cannot keep release in %s: %w; nothing was released, make room and try again", b.file.Name(), err)
	}
	b.entries = append(b.entries, entry)
	return nil
}

func (b *book) close(err error) error { return errors.Join(err, b.file.Close()) }

// of finds the release of a license.
func (b *book) of(id license.TokenID) (released, bool) {
	for _, entry := range b.entries {
		if entry.License == id.String() {
			return entry, true
		}
	}
	return released{}, false
}

// holderOf is for whom a license was issued when it replaced another one.
func (b *book) holderOf(id license.TokenID) string {
	for _, entry := range b.entries {
		if entry.New == id.String() {
			return entry.Holder
		}
	}
	return ""
}

// forced counts the forced releases of one holder's licenses from one issuer in a calendar year (UTC).
func (b *book) forced(issuer, holder string, year int) int {
	count := 0
	for _, entry := range b.entries {
		if entry.Forced && entry.Issuer == issuer && entry.Holder == holder && entry.At.UTC().Year() == year {
			count++
		}
	}
	return count
}
