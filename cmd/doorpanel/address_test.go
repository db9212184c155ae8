package main

import (
	"net"
	"testing"
)

func TestTheAddressOnTheDisplayCanBeTypedInTheNetwork(t *testing.T) {
	network := func(addresses ...string) (list []net.Addr) {
		for _, a := range addresses {
			ip, n, err := net.ParseCIDR(a)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, &net.IPNet{IP: ip, Mask: n.Mask})
		}
		return list
	}
	for name, c := range map[string]struct {
		listen    string
		addresses []net.Addr
		want      string
	}{
		"an address of its own stays":        {"https://192.168.1.20:8443", network("10.0.0.2/8"), "https://192.168.1.20:8443"},
		"loopback is said as it is":          {"http://127.0.0.1:8080", network("10.0.0.2/8"), "http://127.0.0.1:8080"},
		"all of them: the network's":         {"https://0.0.0.0:8443", network("127.0.0.1/8", "192.168.1.20/24"), "https://192.168.1.20:8443"},
		"all of IPv6: IPv4 is easier":        {"https://[::]:8443", network("::1/128", "fe80::1/64", "2001:db8::7/64", "192.168.1.20/24"), "https://192.168.1.20:8443"},
		"IPv6 alone":                         {"https://[::]:8443", network("fe80::1/64", "2001:db8::7/64"), "https://[2001:db8::7]:8443"},
		"no network, no address":             {"https://0.0.0.0:8443", network("127.0.0.1/8", "169.254.3.4/16"), ""},
		"the first of several stays the one": {"https://0.0.0.0:8443", network("192.168.1.20/24", "10.0.0.2/8"), "https://192.168.1.20:8443"},
	} {
		if got := reachable(c.listen, c.addresses); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
