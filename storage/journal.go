package storage

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	journalName = "journal"
	maxPending  = 4 << 20 // bytes that wait for the disk before Append refuses
	maxBatch    = 1 << 16 // entries of one write; their distance to its first one fits 16 bits
)

// ErrBehind is returned by Append while more waits for the disk than is kept in memory.
var ErrBehind = errors.New("the disk does not keep up; the entry was not recorded")

// JournalOptions are the settings of a journal. Only Dir is required.
type JournalOptions struct {
	Dir          string       // the segments are <Dir>/journal/NNNNNNNN.seg, damaged bytes go to <Dir>/set-aside
	MaxBytes     int64        // all segments together; 0 = 256 MiB; beyond it the oldest segment goes
	SegmentBytes int64        // one segment; 0 = 1 MiB; at least 4 KiB
	Holding      []string     // cursors whose entries are not yet to be deleted, unless room runs out
	NewEpoch     bool         // draw a new epoch: the journal comes from a backup
	After        uint64       // an entry that is known to have been durable: its number and those below are not used again
	NoSync       bool         // never waits for the disk: for the control of the power-cut test only
	Logger       *slog.Logger // nil = silent
}

// disk is how the journal reaches its files; tests count and break it.
type disk struct {
	write    func(f *os.File, b []byte, off int64) error
	sync     func(f *os.File) error
	allocate func(f *os.File, size int64) error
}

func realDisk(noSync bool) disk {
	d := disk{
		write:    func(f *os.File, b []byte, off int64) error { _, err := f.WriteAt(b, off); return err },
		sync:     func(f *os.File) error { return retry(func() error { return unix.Fdatasync(int(f.Fd())) }) },
		allocate: allocate,
	}
	if noSync {
		d.sync = func(*os.File) error { return nil }
	}
	return d
}

func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// allocate reserves the blocks, so that a later write neither fails for room nor changes the file's size.
func allocate(f *os.File, size int64) error {
	err := retry(func() error { return unix.Fallocate(int(f.Fd()), 0, 0, size) })
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return f.Truncate(size)
	}
	return err
}

// batch is what waits for the next write: whole frames, the end of each, and who wants to know.
type batch struct {
	buf   []byte
	ends  []int
	first uint64
	dones []chan error
}

// A Journal is an append-only sequence of entries. It is safe for concurrent use. Whoever opens it closes it.
type Journal struct {
	o    JournalOptions
	dir  string
	lock *os.File
	disk disk
	log  *slog.Logger

	// io is held while segments are written; it is taken before mu.
	io     sync.Mutex
	active *os.File // the file of the last segment, nil when the next write has to begin a new one
	room   int64    // bytes that the active file may grow to
	number uint64   // the highest segment number ever tried

	mu         sync.Mutex
	segs       []*segment // ascending; never empty of knowledge about durable entries
	epoch      epochID
	pend       batch
	spare      batch
	next       uint64   // number of the next entry to be appended
	chain      chainSum // of the entry before it
	durable    uint64
	durableSum chainSum
	changed    chan struct{} // closed and replaced when something became durable
	cursors    map[string]*Cursor
	closed     bool

	maint sync.Mutex // held by whoever deletes or rewrites whole segments
	wake  chan struct{}
	done  chan struct{}
}

// OpenJournal opens the journal below o.Dir, or makes it. Unfinished entries at the end are cut off (they were never
// acknowledged); damage anywhere else costs the entries it lies in, which the notes name, and nothing more. An error
// means that there is no journal at all: another process holds it (ErrInUse) or the disk refuses.
func OpenJournal(o JournalOptions) (*Journal, []Note, error) {
	return openJournal(o, realDisk(o.NoSync))
}

func openJournal(o JournalOptions, d disk) (*Journal, []Note, error) {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 256 << 20
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 1 << 20
	}
	o.SegmentBytes = max(o.SegmentBytes, 4<<10)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	j := &Journal{
		o: o, dir: filepath.Join(o.Dir, journalName), disk: d, log: o.Logger, next: 1,
		changed: make(chan struct{}), cursors: map[string]*Cursor{}, wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	notes, err := j.load()
	if err != nil {
		return nil, notes, errors.Join(fmt.Errorf("cannot open journal %s: %w", j.dir, err), j.release())
	}
	for _, n := range notes {
		j.log.Warn("journal repaired", "what", n.What, "file", n.File, "cause", n.Cause)
	}
	go j.run()
	return j, notes, nil
}

func (j *Journal) load() ([]Note, error) {
	_, err := os.Stat(j.dir)
	fresh := errors.Is(err, os.ErrNotExist)
	if err := os.MkdirAll(j.dir, 0o700); err != nil {
		return nil, err
	}
	if fresh {
		if err := syncDir(j.o.Dir); err != nil {
			return nil, err
		}
	}
	if j.lock, err = os.Open(j.dir); err != nil {
		return nil, err
	}
	if err := retry(func() error { return unix.Flock(int(j.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) }); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrInUse
		}
		return nil, err
	}
	if err := j.openCursors(); err != nil {
		return nil, err
	}
	return j.recover()
}

