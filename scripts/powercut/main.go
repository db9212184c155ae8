// Command powercut shows what is left of store and journal when the power goes, at every point of a run. It writes to a
// real file system whose every block write is logged, puts each prefix of that log (and prefixes whose last, unflushed
// writes are dropped, reordered and torn) on a disk image, and asks the product's own opening code what it finds. It
// does not set the logged disk up: run.sh does.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/storage"
)

const segmentBytes = 4096 // small, so that a short run begins several segments

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(a []string) error {
	usage := errors.New("usage: powercut work DIR LOG ACKS COMMITS [nosync] | replay LOG ACKS IMAGE MOUNT BYTES [reorder] | check IMAGE MOUNT ENTRIES RECORDS")
	if len(a) < 5 {
		return usage
	}
	switch a[0] {
	case "work":
		n, err := strconv.Atoi(a[4])
		if err != nil {
			return usage
		}
		return work(a[1], a[2], a[3], n, len(a) > 5 && a[5] == "nosync")
	case "replay":
		if len(a) < 6 {
			return usage
		}
		size, err := strconv.ParseInt(a[5], 10, 64)
		if err != nil {
			return usage
		}
		return replay(a[1], a[2], a[3], a[4], size, len(a) > 6 && a[6] == "reorder")
	case "check":
		entries, err1 := strconv.Atoi(a[3])
		records, err2 := strconv.Atoi(a[4])
		if err := errors.Join(err1, err2); err != nil {
			return usage
		}
		return check(a[1], a[2], entries, records)
	}
	return usage
}

// logged is how many block writes the log holds at this moment.
func logged(log *os.File) (uint64, error) {
	b := make([]byte, 32)
	_, err := log.ReadAt(b, 0)
	return binary.LittleEndian.Uint64(b[16:]), err
}

type activation struct {
	Number int
	Token  string
}

func openBoth(dir string, noSync bool) (*storage.Store, *storage.Journal, error) {
	s, notes, err := storage.Open(storage.Options{Dir: dir, Schema: 1, CopyEvery: -1, NoSync: noSync})
	if err != nil {
		return nil, nil, err
	}
	j, more, err := storage.OpenJournal(storage.JournalOptions{Dir: dir, SegmentBytes: segmentBytes, NoSync: noSync})
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	for _, n := range append(notes, more...) {
		fmt.Printf("note: %s: %s\n", n.What, n.Cause)
	}
	return s, j, nil
}

func token(n int) string    { return strings.Repeat(fmt.Sprintf("DP1:%d.", n), 10+n%60) }
func decision(n int) string { return fmt.Sprintf(`{"kind":"granted","door":"front","n":%d}`, n) }
func person(n int) string {
	return fmt.Sprintf(`{"who":%q}`, strings.Repeat(fmt.Sprint("person ", n, " "), 1+n%20))
}

// work does what a panel does, and writes down what it was promised to keep: decisions in the journal, one by one and in
// bursts, and activations in the store, with a reader's cursor and a copy of the store between them.
func work(dir, logPath, ackPath string, commits int, noSync bool) error {
	log, err := os.Open(logPath)
	if err != nil {
		return err
	}
	defer log.Close()
	acks, err := os.Create(ackPath)
	if err != nil {
		return err
	}
	defer acks.Close()
	acked := func(kind string, n int) error {
		at, err := logged(log)
		if err == nil {
			_, err = fmt.Fprintln(acks, kind, n, at)
		}
		return err
	}
	if err := acked("begun", 0); err != nil { // what is in the log before this belongs to the file system alone
		return err
	}
	s, j, err := openBoth(dir, noSync)
	if err != nil {
		return err
	}
	cursor, err := j.Cursor("uplink")
	if err != nil {
		return err
	}
	activations := storage.NewTable[activation](s, "activations")
	codes := storage.NewRaw(s, "codes")
	entries := 0
	for i := 1; i <= commits; i++ {
		var dones []<-chan error
		for range 1 + i%3*3 {
			entries++
			_, done, err := j.Append([]byte(decision(entries)), []byte(person(entries)))
			if err != nil {
				return err
			}
			dones = append(dones, done)
		}
		for _, done := range dones {
			if err := <-done; err != nil {
				return err
			}
		}
		if err := acked("entries", entries); err != nil {
			return err
		}
		err := s.Update(func(tx *storage.Tx) error {
			err := activations.PutTx(tx, fmt.Sprintf("%06d", i), activation{i, token(i)})
			return errors.Join(err, codes.PutTx(tx, fmt.Sprintf("%06d", i), []byte(token(i))))
		})
		if err != nil {
			return err
		}
		if err := acked("records", i); err != nil {
			return err
		}
		if err := cursor.Set(uint64(entries)); err != nil {
			return err
		}
		if i == commits/2 {
			if err := s.Copy(); err != nil {
				return err
			}
		}
	}
	return errors.Join(j.Close(), s.Close())
}

