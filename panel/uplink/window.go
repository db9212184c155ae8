package uplink

import (
	"math"
	"time"
)

// window remembers which events are on their way and how far delivery has come. It neither sends nor waits. Sequence numbers
// in waiting rise.
type window struct {
	limit   int
	waiting []uint64 // sent, not acknowledged
	highest uint64   // highest number ever sent in this epoch
	resume  uint64   // first number that is not delivered; 0 = nothing has been read yet
	epoch   string

	again      uint64    // first number that the hub wants again; 0 = none
	againAfter time.Time // not before
}

func (w *window) full() bool { return len(w.waiting) >= w.limit }

func (w *window) sent(seq uint64, epoch string) {
	if w.resume == 0 || epoch != w.epoch {
		w.resume, w.highest, w.waiting, w.epoch = seq, 0, nil, epoch
	}
	w.waiting = append(w.waiting, seq)
	w.highest = max(w.highest, seq)
}

// delivered takes note that everything up to and with seq has arrived, and returns up to where the durable cursor may go (0 =
// it stays). A number that was never sent counts as the highest that was: an acknowledgment moves the cursor over nothing
// that the other side cannot have.
func (w *window) delivered(seq uint64) uint64 {
	seq = min(seq, w.highest)
	gone := 0
	for gone < len(w.waiting) && w.waiting[gone] <= seq {
		gone++
	}
	w.waiting = w.waiting[gone:]
	if w.resume == 0 || seq < w.resume {
		return 0
	}
	w.resume = seq + 1
	return seq
}

// wanted takes note that the hub asks for the entries from from again. Requests that come before the last one is served are
// served together: a hub asks once for each event that it sees behind a gap.
func (w *window) wanted(from uint64) {
	if from > w.highest {
		return
	}
	if w.again == 0 {
		w.again = math.MaxUint64
	}
	w.again = min(w.again, from)
}

const againPause = time.Second

// dueAgain returns the number to go back to, if it is time.
func (w *window) dueAgain(now time.Time) (from uint64, due bool) {
	if w.again == 0 || now.Before(w.againAfter) {
		return 0, false
	}
	from = w.again
	w.again, w.againAfter = 0, now.Add(againPause)
	return from, true
}

// restart forgets what is on its way, since it will be read again.
func (w *window) restart() { w.waiting = nil }
