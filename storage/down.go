package storage

import "iter"

// DownTx walks the table inside one transaction from its last key to its first, beginning below the given key; "" begins at
// the last one. Damaged records are left out. It is for a transaction that only reads: bbolt does not find the last key of a
// table that is being emptied.
func (r Raw) DownTx(tx *Tx, below string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		b := tx.tx.Bucket(r.bucket)
		if b == nil {
			return
		}
		c := b.Cursor()
		k, stored := c.Last()
		if below != "" {
			if at, _ := c.Seek([]byte(below)); at != nil {
				k, stored = c.Prev()
			} else {
				k, stored = c.Last()
			}
		}
		for ; k != nil; k, stored = c.Prev() {
			v, err := openRecord(r.bucket, k, stored)
			if err == nil && !yield(string(k), append([]byte(nil), v...)) {
				return
			}
		}
	}
}

// DownTx walks the table as Raw.DownTx does. Records that cannot be read are left out.
func (t Table[T]) DownTx(tx *Tx, below string) iter.Seq2[string, T] {
	return t.decoded(t.raw.DownTx(tx, below))
}
