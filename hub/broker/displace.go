package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

const displaceTime = 10 * time.Second

// Displace ends a panel's connection at a broker that is not this package's, and has it forget the session: it connects as the panel,
// for a moment, with a certificate that the hub's authority made for that name, and the broker ends the older connection of the same
// client id. It is for a panel that is not honored any more; one that the broker still lets in comes back.
func Displace(ctx context.Context, address string, config *tls.Config, clientID string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot end the connection of %s at broker %s: %w", clientID, address, err)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, displaceTime)
	defer cancel()
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	return greetAndGo(conn, clientID)
}

func greetAndGo(conn net.Conn, clientID string) error {
	hello := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	hello.ProtocolName, hello.ProtocolVersion, hello.ClientIdentifier, hello.CleanSession, hello.Keepalive = "MQTT", 4, clientID, true, 10
	if err := hello.Write(conn); err != nil {
		return err
	}
	answer, err := packets.ReadPacket(conn)
	if err != nil {
		return err
	}
	if taken, ok := answer.(*packets.ConnackPacket); !ok || taken.ReturnCode != packets.Accepted {
		return errors.New("it does not let the hub in under this name")
	}
	return packets.NewControlPacket(packets.Disconnect).Write(conn)
}
