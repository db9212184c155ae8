package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

func TestTheLogIsWrittenInOrderAndWhole(t *testing.T) {
	var out bytes.Buffer
	q := newLogQueue(&out)
	for range 3 {
		if _, err := io.WriteString(q, "line\n"); err != nil {
			t.Fatal(err)
		}
	}
	q.close()
	if got := out.String(); got != "line\nline\nline\n" {
		t.Errorf("the log says %q", got)
	}
}

// stuck is a reader of the log that has stopped reading, until released.
type stuck struct {
	free chan struct{}
	out  bytes.Buffer
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.free
	return s.out.Write(p)
}

func TestALogThatNobodyReadsHoldsNothingUp(t *testing.T) {
	to := &stuck{free: make(chan struct{})}
	q := newLogQueue(to)
	for range 3 * logLines { // returns although nothing is read
		if _, err := io.WriteString(q, "line\n"); err != nil {
			t.Fatal(err)
		}
	}
	close(to.free)
	q.close()
	if got := to.out.String(); !strings.Contains(got, "lines of the log were dropped") {
		t.Error("what was dropped is not told")
	}
}