// Append takes an entry of two parts, gives it the next number and returns without waiting for the disk. done gets
// exactly one value: nil once the entry is durable, or why it was not recorded; its number is then used again. open is
// never erased, personal may be (Erase). Neither is kept after Append returns. An error from Append itself means that
// nothing was taken.
func (j *Journal) Append(open, personal []byte) (seq uint64, done <-chan error, err error) {
	if len(open)+len(personal) > MaxEntry {
		return 0, nil, fmt.Errorf("cannot append to journal %s: entry of %d bytes, at most %d", j.dir, len(open)+len(personal), MaxEntry)
	}
	f := frame{open: open}
	var salt [saltLen]byte
	var bind [bindLen]byte
	if len(personal) > 0 {
		if _, err := rand.Read(salt[:]); err != nil {
			return 0, nil, fmt.Errorf("cannot append to journal %s: %w", j.dir, err)
		}
		bind = bindPersonal(salt[:], personal)
		f.flags, f.personal, f.salt, f.bind = flagPersonal, personal, salt[:], bind[:]
	}
	answer := make(chan error, 1)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return 0, nil, fmt.Errorf("cannot append to journal %s: %w", j.dir, ErrClosed)
	}
	if len(j.pend.buf)+f.size() > maxPending || len(j.pend.ends) >= maxBatch {
		return 0, nil, fmt.Errorf("cannot append to journal %s: %w", j.dir, ErrBehind)
	}
	f.seq = j.next
	if len(j.pend.ends) == 0 {
		j.pend.first = f.seq
	}
	f.back = uint16(f.seq - j.pend.first)
	f.chain = nextChain(j.chain, f.seq, f.open, f.bind)
	j.pend.buf = appendFrame(j.pend.buf, &f)
	j.pend.ends = append(j.pend.ends, len(j.pend.buf))
	j.pend.dones = append(j.pend.dones, answer)
	j.next, j.chain = f.seq+1, f.chain
	j.poke()
	return f.seq, answer, nil
}

// poke wakes the writer; one wake-up is enough for everything that waits.
func (j *Journal) poke() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

func (j *Journal) run() {
	defer close(j.done)
	before := 0
	for range j.wake {
		j.gather(before)
		j.io.Lock()
		j.mu.Lock()
		b, closed := j.pend, j.closed
		j.pend, j.spare = j.spare, batch{}
		j.mu.Unlock()
		if before = len(b.ends); before > 0 {
			j.commit(b)
		}
		j.io.Unlock()
		if closed {
			return
		}
		if cap(b.buf) <= maxPending/16 {
			clear(b.dones)
			j.mu.Lock()
			j.spare = batch{buf: b.buf[:0], ends: b.ends[:0], dones: b.dones[:0]}
			j.mu.Unlock()
		}
	}
}

// gather gives those whom the last write has just answered their turn, so that they share the next one. It waits for no
// clock and for nobody who does not come at once; a single writer is not delayed.
func (j *Journal) gather(before int) {
	for have, idle := 0, 0; before > 1 && have < before && idle < 8; idle++ {
		runtime.Gosched()
		j.mu.Lock()
		n := len(j.pend.ends)
		j.mu.Unlock()
		if n > have {
			have, idle = n, 0
		}
	}
}

// commit writes a batch, one sync for as many entries as the segment has room for, and answers everyone in it.
func (j *Journal) commit(b batch) {
	for from := 0; from < len(b.ends); {
		start := 0
		if from > 0 {
			start = b.ends[from-1]
		}
		to, err := j.makeRoom(b, from, start)
		if err == nil {
			err = j.writeChunk(b, from, to, start)
		}
		if err != nil {
			j.abandon()
			j.fail(b.dones[from:], fmt.Errorf("cannot write journal %s: %w", j.dir, noRoom(err)))
			return
		}
		answer(b.dones[from:to], nil)
		from = to
	}
}

func noRoom(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG) {
		return fmt.Errorf("%w (%w)", ErrFull, err)
	}
	return err
}

// makeRoom returns the end of the run of frames, beginning with from, that fits the active segment; when none does, a
// new one is begun.
func (j *Journal) makeRoom(b batch, from, start int) (int, error) {
	fits := func() int {
		to := from
		if j.active != nil {
			room := j.room - j.segs[len(j.segs)-1].end
			for to < len(b.ends) && int64(b.ends[to]-start) <= room {
				to++
			}
		}
		return to
	}
	if to := fits(); to > from {
		return to, nil
	}
	j.seal()
	j.retain()
	err := j.begin(b.first+uint64(from), int64(b.ends[from]-start))
	if errors.Is(err, unix.ENOSPC) && j.dropAcknowledged() {
		err = j.begin(b.first+uint64(from), int64(b.ends[from]-start))
	}
	return fits(), err
}

