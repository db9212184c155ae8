package web

import (
	"fmt"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/telemetry"
)

// plural counts in words.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// span is how long something lasts, in its two largest units.
func span(d time.Duration) string {
	d = d.Abs()
	days, hours, minutes, seconds := int(d/(24*time.Hour)), int(d/time.Hour)%24, int(d/time.Minute)%60, int(d/time.Second)%60
	switch {
	case days >= 14, days > 0 && hours == 0:
		return plural(days, "day", "days")
	case days > 0:
		return fmt.Sprintf("%d d %d h", days, hours)
	case hours > 0 && minutes == 0:
		return fmt.Sprintf("%d h", hours)
	case hours > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%d min", minutes)
	}
	return fmt.Sprintf("%d s", seconds)
}

// when is an instant as people of a zone read it: the time alone today, with the day in this year, with the year before.
func when(t, now time.Time, zone *time.Location) string {
	if t.IsZero() {
		return "never"
	}
	t, now = t.In(zone), now.In(zone)
	switch {
	case t.Format(time.DateOnly) == now.Format(time.DateOnly):
		return t.Format("15:04:05")
	case t.Year() == now.Year():
		return t.Format("Mon 2 Jan 15:04")
	}
	return t.Format("2 Jan 2006 15:04")
}

// ago is when something was, with how long ago.
func ago(t, now time.Time, zone *time.Location) string {
	if t.IsZero() {
		return "never"
	}
	return when(t, now, zone) + " (" + span(now.Sub(t)) + ")"
}

// day is a date in words.
func day(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return "no end"
	}
	return t.In(zone).Format("2 January 2006")
}

// percent is an availability for people; nothing is rounded up to 100.
func percent(c monitor.Counts) string {
	p, ok := c.Percent()
	switch {
	case !ok:
		return "–"
	case p == 100:
		return "100 %"
	case p > 99.99:
		return "99.99 %"
	case p >= 99:
		return fmt.Sprintf("%.2f %%", float64(int(p*100))/100)
	}
	return fmt.Sprintf("%.1f %%", float64(int(p*10))/10)
}

// State is what is shown of a panel or a site with one picture.
type State string

// The states, the worst first.
const (
	StateLost     State = "lost"
	StateAlarm    State = "alarm" // a door is forced or held open
	StateUnsteady State = "unsteady"
	StateStopped  State = "stopped"
	StateUnknown  State = "unknown"
	StateAdded    State = "added"
	StateOnline   State = "online"
	StateEmpty    State = "empty"
	StateRevoked  State = "revoked"
	StateReplaced State = "replaced"
)

func worst() []State {
	return []State{StateLost, StateAlarm, StateUnsteady, StateStopped, StateUnknown, StateAdded, StateOnline, StateEmpty, StateRevoked, StateReplaced}
}

// Words says a panel's state.
func (s State) Words() string {
	switch s {
	case StateLost:
		return "No contact"
	case StateAlarm:
		return "Look at the door"
	case StateUnsteady:
		return "Comes and goes"
	case StateStopped:
		return "Stopped"
	case StateUnknown:
		return "Not known"
	case StateAdded:
		return "Not paired yet"
	case StateOnline:
		return "Online"
	case StateEmpty:
		return "No panel yet"
	case StateRevoked:
		return "Revoked"
	case StateReplaced:
		return "Replaced"
	}
	return string(s)
}

// Tone is the color that goes with it.
func (s State) Tone() string {
	switch s {
	case StateLost, StateAlarm:
		return "bad"
	case StateUnsteady, StateStopped:
		return "warn"
	case StateOnline:
		return "good"
	}
	return ""
}

// doorWords says how a door is, by the panel's last word.
func doorWords(d telemetry.Door) string {
	switch {
	case d.Alarm == "forced":
		return "forced open"
	case d.Alarm == "held":
		return "held open too long"
	case d.Alarm != "":
		return d.Alarm
	case d.Open && d.Contact == "open":
		return "released, open"
	case d.Open:
		return "released"
	case d.Contact == "open":
		return "open"
	case d.Contact == "closed":
		return "closed"
	}
	return "locked, no contact wired"
}

