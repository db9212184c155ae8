package drivertest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"

	"periph.io/x/conn/v3"
)

// MFRC522 is an emulated reader chip with emulated cards in its field. It is a periph connection, so that it stands
// behind a driver directly, or behind a bus that a rig offers to the kernel. Only what polling for UIDs needs is
// there: registers, FIFO, SoftReset, Transceive, and cards that know REQA, anticollision, SELECT and HLTA.
type MFRC522 struct {
	mu        sync.Mutex
	registers [64]byte
	fifo      []byte
	cards     []*card
	unplugged bool
	broken    error
	starting  int // reads of the command register until the chip is up
	garble    int // answers of cards to spoil
}

type cardState int

const (
	idle cardState = iota
	ready
	active
	halted
)

type card struct {
	uid   []byte
	state cardState
	level int // cascade levels passed
}

var _ conn.Conn = (*MFRC522)(nil)

const (
	regCommand    = 0x01
	regComIrq     = 0x04
	regError      = 0x06
	regFIFOData   = 0x09
	regFIFOLevel  = 0x0A
	regBitFraming = 0x0D
	regColl       = 0x0E
	regTxControl  = 0x14
	regVersion    = 0x37
)

// NewMFRC522 makes a chip of version 2.0 with an empty field.
func NewMFRC522() *MFRC522 {
	m := &MFRC522{}
	m.reset()
	return m
}

func (m *MFRC522) reset() {
	m.registers = [64]byte{}
	m.registers[regCommand] = 0x20
	m.registers[regTxControl] = 0x80
	m.registers[regColl] = 0x80
	m.registers[regVersion] = 0x92
	m.fifo = nil
	m.starting = 2
	m.power()
}

// Present holds a card with a UID of 4, 7 or 10 bytes to the reader.
func (m *MFRC522) Present(uid []byte) {
	if n := len(uid); n != 4 && n != 7 && n != 10 {
		panic(fmt.Sprintf("drivertest: no card has a UID of %d bytes", n))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cards = append(m.cards, &card{uid: bytes.Clone(uid)})
}

// Remove takes a card away.
func (m *MFRC522) Remove(uid []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cards = slices.DeleteFunc(m.cards, func(c *card) bool { return bytes.Equal(c.uid, uid) })
}

// Unplug takes the chip off the bus, which then reads as zeros, or plugs it in again with fresh registers.
func (m *MFRC522) Unplug(unplugged bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unplugged = unplugged
	if !unplugged {
		m.reset()
	}
}

// Break makes every transfer fail with this error; nil mends the bus.
func (m *MFRC522) Break(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
}

// SetVersion makes the chip answer another version.
func (m *MFRC522) SetVersion(v byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.registers[regVersion] = v
}

// Garble spoils the next n answers of cards.
func (m *MFRC522) Garble(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.garble = n
}

// String names the emulator.
func (m *MFRC522) String() string { return "emulated MFRC522" }

// Duplex is full, as SPI is.
func (m *MFRC522) Duplex() conn.Duplex { return conn.Full }

// Tx is one transfer with the chip select held.
func (m *MFRC522) Tx(w, r []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.broken != nil:
		return m.broken
	case len(r) != len(w) || len(w) < 2:
		return errors.New("emulated MFRC522: a transfer needs two buffers of the same length, at least 2")
	case m.unplugged:
		clear(r)
		return nil
	}
	r[0] = 0
	if w[0]&0x80 == 0 {
		for _, v := range w[1:] {
			m.write(w[0]>>1&0x3F, v)
		}
		clear(r)
		return nil
	}
	for i := range len(w) - 1 {
		r[i+1] = m.read(w[i] >> 1 & 0x3F)
	}
	return nil
}

func (m *MFRC522) read(reg byte) byte {
	switch reg {
	case regCommand:
		if m.starting > 0 {
			m.starting--
			return m.registers[reg] | 0x10
		}
	case regFIFOLevel:
		return byte(len(m.fifo))
	case regFIFOData:
		if len(m.fifo) == 0 {
			return 0
		}
		v := m.fifo[0]
		m.fifo = m.fifo[1:]
		return v
	}
	return m.registers[reg]
}

func (m *MFRC522) write(reg, v byte) {
	switch reg {
	case regCommand:
		if v&0x0F == 0x0F {
			version := m.registers[regVersion]
			m.reset()
			m.registers[regVersion] = version
			return
		}
	case regComIrq:
		if v&0x80 == 0 {
			m.registers[reg] &^= v
			return
		}
	case regFIFOLevel:
		if v&0x80 != 0 {
			m.fifo = nil
		}
		return
	case regFIFOData:
		if len(m.fifo) < 64 {
			m.fifo = append(m.fifo, v)
		}
		return
	}
	m.registers[reg] = v
	if reg == regTxControl {
		m.power()
	}
	if reg == regBitFraming && v&0x80 != 0 && m.registers[regCommand]&0x0F == 0x0C {
		m.transceive(v)
	}
}

