package hub_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/hub/notify"
)

// TestWhatTheMonitorTellsHasWords keeps two packages that do not know each other together.
func TestWhatTheMonitorTellsHasWords(t *testing.T) {
	for _, kind := range monitor.Kinds() {
		if got := notify.Shipped(string(kind), "it").Kind; got != string(kind) {
			t.Errorf("a message of the kind %s gets the words of %s", kind, got)
		}
	}
	made := map[string]string{monitor.FactDurationS: "duration", monitor.FactCauseText: "cause", monitor.FactLine: "lines"}
	for _, fact := range []string{monitor.FactSite, monitor.FactPanels, monitor.FactCount, monitor.FactSince, monitor.FactLastSeen, monitor.FactBack, monitor.FactDurationS,
		monitor.FactCause, monitor.FactCauseText, monitor.FactUntil, monitor.FactOf, monitor.FactTimes, monitor.FactLine, monitor.FactIncident, monitor.FactDoor,
		monitor.FactAt, monitor.FactText} {
		name := fact
		if made[fact] != "" {
			name = made[fact]
		}
		if !slices.ContainsFunc(notify.Kinds(), func(k notify.Kind) bool { return slices.Contains(k.Placeholders, name) }) {
			t.Errorf("no template can show the fact %s", fact)
		}
	}
	for _, cause := range []monitor.Cause{monitor.CausePanel, monitor.CauseOnly, monitor.CauseSite, monitor.CauseBroker, monitor.CauseStopped, monitor.CauseRestarted,
		monitor.CauseNetwork, monitor.CauseLine, monitor.CausePower, monitor.CauseRemoved, monitor.CauseLicense, monitor.CauseUnsteady} {
		said := map[string]bool{}
		for _, language := range notify.Languages() {
			text := notify.Templates{}.Render(notify.Message{Kind: "lost", Language: language, Facts: []notify.Fact{{Name: monitor.FactCause, Value: string(cause)}}})
			said[text.Body] = strings.HasSuffix(text.Body, ".")
		}
		if len(said) != 3 {
			t.Errorf("the cause %s is not told in three languages", cause)
		}
	}
}
