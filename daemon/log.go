package daemon

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// LogQueue is a writer that never waits: the door must not stand still because nobody reads the log. What comes while the
// queue is full is counted and told once there is room.
type LogQueue struct {
	to      io.Writer
	lines   chan []byte
	dropped atomic.Uint64
	stop    chan struct{} // closed by Close; lines never is: somebody may still write
	done    chan struct{}
	once    sync.Once

	remembering sync.Mutex
	last        []string // a ring of the last lines
	next        int      // where the next one goes once the ring is full
}

const (
	logLines = 1024
	// keptLines of keptBytes each stay in memory for a support bundle.
	keptLines = 500
	keptBytes = 2048
)

// NewLogQueue writes to another writer from a goroutine of its own, until Close.
func NewLogQueue(to io.Writer) *LogQueue {
	q := &LogQueue{to: to, lines: make(chan []byte, logLines), stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(q.done)
		for {
			select {
			case line := <-q.lines:
				q.write(line)
			case <-q.stop:
				for range len(q.lines) {
					q.write(<-q.lines)
				}
				return
			}
		}
	}()
	return q
}

func (q *LogQueue) write(line []byte) {
	if n := q.dropped.Swap(0); n > 0 {
		fmt.Fprintf(q.to, "(%d lines of the log were dropped: it was not read)\n", n)
	}
	_, _ = q.to.Write(line) // nowhere is left to say that the log cannot be written
}

// Write takes a line and reports it written.
func (q *LogQueue) Write(line []byte) (int, error) {
	q.remember(line)
	select {
	case q.lines <- append([]byte(nil), line...):
	default:
		q.dropped.Add(1)
	}
	return len(line), nil
}

// Close writes what is queued, for a second at most. What is written afterwards is not seen.
func (q *LogQueue) Close() {
	q.once.Do(func() {
		close(q.stop)
		select {
		case <-q.done:
		case <-time.After(time.Second):
		}
	})
}

func (q *LogQueue) remember(line []byte) {
	text := strings.TrimSuffix(string(line[:min(len(line), keptBytes)]), "\n")
	q.remembering.Lock()
	defer q.remembering.Unlock()
	if len(q.last) < keptLines {
		q.last = append(q.last, text)
		return
	}
	q.last[q.next] = text
	q.next = (q.next + 1) % keptLines
}

// Recent returns the last lines, oldest first.
func (q *LogQueue) Recent() []string {
	q.remembering.Lock()
	defer q.remembering.Unlock()
	return slices.Concat(q.last[q.next:], q.last[:q.next])
}
