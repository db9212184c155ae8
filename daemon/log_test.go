package daemon

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// slowReader is a log that nobody reads until it is let go.
type slowReader struct {
	let chan struct{}

	mu   sync.Mutex
	text strings.Builder
}

func (r *slowReader) Write(line []byte) (int, error) {
	<-r.let
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(line)
}

func (r *slowReader) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func TestLogThatNobodyReadsHoldsNobodyUp(t *testing.T) {
	r := &slowReader{let: make(chan struct{})}
	q := NewLogQueue(r)
	for range 3 * logLines { // more than there is room for: a Write that waited would never come back
		if n, err := q.Write([]byte("line\n")); n != 5 || err != nil {
			t.Fatal(n, err)
		}
	}
	close(r.let)
	q.Close()
	q.Close()
	got := r.String()
	if !strings.Contains(got, "lines of the log were dropped") || strings.Count(got, "line\n") < logLines {
		t.Errorf("%d lines, %.200s", strings.Count(got, "line\n"), got)
	}
}

func TestLogIsWrittenToWhileItIsClosed(t *testing.T) {
	r := &slowReader{let: make(chan struct{})}
	close(r.let)
	q := NewLogQueue(r)
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range 1000 {
				_, _ = q.Write([]byte("line\n"))
			}
		})
	}
	_, _ = q.Write([]byte("the last word\n"))
	q.Close()
	writers.Wait()
	select {
	case <-q.done:
	case <-time.After(20 * time.Second):
		t.Fatal("the queue did not end")
	}
}

func TestLogKeepsItsLastLinesAndNoMore(t *testing.T) {
	q := NewLogQueue(io.Discard)
	defer q.Close()
	for i := range 3*keptLines + 7 {
		fmt.Fprintf(q, "line %d %s\n", i, strings.Repeat("x", 2*keptBytes))
		got := q.Recent()
		oldest := max(0, i+1-keptLines)
		if len(got) != i+1-oldest || len(got[0]) > keptBytes || !strings.HasPrefix(got[0], fmt.Sprintf("line %d ", oldest)) || !strings.HasPrefix(got[len(got)-1], fmt.Sprintf("line %d ", i)) {
			t.Fatalf("after line %d: %d lines from %.20q to %.20q", i, len(got), got[0], got[len(got)-1])
		}
	}
}
