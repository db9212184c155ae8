package main

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
	q := newLogQueue(r)
	for range 3 * logLines { // more than there is room for: a Write that waited would never come back
		if n, err := q.Write([]byte("line\n")); n != 5 || err != nil {
			t.Fatal(n, err)
		}
	}
	close(r.let)
	q.close()
	q.close()
	got := r.String()
	if !strings.Contains(got, "lines of the log were dropped") || strings.Count(got, "line\n") < logLines {
		t.Errorf("%d lines, %.200s", strings.Count(got, "line\n"), got)
	}
}

func TestLogIsWrittenToWhileItIsClosed(t *testing.T) {
	r := &slowReader{let: make(chan struct{})}
	close(r.let)
	q := newLogQueue(r)
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range 1000 {
				_, _ = q.Write([]byte("line\n"))
			}
		})
	}
	_, _ = q.Write([]byte("the last word\n"))
	q.close()
	writers.Wait()
	select {
	case <-q.done:
	case <-time.After(20 * time.Second):
		t.Fatal("the queue did not end")
	}
}

func TestLogKeepsItsLastLinesAndNoMore(t *testing.T) {
	q := newLogQueue(io.Discard)
	defer q.close()
	for i := range 3*keptLines + 7 {
		fmt.Fprintf(q, "line %d %s\n", i, strings.Repeat("x", 2*keptBytes))
		got := q.recent()
		oldest := max(0, i+1-keptLines)
		if len(got) != i+1-oldest || len(got[0]) > keptBytes || !strings.HasPrefix(got[0], fmt.Sprintf("line %d ", oldest)) || !strings.HasPrefix(got[len(got)-1], fmt.Sprintf("line %d ", i)) {
			t.Fatalf("after line %d: %d lines from %.20q to %.20q", i, len(got), got[0], got[len(got)-1])
		}
	}
}

func TestLinesOfTheLogForSupportNameNobody(t *testing.T) {
	v := &veil{strings.NewReplacer("Rossi", hidden)}
	for _, c := range []struct{ line, want string }{
		{`time=1 level=WARN msg="setup code for the first login" code=12345678`, `time=1 level=WARN msg="setup code for the first login" code=***`},
		{`level=ERROR msg="request failed" path=/api/v1/people/p7 error="cannot save person \"Anna\": disk full"`, `level=ERROR msg="request failed" path=*** error="cannot save person ***: disk full"`},
		{`msg="call over" call=c1 target=sip:anna@192.0.2.1 status=486`, `msg="call over" call=*** target=*** status=486`},
		{`cause="no answer from sip:anna@192.0.2.1;transport=tcp for Rossi"`, `cause="no answer from ***;transport=tcp for ***"`},
		{`cause="this is no code: DG1:AB C$%*+-./:9"`, `cause="this is no code: ***"`},
		{`cause="anna@example.org is unknown"`, `cause="*** is unknown"`},
		{`a panic that is no pair`, ``},
	} {
		if got := v.log([]string{c.line}); got != c.want+"\n" {
			t.Errorf("%s\n got %s\nwant %s", c.line, got, c.want)
		}
	}
}
