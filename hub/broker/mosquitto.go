package broker

import (
	"cmp"
	"fmt"
	"strings"
)

// The files that a mosquitto needs to serve a hub, in one directory.
const (
	MosquittoConfigFile = "mosquitto.conf"
	MosquittoAccessFile = "access"
	MosquittoCAFile     = "ca.pem"     // the hub's authority
	MosquittoCertFile   = "server.pem" // the broker's, with its authority's behind it
	MosquittoKeyFile    = "server.key"
	MosquittoCRLFile    = "revoked.pem" // authority.RevocationList
)

// MosquittoConfig is a configuration of mosquitto 2 that honors a hub's certificates, with files in dir, a listener on port, and the list
// of revoked certificates in the file revoked; where that is empty, in dir. A
// client is who its certificate says, also in its client id: no panel can end another's connection or take its session over.
//
// A panel that is revoked is refused as soon as mosquitto got SIGHUP and has read the list of revoked certificates again; a connection
// that it has stays, and Displace ends it. The hub itself ignores what a revoked panel says, at once.
func MosquittoConfig(dir, port, revoked string) string {
	revoked = cmp.Or(revoked, dir+"/"+MosquittoCRLFile)
	return fmt.Sprintf(`# For mosquitto 2 and a doorpanel hub.
per_listener_settings false
listener %[2]s
cafile %[1]s/`+MosquittoCAFile+`
certfile %[1]s/`+MosquittoCertFile+`
keyfile %[1]s/`+MosquittoKeyFile+`
crlfile %[5]s
tls_version tlsv1.2
# Who connects shows a certificate of the hub's authority, and is who it says.
require_certificate true
use_identity_as_username true
use_username_as_clientid true
allow_anonymous false
acl_file %[1]s/`+MosquittoAccessFile+`
# What the hub has not read yet outlives a restart; the session of a panel that is away is kept for two weeks.
persistence true
persistence_location %[1]s/
persistent_client_expiration 14d
max_queued_messages 10000
max_packet_size %[3]d
max_keepalive %[4]d
`, dir, port, packetLimit, maxKeepAlive, revoked)
}

// MosquittoAccess is its access list: to each panel its own topics at whatever site (the hub checks the site), to the hub what it reads
// and writes of all. Whoever subscribes to more is not told so by mosquitto, and hears nothing of it.
func MosquittoAccess() string {
	var b strings.Builder
	for _, leaf := range []string{"status", "event", "reply"} {
		fmt.Fprintf(&b, "pattern write doorpanel/v1/+/%%u/%s\n", leaf)
	}
	for _, leaf := range []string{"status", "ack", "command", "document/#"} {
		fmt.Fprintf(&b, "pattern read doorpanel/v1/+/%%u/%s\n", leaf)
	}
	fmt.Fprintf(&b, "\nuser %s\n", HubClient)
	for _, leaf := range []string{"status", "event", "reply"} {
		fmt.Fprintf(&b, "topic read doorpanel/v1/+/+/%s\n", leaf)
	}
	for _, leaf := range []string{"ack", "command", "document/#"} {
		fmt.Fprintf(&b, "topic write doorpanel/v1/+/+/%s\n", leaf)
	}
	return b.String()
}
