package nfc

import (
	"bytes"
	"context"
	"errors"
)

// Commands of ISO 14443-3 type A, section 6.
const (
	reqA       = 0x26
	hltA       = 0x50
	selectCL1  = 0x93 // the following levels are 0x95 and 0x97
	cascadeTag = 0x88
	cascadeBit = 0x04 // SAK: the UID goes on
	randomUID  = 0x08 // first byte of a UID that is made up anew for each reader
	levels     = 3
)

// cards reads the UIDs of the cards in the field. The field is off between two polls, so that every card begins anew.
func (c *chip) cards(ctx context.Context) ([][]byte, error) {
	if err := c.antenna(true); err != nil {
		return nil, err
	}
	wait(ctx, fieldTime)
	var uids [][]byte
	for range maxCards {
		uid, err := c.next(ctx)
		if errors.Is(err, errNoCard) || errors.Is(err, errGarbled) || errors.Is(err, errCollision) {
			break
		}
		if err != nil {
			return nil, err
		}
		uids = append(uids, uid)
	}
	return uids, c.antenna(false)
}

// next wakes the cards that were not read yet, reads the UID of one and sends it to sleep.
func (c *chip) next(ctx context.Context) ([]byte, error) {
	// The answer, ATQA, says nothing that the UID does not; several cards at once may garble it.
	atqa, _, err := c.exchange(ctx, []byte{reqA}, 7, 0)
	if err != nil && !errors.Is(err, errCollision) {
		return nil, err
	}
	if err == nil && len(atqa) != 2 {
		return nil, errGarbled
	}
	uid, err := c.selectCard(ctx)
	if err != nil {
		return nil, err
	}
	// A card that obeys HLTA does not answer (ISO 14443-3, 6.4.3); one that answers is read again in the next poll.
	halt := withCRC([]byte{hltA, 0})
	if _, _, err := c.exchange(ctx, halt, 0, 0); err != nil && !errors.Is(err, errNoCard) && !errors.Is(err, errGarbled) && !errors.Is(err, errCollision) {
		return nil, err
	}
	return uid, nil
}

// selectCard goes through the cascade levels (ISO 14443-3, 6.5) until a card is selected.
func (c *chip) selectCard(ctx context.Context) ([]byte, error) {
	var uid []byte
	for level := range levels {
		sel := byte(selectCL1 + 2*level)
		part, err := c.anticollision(ctx, sel)
		if err != nil {
			return nil, err
		}
		sak, _, err := c.exchange(ctx, withCRC(append([]byte{sel, 0x70}, part...)), 0, 0)
		if err != nil {
			return nil, err
		}
		if len(sak) != 3 || !bytes.Equal(sak, withCRC(sak[:1])) {
			return nil, errGarbled
		}
		more := sak[0]&cascadeBit != 0
		if more != (part[0] == cascadeTag) {
			return nil, errGarbled
		}
		if !more {
			return append(uid, part[:4]...), nil
		}
		uid = append(uid, part[1:4]...)
	}
	return nil, errGarbled
}

// anticollision finds the four UID bytes of one level and their check byte. Where cards differ, the one with a 1 wins.
func (c *chip) anticollision(ctx context.Context, sel byte) ([]byte, error) {
	part := make([]byte, 5)
	for known := 0; known < 32; {
		full, rest := known/8, byte(known%8)
		frame := append([]byte{sel, byte(2+full)<<4 | rest}, part[:full]...)
		if rest != 0 {
			frame = append(frame, part[full])
		}
		answer, collision, err := c.exchange(ctx, frame, rest, rest)
		if err != nil && !errors.Is(err, errCollision) {
			return nil, err
		}
		if len(answer) == 0 || len(answer) > len(part)-full {
			return nil, errGarbled
		}
		mask := byte(1)<<rest - 1 // bits of the first byte that were known before
		first := part[full]&mask | answer[0]&^mask
		copy(part[full:], answer)
		part[full] = first
		if err == nil {
			if len(answer) != len(part)-full || part[0]^part[1]^part[2]^part[3] != part[4] {
				return nil, errGarbled
			}
			return part, nil
		}
		// The position counts from the first bit of the frame's first unknown byte.
		position := 8*full + collision
		if position <= known || position > 32 {
			return nil, errGarbled
		}
		known = position
		for i := known; i < 40; i++ {
			part[i/8] &^= 1 << (i % 8)
		}
		part[(known-1)/8] |= 1 << ((known - 1) % 8)
	}
	// All 32 bits are decided bit by bit: the check byte follows from them.
	part[4] = part[0] ^ part[1] ^ part[2] ^ part[3]
	return part, nil
}

// withCRC appends CRC_A (ISO 14443-3, annex B: x^16+x^12+x^5+1, preset 6363h, least significant bit first).
func withCRC(b []byte) []byte {
	crc := uint16(0x6363)
	for _, v := range b {
		crc ^= uint16(v)
		for range 8 {
			if crc&1 != 0 {
				crc = crc>>1 ^ 0x8408
			} else {
				crc >>= 1
			}
		}
	}
	return append(bytes.Clone(b), byte(crc), byte(crc>>8))
}
