package store

import (
	"errors"
	"fmt"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/storage"
)

// PutVoucher stores a signed package in the place of the one with the same ID.
func (s *Store) PutVoucher(t fleet.Voucher) error {
	if t.ID == "" || t.Code == "" {
		return fmt.Errorf("cannot store package %q with the code %q: both are needed", t.ID, t.Code)
	}
	return s.update(func(tx *storage.Tx) error {
		return errors.Join(s.vouchers.PutTx(tx, t.ID, t), s.voucherCodes.PutTx(tx, t.Code, []byte(t.ID)))
	})
}

// VoucherByCode finds a package by the digest of its short code.
func (s *Store) VoucherByCode(digest string) (t fleet.Voucher, known bool, err error) {
	if digest == "" {
		return t, false, nil
	}
	err = s.db.View(func(tx *storage.Tx) error {
		id, ok, err := s.voucherCodes.GetTx(tx, digest)
		if err != nil || !ok {
			return err
		}
		t, known, err = s.vouchers.GetTx(tx, string(id))
		return err
	})
	return t, known, err
}

// Vouchers returns packages with an ID above after, by ID, at most limit.
func (s *Store) Vouchers(after string, limit int) (list []fleet.Voucher, err error) {
	err = s.db.View(func(tx *storage.Tx) error {
		for id, t := range s.vouchers.FromTx(tx, after) {
			if len(list) >= limit {
				return nil
			}
			if id != after {
				list = append(list, t)
			}
		}
		return nil
	})
	return list, err
}
