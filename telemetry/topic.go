package telemetry

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Leaf is what a topic below a panel is for.
type Leaf string

// The leaves of doorpanel/v1/<site>/<panel>/.
const (
	LeafStatus   Leaf = "status"   // panel to hub, retained
	LeafEvent    Leaf = "event"    // panel to hub, QoS 1
	LeafAck      Leaf = "ack"      // hub to panel, QoS 1
	LeafCommand  Leaf = "command"  // to the panel, never retained
	LeafReply    Leaf = "reply"    // panel's answer to a command
	LeafDocument Leaf = "document" // to the panel, retained, followed by kind and id
)

// DocumentKind is the kind of a signed document.
type DocumentKind string

// The kinds of documents.
const (
	DocumentSlice      DocumentKind = "slice"
	DocumentDelegation DocumentKind = "delegation"
	DocumentRevocation DocumentKind = "revocation"
	DocumentGrant      DocumentKind = "grant"
)

// Known tells whether a panel of this version reads documents of this kind.
func (k DocumentKind) Known() bool {
	switch k {
	case DocumentSlice, DocumentDelegation, DocumentRevocation, DocumentGrant:
		return true
	}
	return false
}

// Topic is a topic of this contract taken apart. Kind and ID are those of a document, else empty.
type Topic struct {
	Site, Panel string
	Leaf        Leaf
	Kind        DocumentKind
	ID          string
}

const (
	prefix    = "doorpanel/v1/"
	nameLimit = 128
)

// CheckName tells why name cannot stand for a site, a panel or a document in a topic: empty, longer than 128 bytes, not
// UTF-8, or with one of the characters that MQTT gives a meaning (+ # /) or a control character (MQTT 3.1.1, sections 1.5.3
// and 4.7).
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("cannot use an empty name in a topic: give it one")
	case len(name) > nameLimit:
		return fmt.Errorf("cannot use name %.20q... in a topic: %d bytes are more than %d; shorten it", name, len(name), nameLimit)
	case !utf8.ValidString(name):
		return fmt.Errorf("cannot use name %q in a topic: not valid UTF-8", name)
	}
	for _, r := range name {
		if r == '+' || r == '#' || r == '/' || unicode.IsControl(r) || r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef {
			return fmt.Errorf("cannot use name %q in a topic: character %q is not allowed; leave it out", name, r)
		}
	}
	return nil
}

func leafTopic(site, panel string, leaf Leaf) string {
	return prefix + site + "/" + panel + "/" + string(leaf)
}

// StatusTopic is where the retained status of a panel lies. Names are not checked here: use CheckName where they come in.
func StatusTopic(site, panel string) string { return leafTopic(site, panel, LeafStatus) }

// EventTopic is where a panel publishes its journal.
func EventTopic(site, panel string) string { return leafTopic(site, panel, LeafEvent) }

// AckTopic is where a hub tells a panel what it has stored.
func AckTopic(site, panel string) string { return leafTopic(site, panel, LeafAck) }

// CommandTopic is where signed commands to a panel are published.
func CommandTopic(site, panel string) string { return leafTopic(site, panel, LeafCommand) }

// ReplyTopic is where a panel answers commands.
func ReplyTopic(site, panel string) string { return leafTopic(site, panel, LeafReply) }

// DocumentTopic is where the document of this kind and id lies.
func DocumentTopic(site, panel string, kind DocumentKind, id string) string {
	return leafTopic(site, panel, LeafDocument) + "/" + string(kind) + "/" + id
}

// DocumentFilter subscribes to all documents of a panel.
func DocumentFilter(site, panel string) string { return leafTopic(site, panel, LeafDocument) + "/+/+" }

// LeafFilter subscribes to one leaf of every panel, for a hub.
func LeafFilter(leaf Leaf) string { return leafTopic("+", "+", leaf) }

// ParseTopic takes a topic apart. A document of a kind that is not known parses: a newer hub may publish it.
func ParseTopic(topic string) (Topic, error) {
	fail := func(cause string) (Topic, error) {
		return Topic{}, fmt.Errorf("cannot read topic %.200q: %s", topic, cause)
	}
	rest, ok := strings.CutPrefix(topic, prefix)
	if !ok {
		return fail("it does not begin with " + prefix)
	}
	parts := strings.Split(rest, "/")
	for _, part := range parts {
		if err := CheckName(part); err != nil {
			return fail(err.Error())
		}
	}
	if len(parts) < 3 {
		return fail("site, panel or leaf is missing")
	}
	parsed := Topic{Site: parts[0], Panel: parts[1], Leaf: Leaf(parts[2])}
	switch parsed.Leaf {
	case LeafStatus, LeafEvent, LeafAck, LeafCommand, LeafReply:
		if len(parts) != 3 {
			return fail("something follows its leaf")
		}
	case LeafDocument:
		if len(parts) != 5 {
			return fail("a document has a kind and an id")
		}
		parsed.Kind, parsed.ID = DocumentKind(parts[3]), parts[4]
	default:
		return fail("there is no such leaf")
	}
	return parsed, nil
}

// String is the topic in one piece again.
func (t Topic) String() string {
	if t.Leaf == LeafDocument {
		return DocumentTopic(t.Site, t.Panel, t.Kind, t.ID)
	}
	return leafTopic(t.Site, t.Panel, t.Leaf)
}
