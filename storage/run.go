package storage

import (
	"crypto/rand"
	"errors"
	"fmt"
)

// ErrMoved is returned by AppendRun when the journal's newest entry is not the one that the caller believed.
var ErrMoved = errors.New("the journal's newest entry is another one")

// An Entry is what Append takes: two parts.
type Entry struct{ Open, Personal []byte }

// AppendRun takes entries as Append does, all or none, and only as the successors of entry after; otherwise it returns
// ErrMoved. done gets exactly one value: nil once all of them are durable, or an error, after which Durable tells how many
// of them are: the journal goes on with the number after that one, and whoever appended behind them is told to as well.
func (j *Journal) AppendRun(after uint64, entries []Entry) (done <-chan error, err error) {
	answer := make(chan error, 1)
	if len(entries) == 0 {
		answer <- nil
		return answer, nil
	}
	frames := make([]frame, len(entries))
	size := 0
	salts, binds := make([]byte, saltLen*len(entries)), make([]byte, bindLen*len(entries))
	if _, err := rand.Read(salts); err != nil {
		return nil, fmt.Errorf("cannot append to journal %s: %w", j.dir, err)
	}
	for i, e := range entries {
		if len(e.Open)+len(e.Personal) > MaxEntry {
			return nil, fmt.Errorf("cannot append to journal %s: entry of %d bytes, at most %d", j.dir, len(e.Open)+len(e.Personal), MaxEntry)
		}
		f := frame{open: e.Open}
		if len(e.Personal) > 0 {
			salt, bind := salts[i*saltLen:][:saltLen], binds[i*bindLen:][:bindLen]
			sum := bindPersonal(salt, e.Personal)
			copy(bind, sum[:])
			f.flags, f.personal, f.salt, f.bind = flagPersonal, e.Personal, salt, bind
		}
		frames[i] = f
		size += f.size()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.closed:
		return nil, fmt.Errorf("cannot append to journal %s: %w", j.dir, ErrClosed)
	case j.next != after+1:
		return nil, fmt.Errorf("cannot append to journal %s after entry %d, it has %d: %w", j.dir, after, j.next-1, ErrMoved)
	case len(j.pend.buf)+size > maxPending || len(j.pend.ends)+len(entries) > maxBatch:
		return nil, fmt.Errorf("cannot append to journal %s: %w", j.dir, ErrBehind)
	}
	if len(j.pend.ends) == 0 {
		j.pend.first = j.next
	}
	for i := range frames {
		f := &frames[i]
		f.seq = j.next
		f.back = uint16(f.seq - j.pend.first)
		f.chain = nextChain(j.chain, f.seq, f.open, f.bind)
		j.pend.buf = appendFrame(j.pend.buf, f)
		j.pend.ends = append(j.pend.ends, len(j.pend.buf))
		j.pend.dones = append(j.pend.dones, nil)
		j.next, j.chain = f.seq+1, f.chain
	}
	j.pend.dones[len(j.pend.dones)-1] = answer
	j.poke()
	return answer, nil
}
