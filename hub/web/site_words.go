package web

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
)

// commonZones are offered; every other IANA name can be typed.
func commonZones() []string {
	return []string{"Europe/Rome", "Europe/Berlin", "Europe/Vienna", "Europe/Zurich", "Europe/London", "Europe/Paris", "Europe/Prague", "Europe/Warsaw", "Europe/Madrid",
		"Europe/Amsterdam", "Europe/Stockholm", "Europe/Athens", "Asia/Dubai", "Asia/Singapore", "Asia/Tokyo", "Australia/Sydney", "America/New_York", "America/Chicago",
		"America/Los_Angeles", "America/Sao_Paulo", "UTC"}
}

func dayTitle(day string) string { return strings.ToUpper(day[:1]) + day[1:] }

// field is the name of a field in a row of a form.
func field(list string, row int, name string) string {
	return list + "." + strconv.Itoa(row) + "." + name
}

// wayRows are a recipient's ways and an empty one to be filled in.
func wayRows(ways []monitor.Way) []monitor.Way {
	rows := slices.Clone(ways)
	rows = append(rows, monitor.Way{Channel: fleet.Email})
	if len(rows) == 1 {
		rows = append(rows, monitor.Way{Channel: fleet.SMS})
	}
	return rows
}

func wayTitle(i int) string {
	if i == 0 {
		return "Over"
	}
	return "and over"
}

func fallbackOf(w monitor.Way) fleet.Target {
	if w.Fallback == nil {
		return fleet.Target{Channel: fleet.SMS}
	}
	return *w.Fallback
}

func hears(r monitor.Recipient, t monitor.Topic) bool {
	return len(r.Topics) == 0 || slices.Contains(r.Topics, t)
}

func quietOf(r monitor.Recipient) monitor.Quiet {
	if r.Quiet == nil {
		return monitor.Quiet{}
	}
	return *r.Quiet
}

// recipientWords says of what and when a recipient is told.
func recipientWords(r monitor.Recipient, language string) string {
	var parts []string
	if len(r.Topics) == 0 {
		parts = append(parts, "told of everything")
	} else {
		topics := make([]string, len(r.Topics))
		for i, t := range r.Topics {
			topics[i] = topicWords(t)
		}
		parts = append(parts, "told of "+strings.Join(topics, ", "))
	}
	if r.Quiet != nil {
		parts = append(parts, "quiet from "+r.Quiet.From+" to "+r.Quiet.To)
	}
	if r.Language != "" && r.Language != language {
		parts = append(parts, "in "+languageName(r.Language))
	}
	return strings.Join(parts, "; ")
}

func languageName(code string) string {
	switch code {
	case "en":
		return "English"
	case "it":
		return "Italiano"
	case "de":
		return "Deutsch"
	}
	return code
}

func isOver(m monitor.Maintenance, now time.Time) bool {
	return len(m.Days) == 0 && !now.Before(m.Until)
}

func licenseTone(status string) string {
	switch status {
	case "active":
		return "good"
	case "not_yet_valid":
		return "warn"
	}
	return "bad"
}

func licenseWords(status string) string {
	switch status {
	case "active":
		return "active: people are warned"
	case "not_yet_valid":
		return "not yet valid"
	case "expired":
		return "expired: nobody is warned"
	case "revoked":
		return "revoked: nobody is warned"
	}
	return strings.ReplaceAll(status, "_", " ")
}

// bar is one day of the availability.
type bar struct {
	x, y, height string
	tone         string
	words        string
}

const (
	barStep   = 10
	barHeight = 40
)

func barsBox(days []monitor.Day) string {
	return fmt.Sprintf("0 0 %d %d", barSlots(days)*barStep-2, barHeight)
}

// barSlots is for how many days there is room: a young site does not have one wide bar.
func barSlots(days []monitor.Day) int { return max(30, len(days)) }

// barOf draws an availability of 90 to 100 % over the whole height: that is where the differences are.
func barOf(slot int, d monitor.Day) bar {
	b := bar{x: strconv.Itoa(slot * barStep), height: "0", y: "0", words: string(d.Date) + ": nobody looked"}
	p, ok := d.Percent()
	if !ok {
		if d.Maintenance > 0 {
			b.words = string(d.Date) + ": maintenance"
		}
		return b
	}
	height := max(4, min(barHeight, int((p-90)*barHeight/10)))
	b.height, b.y = strconv.Itoa(height), strconv.Itoa(barHeight-height)
	b.words = string(d.Date) + ": " + percent(d.Counts)
	if d.Down > 0 {
		b.words += ", away " + span(time.Duration(d.Down)*time.Second)
	}
	switch {
	case p >= 99.9:
		b.tone = "good"
	case p >= 99:
		b.tone = "warn"
	default:
		b.tone = "bad"
	}
	return b
}

func barsWords(days []monitor.Day) string {
	var sum monitor.Counts
	for _, d := range days {
		sum = sum.Plus(d.Counts)
	}
	return fmt.Sprintf("Availability of %s: %s", plural(len(days), "day", "days"), percent(sum))
}

// recipientName is a recipient's name for people.
func recipientName(site monitor.Site, id string) string {
	for _, r := range site.Recipients {
		if r.ID == id {
			return r.Name
		}
	}
	return id
}

// recipientName is the name of whom a message is for.
func (snap snapshot) recipientName(d fleet.Delivery) string {
	for _, view := range snap.sites {
		if view.Site.ID == d.Site {
			return recipientName(view.Watch, d.Recipient)
		}
	}
	return d.Recipient
}
