package uplink_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// cable carries connections to a broker and can be cut, as when a panel loses its power.
type cable struct {
	addr string

	listener net.Listener
	lock     sync.Mutex
	ends     []net.Conn
}

func newCable(t *testing.T, broker string) *cable {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{addr: listener.Addr().String(), listener: listener}
	var carrying sync.WaitGroup
	t.Cleanup(func() {
		c.remove()
		carrying.Wait()
	})
	carrying.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", broker)
			if err != nil {
				near.Close()
				continue
			}
			c.lock.Lock()
			c.ends = append(c.ends, near, far)
			c.lock.Unlock()
			for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
				carrying.Go(func() {
					io.Copy(pair[0], pair[1])
					pair[0].Close()
				})
			}
		}
	})
	return c
}

// cut ends all connections without a word of MQTT.
func (c *cable) cut() {
	c.lock.Lock()
	defer c.lock.Unlock()
	for _, end := range c.ends {
		end.Close()
	}
	c.ends = nil
}

// remove cuts it for good.
func (c *cable) remove() {
	c.listener.Close()
	c.cut()
}
