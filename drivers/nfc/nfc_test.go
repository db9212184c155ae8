package nfc

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"

	"github.com/doorpanel/doorpanel/drivers/drivertest"
)

// reading runs a reader against an emulated chip in a bubble of fake time and lets play move cards. Every report is
// one line: a UID in hexadecimal, "works", or "broken: <cause>".
func reading(t *testing.T, play func(chip *drivertest.MFRC522, reports func() []string)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := drivertest.NewMFRC522()
		var reports []string
		r := New(m, Options{
			Card: func(uid []byte) { reports = append(reports, hex.EncodeToString(uid)) },
			State: func(err error) {
				if err == nil {
					reports = append(reports, "works")
				} else {
					reports = append(reports, "broken: "+err.Error())
				}
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		play(m, func() []string {
			time.Sleep(time.Second) // fake time
			synctest.Wait()
			got := reports
			reports = nil
			return got
		})
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func expect(t *testing.T, when string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: reports %q, want %q", when, got, want)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestACardIsReportedOnceUntilItIsTakenAway(t *testing.T) {
	for _, uid := range []string{"deadbeef", "04a1b2c3d4e5f6", "0488112233445566778a", "00000000", "ffffffff"} {
		t.Run(uid, func(t *testing.T) {
			reading(t, func(chip *drivertest.MFRC522, reports func() []string) {
				expect(t, "at start", reports(), "works")
				chip.Present(unhex(t, uid))
				expect(t, "card presented", reports(), uid)
				expect(t, "card still there", reports())
				chip.Remove(unhex(t, uid))
				expect(t, "card taken away", reports())
				chip.Present(unhex(t, uid))
				expect(t, "card presented again", reports(), uid)
			})
		})
	}
}

func TestSeveralCardsAtOnceAreAllRead(t *testing.T) {
	for _, cards := range [][]string{
		{"deadbeef", "deadbeee"},                             // differ in bit 25 of 32
		{"01020304", "01020384"},                             // differ in the last bit
		{"deadbeef", "11223344", "55667788"},                 // differ in several
		{"04a1b2c3d4e5f6", "04a1b2c3d4e5f7"},                 // differ in the second level
		{"04a1b2c3d4e5f6", "deadbeef"},                       // different lengths
		{"88112233445566", "01020304050607", "aabbccddeeff"}, // the last is cut to 4 bytes below
	} {
		t.Run(strings.Join(cards, " "), func(t *testing.T) {
			reading(t, func(chip *drivertest.MFRC522, reports func() []string) {
				reports()
				var want []string
				for _, c := range cards {
					uid := unhex(t, c)
					if len(uid) == 6 {
						uid = uid[:4]
					}
					chip.Present(uid)
					want = append(want, hex.EncodeToString(uid))
				}
				got := reports()
				slices.Sort(got)
				slices.Sort(want)
				expect(t, "cards", got, want...)
				expect(t, "cards still there", reports())
			})
		})
	}
}

func TestASecondCardIsReportedBesideTheFirst(t *testing.T) {
	reading(t, func(chip *drivertest.MFRC522, reports func() []string) {
		reports()
		chip.Present(unhex(t, "deadbeef"))
		expect(t, "first", reports(), "deadbeef")
		chip.Present(unhex(t, "04a1b2c3d4e5f6"))
		expect(t, "second", reports(), "04a1b2c3d4e5f6")
	})
}

func TestACardThatMissesOnePollIsNotReportedAgain(t *testing.T) {
	reading(t, func(chip *drivertest.MFRC522, reports func() []string) {
		reports()
		chip.Present(unhex(t, "deadbeef"))
		expect(t, "card presented", reports(), "deadbeef")
		for range 5 {
			chip.Garble(2)
			expect(t, "card at the edge of the field", reports())
		}
	})
}

func TestAPhoneWithAUIDMadeUpForEachReaderIsReportedOnce(t *testing.T) {
	reading(t, func(chip *drivertest.MFRC522, reports func() []string) {
		reports()
		chip.Present(unhex(t, "08111111"))
		expect(t, "phone", reports(), "08111111")
		for i := range 5 {
			chip.Remove(unhex(t, fmt.Sprintf("0811111%d", 1+i)))
			chip.Present(unhex(t, fmt.Sprintf("0811111%d", 2+i)))
			expect(t, "same phone, new UID", reports())
		}
	})
}

func TestAChipThatIsUnpluggedIsStartedAgain(t *testing.T) {
	reading(t, func(chip *drivertest.MFRC522, reports func() []string) {
		expect(t, "at start", reports(), "works")
		chip.Unplug(true)
		got := reports()
		if len(got) != 2 || !strings.Contains(got[0], "lost its settings (register 2a = 0x00)") || !strings.Contains(got[1], "version 0x00 is no MFRC522") {
			t.Errorf("unplugged: %q", got)
		}
		time.Sleep(time.Minute) // fake time
		expect(t, "still unplugged", reports())
		chip.Unplug(false)
		time.Sleep(maxPause) // fake time
		expect(t, "plugged in", reports(), "works")
		chip.Present(unhex(t, "deadbeef"))
		expect(t, "card", reports(), "deadbeef")
	})
}

func TestABusThatFailsIsToldAndTriedAgain(t *testing.T) {
	reading(t, func(chip *drivertest.MFRC522, reports func() []string) {
		reports()
		chip.Break(errors.New("input/output error"))
		if got := reports(); len(got) == 0 || !strings.Contains(got[0], "input/output error") {
			t.Errorf("broken bus: %q", got)
		}
		chip.Break(nil)
		time.Sleep(maxPause) // fake time
		got := reports()
		expect(t, "mended bus", got, "works")
	})
}

func TestOtherChipsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := drivertest.NewMFRC522()
		m.SetVersion(0xFF)
		var cause error
		ctx, cancel := context.WithCancel(t.Context())
		r := New(m, Options{State: func(err error) { cause = err; cancel() }})
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
		if cause == nil || !strings.Contains(cause.Error(), "version 0xff") {
			t.Errorf("cause %v", cause)
		}
	})
}

func TestTheResetLineEndsHigh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pin := &gpiotest.Pin{N: "NRSTPD"}
		ctx, cancel := context.WithCancel(t.Context())
		r := New(drivertest.NewMFRC522(), Options{Reset: pin, State: func(error) { cancel() }})
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
		if pin.Read() != gpio.High {
			t.Error("the chip is held in reset")
		}
	})
}

