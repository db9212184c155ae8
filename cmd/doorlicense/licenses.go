package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

// eachLicense hands out the licenses of a file, with the ring that they are measured by: a batch names its key, a text has one code a line
// and is measured by the caller's ring. "-" reads the input.
func (d desk) eachLicense(name string, ring license.Keyring, take func(text string, ring license.Keyring) error) error {
	from := d.in
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		from = file
	}
	reader := bufio.NewReaderSize(from, maxBatchLine)
	if start, _ := reader.Peek(1); bytes.Equal(start, []byte("{")) {
		return eachOfBatch(reader, take)
	}
	lines := bufio.NewScanner(reader)
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		if err := take(lines.Text(), ring); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return lines.Err()
}

func eachOfBatch(from io.Reader, take func(text string, ring license.Keyring) error) error {
	var ring license.Keyring
	b, err := readBatch(from, func(header batchHeader) error {
		pub, err := envelope.ParseKey(header.Key)
		if err == nil {
			ring, err = ringUnder(pub)
		}
		return err
	}, func(line batchLine) error {
		if _, err := line.open(ring); err != nil {
			return err
		}
		if err := take(line.Text, ring); err != nil {
			return fmt.Errorf("license %d: %w", line.Number, err)
		}
		return nil
	})
	if err == nil && b.lines < b.Count {
		err = fmt.Errorf("it holds %d of %d licenses; run the command that made it again to its end first", b.lines, b.Count)
	}
	return err
}

// soldLicense is a license as it was handed over.
type soldLicense struct {
	license.Token
	text string
	raw  []byte
}

// openSold verifies a license as its own panel would, whatever has become of it since.
func openSold(text string, ring license.Keyring) (soldLicense, error) {
	text = strings.TrimSpace(text)
	kind, raw, err := envelope.Unarmor(text)
	if err != nil {
		return soldLicense{}, err
	}
	if kind != envelope.License {
		return soldLicense{}, fmt.Errorf("it is a %s, not a license", kind)
	}
	v := license.Examine(text, ring, license.Panel{}, license.Clock{}, nil, "")
	switch {
	case v.Result == license.UnknownIssuer && v.Token == nil:
		return soldLicense{}, errors.New("its issuer is not known: name the root behind it with --root, and the issuer's delegation with --delegation")
	case v.Token == nil || v.Result == license.UnknownIssuer || v.Result == license.Forged:
		return soldLicense{}, fmt.Errorf("%s: %s", v.Title, v.Message)
	}
	return soldLicense{*v.Token, text, raw}, nil
}

// findSold is the license that a person named: by its code, or by its id or short code in files of sold licenses.
func (d desk) findSold(named string, files []string, ring license.Keyring) (soldLicense, error) {
	id, idErr := license.ParseTokenID(named)
	code, codeErr := license.ParseShortCode(named)
	if idErr != nil && codeErr != nil {
		text, err := d.codeText(named)
		if err != nil {
			return soldLicense{}, err
		}
		return openSold(text, ring)
	}
	if len(files) == 0 {
		return soldLicense{}, usage("an id and a short code carry no license: name the file of sold licenses with --sold, or the code itself")
	}
	var found *soldLicense
	for _, name := range files {
		if err := d.eachLicense(name, ring, func(text string, _ license.Keyring) error {
			if found != nil {
				return nil
			}
			sold, err := openSold(text, ring)
			if err == nil && (idErr == nil && sold.ID == id || codeErr == nil && sold.ID.ShortCode() == code) {
				found = &sold
			}
			return err
		}); err != nil {
			return soldLicense{}, fmt.Errorf("cannot look into %s: %w", name, err)
		}
	}
	if found == nil {
		return soldLicense{}, errors.New("it is in none of the files of sold licenses; name another one with --sold, or the code itself")
	}
	return *found, nil
}
