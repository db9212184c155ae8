package storage

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"

	bolt "go.etcd.io/bbolt"
)

const (
	pageOfRecords = 256     // records read in one transaction while a table is walked
	maxRecord     = 4 << 20 // bytes of one value
	// filledByAppending is how full a page is left when the next key comes after all others: nothing will come between.
	filledByAppending = 0.9
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Raw is a table of byte values, sorted by key. Each value is kept behind a CRC-32C of key and value, because bbolt
// checks its pages' shape but not their content. The zero value is not usable; see NewRaw.
type Raw struct {
	s      *Store
	bucket []byte
}

// NewRaw names a table of bytes. Nothing is made before the first Put. Names that begin with "_" belong to this package.
func NewRaw(s *Store, bucket string) Raw { return Raw{s: s, bucket: []byte(bucket)} }

func recordSum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}

func openRecord(bucket, key, stored []byte) ([]byte, error) {
	if len(stored) < 4 || binary.LittleEndian.Uint32(stored) != recordSum(key, stored[4:]) {
		return nil, fmt.Errorf("cannot read record %q of %s: %w", key, bucket, ErrDamaged)
	}
	return stored[4:], nil
}

// GetTx returns a copy of the value, and whether there is one.
func (r Raw) GetTx(tx *Tx, key string) ([]byte, bool, error) {
	b := tx.tx.Bucket(r.bucket)
	if b == nil {
		return nil, false, nil
	}
	k := []byte(key)
	stored := b.Get(k)
	if stored == nil {
		return nil, false, nil
	}
	v, err := openRecord(r.bucket, k, stored)
	if err != nil {
		return nil, false, err
	}
	return append([]byte(nil), v...), true, nil
}

// PutTx stores a value of at most 4 MiB under a key of 1 to 1024 bytes.
func (r Raw) PutTx(tx *Tx, key string, value []byte) error {
	if key == "" || len(key) > 1024 || len(value) > maxRecord {
		return fmt.Errorf("cannot store record %.64q of %s: key of %d bytes (1 to 1024), value of %d bytes (at most %d)",
			key, r.bucket, len(key), len(value), maxRecord)
	}
	b, err := tx.tx.CreateBucketIfNotExists(r.bucket)
	if err != nil {
		return fmt.Errorf("cannot store record %q of %s: %w", key, r.bucket, err)
	}
	k := []byte(key)
	stored := make([]byte, 4, 4+len(value))
	binary.LittleEndian.PutUint32(stored, recordSum(k, value))
	b.FillPercent = bolt.DefaultFillPercent
	// Looked for forwards: bbolt's way to the last key does not end while all pages of a table are being emptied.
	if next, _ := b.Cursor().Seek(k); next == nil {
		b.FillPercent = filledByAppending
	}
	return b.Put(k, append(stored, value...))
}

// DeleteTx removes the record; a missing one is no error.
func (r Raw) DeleteTx(tx *Tx, key string) error {
	b := tx.tx.Bucket(r.bucket)
	if b == nil {
		return nil
	}
	return b.Delete([]byte(key))
}

// AllTx walks the table in the order of its keys inside one transaction. Damaged records are left out.
func (r Raw) AllTx(tx *Tx) iter.Seq2[string, []byte] { return r.FromTx(tx, "") }

// FromTx walks the table as AllTx does, from the first key that is not before the given one. A walk that is ended early
// has read no more than it gave.
func (r Raw) FromTx(tx *Tx, key string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		b := tx.tx.Bucket(r.bucket)
		if b == nil {
			return
		}
		c := b.Cursor()
		for k, stored := c.Seek([]byte(key)); k != nil; k, stored = c.Next() {
			v, err := openRecord(r.bucket, k, stored)
			if err == nil && !yield(string(k), append([]byte(nil), v...)) {
				return
			}
		}
	}
}

// Get returns a copy of the value, and whether there is one. A damaged record is ErrDamaged.
func (r Raw) Get(key string) (value []byte, ok bool, err error) {
	err = r.s.View(func(tx *Tx) error {
		value, ok, err = r.GetTx(tx, key)
		return err
	})
	return value, ok, err
}

// Put stores one value; it is durable when Put returns nil.
func (r Raw) Put(key string, value []byte) error {
	return r.s.Update(func(tx *Tx) error { return r.PutTx(tx, key, value) })
}

// Delete removes one record, durably; a missing one is no error.
func (r Raw) Delete(key string) error {
	return r.s.Update(func(tx *Tx) error { return r.DeleteTx(tx, key) })
}

type record struct {
	key     string
	value   []byte
	damaged bool
}

func (r Raw) page(after string, limit int) (page []record, more bool, err error) {
	err = r.s.View(func(tx *Tx) error {
		b := tx.tx.Bucket(r.bucket)
		if b == nil {
			return nil
		}
		c := b.Cursor()
		k, stored := c.Seek([]byte(after))
		if k != nil && string(k) == after {
			k, stored = c.Next()
		}
		for ; k != nil && len(page) < limit; k, stored = c.Next() {
			v, err := openRecord(r.bucket, k, stored)
			if err != nil {
				r.s.log.Warn("record left out", "err", err)
			}
			page = append(page, record{string(k), append([]byte(nil), v...), err != nil})
		}
		more = k != nil
		return nil
	})
	return page, more, err
}