// check mounts the image as a boot script would and asks the product. It runs in a process of its own: what goes wrong
// in it cannot keep the image mounted.
func check(image, mount string, minEntries, minRecords int) error {
	if err := mountRepaired(image, mount); err != nil {
		return err
	}
	defer umount(mount)
	dir := filepath.Join(mount, "data")
	if _, err := os.Stat(dir); err != nil && minEntries+minRecords == 0 {
		return nil // the power went before there was anything
	}
	s, j, err := openBoth(dir, false)
	if err != nil {
		return fmt.Errorf("OPEN: %w", err)
	}
	err = errors.Join(checkRecords(s, minRecords), checkEntries(j, minEntries))
	// The panel that came back goes on.
	seq, done, appendErr := j.Append([]byte(`{"kind":"started"}`), nil)
	if appendErr == nil {
		appendErr = <-done
	}
	if appendErr == nil && seq <= uint64(minEntries) {
		appendErr = fmt.Errorf("REUSED: entry %d is given again", seq)
	}
	putErr := storage.NewRaw(s, "codes").Put("after", []byte("the cut"))
	err = errors.Join(err, appendErr, putErr, j.Close(), s.Close())
	report, verifyErr := storage.Verify(dir)
	if verifyErr == nil && len(report.Faults) > 0 {
		verifyErr = fmt.Errorf("VERIFY: %+v", report.Faults[0])
	}
	return errors.Join(err, verifyErr)
}

func checkRecords(s *storage.Store, least int) error {
	codes := storage.NewRaw(s, "codes")
	n := 0
	for key, a := range storage.NewTable[activation](s, "activations").All() {
		n++
		if key != fmt.Sprintf("%06d", n) || a.Number != n || a.Token != token(n) {
			return fmt.Errorf("WRONG: record %s where %d should be", key, n)
		}
		if code, _, err := codes.Get(key); err != nil || string(code) != token(n) {
			return fmt.Errorf("HALF: record %d is in one table only (%v)", n, err)
		}
	}
	if n < least {
		return fmt.Errorf("LOST: %d records, %d were acknowledged", n, least)
	}
	return nil
}

func checkEntries(j *storage.Journal, least int) error {
	n := 0
	for {
		frames, err := j.Read(uint64(n), 100)
		if err != nil {
			return err
		}
		if len(frames) == 0 {
			break
		}
		for _, f := range frames {
			n++
			if f.Gap != nil || f.Seq != uint64(n) || string(f.Open) != decision(n) || string(f.Personal) != person(n) {
				return fmt.Errorf("WRONG: entry %d where %d should be, gap %+v", f.Seq, n, f.Gap)
			}
		}
	}
	if n < least {
		return fmt.Errorf("LOST: %d entries, %d were acknowledged", n, least)
	}
	return nil
}

func mountRepaired(image, mount string) error {
	out, err := exec.Command("mount", "-o", "loop", image, mount).CombinedOutput()
	if err == nil {
		return nil
	}
	said := string(out)
	// Torn at 512 bytes, even the file system's own first block can break: then its backup is used, as in the boot script.
	for _, args := range [][]string{{"-fp", image}, {"-fy", "-b", "8193", "-B", "1024", image}, {"-fy", "-b", "32768", "-B", "4096", image}} {
		out, _ := exec.Command("e2fsck", args...).CombinedOutput()
		said += string(out)
		if exec.Command("mount", "-o", "loop", image, mount).Run() == nil {
			return nil
		}
	}
	return fmt.Errorf("MOUNT: %s", said)
}

func umount(mount string) {
	if exec.Command("umount", mount).Run() != nil {
		_ = exec.Command("umount", "-l", mount).Run() // nothing better is left to do
	}
}

// blockWrite is one entry of the log: data for a place on the disk, and whether it came with a flush.
type blockWrite struct {
	at    int64
	flush bool
	data  []byte
}

const (
	logFlush   = 1
	logFUA     = 2
	logDiscard = 4
	logMark    = 8
)

