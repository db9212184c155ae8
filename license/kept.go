package license

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"slices"
)

// Digest tells one signed license from every other, also from those that the same key signs with the same id.
type Digest [16]byte

// DigestOf is the first 16 bytes of the SHA-256 of an envelope.
func DigestOf(raw []byte) Digest {
	sum := sha256.Sum256(raw)
	return Digest(sum[:])
}

func (d Digest) compare(other Digest) int { return bytes.Compare(d[:], other[:]) }

// Keeps tells that a license holds although its issuer is revoked. Kept is sorted in every list that was read.
func (r Revocation) Keeps(raw []byte) bool {
	if len(r.Kept) == 0 {
		return false
	}
	_, found := slices.BinarySearchFunc(r.Kept, DigestOf(raw), Digest.compare)
	return found
}

// joinDigests is the one encoding of a set: ascending, each once, without anything between.
func joinDigests(digests []Digest) []byte {
	sorted := slices.Compact(slices.SortedFunc(slices.Values(digests), Digest.compare))
	var joined []byte
	for _, digest := range sorted {
		joined = append(joined, digest[:]...)
	}
	return joined
}

func splitDigests(joined []byte) ([]Digest, error) {
	if joined != nil && len(joined) == 0 || len(joined)%len(Digest{}) != 0 {
		return nil, errors.New("the licenses to be kept have a wrong size")
	}
	var digests []Digest
	for digest := range slices.Chunk(joined, len(Digest{})) {
		next := Digest(digest)
		if n := len(digests); n > 0 && digests[n-1].compare(next) >= 0 {
			return nil, errors.New("the licenses to be kept are not sorted")
		}
		digests = append(digests, next)
	}
	return digests, nil
}