func TestOpenWantsAPortOfTheKernel(t *testing.T) {
	for _, port := range []string{"", "SPI", "SPI0", "/dev/spidev0.0x", "../etc", "SPI0.0;", "SPI9999.0"} {
		if _, _, err := Open(port, Options{}); err == nil || !strings.Contains(err.Error(), "write it like SPI0.0") {
			t.Errorf("port %q: %v", port, err)
		}
	}
	if _, _, err := Open("SPI99.9", Options{}); err == nil || !strings.Contains(err.Error(), `"SPI99.9"`) {
		t.Errorf("a port that is not there: %v", err)
	}
}

// Check values of ISO 14443-3, annex B.
func TestCRCOfTheStandard(t *testing.T) {
	for in, want := range map[string]string{"0000": "0000a01e", "1234": "123426cf", "5000": "500057cd"} {
		if got := hex.EncodeToString(withCRC(unhex(t, in))); got != want {
			t.Errorf("CRC of %s: %s, want %s", in, got, want)
		}
	}
}

// noise answers every transfer with bytes from the fuzzer.
type noise struct {
	drivertest.MFRC522
	data []byte
}

func (n *noise) Tx(_, r []byte) error {
	for i := range r {
		if len(n.data) == 0 {
			return errors.New("end of noise")
		}
		r[i], n.data = n.data[0], n.data[1:]
	}
	return nil
}

func FuzzCards(f *testing.F) {
	f.Add(bytes.Repeat([]byte{0x30}, 200))
	f.Add(bytes.Repeat([]byte{0x00, 0x30, 0x00, 0x02, 0x04, 0x00}, 60))
	f.Fuzz(func(t *testing.T, data []byte) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // no waiting
		c := chip{conn: &noise{data: data}}
		uids, _ := c.cards(ctx)
		for _, uid := range uids {
			if n := len(uid); n != 4 && n != 7 && n != 10 {
				t.Errorf("UID of %d bytes from noise", n)
			}
		}
	})
}
