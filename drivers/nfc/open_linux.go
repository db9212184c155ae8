package nfc

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
	"periph.io/x/host/v3/sysfs"
)

// clock is slow enough for a ribbon cable of half a meter; a poll takes a few hundred bytes.
const clock = physic.MegaHertz

var portName = regexp.MustCompile(`^(?:SPI|/dev/spidev)([0-9]{1,3})\.([0-9]{1,3})$`)

// Open makes a reader on a port of the kernel: SPI0.0 or /dev/spidev0.0. The closer gives the port back, after Run.
func Open(port string, o Options) (*Reader, io.Closer, error) {
	m := portName.FindStringSubmatch(port)
	if m == nil {
		return nil, nil, fmt.Errorf("cannot open SPI port %q: write it like SPI0.0 or /dev/spidev0.0", port)
	}
	bus, _ := strconv.Atoi(m[1])
	device, _ := strconv.Atoi(m[2])
	p, err := sysfs.NewSPI(bus, device)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot open SPI port %q: %w; is SPI switched on, and the user in the group spi?", port, err)
	}
	c, err := p.Connect(clock, spi.Mode0, 8)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("cannot set up SPI port %q: %w", port, err), p.Close())
	}
	return New(c, o), p, nil
}