// After walks at most limit records whose keys come after the given one, in the order of their keys; "" begins at the
// first, a limit of 0 or less means all. No transaction is held while the caller looks at a record, so it may write;
// it sees a record written meanwhile or not. Damaged records are left out and logged.
func (r Raw) After(key string, limit int) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		left := limit
		for {
			n := pageOfRecords
			if limit > 0 {
				n = min(n, left)
			}
			page, more, err := r.page(key, n)
			if err != nil {
				r.s.log.Warn("table not read to its end", "err", err)
				return
			}
			for _, rec := range page {
				key = rec.key
				if rec.damaged {
					continue
				}
				if !yield(rec.key, rec.value) {
					return
				}
				left--
			}
			if !more || (limit > 0 && left <= 0) {
				return
			}
		}
	}
}

// All walks the whole table as After does.
func (r Raw) All() iter.Seq2[string, []byte] { return r.After("", 0) }

// Len counts the records.
func (r Raw) Len() (n int, err error) {
	err = r.s.View(func(tx *Tx) error {
		if b := tx.tx.Bucket(r.bucket); b != nil {
			c := b.Cursor()
			for k, _ := c.First(); k != nil; k, _ = c.Next() {
				n++
			}
		}
		return nil
	})
	return n, err
}

// A Table keeps values of one type as JSON, sorted by key. The zero value is not usable; see NewTable.
type Table[T any] struct{ raw Raw }

// NewTable names a table of records. Nothing is made before the first Put.
func NewTable[T any](s *Store, bucket string) Table[T] { return Table[T]{NewRaw(s, bucket)} }

func (t Table[T]) decode(key string, b []byte) (v T, err error) {
	if err = json.Unmarshal(b, &v); err != nil {
		err = fmt.Errorf("cannot read record %q of %s: %w", key, t.raw.bucket, err)
	}
	return v, err
}

// Get returns the record, and whether there is one.
func (t Table[T]) Get(key string) (v T, ok bool, err error) {
	b, ok, err := t.raw.Get(key)
	if err != nil || !ok {
		return v, false, err
	}
	v, err = t.decode(key, b)
	return v, err == nil, err
}

// GetTx is Get inside a transaction.
func (t Table[T]) GetTx(tx *Tx, key string) (v T, ok bool, err error) {
	b, ok, err := t.raw.GetTx(tx, key)
	if err != nil || !ok {
		return v, false, err
	}
	v, err = t.decode(key, b)
	return v, err == nil, err
}

// Put stores one record; it is durable when Put returns nil.
func (t Table[T]) Put(key string, v T) error {
	return t.raw.s.Update(func(tx *Tx) error { return t.PutTx(tx, key, v) })
}

// PutTx is Put inside a transaction.
func (t Table[T]) PutTx(tx *Tx, key string, v T) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("cannot store record %q of %s: %w", key, t.raw.bucket, err)
	}
	return t.raw.PutTx(tx, key, b)
}

// Delete removes one record, durably; a missing one is no error.
func (t Table[T]) Delete(key string) error { return t.raw.Delete(key) }

// DeleteTx is Delete inside a transaction.
func (t Table[T]) DeleteTx(tx *Tx, key string) error { return t.raw.DeleteTx(tx, key) }

// AllTx walks the table inside one transaction. Records that cannot be read are left out.
func (t Table[T]) AllTx(tx *Tx) iter.Seq2[string, T] { return t.decoded(t.raw.AllTx(tx)) }

// FromTx walks the table inside one transaction from the first key that is not before the given one. Records that cannot be
// read are left out.
func (t Table[T]) FromTx(tx *Tx, key string) iter.Seq2[string, T] {
	return t.decoded(t.raw.FromTx(tx, key))
}

// After walks at most limit records after key, as Raw.After does. Records that cannot be read are left out and logged.
func (t Table[T]) After(key string, limit int) iter.Seq2[string, T] {
	return t.decoded(t.raw.After(key, limit))
}

// All walks the whole table in the order of its keys, as Raw.After does.
func (t Table[T]) All() iter.Seq2[string, T] { return t.After("", 0) }

// Len counts the records.
func (t Table[T]) Len() (int, error) { return t.raw.Len() }

func (t Table[T]) decoded(in iter.Seq2[string, []byte]) iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		for k, b := range in {
			v, err := t.decode(k, b)
			if err != nil {
				t.raw.s.log.Warn("record left out", "err", err)
				continue
			}
			if !yield(k, v) {
				return
			}
		}
	}
}

// dropDamaged takes the records whose checksum does not fit out of their tables and keeps them in a file for people.
func (s *Store) dropDamaged() ([]Note, error) {
	type damaged struct {
		Table, Key string
		Stored     []byte
	}
	var found []damaged
	err := s.db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			return b.ForEach(func(k, v []byte) error {
				if v == nil {
					return nil // a table inside a table: not one of ours
				}
				if _, err := openRecord(name, k, v); err != nil {
					found = append(found, damaged{string(name), string(k), append([]byte(nil), v...)})
				}
				return nil
			})
		})
	})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	file, err := setAside(s.dir, storeName+"-records", func(path string) error {
		return writeAtomically(path, func(w io.Writer) error { return json.NewEncoder(w).Encode(found) })
	})
	if err != nil {
		return nil, fmt.Errorf("cannot set damaged records aside: %w", err)
	}
	var notes []Note
	err = s.Update(func(tx *Tx) error {
		for _, d := range found {
			notes = append(notes, Note{
				What: fmt.Sprintf("record %q of %s", d.Key, d.Table), File: file, Cause: "its checksum does not fit", Table: d.Table, Key: d.Key,
			})
			b := tx.tx.Bucket([]byte(d.Table))
			if err := b.Delete([]byte(d.Key)); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, ErrFull) {
		return notes, nil // reading such a record fails each time, which is safe; it is dropped at a later start
	}
	return notes, err
}
