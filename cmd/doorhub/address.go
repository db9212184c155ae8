package main

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"

	"github.com/doorpanel/doorpanel/configs"
)

// hostsOf are the names and addresses by which this host is reached, the best first: as they are configured, else the
// addresses that it has now, those of a LAN before others.
func hostsOf(c configs.Hub) []string {
	if len(c.Names) > 0 {
		return c.Names
	}
	listed, err := net.InterfaceAddrs()
	if err != nil {
		return []string{"127.0.0.1"}
	}
	var own []netip.Addr
	for _, a := range listed {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own = append(own, p.Addr().Unmap())
		}
	}
	return sortAddresses(own)
}

// sortAddresses puts what panels most likely reach first. Link-local addresses are of no use without a zone.
func sortAddresses(own []netip.Addr) []string {
	own = slices.DeleteFunc(slices.Clone(own), func(a netip.Addr) bool { return a.IsLinkLocalUnicast() || a.IsLoopback() || a.IsMulticast() })
	slices.SortStableFunc(own, func(a, b netip.Addr) int { return worth(b) - worth(a) })
	const most = 15
	var hosts []string
	for _, a := range own[:min(len(own), most)] {
		hosts = append(hosts, a.String())
	}
	return append(hosts, "127.0.0.1")
}

func worth(a netip.Addr) (n int) {
	if a.Is4() {
		n += 2
	}
	if a.IsPrivate() {
		n++
	}
	return n
}

// entrance is how panels call one of this hub's listeners.
func entrance(e configs.Entrance, bound net.Addr, hosts []string) string {
	if e.Address != "" {
		return e.Address
	}
	port := strconv.Itoa(bound.(*net.TCPAddr).Port)
	if ip := e.Listen.Addr(); !ip.IsUnspecified() {
		// It hears nothing that comes to another address.
		if !slices.Contains(hosts, ip.String()) || ip.IsLoopback() {
			return net.JoinHostPort(ip.String(), port)
		}
	}
	return net.JoinHostPort(hosts[0], port)
}

// urlOf is how a browser on this host reaches a listener.
func urlOf(l net.Addr, tls bool) string {
	u := url.URL{Scheme: "http", Host: l.String()}
	if a, ok := l.(*net.TCPAddr); ok && a.IP.IsUnspecified() {
		u.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(a.Port))
	}
	if tls {
		u.Scheme = "https"
	}
	return u.String()
}
