package storage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// TestAPageThatIsFreeAndInUseIsDamage writes a store whose list of free pages is kept in the file, as ours is not, and
// makes the list name a page that holds records.
func TestAPageThatIsFreeAndInUseIsDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		err := db.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("t"))
			for i := 0; i < 500 && err == nil; i++ {
				err = b.Put(fmt.Appendf(nil, "%04d", i), bytes.Repeat([]byte{byte(round)}, 100))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	metas, err := readMetas(f)
	if err != nil {
		t.Fatal(err)
	}
	m := metas[0]
	if m.freelist == noFreelist {
		t.Fatal("the store keeps no list of free pages: this test shows nothing")
	}
	if err := checkTree(f, m); err != nil {
		t.Fatalf("sound, and yet: %v", err)
	}
	var used [8]byte
	binary.NativeEndian.PutUint64(used[:], m.root)
	if _, err := f.WriteAt(used[:], int64(m.freelist)*m.pageSize+boltHeader); err != nil {
		t.Fatal(err)
	}
	if err := checkTree(f, m); err == nil || !strings.Contains(err.Error(), "used twice") {
		t.Errorf("the root is free and in use: %v", err)
	}
}
