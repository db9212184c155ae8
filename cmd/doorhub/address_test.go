package main

import (
	"net"
	"net/netip"
	"reflect"
	"testing"

	"github.com/doorpanel/doorpanel/configs"
)

func TestPanelsAreToldTheAddressThatTheyMostLikelyReach(t *testing.T) {
	var own []netip.Addr
	for _, a := range []string{"127.0.0.1", "fe80::1", "2001:db8::5", "203.0.113.5", "192.168.1.10", "fd00::7", "::1"} {
		own = append(own, netip.MustParseAddr(a))
	}
	want := []string{"192.168.1.10", "203.0.113.5", "fd00::7", "2001:db8::5", "127.0.0.1"}
	if got := sortAddresses(own); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := sortAddresses(nil); !reflect.DeepEqual(got, []string{"127.0.0.1"}) {
		t.Errorf("without a network %v", got)
	}
}

func TestAnEntranceIsCalledAsItCanBeReached(t *testing.T) {
	bound := &net.TCPAddr{IP: net.IPv4zero, Port: 8883}
	hosts := []string{"hub.example.org", "192.168.1.10"}
	for _, c := range []struct{ listen, address, want string }{
		{"0.0.0.0:8883", "", "hub.example.org:8883"},
		{"0.0.0.0:8883", "out.example.org:18883", "out.example.org:18883"},
		{"127.0.0.1:8883", "", "127.0.0.1:8883"},
		{"192.168.1.10:8883", "", "hub.example.org:8883"},
		{"192.168.9.9:8883", "", "192.168.9.9:8883"},
		{"[::1]:8883", "", "[::1]:8883"},
		{"[::]:0", "", "hub.example.org:8883"},
	} {
		e := configs.Entrance{Listen: netip.MustParseAddrPort(c.listen), Address: c.address}
		if got := entrance(e, bound, hosts); got != c.want {
			t.Errorf("%s %q is called %s, want %s", c.listen, c.address, got, c.want)
		}
	}
}
