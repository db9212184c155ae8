package nfc

import (
	"context"
	"fmt"
	"time"

	"periph.io/x/conn/v3"
)

// Registers (data sheet 9.2, table 20).
const (
	commandReg    = 0x01
	comIrqReg     = 0x04
	errorReg      = 0x06
	fifoDataReg   = 0x09
	fifoLevelReg  = 0x0A
	controlReg    = 0x0C
	bitFramingReg = 0x0D
	collReg       = 0x0E
	modeReg       = 0x11
	txControlReg  = 0x14
	txASKReg      = 0x15
	rfCfgReg      = 0x26
	tModeReg      = 0x2A
	tPrescalerReg = 0x2B
	tReloadRegH   = 0x2C
	tReloadRegL   = 0x2D
	versionReg    = 0x37
)

// Commands (data sheet 10.3, table 149) and the bits that are used.
const (
	cmdIdle       = 0x00
	cmdTransceive = 0x0C
	cmdSoftReset  = 0x0F

	powerDown  = 0x10 // commandReg: still set while the chip starts
	irqTimer   = 0x01 // comIrqReg
	irqIdle    = 0x10
	irqRx      = 0x20
	irqAll     = 0x7F
	flushFIFO  = 0x80 // fifoLevelReg
	startSend  = 0x80 // bitFramingReg
	antennaOn  = 0x03 // txControlReg: Tx1RFEn and Tx2RFEn
	txReset    = 0x80 // txControlReg after reset: InvTx2RFOn
	errGarble  = 0x13 // errorReg: BufferOvfl, ParityErr, ProtocolErr
	errColl    = 0x08 // errorReg: CollErr
	collNotPos = 0x20 // collReg: CollPosNotValid
	timerAuto  = 0x80 // tModeReg: TAuto, the timer starts after sending

	// prescaler and reload make the timer expire 5 ms after sending: 13.56 MHz / (2*169+1) = 40 kHz, 200 ticks
	// (data sheet 8.5). A card answers the commands used here within 0.1 ms.
	prescaler = 0xA9
	reload    = 200
	// fieldTime is how long a card needs power before it is asked (ISO 14443-3: 5 ms).
	fieldTime = 5 * time.Millisecond
	// startPolls and answerPolls bound the waits for the chip; there is a pause of chipPause between two looks.
	startPolls  = 50
	answerPolls = 50
	chipPause   = time.Millisecond
)

// versions are the chips that are known to work: MFRC522 0.0, 1.0 and 2.0, Fudan FM17522, and two copies.
var versions = map[byte]bool{0x90: true, 0x91: true, 0x92: true, 0x88: true, 0x12: true, 0xB2: true}

// chip is the register level of an MFRC522.
type chip struct{ conn conn.Conn }

// write sets a register, or fills the FIFO (data sheet 8.1.2.2, 8.1.2.3: bit 7 clear, address in bits 6 to 1).
func (c *chip) write(reg byte, values ...byte) error {
	w := append([]byte{reg << 1}, values...)
	if err := c.conn.Tx(w, make([]byte, len(w))); err != nil {
		return fmt.Errorf("cannot write register %#02x of the reader chip: %w", reg, err)
	}
	return nil
}

// readN reads a register n times (data sheet 8.1.2.1: bit 7 set; the value comes one byte after its address).
func (c *chip) readN(reg byte, n int) ([]byte, error) {
	w, r := make([]byte, n+1), make([]byte, n+1)
	for i := range n {
		w[i] = 0x80 | reg<<1
	}
	if err := c.conn.Tx(w, r); err != nil {
		return nil, fmt.Errorf("cannot read register %#02x of the reader chip: %w", reg, err)
	}
	return r[1:], nil
}

