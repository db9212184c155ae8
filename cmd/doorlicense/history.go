package main

import (
	"bufio"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

// history is a file with every list that a root has signed, one text a line, the numbers rising. It only grows.
type history struct {
	file *os.File
	last *license.Revocation // nil: none yet
	// lastText is the last list as it was handed out.
	lastText string
	past     pastLists
}

// pastLists is how far a history is whole.
type pastLists struct {
	size    int64
	unended bool // the last list lacks the end of its line
}

// openHistory checks every list of a history and stands at its end, so that nothing is continued that was not the last. A list without its
// end was cut off by a crash before anybody saw it: it is overwritten.
func openHistory(path string, root ed25519.PublicKey) (*history, error) {
	ring, err := ringUnder(root)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cannot open history: %w", err)
	}
	h := &history{file: file}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, h.close(fmt.Errorf("cannot open history %s: another run is at it (%w); wait for its end", path, err))
	}
	if h.past, err = readHistory(file, ring, func(list license.Revocation, text string) { h.last, h.lastText = &list, text }); err != nil {
		return nil, h.close(fmt.Errorf("cannot continue history %s: %w", path, err))
	}
	if err := rewind(file, h.past.size); err != nil {
		return nil, h.close(fmt.Errorf("cannot continue history %s: %w", path, err))
	}
	return h, nil
}

// add makes a list durable before anybody sees it.
func (h *history) add(text string) error {
	if h.past.unended {
		text = "\n" + text
	}
	_, err := h.file.WriteString(text + "\n")
	if err = errors.Join(err, h.file.Sync(), syncFolder(h.file.Name())); err != nil {
		return fmt.Errorf("cannot keep list in history %s: %w; nothing was signed, make room and try again", h.file.Name(), err)
	}
	return nil
}

func (h *history) close(err error) error { return errors.Join(err, h.file.Close()) }

// readHistory hands out the lists in their order. The beginning of a list at the end of the file is left out.
func readHistory(from io.Reader, ring license.Keyring, take func(list license.Revocation, text string)) (pastLists, error) {
	reader := bufio.NewReaderSize(from, 128<<10)
	var past pastLists
	number := uint64(0)
	for n := 1; ; n++ {
		line, err := reader.ReadSlice('\n')
		text, last := string(line), err == io.EOF
		if last && text == "" {
			return past, nil
		}
		if err != nil && !last && err != bufio.ErrBufferFull {
			return past, err
		}
		list, err := openList(text, ring)
		if err != nil && last && (strings.HasPrefix("DR1:", text) || strings.HasPrefix(text, "DR1:")) {
			return past, nil
		}
		if err != nil {
			return past, fmt.Errorf("line %d: %w", n, err)
		}
		if list.Number <= number {
			return past, fmt.Errorf("line %d: list %d does not come after list %d; take the file from its copy", n, list.Number, number)
		}
		number = list.Number
		past = pastLists{past.size + int64(len(line)), last}
		take(list, strings.TrimSpace(text))
	}
}

func openList(text string, ring license.Keyring) (license.Revocation, error) {
	kind, raw, err := envelope.Unarmor(text)
	if err == nil && kind != envelope.Revocation {
		err = fmt.Errorf("it is a %s, not a revocation list", kind)
	}
	if err != nil {
		return license.Revocation{}, fmt.Errorf("%w; name a file with one list a line", err)
	}
	list, _, err := ring.OpenRevocation(raw)
	return list, err
}

// step is one list of a history and what came with it.
type step struct {
	Number   uint64    `json:"number"`
	IssuedAt time.Time `json:"issued_at"`
	Entries  int       `json:"entries"`
	Kept     int       `json:"kept"`
	Added    []string  `json:"added"`
	Lifted   []string  `json:"lifted"`
}

func (f revokeFlags) print(d desk) error {
	ring, err := f.roots.ring(d)
	if err != nil {
		return err
	}
	file, err := os.Open(f.show)
	if err != nil {
		return fmt.Errorf("cannot read history: %w", err)
	}
	defer file.Close()
	steps := []step{}
	var before []string
	if _, err := readHistory(file, ring, func(list license.Revocation, _ string) {
		now := entriesOf(list)
		steps = append(steps, step{list.Number, list.IssuedAt, len(now), len(list.Kept), without(now, before), without(before, now)})
		before = now
	}); err != nil {
		if len(f.roots.roots) == 0 {
			err = fmt.Errorf("%w; name the root with --root", err)
		}
		return fmt.Errorf("cannot read history %s: %w", f.show, err)
	}
	if f.asJSON {
		return printJSON(d.out, steps)
	}
	for _, s := range steps {
		fmt.Fprintf(d.out, "list %d  %s  %d entries\n", s.Number, s.IssuedAt.Format(time.RFC3339), s.Entries)
		for _, entry := range s.Added {
			fmt.Fprintln(d.out, "  revoked", entry)
		}
		for _, entry := range s.Lifted {
			fmt.Fprintln(d.out, "  lifted ", entry)
		}
	}
	return nil
}

func entriesOf(list license.Revocation) []string {
	seen := seenList(list)
	var entries []string
	for _, entry := range seen.Licenses {
		entries = append(entries, "license "+entry.ID)
	}
	for _, entry := range seen.Issuers {
		entries = append(entries, "issuer key "+entry.ID)
	}
	return entries
}

func without(entries, others []string) []string {
	known := map[string]bool{}
	for _, entry := range others {
		known[entry] = true
	}
	rest := []string{}
	for _, entry := range entries {
		if !known[entry] {
			rest = append(rest, entry)
		}
	}
	return rest
}
