package nfc

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"periph.io/x/conn/v3/conntest"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
	"periph.io/x/conn/v3/spi/spitest"
)

// set is a register write on the bus, get a read: the address byte is the register times two, with bit 7 for a read,
// and a value comes one byte after its address.
func set(w ...byte) conntest.IO { return conntest.IO{W: w, R: make([]byte, len(w))} }

func get(w []byte, r ...byte) conntest.IO {
	return conntest.IO{W: append(w, 0), R: append([]byte{0}, r...)}
}

// exchangeTrace is what the bus shows when frame is sent and answer comes back in one look at the interrupts.
func exchangeTrace(frame []byte, lastBits byte, answer []byte) []conntest.IO {
	ops := []conntest.IO{
		set(0x02, 0x00),                        // CommandReg: Idle
		set(0x08, 0x7F),                        // ComIrqReg: clear all
		set(0x14, 0x80),                        // FIFOLevelReg: flush
		set(append([]byte{0x12}, frame...)...), // FIFODataReg: the frame
		set(0x02, 0x0C),                        // CommandReg: Transceive
		set(0x1A, 0x80|lastBits),               // BitFramingReg: StartSend
	}
	if answer == nil {
		return append(ops,
			get([]byte{0x88}, 0x45), // ComIrqReg: TxIRq, LoAlertIRq, TimerIRq: nobody answered
			set(0x1A, lastBits),     // BitFramingReg: stop
		)
	}
	fifo := bytes.Repeat([]byte{0x92}, len(answer)) // FIFODataReg, once for each byte
	return append(ops,
		get([]byte{0x88}, 0x64),              // ComIrqReg: TxIRq, RxIRq, LoAlertIRq
		set(0x1A, lastBits),                  // BitFramingReg: stop
		get([]byte{0x8C}, 0x00),              // ErrorReg: none
		get([]byte{0x94}, byte(len(answer))), // FIFOLevelReg
		get(fifo, answer...),
	)
}

func playback(t *testing.T, ops []conntest.IO, run func(c *chip) error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		port := &spitest.Playback{Playback: conntest.Playback{Ops: ops, DontPanic: true}}
		c, err := port.Connect(physic.MegaHertz, spi.Mode0, 8)
		if err != nil {
			t.Fatal(err)
		}
		if err := run(&chip{conn: c}); err != nil {
			t.Error(err)
		}
		if err := port.Close(); err != nil {
			t.Errorf("the bus saw less than it should: %v", err)
		}
	})
}

func TestBusAtStart(t *testing.T) {
	playback(t, []conntest.IO{
		set(0x02, 0x0F),         // CommandReg: SoftReset
		get([]byte{0x82}, 0x30), // CommandReg: still powered down
		get([]byte{0x82}, 0x20), // CommandReg: up
		get([]byte{0xEE}, 0x92), // VersionReg: MFRC522 2.0
		set(0x54, 0x80),         // TModeReg: TAuto
		set(0x56, 0xA9),         // TPrescalerReg: 40 kHz
		set(0x58, 0x00),         // TReloadReg, high byte
		set(0x5A, 0xC8),         // TReloadReg, low byte: 200 ticks, 5 ms
		set(0x2A, 0x40),         // TxASKReg: Force100ASK
		set(0x22, 0x3D),         // ModeReg: CRC preset 6363h
		set(0x4C, 0x70),         // RFCfgReg: 48 dB
		set(0x1C, 0x00),         // CollReg: ValuesAfterColl cleared
		set(0x28, 0x80),         // TxControlReg: antenna off
	}, func(c *chip) error { return c.start(context.Background()) })
}

func TestBusOfOnePollWithACard(t *testing.T) {
	uid := []byte{0xCD, 0x76, 0x92, 0x74, 0x5D} // with its check byte
	ops := []conntest.IO{set(0x28, 0x83)}       // TxControlReg: antenna on
	for _, e := range [][]conntest.IO{
		exchangeTrace([]byte{0x26}, 7, []byte{0x04, 0x00}),                                   // REQA, ATQA
		exchangeTrace([]byte{0x93, 0x20}, 0, uid),                                            // anticollision
		exchangeTrace(withCRC(append([]byte{0x93, 0x70}, uid...)), 0, withCRC([]byte{0x08})), // SELECT, SAK
		exchangeTrace([]byte{0x50, 0x00, 0x57, 0xCD}, 0, nil),                                // HLTA
		exchangeTrace([]byte{0x26}, 7, nil),                                                  // REQA: no other card
	} {
		ops = append(ops, e...)
	}
	ops = append(ops, set(0x28, 0x80)) // TxControlReg: antenna off
	playback(t, ops, func(c *chip) error {
		uids, err := c.cards(context.Background())
		if len(uids) != 1 || hex.EncodeToString(uids[0]) != "cd769274" {
			t.Errorf("UIDs %x", uids)
		}
		return err
	})
}

// The frames that a Proxmark recorded between real readers and cards carry the CRC and check bytes that ours do.
func TestFramesOfRealCards(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "testdata", "nfc-crypto", "pm3-traces")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("left out: the shared test data is not beside this repository")
	}
	for file, want := range map[string]int{"hf_14a_reader_4b.trace": 1, "hf_14a_mfu-sim.trace": 2, "hf_mf_hid_sio_sim.trace": 1} {
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		selects := 0
		for len(b) >= 8 {
			length := int(binary.LittleEndian.Uint16(b[6:]) & 0x7FFF)
			end := 8 + length + (length+7)/8 // frame, then a bit of parity for each byte
			if end > len(b) {
				break
			}
			frame := b[8 : 8+length]
			b = b[end:]
			if length != 9 || frame[0]&^0x06 != selectCL1&^0x06 || frame[1] != 0x70 {
				continue
			}
			selects++
			if frame[2]^frame[3]^frame[4]^frame[5] != frame[6] || !bytes.Equal(frame, withCRC(frame[:7])) {
				t.Errorf("%s: our check bytes differ from those of %x", file, frame)
			}
		}
		if selects < want {
			t.Errorf("%s: %d cards selected, want %d or more", file, selects, want)
		}
	}
}