func (c *chip) read(reg byte) (byte, error) {
	b, err := c.readN(reg, 1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

// setting is one register write of a sequence.
type setting struct{ reg, value byte }

func (c *chip) set(settings ...setting) error {
	for _, s := range settings {
		if err := c.write(s.reg, s.value); err != nil {
			return err
		}
	}
	return nil
}

// start resets the chip and sets it up for ISO 14443-A at 106 kbit/s, with the antenna off.
func (c *chip) start(ctx context.Context) error {
	if err := c.write(commandReg, cmdSoftReset); err != nil {
		return err
	}
	for i := 0; ; i++ {
		v, err := c.read(commandReg)
		if err != nil {
			return err
		}
		if v&powerDown == 0 {
			break
		}
		if i == startPolls || ctx.Err() != nil {
			return fmt.Errorf("cannot start the reader chip: it stays powered down (register 01 = %#02x); check its wiring and supply", v)
		}
		wait(ctx, chipPause)
	}
	v, err := c.read(versionReg)
	if err != nil {
		return err
	}
	if !versions[v] {
		return fmt.Errorf("cannot start the reader chip: version %#02x is no MFRC522; check the wiring and which port it is on", v)
	}
	return c.set(
		setting{tModeReg, timerAuto},
		setting{tPrescalerReg, prescaler},
		setting{tReloadRegH, reload >> 8},
		setting{tReloadRegL, reload & 0xFF},
		setting{txASKReg, 0x40}, // 100 % ASK, which type A needs
		setting{modeReg, 0x3D},  // CRC preset 6363h, as type A has it
		setting{rfCfgReg, 0x70}, // receiver gain 48 dB
		setting{collReg, 0x00},  // bits after a collision are 0
		setting{txControlReg, txReset},
	)
}

// check finds a chip that was unplugged, or has lost its settings with its supply.
func (c *chip) check() error {
	v, err := c.read(tModeReg)
	if err != nil {
		return err
	}
	if v != timerAuto {
		return fmt.Errorf("the reader chip lost its settings (register 2a = %#02x); check its wiring and supply", v)
	}
	return nil
}

func (c *chip) antenna(on bool) error {
	if on {
		return c.write(txControlReg, txReset|antennaOn)
	}
	return c.write(txControlReg, txReset)
}

// exchange sends bits to the cards and returns what they answer. The last byte has lastBits bits, 0 meaning all; the
// first bit of the answer is stored at bit align of the first byte. With errCollision, good is the position of the
// first bit, counted from 1 with those before align included, on which the cards differ.
func (c *chip) exchange(ctx context.Context, send []byte, lastBits, align byte) (answer []byte, collision int, err error) {
	if err := c.set(
		setting{commandReg, cmdIdle},
		setting{comIrqReg, irqAll},
		setting{fifoLevelReg, flushFIFO},
	); err != nil {
		return nil, 0, err
	}
	if err := c.write(fifoDataReg, send...); err != nil {
		return nil, 0, err
	}
	framing := align<<4 | lastBits
	if err := c.set(
		setting{commandReg, cmdTransceive},
		setting{bitFramingReg, startSend | framing},
	); err != nil {
		return nil, 0, err
	}
	irq, err := c.answered(ctx)
	if err != nil {
		return nil, 0, err
	}
	if err := c.write(bitFramingReg, framing); err != nil {
		return nil, 0, err
	}
	if irq&(irqRx|irqIdle) == 0 {
		return nil, 0, errNoCard
	}
	problems, err := c.read(errorReg)
	if err != nil {
		return nil, 0, err
	}
	if problems&errGarble != 0 {
		return nil, 0, errGarbled
	}
	level, err := c.read(fifoLevelReg)
	if err != nil {
		return nil, 0, err
	}
	if n := int(level & 0x7F); n > 0 {
		if answer, err = c.readN(fifoDataReg, min(n, 64)); err != nil {
			return nil, 0, err
		}
	}
	if problems&errColl == 0 {
		return answer, 0, nil
	}
	v, err := c.read(collReg)
	if err != nil {
		return nil, 0, err
	}
	if v&collNotPos != 0 {
		return nil, 0, errGarbled
	}
	if collision = int(v & 0x1F); collision == 0 {
		collision = 32
	}
	return answer, collision, errCollision
}

// answered waits until the chip has an answer or its timer is up.
func (c *chip) answered(ctx context.Context) (irq byte, err error) {
	for range answerPolls {
		if irq, err = c.read(comIrqReg); err != nil {
			return 0, err
		}
		if irq&(irqRx|irqIdle|irqTimer) != 0 {
			return irq, nil
		}
		wait(ctx, chipPause)
		if ctx.Err() != nil {
			return irqTimer, nil
		}
	}
	return 0, fmt.Errorf("cannot talk to a card: the reader chip does not finish (register 04 = %#02x)", irq)
}