func (j *Journal) writeChunk(b batch, from, to, start int) error {
	seg := j.segs[len(j.segs)-1]
	end := b.ends[to-1]
	if err := j.disk.write(j.active, b.buf[start:end], seg.end); err != nil {
		return err
	}
	if err := j.disk.sync(j.active); err != nil {
		return err
	}
	last := b.first + uint64(to) - 1
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, at := from, start; i < to; i++ {
		seg.note(b.first+uint64(i), seg.end+int64(at-start))
		at = b.ends[i]
	}
	seg.last, seg.end = last, seg.end+int64(end-start)
	j.durable = last
	tail, begin := b.ends[to-1], 0
	if to > 1 {
		begin = b.ends[to-2]
	}
	copy(j.durableSum[:], b.buf[begin+frameHeader:tail])
	close(j.changed)
	j.changed = make(chan struct{})
	return nil
}

// begin makes a new segment for the entry with the given number, as durable as its first entry will be.
func (j *Journal) begin(base uint64, first int64) error {
	j.number++
	size := max(j.o.SegmentBytes, segmentStart+first)
	seg := &segment{
		head:   head{epoch: j.epoch, base: base, before: j.durableSum},
		number: j.number, path: filepath.Join(j.dir, segmentName(j.number)), last: base - 1, end: segmentStart, size: size,
	}
	f, err := os.OpenFile(seg.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err = j.disk.allocate(f, size); err == nil {
		err = j.disk.write(f, appendHead(nil, seg.head), 0)
	}
	if err == nil && !j.o.NoSync {
		err = syncDir(j.dir)
	}
	if err != nil {
		return errors.Join(err, f.Close(), removeIfThere(seg.path))
	}
	j.active, j.room = f, size
	j.mu.Lock()
	j.segs = append(j.segs, seg)
	j.mu.Unlock()
	return nil
}

// seal closes the active segment and gives back what it had reserved.
func (j *Journal) seal() {
	if j.active == nil {
		return
	}
	j.mu.Lock()
	seg := j.segs[len(j.segs)-1]
	j.mu.Unlock()
	err := j.active.Truncate(seg.end)
	if err == nil {
		j.mu.Lock()
		seg.size = seg.end
		j.mu.Unlock()
	}
	if err := errors.Join(err, j.active.Close()); err != nil {
		j.log.Warn("segment not closed cleanly", "file", seg.path, "err", err)
	}
	j.active = nil
}

// abandon gives the active segment up after a failed write. What the disk has of that write is unknown and stays
// unread: the next segment begins with the first number that is not durable and so overrides it.
func (j *Journal) abandon() {
	j.seal()
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := len(j.segs); n > 1 && j.segs[n-1].last < j.segs[n-1].base && j.segs[n-2].last+1 == j.segs[n-1].base && !j.segs[n-2].short {
		if err := removeIfThere(j.segs[n-1].path); err == nil {
			j.segs = j.segs[:n-1]
		}
	}
}

// fail answers everyone in the batch and everyone behind it, whose entries hang on its chain.
func (j *Journal) fail(dones []chan error, err error) {
	j.mu.Lock()
	waiting := j.pend.dones
	j.pend = batch{}
	j.next, j.chain = j.durable+1, j.durableSum
	j.mu.Unlock()
	j.log.Error("journal not written", "entries", len(dones)+len(waiting), "err", err)
	answer(dones, err)
	answer(waiting, err)
}

// answer tells everyone who waits; of a run that was appended together only its last entry has somebody waiting.
func answer(dones []chan error, err error) {
	for _, d := range dones {
		if d != nil {
			d <- err
		}
	}
}

// Bounds are the numbers of the oldest and the newest durable entry that are kept; first is last+1 when none is.
func (j *Journal) Bounds() (first, last uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.segs {
		if s.last >= s.base {
			return s.base, j.durable
		}
	}
	return j.durable + 1, j.durable
}

// Durable is the number of the newest durable entry, 0 when there never was one.
func (j *Journal) Durable() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.durable
}

// Epoch names this life of the journal, as 16 hex digits: a number is used once in an epoch.
func (j *Journal) Epoch() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return hex.EncodeToString(j.epoch[:])
}

// Head is the newest durable entry and the chain up to it, as 32 hex digits. Kept elsewhere, it proves later that the
// entries before it were not rewritten.
func (j *Journal) Head() (seq uint64, chain string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.durable, hex.EncodeToString(j.durableSum[:])
}

// Bytes is how much of the disk the segments take.
func (j *Journal) Bytes() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.bytes()
}

func (j *Journal) bytes() (n int64) {
	for _, s := range j.segs {
		n += s.size
	}
	return n
}

// Close writes what waits, answers everyone and gives the files back. A second Close does nothing.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return nil
	}
	j.closed = true
	close(j.changed)
	j.changed = make(chan struct{})
	j.mu.Unlock()
	j.poke()
	<-j.done
	return j.release()
}

func (j *Journal) release() error {
	var err error
	if j.active != nil {
		err = j.active.Close()
		j.active = nil
	}
	for _, c := range j.cursors {
		err = errors.Join(err, c.close())
	}
	if j.lock != nil {
		err = errors.Join(err, j.lock.Close())
	}
	return err
}
