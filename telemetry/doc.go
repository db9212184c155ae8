// Package telemetry says which topics a panel and a hub use and what the payloads on them look like, so that both sides
// compile against one contract (docs/mqtt.md).
//
// It neither connects nor publishes, knows no clock and no journal, and decides nothing: whether a command is honored is the
// panel's business, what an event means is its reader's.
package telemetry

// Version is the number in the "v" of every JSON payload and in the topics. A payload of another version is refused.
const Version = 1

// Limits in bytes. Encoders and decoders refuse what is larger.
const (
	EventLimit    = 64 << 10
	StatusLimit   = 64 << 10
	DocumentLimit = 64 << 10
	AckLimit      = 512
	ReplyLimit    = 4 << 10
)
