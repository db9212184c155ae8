package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/agent"
	"github.com/doorpanel/doorpanel/storage"
)

// BenchmarkLicense is row 14: from the text of a license to a signed activation that is durable in the store, against one bare
// Ed25519 verification and one bbolt update of the same size.
func BenchmarkLicense(b *testing.B) {
	const presses = 60
	store, _, err := storage.Open(storage.Options{Dir: b.TempDir(), Schema: schema, CopyEvery: -1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	bare, err := bolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer bare.Close()
	root, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	sign := func(message []byte) ([]byte, error) { return ed25519.Sign(private, message), nil }
	now := time.Now().UTC().Truncate(time.Second)
	inform := func(context.Context, panel.Event) error { return nil }
	for b.Loop() {
		var ours, floor sample
		for i := range benchRounds * presses {
			token := license.Token{ID: license.TokenID{0: 1, 14: byte(i >> 8), 15: byte(i)}, IssuedAt: now, Scope: license.ScopePanel, Grants: []license.Grant{{Feature: license.Buttons, Count: 10}}}
			raw, err := token.Sign(root, sign)
			if err != nil {
				b.Fatal(err)
			}
			licenses, _ := agent.NewLicenses(agent.LicenseOptions{
				Roots: []ed25519.PublicKey{root}, Panel: license.Panel{Key: root}, Sign: sign, Store: newDocumentStore(store),
				Clock: func() license.Clock { return license.Clock{Now: now, Mark: now, Trusted: true} }, Logger: slog.New(slog.DiscardHandler),
			})
			text := envelope.Armor(envelope.License, raw)
			start := time.Now()
			v, err := licenses.Present(context.Background(), text, "", "bench", "", inform)
			if err != nil || v.Result != license.Activated {
				b.Fatal(v.Result, err)
			}
			ours = append(ours, time.Since(start))

			start = time.Now()
			message := raw[:len(raw)-ed25519.SignatureSize]
			_ = ed25519.Verify(root, message, raw[len(message):])
			if err := bare.Update(func(tx *bolt.Tx) error {
				bucket, err := tx.CreateBucketIfNotExists([]byte("licenses"))
				if err != nil {
					return err
				}
				return bucket.Put(fmt.Appendf(nil, "%d", i), raw)
			}); err != nil {
				b.Fatal(err)
			}
			floor = append(floor, time.Since(start))
		}
		b.ReportMetric(ours.p50(), "us-p50")
		b.ReportMetric(ours.p99(), "us-p99")
		b.ReportMetric(floor.p50(), "floor-us-p50")
	}
}
