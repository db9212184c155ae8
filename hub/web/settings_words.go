package web

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
)

func (p settingsView) fixed(section string) bool { return slices.Contains(p.settings.Fixed, section) }

func portText(port int) string {
	if port == 0 {
		return ""
	}
	return count(port)
}

func secretHint(secret string) string {
	if secret == "" {
		return "None is set."
	}
	return "Set. Leave the stars to keep it."
}

func exampleBody() string { return `{"to":"{to}","text":"{text}"}` }

// gatewayRows are the gateways and an empty one to be filled in.
func gatewayRows(gateways []SMSGateway) []SMSGateway {
	return append(slices.Clone(gateways), SMSGateway{Kind: "twilio"})
}

// hookRows are the webhooks and an empty one to be filled in.
func hookRows(hooks []Hook) []Hook { return append(slices.Clone(hooks), Hook{}) }

// keepRows are the rules and two empty ones to be filled in.
func keepRows(rules []fleet.Keep) []keepRow {
	rows := make([]keepRow, 0, len(rules)+2)
	for _, k := range rules {
		rows = append(rows, keepRow{Site: k.Site, Kind: k.Kind, Days: k.Days, Used: true})
	}
	return append(rows, keepRow{Days: 90}, keepRow{Days: 90})
}

func tokenEnd(t tokenView) string {
	if t.Until.IsZero() {
		return "never"
	}
	return day(t.Until, time.UTC)
}

func changeTitle(c fleet.Change) string {
	title := sentenceCase(c.Detail)
	if c.Detail == "" {
		title = sentenceCase(strings.ReplaceAll(c.What, ".", " "))
	}
	return title
}

func partTone(state string) string {
	switch state {
	case "ok":
		return "good"
	case "warn", "bad":
		return state
	}
	return ""
}

// clockLeft is a countdown as a page without a script shows it.
func clockLeft(d time.Duration) string {
	seconds := max(0, int(d/time.Second))
	return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
}

// headerRows are a gateway's headers and room for one more.
func headerRows(lines []string) []string { return append(slices.Clone(lines), "") }
