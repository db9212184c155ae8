package main

import (
	"net"
	"net/netip"
	"net/url"
)

// pageAddress is where somebody in the network finds the pages now: an address may come with a lease and change.
func pageAddress(listen string) string {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		addresses = nil // what is known by itself is shown
	}
	return reachable(listen, addresses)
}

// reachable puts an address of this host in the place of "all of them", IPv4 first, for people will type it. Without a
// network there is no address to show.
func reachable(listen string, addresses []net.Addr) string {
	page, err := url.Parse(listen)
	if err != nil {
		return ""
	}
	ip, err := netip.ParseAddr(page.Hostname())
	if err != nil || !ip.IsUnspecified() {
		return listen
	}
	var best netip.Addr
	for _, a := range addresses {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		found := prefix.Addr().Unmap()
		if !found.IsGlobalUnicast() || best.IsValid() && (best.Is4() || found.Is6()) {
			continue
		}
		best = found
	}
	if !best.IsValid() {
		return ""
	}
	page.Host = net.JoinHostPort(best.String(), page.Port())
	return page.String()
}
