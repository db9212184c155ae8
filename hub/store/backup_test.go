package store_test

import (
	"archive/tar"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/store"
)

// stalledTaker takes the first pieces of a backup and then nothing until it is let go.
type stalledTaker struct {
	taken int
	begun chan struct{}
	gone  chan struct{}
}

func (s *stalledTaker) Write(b []byte) (int, error) {
	if s.taken += len(b); s.taken > 4096 { // more than the heads: some of the records
		select {
		case s.begun <- struct{}{}:
		default:
		}
		<-s.gone
	}
	return len(b), nil
}

// A store that grows waits until nobody reads it any more, and everybody waits for it: whoever takes a backup slowly must not be one
// who reads.
func TestASlowBackupKeepsNothingFromBeingWritten(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir})
	taker := &stalledTaker{begun: make(chan struct{}, 1), gone: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- s.Backup(tar.NewWriter(taker), "store/", time.Unix(1, 0)) }()
	deadline := time.After(60 * time.Second)
	select {
	case <-taker.begun:
	case err := <-ended:
		t.Fatal("the backup is over before it was taken", err)
	case <-deadline:
		t.Fatal("the backup does not begin")
	}
	written := make(chan error, 1)
	go func() {
		var err error
		for range 40 { // 40 MiB: the store grows more than once
			err = errors.Join(err, s.Note(fleet.Change{Who: "anna", What: "site.changed", Detail: strings.Repeat("x", 1<<20)}))
		}
		written <- err
	}()
	select {
	case err := <-written:
		if err != nil {
			t.Error(err)
		}
	case <-deadline:
		t.Error("what is written waits for whoever takes the backup")
	}
	close(taker.gone)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range left {
		if strings.HasPrefix(file.Name(), ".backup") {
			t.Errorf("%s is left of the backup", file.Name())
		}
	}
}