// doorTitle is a door in a few words.
func doorTitle(d doorView, fresh bool) string {
	if fresh {
		return d.Name + ": " + doorWords(d.Door)
	}
	return d.Name + ": " + doorWords(d.Door) + " when it was heard last"
}

// doorIcon is the picture and the color of a door.
func doorIcon(d telemetry.Door) (icon, tone string) {
	switch {
	case d.Alarm == "forced":
		return "door-forced", "bad"
	case d.Alarm != "":
		return "door-open", "warn"
	case d.Open:
		return "door-open", "call"
	case d.Contact == "open":
		return "door-open", ""
	}
	return "door", ""
}

func orderWords(o fleet.Order) (tone, text string) {
	if o.Late {
		o.Late = false
		tone, text = orderWords(o)
		return tone, "answered late: " + text
	}
	switch o.State {
	case fleet.OrderSent:
		return "call", "waiting for the panel's answer"
	case fleet.OrderDone:
		return "good", "done"
	case fleet.OrderRefused:
		return "warn", "refused: " + why(o.Why)
	case fleet.OrderFailed:
		return "bad", "failed: " + why(o.Why)
	case fleet.OrderNotReached:
		return "bad", "not reached; the panel does not do it later"
	}
	return "", string(o.State)
}

func orderTitle(o fleet.Order) string {
	switch o.Verb {
	case telemetry.VerbOpen:
		return "Open " + o.Object
	case telemetry.VerbLockdown:
		if o.Object == "on" {
			return "Lock down"
		}
		return "End the lockdown"
	case telemetry.VerbText:
		return "Show “" + o.Object + "”"
	}
	return o.Verb + " " + o.Object
}

func deliveryWords(d fleet.Delivery) (tone, text string) {
	switch d.State {
	case fleet.Waiting:
		if d.Tries > 0 {
			return "warn", "will be tried again"
		}
		return "call", "waiting"
	case fleet.Claimed, fleet.Committing:
		return "call", "being sent"
	case fleet.Sent:
		return "good", "sent"
	case fleet.Uncertain:
		return "warn", "may have been sent"
	case fleet.Failed:
		return "bad", "failed"
	case fleet.Withdrawn:
		return "", "withdrawn"
	}
	return "", string(d.State)
}

func channelWords(c fleet.Channel) string {
	switch c {
	case fleet.Email:
		return "E-mail"
	case fleet.SMS:
		return "SMS"
	case fleet.Webhook:
		return "Webhook"
	}
	return string(c)
}

// kindWords says what a message tells.
func kindWords(kind string) string {
	switch monitor.Kind(kind) {
	case monitor.KindLost:
		return "No contact with a panel"
	case monitor.KindLine:
		return "No contact with the site"
	case monitor.KindStopped:
		return "Panel still stopped"
	case monitor.KindBroker:
		return "The hub cannot see the site"
	case monitor.KindRepeat:
		return "Still so"
	case monitor.KindEscalated:
		return "Nobody has taken it on"
	case monitor.KindMore:
		return "No contact with more panels"
	case monitor.KindPartly:
		return "Some are back, others are not"
	case monitor.KindBack:
		return "Back again"
	case monitor.KindUnsteady:
		return "A panel comes and goes"
	case monitor.KindSteady:
		return "Steady again"
	case monitor.KindLicense:
		return "The monitoring license ends"
	case monitor.KindMorning:
		return "What happened in quiet hours"
	case monitor.KindSummary:
		return "What was not told because of the day's limit"
	case monitor.KindSilentTest:
		return "Test of the silent alarm"
	}
	return capital(strings.ReplaceAll(kind, "_", " "))
}

func topicWords(t monitor.Topic) string {
	switch t {
	case monitor.TopicOutages:
		return "outages"
	case monitor.TopicRecoveries:
		return "recoveries"
	case monitor.TopicUnsteady:
		return "panels that come and go"
	case monitor.TopicLicense:
		return "the license ending"
	case monitor.TopicSilentAlarm:
		return "silent alarm"
	}
	return string(t)
}

