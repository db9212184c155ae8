package storage

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// The format of a journal, byte by byte, is docs/journal-format.md. All numbers are little-endian.
const (
	frameMagic   = "\xd7JF1" // the first byte and the second are never neighbours in UTF-8 text
	segmentMagic = "\xd7JSEG001"
	chainDomain  = "doorpanel/journal/1"

	frameHeader   = 28
	chainLen      = 16
	saltLen       = 16
	bindLen       = 32
	minFrame      = frameHeader + chainLen
	segmentHeader = 48
	segmentStart  = 2 * segmentHeader // the header stands there twice

	flagPersonal = 1
	flagErased   = 2

	// MaxEntry bounds the two parts of one entry together, in bytes.
	MaxEntry = 64 << 10
	maxFrame = minFrame + saltLen + bindLen + MaxEntry
)

type (
	chainSum [chainLen]byte
	epochID  [8]byte
)

// frame is one entry as it stands in a segment; its slices point into the buffer it was read from.
type frame struct {
	seq      uint64
	back     uint16 // how many entries before it went to the disk in the same write
	flags    byte
	open     []byte
	chain    chainSum
	salt     []byte // saltLen bytes, empty without a personal part
	bind     []byte // SHA-256 of salt and personal part; stays when they are erased
	personal []byte
}

var (
	errShort = errors.New("it ends before it is whole")
	errFrame = errors.New("its checksum or its shape does not fit")
)

func firstChain(epoch epochID) (c chainSum) {
	h := sha256.Sum256(append([]byte(chainDomain), epoch[:]...))
	copy(c[:], h[:])
	return c
}

// nextChain covers everything that must never change: the number, the open part and what binds the personal part.
func nextChain(before chainSum, seq uint64, open, bind []byte) (c chainSum) {
	b := make([]byte, 0, len(chainDomain)+chainLen+8+4+len(open)+len(bind))
	b = append(b, chainDomain...)
	b = append(b, before[:]...)
	b = binary.LittleEndian.AppendUint64(b, seq)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(open)))
	b = append(b, open...)
	b = append(b, bind...)
	h := sha256.Sum256(b)
	copy(c[:], h[:])
	return c
}

func bindPersonal(salt, personal []byte) [bindLen]byte {
	b := make([]byte, 0, len(salt)+len(personal))
	return sha256.Sum256(append(append(b, salt...), personal...))
}

func (f *frame) size() int {
	return minFrame + len(f.open) + len(f.salt) + len(f.bind) + len(f.personal)
}

// appendFrame appends the frame's bytes to b.
func appendFrame(b []byte, f *frame) []byte {
	at := len(b)
	b = append(b, frameMagic...)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(f.size()))
	b = binary.LittleEndian.AppendUint64(b, f.seq)
	b = binary.LittleEndian.AppendUint16(b, f.back)
	b = append(b, f.flags, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(f.open)))
	b = append(b, f.chain[:]...)
	b = append(b, f.bind...)
	b = append(b, f.salt...)
	b = append(b, f.open...)
	b = append(b, f.personal...)
	binary.LittleEndian.PutUint32(b[at+4:], crc32.Checksum(b[at+8:], castagnoli))
	return b
}

// parseFrame reads the frame that b begins with and says how long it is. The length is also given with errShort.
func parseFrame(b []byte) (f frame, n int, err error) {
	if len(b) < frameHeader {
		return f, minFrame, errShort
	}
	if string(b[:4]) != frameMagic {
		return f, 0, errFrame
	}
	n = int(binary.LittleEndian.Uint32(b[8:]))
	openLen := int(binary.LittleEndian.Uint32(b[24:]))
	f.seq = binary.LittleEndian.Uint64(b[12:])
	f.back = binary.LittleEndian.Uint16(b[20:])
	f.flags = b[22]
	fixed := minFrame
	switch f.flags {
	case 0:
	case flagPersonal:
		fixed += bindLen + saltLen
	case flagPersonal | flagErased:
		fixed += bindLen
	default:
		return f, 0, errFrame
	}
	if n < fixed || n > maxFrame || openLen < 0 || openLen > n-fixed || b[23] != 0 || f.seq == 0 ||
		(f.flags != flagPersonal && n != fixed+openLen) {
		return f, 0, errFrame
	}
	if len(b) < n {
		return f, n, errShort
	}
	if crc32.Checksum(b[8:n], castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return f, 0, errFrame
	}
	rest := b[frameHeader:n]
	copy(f.chain[:], rest)
	rest = rest[chainLen:]
	if f.flags&flagPersonal != 0 {
		f.bind, rest = rest[:bindLen:bindLen], rest[bindLen:]
	}
	if f.flags == flagPersonal {
		f.salt, rest = rest[:saltLen:saltLen], rest[saltLen:]
	}
	f.open, f.personal = rest[:openLen:openLen], rest[openLen:]
	return f, n, nil
}

// nextFrame finds the first whole frame in b at or after from whose number lies above seq and, unless it is 0, below
// limit; -1 when there is none.
func nextFrame(b []byte, from int, seq, limit uint64) int {
	for from < len(b) {
		i := bytes.Index(b[from:], []byte(frameMagic))
		if i < 0 {
			return -1
		}
		from += i
		if f, _, err := parseFrame(b[from:]); err == nil && f.seq > seq && (limit == 0 || f.seq < limit) {
			return from
		}
		from++
	}
	return -1
}

// head is what a segment says about itself.
type head struct {
	epoch  epochID
	base   uint64   // the number its first entry has or will have
	before chainSum // the chain up to the entry before that one
}

func appendHead(b []byte, h head) []byte {
	for range 2 {
		at := len(b)
		b = append(b, segmentMagic...)
		b = append(b, h.epoch[:]...)
		b = binary.LittleEndian.AppendUint64(b, h.base)
		b = append(b, h.before[:]...)
		b = binary.LittleEndian.AppendUint32(b, 0)
		b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[at:], castagnoli))
	}
	return b
}

// parseHead reads either of the two headers; whole is false when the other one does not fit.
func parseHead(b []byte) (h head, whole bool, ok bool) {
	whole = true
	for i := 1; i >= 0; i-- {
		if len(b) < (i+1)*segmentHeader {
			whole = false
			continue
		}
		c := b[i*segmentHeader : (i+1)*segmentHeader]
		base := binary.LittleEndian.Uint64(c[16:])
		if string(c[:8]) != segmentMagic || base == 0 || crc32.Checksum(c[:44], castagnoli) != binary.LittleEndian.Uint32(c[44:]) {
			whole = false
			continue
		}
		ok = true
		copy(h.epoch[:], c[8:])
		h.base = base
		copy(h.before[:], c[24:])
	}
	return h, whole, ok
}