func readLog(path string) ([]blockWrite, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := make([]byte, 32)
	if _, err := io.ReadFull(f, h); err != nil {
		return nil, err
	}
	n, sector := binary.LittleEndian.Uint64(h[16:]), int64(binary.LittleEndian.Uint32(h[24:]))
	if _, err := f.Seek(sector, io.SeekStart); err != nil {
		return nil, err
	}
	r := bufio.NewReaderSize(f, 1<<20)
	writes := make([]blockWrite, 0, n)
	for range n {
		b := make([]byte, sector)
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, err
		}
		flags := binary.LittleEndian.Uint64(b[16:])
		w := blockWrite{at: int64(binary.LittleEndian.Uint64(b)) * sector, flush: flags&(logFlush|logFUA) != 0}
		if sectors := int64(binary.LittleEndian.Uint64(b[8:])); flags&(logDiscard|logMark) == 0 && sectors > 0 {
			w.data = make([]byte, sectors*sector)
			if _, err := io.ReadFull(r, w.data); err != nil {
				return nil, err
			}
		}
		writes = append(writes, w)
	}
	return writes, nil
}

type ack struct {
	kind string
	n    int
	at   uint64
}

func readAcks(path string) ([]ack, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var acks []ack
	for line := range strings.Lines(string(b)) {
		var a ack
		if _, err := fmt.Sscan(line, &a.kind, &a.n, &a.at); err != nil {
			return nil, err
		}
		acks = append(acks, a)
	}
	if len(acks) == 0 {
		return nil, errors.New("nothing was acknowledged")
	}
	return acks, nil
}

func replay(logPath, ackPath, image, mount string, size int64, reorder bool) error {
	writes, err := readLog(logPath)
	if err != nil {
		return err
	}
	acks, err := readAcks(ackPath)
	if err != nil {
		return err
	}
	disk, err := os.Create(image)
	if err != nil {
		return err
	}
	defer disk.Close()
	if err := disk.Truncate(size); err != nil {
		return err
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	started := time.Now()
	points, kinds := 0, map[string]int{}
	least := map[string]int{}
	var pending []blockWrite
	for i, w := range writes {
		if reorder && !w.flush {
			pending = append(pending, w)
		} else {
			for _, p := range append(pending, w) {
				if _, err := disk.WriteAt(p.data, p.at); err != nil {
					return err
				}
			}
			pending = nil
		}
		for len(acks) > 0 && acks[0].at <= uint64(i+1) {
			least[acks[0].kind] = acks[0].n
			acks = acks[1:]
		}
		if _, begun := least["begun"]; !begun {
			continue
		}
		points++
		kind, err := point(disk, image, mount, pending, rnd, least)
		if err != nil {
			return err
		}
		if kind == "" {
			continue
		}
		if kinds[strings.TrimSuffix(strings.Fields(kind)[0], ":")]++; total(kinds) <= 5 {
			fmt.Printf("point %d, at least %v: %s\n", i, least, kind)
		}
	}
	fmt.Printf("writes %d points %d bad %d %v in %v\n", len(writes), points, total(kinds), kinds, time.Since(started).Round(time.Millisecond))
	if n := total(kinds); n > 0 {
		return fmt.Errorf("%d of %d points bad", n, points)
	}
	return nil
}

func total(kinds map[string]int) (n int) {
	for _, k := range kinds {
		n += k
	}
	return n
}

// point checks one moment: what is flushed, and any half of what is not. It returns what is bad, if anything.
func point(disk *os.File, image, mount string, pending []blockWrite, rnd *rand.Rand, least map[string]int) (string, error) {
	scratch := image + ".scratch"
	if err := exec.Command("cp", "--sparse=always", image, scratch).Run(); err != nil {
		return "", err
	}
	f, err := os.OpenFile(scratch, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	for _, p := range pending {
		if rnd.IntN(2) == 0 {
			continue
		}
		data := p.data
		if sectors := len(data) / 512; sectors > 1 && rnd.IntN(4) == 0 {
			data = data[:512*(1+rnd.IntN(sectors-1))]
		}
		if _, err := f.WriteAt(data, p.at); err != nil {
			return "", errors.Join(err, f.Close())
		}
	}
	if err := f.Close(); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, self, "check", scratch, mount, strconv.Itoa(least["entries"]), strconv.Itoa(least["records"])).CombinedOutput()
	if err == nil {
		return "", nil
	}
	if ctx.Err() != nil || !strings.Contains(string(out), ":") {
		out = fmt.Appendf(nil, "CHECK: %v %s", err, out)
	}
	umount(mount)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for i, line := range lines {
		if word, _, ok := strings.Cut(line, ":"); ok && word == strings.ToUpper(word) {
			return strings.Join(lines[i:], "; "), nil
		}
	}
	return "CHECK: " + strings.Join(lines, "; "), nil
}
