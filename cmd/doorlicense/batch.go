package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

// A batch file holds the licenses of one order, one JSON object a line: first what was ordered, then the licenses in their
// order. It only grows. A line is there with its end or it is not: a rest without one is cut off when the run goes on, and was
// never anybody's license.

const (
	maxBatch     = 100_000
	maxBatchLine = 8 << 10
	syncEvery    = 256 // licenses that a power cut may take; they are drawn anew
)

// order is what a batch consists of.
type order struct {
	tokens []license.Token // without id and time of issue
	hash   string
}

func newOrder(tokens []license.Token) (order, error) {
	raw, err := json.Marshal(tokens)
	if err != nil {
		return order{}, fmt.Errorf("cannot write down the order: %w", err)
	}
	sum := sha256.Sum256(raw)
	return order{tokens, hex.EncodeToString(sum[:])}, nil
}

type batchHeader struct {
	Batch    int       `json:"batch"` // version of this format
	Key      string    `json:"key"`
	IssuedAt time.Time `json:"issued_at"`
	Count    int       `json:"count"`
	Order    string    `json:"order"` // hash of what was ordered
}

type batchLine struct {
	Number    int    `json:"n"`
	ID        string `json:"id"`
	ShortCode string `json:"short_code"`
	Holds     string `json:"holds"`
	Label     string `json:"label,omitempty"`
	Text      string `json:"text"`
}

// batch is a batch file as far as it is whole.
type batch struct {
	batchHeader
	size  int64 // of the whole lines
	lines int
}

// readBatch reads a batch from its beginning, hands the first line to begin and every license to take. A last line without its
// end is left out.
func readBatch(from io.Reader, begin func(batchHeader) error, take func(batchLine) error) (batch, error) {
	var b batch
	reader := bufio.NewReaderSize(from, maxBatchLine)
	for {
		raw, err := reader.ReadSlice('\n')
		switch {
		case err == io.EOF:
			return b, nil
		case err == bufio.ErrBufferFull:
			return b, fmt.Errorf("line %d is longer than %d bytes", b.lines+2, maxBatchLine)
		case err != nil:
			return b, err
		}
		if b.size == 0 {
			if err := json.Unmarshal(raw, &b.batchHeader); err != nil || b.Batch != 1 || b.Count < 1 || b.Count > maxBatch {
				return b, errors.New("line 1 does not say that this is a batch of licenses")
			}
			if err := begin(b.batchHeader); err != nil {
				return b, err
			}
		} else {
			var line batchLine
			if err := json.Unmarshal(raw, &line); err != nil || line.Number != b.lines+1 || line.Number > b.Count {
				return b, fmt.Errorf("line %d is not license %d of %d: the file was damaged or changed; take it from its copy", b.lines+2, b.lines+1, b.Count)
			}
			if err := take(line); err != nil {
				return b, err
			}
			b.lines++
		}
		b.size += int64(len(raw))
	}
}

// drawn remembers what must not come twice.
type drawn struct {
	ids   map[license.TokenID]bool
	codes map[license.ShortCode]bool
}

func (s drawn) add(id license.TokenID) bool {
	code := id.ShortCode()
	if s.ids[id] || s.codes[code] {
		return false
	}
	s.ids[id], s.codes[code] = true, true
	return true
}

// batchResult is what a finished run prints.
type batchResult struct {
	Batch string `json:"batch"`
	Key   string `json:"key"`
	Count int    `json:"count"`
	New   int    `json:"new"` // drawn in this run
}

// issueBatch signs what of an order is not yet in the file. It can be stopped at any time and run again with the same order: what is in
// the file stays, whatever else was drawn was never shown to anybody.
func (d desk) issueBatch(ctx context.Context, path string, o order, key signingKey, standing standing, now time.Time) (result batchResult, err error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return result, fmt.Errorf("cannot write batch: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return result, fmt.Errorf("cannot write batch %s: another run is at it (%w); wait for its end", path, err)
	}
	seen := drawn{map[license.TokenID]bool{}, map[license.ShortCode]bool{}}
	b, err := d.openBatch(file, o, key, standing, now, seen)
	if err != nil {
		return result, fmt.Errorf("cannot go on with batch %s: %w", path, err)
	}
	if b.lines > 0 {
		fmt.Fprintf(d.notes, "%s holds %d of %d, going on\n", path, b.lines, b.Count)
	}

	begun := b.lines
	bar := progress{out: d.notes, live: d.live, total: b.Count}
	bar.from(b.lines)
	var pending bytes.Buffer
	flush := func() error {
		_, err := file.Write(pending.Bytes())
		pending.Reset()
		if err == nil {
			err = file.Sync()
		}
		if err != nil {
			return fmt.Errorf("cannot write batch %s: %w; make room, then run the same command again to go on", path, err)
		}
		return nil
	}
	for ; b.lines < b.Count && ctx.Err() == nil; b.lines++ {
		line, err := d.issueOne(b, o.tokens[b.lines], key, seen)
		if err != nil {
			return result, errors.Join(err, flush())
		}
		if err := json.NewEncoder(&pending).Encode(line); err != nil {
			return result, errors.Join(err, flush())
		}
		if (b.lines+1)%syncEvery == 0 {
			if err := flush(); err != nil {
				return result, err
			}
		}
		bar.at(b.lines + 1)
	}
	bar.end()
	if err := flush(); err != nil {
		return result, err
	}
	if b.lines < b.Count {
		return result, fmt.Errorf("stopped after %d of %d licenses; run the same command again to go on", b.lines, b.Count)
	}
	return batchResult{path, b.Key, b.Count, b.Count - begun}, nil
}

