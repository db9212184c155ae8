package hub

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Reason is why something that arrived was not taken.
type Reason string

// The refusals. Each is counted; the words are for people.
const (
	RefusedTopic     Reason = "a topic that is none of ours"
	RefusedUnknown   Reason = "a panel that is not known"
	RefusedRevoked   Reason = "a panel that was revoked or replaced"
	RefusedSite      Reason = "a panel that speaks for another site"
	RefusedSize      Reason = "too large"
	RefusedMalformed Reason = "cannot be read"
	RefusedReply     Reason = "an answer that nobody waits for"
	RefusedTwin      Reason = "two panels with one identity"
)

// Count is how often something was refused, with the last example.
type Count struct {
	Reason  Reason
	Count   uint64
	Last    time.Time
	Example string // its topic and what was wrong, printable and bounded
}

// exampleLimit bounds the last example of a refusal, in bytes.
const exampleLimit = 300

// counts is safe for concurrent use.
type counts struct {
	mu   sync.Mutex
	list []Count
}

func (c *counts) add(reason Reason, now time.Time, example string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.list, func(k Count) bool { return k.Reason == reason })
	if i < 0 {
		c.list = append(c.list, Count{Reason: reason})
		i = len(c.list) - 1
	}
	c.list[i].Count++
	c.list[i].Last, c.list[i].Example = now, example
}

func (c *counts) all() []Count {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := slices.Clone(c.list)
	slices.SortFunc(list, func(a, b Count) int { return strings.Compare(string(a.Reason), string(b.Reason)) })
	return list
}

// example shows a message that was refused, whatever bytes it has.
func example(topic string, payload []byte, cause error) string {
	text := fmt.Sprintf("%.120q, %d bytes %.60q", topic, len(payload), payload[:min(len(payload), 60)])
	if cause != nil {
		text = fmt.Sprintf("%.120q: %.160q", topic, cause.Error())
	}
	return text[:min(len(text), exampleLimit)]
}
