package main

import (
	"bufio"
	"bytes"
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
	if v.Token == nil || v.Result == license.UnknownIssuer || v.Result == license.Forged {
		return soldLicense{}, fmt.Errorf("%s: %s", v.Title, v.Message)
	}
	return soldLicense{*v.Token, text, raw}, nil
}