// openBatch reads what is there, checks that it is this order under this key, cuts off a line without its end, and leaves the file at its end.
// A new file gets its first line.
func (d desk) openBatch(file *os.File, o order, key signingKey, standing standing, now time.Time, seen drawn) (batch, error) {
	ring, err := ringUnder(key.pub)
	if err != nil {
		return batch{}, err
	}
	b, err := readBatch(file, func(header batchHeader) error {
		switch {
		case header.Key != envelope.KeyText(key.pub):
			return fmt.Errorf("it was begun with key %s; name that key, or another file", header.Key)
		case header.Order != o.hash || header.Count != len(o.tokens):
			return errors.New("it was begun with another order; repeat that one exactly, or name another file")
		}
		return standing.checkAll(o.tokens, header.IssuedAt)
	}, func(line batchLine) error {
		token, err := line.open(ring)
		if err != nil {
			return err
		}
		if !seen.add(token.ID) {
			return fmt.Errorf("license %d is there twice", line.Number)
		}
		return nil
	})
	if err != nil {
		return b, err
	}
	if b.size == 0 {
		if err := standing.checkAll(o.tokens, now); err != nil {
			return b, err
		}
		b.batchHeader = batchHeader{1, envelope.KeyText(key.pub), now, len(o.tokens), o.hash}
		raw, err := json.Marshal(b.batchHeader)
		if err != nil {
			return b, err
		}
		if err := rewind(file, 0); err != nil {
			return b, err
		}
		if _, err := file.Write(append(raw, '\n')); err != nil {
			return b, err
		}
		return b, errors.Join(file.Sync(), syncFolder(file.Name()))
	}
	return b, rewind(file, b.size)
}

func rewind(file *os.File, size int64) error {
	if err := file.Truncate(size); err != nil {
		return err
	}
	_, err := file.Seek(size, io.SeekStart)
	return err
}

func (d desk) issueOne(b batch, token license.Token, key signingKey, seen drawn) (batchLine, error) {
	token.IssuedAt = b.IssuedAt
	for {
		if err := d.drawID(&token); err != nil {
			return batchLine{}, err
		}
		if seen.add(token.ID) {
			break
		}
	}
	raw, err := token.Sign(key.pub, key.sign)
	if err != nil {
		return batchLine{}, err
	}
	return batchLine{
		Number: b.lines + 1, ID: token.ID.String(), ShortCode: token.ID.ShortCode().String(), Holds: describe(token), Label: token.Label,
		Text: envelope.Armor(envelope.License, raw),
	}, nil
}

func (d desk) drawID(token *license.Token) error {
	if _, err := io.ReadFull(d.random, token.ID[:]); err != nil {
		return fmt.Errorf("cannot draw a license id: %w", err)
	}
	return nil
}

// open verifies a line against the batch's key: what it says beside the signed text must be what was signed.
func (l batchLine) open(ring license.Keyring) (license.Token, error) {
	v := license.Examine(l.Text, ring, license.Panel{}, license.Clock{}, nil, "")
	if v.Token == nil || v.Token.ID.String() != l.ID || v.Token.ID.ShortCode().String() != l.ShortCode {
		return license.Token{}, fmt.Errorf("license %d does not hold what was signed: the file was damaged or changed; take it from its copy", l.Number)
	}
	return *v.Token, nil
}

// ringUnder trusts one key and nobody else.
func ringUnder(pub ed25519.PublicKey) (license.Keyring, error) {
	ring, problems := license.NewKeyring([]ed25519.PublicKey{pub}, nil, nil)
	return ring, errors.Join(problems...)
}

// progress shows how far a long run is: a bar that is drawn again on a terminal, else a line every tenth.
type progress struct {
	out          io.Writer
	live         bool
	total, shown int
}

func (p *progress) parts() int {
	if p.live {
		return 100
	}
	return 10
}

// from says where an earlier run has ended.
func (p *progress) from(n int) { p.shown = n * p.parts() / p.total }

func (p *progress) at(n int) {
	part := n * p.parts() / p.total
	if p.total < p.parts() || part == p.shown {
		return
	}
	p.shown = part
	if p.live {
		done := part * 40 / p.parts()
		fmt.Fprintf(p.out, "\r[%-40s] %d of %d", "########################################"[:done], n, p.total)
		return
	}
	fmt.Fprintf(p.out, "%d of %d\n", n, p.total)
}

func (p *progress) end() {
	if p.live && p.shown > 0 {
		fmt.Fprintln(p.out)
	}
}
