package monitor

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/doorpanel/doorpanel/hub/fleet"
)

// Limits of lists.
const (
	RecipientsLimit  = 100
	WaysLimit        = 4
	MaintenanceLimit = 100
)

const nameLimit = 100 // characters

var idPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// CheckRecipients says what is wrong with a list of recipients, or nil.
func CheckRecipients(list []Recipient) error {
	if len(list) > RecipientsLimit {
		return fmt.Errorf("cannot set %d recipients: %d are the most; let one address pass it on", len(list), RecipientsLimit)
	}
	seen := map[string]bool{}
	for _, r := range list {
		if !idPattern.MatchString(r.ID) {
			return fmt.Errorf("cannot set recipient %.40q: the id has to be 1 to 32 of a-z 0-9 - and to begin with a letter or digit", r.ID)
		}
		if seen[r.ID] {
			return fmt.Errorf("cannot set recipient %q: it is there twice; each needs an id of its own", r.ID)
		}
		seen[r.ID] = true
		if err := r.check(); err != nil {
			return fmt.Errorf("cannot set recipient %q: %w", r.ID, err)
		}
	}
	return nil
}

func (r Recipient) check() error {
	if err := checkText("name", r.Name, nameLimit); err != nil {
		return err
	}
	if r.Group != First && r.Group != Escalation {
		return fmt.Errorf("group %.20q is neither %q nor %q", r.Group, First, Escalation)
	}
	for i, topic := range r.Topics {
		if !slices.Contains(Topics(), topic) || slices.Contains(r.Topics[:i], topic) {
			return fmt.Errorf("topic %.20q is unknown or there twice; known are %v", topic, Topics())
		}
	}
	if len(r.Ways) == 0 || len(r.Ways) > WaysLimit {
		return fmt.Errorf("%d ways to reach it: give 1 to %d", len(r.Ways), WaysLimit)
	}
	for _, way := range r.Ways {
		if err := checkTarget(fleet.Target{Channel: way.Channel, Address: way.Address}); err != nil {
			return err
		}
		if way.Fallback != nil {
			if err := checkTarget(*way.Fallback); err != nil {
				return fmt.Errorf("fall-back of %s: %w", way.Channel, err)
			}
		}
	}
	if r.Quiet == nil {
		return nil
	}
	if r.Quiet.From == "00:00" && r.Quiet.To == "24:00" {
		return errors.New("quiet hours from 00:00 to 24:00 would never end; take the recipient out instead")
	}
	return checkSpan("quiet hours", r.Quiet.From, r.Quiet.To)
}

func checkTarget(t fleet.Target) error {
	if err := checkText("address", t.Address, 320); err != nil {
		return err
	}
	switch t.Channel {
	case fleet.Email:
		user, host, found := strings.Cut(t.Address, "@")
		if !found || user == "" || host == "" || strings.ContainsAny(host, "@ ") {
			return fmt.Errorf("%.60q is no e-mail address", t.Address)
		}
	case fleet.SMS:
		digits, international := strings.CutPrefix(t.Address, "+")
		if !international || len(digits) < 7 || len(digits) > 15 || strings.Trim(digits, "0123456789") != "" {
			return fmt.Errorf("%.60q is no telephone number; write it with its country and without spaces: +390212345678", t.Address)
		}
	case fleet.Webhook:
		if !strings.HasPrefix(t.Address, "https://") && !strings.HasPrefix(t.Address, "http://") {
			return fmt.Errorf("%.60q is no address of a webhook; it begins with https://", t.Address)
		}
	default:
		return fmt.Errorf("channel %.20q is none of %s, %s and %s", t.Channel, fleet.Email, fleet.SMS, fleet.Webhook)
	}
	return nil
}

func checkText(what, text string, limit int) error {
	if strings.TrimSpace(text) == "" || !utf8.ValidString(text) || utf8.RuneCountInString(text) > limit || strings.ContainsFunc(text, unicode.IsControl) {
		return fmt.Errorf("%s %.40q: give 1 to %d characters, none of them a control character", what, text, limit)
	}
	return nil
}

func checkSpan(what, from, to string) error {
	first, err := minuteOf(from)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	last, err := minuteOf(to)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if first == minutesOfDay || first == last {
		return fmt.Errorf("%s from %s to %s would never begin or never end", what, from, to)
	}
	return nil
}

// CheckMaintenance says what is wrong with a list of maintenance windows, or nil.
func CheckMaintenance(windows []Maintenance) error {
	if len(windows) > MaintenanceLimit {
		return fmt.Errorf("cannot set %d maintenance windows: %d are the most; take out those that are over", len(windows), MaintenanceLimit)
	}
	seen := map[string]bool{}
	for _, m := range windows {
		if !idPattern.MatchString(m.ID) || seen[m.ID] {
			return fmt.Errorf("cannot set maintenance window %.40q: the id has to be 1 to 32 of a-z 0-9 -, each once", m.ID)
		}
		seen[m.ID] = true
		if err := m.check(); err != nil {
			return fmt.Errorf("cannot set maintenance window %q: %w", m.ID, err)
		}
	}
	return nil
}

const maintenanceLongest = 31 * 24 * time.Hour

func (m Maintenance) check() error {
	if utf8.RuneCountInString(m.Note) > nameLimit || utf8.RuneCountInString(m.By) > nameLimit || len(m.Panels) > 1000 {
		return errors.New("its note or its list of panels is too long")
	}
	if !m.weekly() {
		switch length := m.Until.Sub(m.From); {
		case m.Start != "" || m.End != "":
			return errors.New("it has times of the day, but no days of the week")
		case m.From.IsZero() || length <= 0:
			return fmt.Errorf("it ends at %s, which is not after its beginning at %s", m.Until.Format(time.RFC3339), m.From.Format(time.RFC3339))
		case length > maintenanceLongest:
			return fmt.Errorf("it lasts %d days: 31 are the most, for nobody is warned meanwhile", int(length/(24*time.Hour)))
		}
		return nil
	}
	if !m.From.IsZero() || !m.Until.IsZero() {
		return errors.New("it has both dates and days of the week; make two windows")
	}
	for i, day := range m.Days {
		if !slices.Contains(weekdays[:], day) || slices.Contains(m.Days[:i], day) {
			return fmt.Errorf("day %.20q is unknown or there twice; known are %s", day, strings.Join(weekdays[:], ", "))
		}
	}
	return checkSpan("weekly", m.Start, m.End)
}
