package license

import (
	"crypto/ed25519"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// BenchmarkVerify alternates a bare Ed25519 verification and the opening of a license from its text (base45, COSE, signature,
// claims) and reports the ratio of their medians.
func BenchmarkVerify(b *testing.B) {
	ring := ringOf(b, nil, nil)
	token := access(1)
	token.Subject = idOf(here)
	text := text(b, token, rootKey)
	message := make([]byte, 100)
	signature, err := rootKey.sign(message)
	if err != nil {
		b.Fatal(err)
	}
	var bare, whole []float64
	for b.Loop() {
		start := time.Now()
		if !ed25519.Verify(rootKey.pub, message, signature) {
			b.Fatal("not verified")
		}
		middle := time.Now()
		_, raw, err := envelope.Unarmor(text)
		if err != nil {
			b.Fatal(err)
		}
		if _, refused := ring.open(raw); refused != nil {
			b.Fatal(refused.detail)
		}
		bare, whole = append(bare, float64(middle.Sub(start))), append(whole, float64(time.Since(middle)))
	}
	slices.Sort(bare)
	slices.Sort(whole)
	b.ReportMetric(whole[len(whole)/2]/bare[len(bare)/2], "x-ed25519")
	b.ReportMetric(bare[len(bare)/2]/1000, "ed25519-us")
	b.ReportMetric(whole[len(whole)/2]/1000, "license-us")
}

// BenchmarkDerive computes the entitlements of a panel with 1, 100 and 10,000 documents, as at a start.
func BenchmarkDerive(b *testing.B) {
	ring := ringOf(b, nil, nil)
	var stored []Document
	for id := range 10_000 {
		token := ten(0)
		token.ID = TokenID{14: byte(id >> 8), 15: byte(id), 0: 1}
		stored = append(stored, activated(b, signed(b, token, rootKey), issued))
	}
	for _, count := range []int{1, 100, 10_000} {
		b.Run(strconv.Itoa(count), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Derive(ring, here, Clock{Now: issued}, stored[:count])
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*count), "us/document")
		})
	}
}

// BenchmarkAllows is what a press or a badge pays.
func BenchmarkAllows(b *testing.B) {
	ring := ringOf(b, nil, nil)
	var stored []Document
	for id := range byte(20) {
		stored = append(stored, activated(b, signed(b, ten(id+1), rootKey), issued))
	}
	e := Derive(ring, here, Clock{Now: issued}, stored)
	b.ReportAllocs()
	for b.Loop() {
		if e.Allows(AccessBasic) {
			b.Fatal("allowed")
		}
	}
}