func incidentTitle(i monitor.Incident) string {
	names := make([]string, 0, len(i.Members))
	for _, m := range i.Members {
		names = append(names, m.Name)
	}
	who := strings.Join(names, ", ")
	if len(names) > 4 {
		who = strings.Join(names[:3], ", ") + " and " + plural(len(names)-3, "other", "others")
	}
	switch i.Kind {
	case monitor.IncidentLoss:
		return "No contact with " + who
	case monitor.IncidentStopped:
		return who + " is still stopped"
	case monitor.IncidentUnsteady:
		return who + " comes and goes"
	case monitor.IncidentBroker:
		return "The hub does not see its broker"
	}
	return string(i.Kind) + " " + who
}

func faultWords(k fleet.FaultKind) string {
	switch k {
	case fleet.FaultRewritten:
		return "Journal rewritten or restored"
	case fleet.FaultBroken:
		return "An entry does not follow the one before it"
	case fleet.FaultEpoch:
		return "A new journal begins"
	case fleet.FaultGap:
		return "Entries are gone"
	case fleet.FaultClone:
		return "Two connections with one identity"
	case fleet.FaultDuress:
		return "Silent alarm"
	case fleet.FaultClaim:
		return "A license is used twice"
	case fleet.FaultSetBack:
		return "A panel was set back"
	case fleet.FaultUnusable:
		return "What a panel says about licenses cannot be used"
	}
	return string(k)
}

// why puts the journal's word for a reason into plain words.
func why(word string) string {
	switch word {
	case "unknown":
		return "it is not known there"
	case "revoked":
		return "it was withdrawn"
	case "other_door":
		return "it is for another door"
	case "not_yet_valid":
		return "its first day has not come"
	case "expired":
		return "its last day has passed"
	case "outside_schedule":
		return "not at this time of the week"
	case "clock_not_trusted":
		return "the panel does not know the time"
	case "not_licensed":
		return "it is not licensed"
	case "blocked":
		return "too many wrong tries"
	case "tampered":
		return "the tamper block is on"
	case "lockdown":
		return "the panel is locked down"
	case "fire":
		return "a fire alarm is on the display"
	case "interlock":
		return "another door of its group is open"
	case "no_right":
		return "its holder has no right at any door"
	case "too_weak":
		return "it can be copied"
	case "used_up":
		return "it is used up"
	case "second_factor":
		return "a second one is asked for at this time"
	case "passback":
		return "inside already"
	case "forged_pass":
		return "a forged pass, or one for another panel"
	case "cannot_record":
		return "it could not be recorded"
	case "cannot_look_up":
		return "the panel's store did not answer"
	case "unreachable":
		return "cannot be reached"
	}
	return strings.ReplaceAll(word, "_", " ")
}

// sentence puts an event into words: its tone for the eye, and what happened.
func sentence(e telemetry.Event) (tone, text string) {
	known, ok := eventWords(e.Kind)
	if !ok {
		return "", e.Kind + because(e)
	}
	who := ""
	if e.Who != "" {
		who = " for " + e.Who
		if known.by {
			who = " by " + e.Who
		}
	}
	text = strings.NewReplacer("{door}", e.Door, "{who}", who).Replace(known.text)
	if e.Door != "" && !strings.Contains(known.text, "{door}") {
		text += " at " + e.Door
	}
	if known.button && e.Button > 0 {
		text += fmt.Sprintf(" (button %d)", e.Button)
	}
	if known.how && e.Why != "" {
		return known.tone, text + " (" + why(e.Why) + ")"
	}
	return known.tone, text + because(e)
}

// detail is the sentence that came with an event, unless it only says again what the reason says.
func detail(e telemetry.Event) string {
	if e.Detail == e.Why {
		return ""
	}
	return e.Detail
}

func because(e telemetry.Event) string {
	if e.Why == "" {
		return ""
	}
	return ": " + why(e.Why)
}

type eventWord struct {
	tone, text string
	by, button bool
	how        bool // its why is not a reason but the way
}

