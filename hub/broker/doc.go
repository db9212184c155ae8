// Package broker is the MQTT broker inside the hub: TLS with client certificates, and each panel's rights to its own topics
// and no others. It knows nothing about what is said on them.
package broker