// power: a card in a field that is off forgets everything.
func (m *MFRC522) power() {
	if m.registers[regTxControl]&3 == 3 {
		return
	}
	for _, c := range m.cards {
		c.state, c.level = idle, 0
	}
}

// transceive sends the FIFO to the cards and fills it with what they answer together.
func (m *MFRC522) transceive(framing byte) {
	sent := m.fifo
	m.fifo = nil
	m.registers[regError] = 0
	var answers [][]byte
	skip := 0 // bits of the UID part that the reader sent, and cards leave out
	if m.registers[regTxControl]&3 == 3 {
		for _, c := range m.cards {
			if a, known := c.answer(sent, framing&7); a != nil {
				answers, skip = append(answers, a), known
			}
		}
	}
	if len(answers) == 0 {
		m.registers[regComIrq] |= 0x01
		return
	}
	m.registers[regComIrq] |= 0x30
	all := bytes.Clone(answers[0])
	for bit := skip; bit < 8*len(all); bit++ {
		for _, a := range answers[1:] {
			if len(a) == len(all) && a[bit/8]>>(bit%8)&1 == all[bit/8]>>(bit%8)&1 {
				continue
			}
			// From the first difference on the chip delivers zeros.
			for i := bit; i < 8*len(all); i++ {
				all[i/8] &^= 1 << (i % 8)
			}
			m.registers[regError] |= 0x08
			m.registers[regColl] = byte((bit - 8*(skip/8) + 1) % 32)
			if bit-8*(skip/8)+1 > 32 {
				m.registers[regColl] = 0x20
			}
			bit = 8 * len(all)
			break
		}
	}
	all = all[skip/8:]
	if skip%8 != 0 {
		all[0] &^= 1<<(skip%8) - 1
	}
	if m.garble > 0 {
		m.garble--
		all[len(all)-1] ^= 0x10
	}
	m.fifo = all
}

// answer is what one card says, whole, and how many bits of it the reader has sent already.
func (c *card) answer(sent []byte, lastBits byte) (answer []byte, known int) {
	switch {
	case len(sent) == 1 && lastBits == 7 && sent[0] == 0x26: // REQA
		if c.state != idle {
			if c.state != halted {
				c.state, c.level = idle, 0
			}
			return nil, 0
		}
		c.state, c.level = ready, 0
		return []byte{0x04, 0x00}, 0
	case len(sent) == 4 && sent[0] == 0x50 && bytes.Equal(sent, crcA(sent[:2])): // HLTA
		if c.state == active {
			c.state = halted
		}
		return nil, 0
	case len(sent) < 2 || c.state != ready || sent[0] != byte(0x93+2*c.level):
		return nil, 0
	}
	part := c.part()
	if sent[1] == 0x70 { // SELECT
		if !bytes.Equal(sent, crcA(append([]byte{sent[0], 0x70}, part...))) {
			c.state = idle
			return nil, 0
		}
		c.level++
		if 3*c.level+1 < len(c.uid) {
			return crcA([]byte{0x04}), 0
		}
		c.state = active
		return crcA([]byte{0x08}), 0
	}
	known = 8*(int(sent[1]>>4)-2) + int(sent[1]&0x0F)
	if known < 0 || known > 31 || len(sent) != 2+(known+7)/8 {
		return nil, 0
	}
	for bit := range known {
		if sent[2+bit/8]>>(bit%8)&1 != part[bit/8]>>(bit%8)&1 {
			return nil, 0
		}
	}
	return part, known
}

// part is the four bytes of the present cascade level, and their check byte.
func (c *card) part() []byte {
	rest := c.uid[3*c.level:]
	part := bytes.Clone(rest)
	if len(rest) > 4 {
		part = append([]byte{0x88}, rest[:3]...)
	}
	return append(part, part[0]^part[1]^part[2]^part[3])
}

func crcA(b []byte) []byte {
	crc := uint16(0x6363)
	for _, v := range b {
		x := v ^ byte(crc)
		x ^= x << 4
		crc = crc>>8 ^ uint16(x)<<8 ^ uint16(x)<<3 ^ uint16(x)>>4
	}
	return append(bytes.Clone(b), byte(crc), byte(crc>>8))
}