// eventWords are the kinds of docs/journal-events.md.
func eventWords(kind string) (eventWord, bool) {
	switch kind {
	case "access.granted":
		return eventWord{tone: "good", text: "Access granted{who}", how: true}, true
	case "access.refused":
		return eventWord{tone: "bad", text: "Access refused{who}"}, true
	case "access.blocked":
		return eventWord{tone: "warn", text: "Codes are blocked for a while after wrong tries"}, true
	case "access.block_over":
		return eventWord{text: "Codes are heard again"}, true
	case "access.forgotten":
		return eventWord{text: "Counts of removed credentials forgotten"}, true
	case "presence.passback":
		return eventWord{tone: "warn", text: "Passed back{who}"}, true
	case "presence.not_entered":
		return eventWord{text: "Nobody went through"}, true
	case "presence.reset":
		return eventWord{text: "List of those inside reset"}, true
	case "duress.test":
		return eventWord{tone: "warn", text: "Test of the silent alarm"}, true
	case "duress.on":
		return eventWord{tone: "good", text: "Silent alarm switched on"}, true
	case "duress.off":
		return eventWord{tone: "warn", text: "Silent alarm switched off"}, true
	case "strike.on":
		return eventWord{tone: "good", text: "Door {door} released", how: true}, true
	case "strike.off":
		return eventWord{text: "Door {door} secured"}, true
	case "strike.failed":
		return eventWord{tone: "bad", text: "The strike of {door} failed"}, true
	case "call.test":
		return eventWord{tone: "call", text: "Test of a call button{who}", by: true, button: true}, true
	case "call.placed":
		return eventWord{tone: "call", text: "Ringing", button: true}, true
	case "call.refused":
		return eventWord{tone: "bad", text: "Call not placed", button: true}, true
	case "call.answered":
		return eventWord{tone: "call", text: "Call answered"}, true
	case "call.failed":
		return eventWord{tone: "bad", text: "Call failed"}, true
	case "call.ended":
		return eventWord{text: "Call ended"}, true
	case "door.exit":
		return eventWord{tone: "good", text: "Exit button"}, true
	case "door.opened":
		return eventWord{text: "Door {door} opened"}, true
	case "door.closed":
		return eventWord{text: "Door {door} closed"}, true
	case "door.forced":
		return eventWord{tone: "bad", text: "Door {door} forced open"}, true
	case "door.held":
		return eventWord{tone: "warn", text: "Door {door} held open too long"}, true
	case "door.held_over":
		return eventWord{text: "Door {door} no longer held open"}, true
	case "door.held_warning":
		return eventWord{tone: "warn", text: "Door {door} is still open: an alarm follows"}, true
	case "door.stands_open":
		return eventWord{text: "Door {door} stands open by its schedule"}, true
	case "door.stands_open_over":
		return eventWord{text: "Door {door} no longer stands open by its schedule"}, true
	case "lockdown.on":
		return eventWord{tone: "bad", text: "Lockdown{who}: nobody is let in", by: true}, true
	case "lockdown.off":
		return eventWord{tone: "good", text: "Lockdown ended{who}", by: true}, true
	case "display.text":
		return eventWord{text: "Shown on the display{who}", by: true}, true
	case "fire.on":
		return eventWord{tone: "bad", text: "Fire alarm"}, true
	case "fire.off":
		return eventWord{text: "Fire alarm over"}, true
	case "tamper.on":
		return eventWord{tone: "bad", text: "Tamper switch: somebody is at the housing"}, true
	case "tamper.off":
		return eventWord{text: "Tamper switch is quiet again"}, true
	case "tamper.block_over":
		return eventWord{text: "The block after tampering is over"}, true
	case "license.activated":
		return eventWord{tone: "good", text: "License activated"}, true
	case "license.already_active":
		return eventWord{text: "License shown again: already active"}, true
	case "license.refused":
		return eventWord{tone: "bad", text: "License refused"}, true
	case "license.given":
		return eventWord{tone: "good", text: "A part of a license was given to another panel"}, true
	case "license.taken":
		return eventWord{tone: "good", text: "Taken from another panel's license"}, true
	case "license.gave_back":
		return eventWord{tone: "good", text: "A part was given back to the panel it came from"}, true
	case "license.returned":
		return eventWord{tone: "good", text: "Another panel gave a part back"}, true
	case "license.released":
		return eventWord{tone: "warn", text: "A license was given up on this panel"}, true
	case "license.assigned":
		return eventWord{text: "A license was given to an account"}, true
	case "license.panel":
		return eventWord{text: "Another panel showed who it is"}, true
	case "license.restored":
		return eventWord{tone: "warn", text: "A license document was restored from the journal"}, true
	case "license.written":
		return eventWord{text: "A license document was copied into the journal"}, true
	case "license.answered":
		return eventWord{text: "A document of the hub was answered"}, true
	case "license.ordered":
		return eventWord{text: "The hub gave an order about licenses"}, true
	case "license.told":
		return eventWord{text: "The hub was told again what the panel has"}, true
	case "license.asked":
		return eventWord{text: "A short code was typed: the hub is asked"}, true
	case "license.withdrawn":
		return eventWord{tone: "warn", text: "The hub took a document back"}, true
	case "license.entitlements":
		return eventWord{tone: "good", text: "What the licenses give has changed"}, true
	case "scan.refused":
		return eventWord{tone: "warn", text: "Code not read"}, true
	case "account.changed":
		return eventWord{text: "Telephone account"}, true
	case "clock.changed":
		return eventWord{tone: "warn", text: "The clock was changed"}, true
	case "clock.set":
		return eventWord{tone: "warn", text: "The clock was set by hand{who}", by: true}, true
	case "device.failed":
		return eventWord{tone: "bad", text: "A device failed"}, true
	case "device.recovered":
		return eventWord{tone: "good", text: "A device is back"}, true
	case "service.on":
		return eventWord{text: "Service input: setting up is open for a while"}, true
	case "journal.tidied":
		return eventWord{text: "The journal was tidied{who}", by: true}, true
	case "journal.lost":
		return eventWord{tone: "bad", text: "The disk did not take entries before this one"}, true
	case "journal.gap":
		return eventWord{tone: "warn", text: "Entries were dropped, for the journal was full"}, true
	case "journal.unreadable":
		return eventWord{tone: "warn", text: "An entry that the panel's version cannot read"}, true
	case "system.started":
		return eventWord{text: "Panel started"}, true
	case "system.stopped":
		return eventWord{text: "Panel stopped"}, true
	case "system.reset":
		return eventWord{tone: "warn", text: "The panel was reset: everything of its owner was erased"}, true
	case "system.set_aside":
		return eventWord{tone: "warn", text: "A damaged file was set aside"}, true
	case "login.done":
		return eventWord{text: "Login at the panel{who}", by: true}, true
	case "login.refused":
		return eventWord{tone: "warn", text: "Login at the panel refused{who}"}, true
	case "config.changed":
		return eventWord{text: "Settings of the panel changed{who}", by: true}, true
	case "hub.paired":
		return eventWord{tone: "good", text: "The panel was paired with a hub{who}", by: true, how: true}, true
	case "hub.left":
		return eventWord{tone: "warn", text: "The panel left its hub{who}", by: true, how: true}, true
	}
	return eventWord{}, false
}

// sentenceCase begins a text with a capital and ends it with a stop.
func sentenceCase(text string) string {
	if text == "" {
		return "Something went wrong."
	}
	text = capital(text)
	if !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "?") {
		text += "."
	}
	return text
}

// capital begins a text with a capital letter.
func capital(text string) string {
	if text != "" && text[0] >= 'a' && text[0] <= 'z' {
		return string(text[0]-'a'+'A') + text[1:]
	}
	return text
}

func count(n int) string { return fmt.Sprint(n) }

func fraction(n, of int) string {
	if of <= 0 {
		return "–"
	}
	return fmt.Sprintf("%d of %d", n, of)
}

func okTone(ok bool) string {
	if ok {
		return "good"
	}
	return ""
}

func badTone(bad bool) string {
	if bad {
		return "bad"
	}
	return ""
}

// causeWords are those of the cause, without what the title beside them says already.
func causeWords(c monitor.Cause) string { return strings.TrimPrefix(c.Words(), "No contact. ") }

func incidentIcon(i monitor.Incident) string {
	switch {
	case !i.Closed.IsZero():
		return "state-online"
	case i.Kind == monitor.IncidentStopped:
		return "state-stopped"
	case i.Kind == monitor.IncidentUnsteady:
		return "state-unsteady"
	case i.Kind == monitor.IncidentBroker:
		return "state-unknown"
	}
	return "state-lost"
}

func liveCount(site siteView) int {
	n := 0
	for _, p := range site.Panels {
		if p.live() {
			n++
		}
	}
	return n
}
