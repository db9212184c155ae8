package web

import (
	"cmp"
	"fmt"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/hub/roles"
)

const (
	maxRecipients = 50
	maxWindows    = 50
	maxLicense    = 4096
	// TestKind is the kind of a delivery that somebody sends to see whether it arrives.
	TestKind = "test"
)

type (
	recipientRequest struct {
		Name     string          `json:"name"`
		Language string          `json:"language,omitempty"`
		Group    monitor.Group   `json:"group"`
		Topics   []monitor.Topic `json:"topics,omitempty"` // none: all
		Ways     []wayRequest    `json:"ways"`
		From     string          `json:"quiet_from,omitempty"` // 22:00
		To       string          `json:"quiet_to,omitempty"`
	}
	wayRequest struct {
		Channel         fleet.Channel `json:"channel"`
		Address         string        `json:"address"`
		FallbackChannel fleet.Channel `json:"fallback_channel,omitempty"`
		FallbackAddress string        `json:"fallback_address,omitempty"`
	}
	maintenanceRequest struct {
		Hours  int      `json:"hours,omitempty"`  // from now on; or
		From   string   `json:"from,omitempty"`   // planned: RFC 3339, or in the site's zone
		Until  string   `json:"until,omitempty"`  //
		Days   []string `json:"days,omitempty"`   // weekly: mon ... sun
		Start  string   `json:"start,omitempty"`  // 02:00
		End    string   `json:"end,omitempty"`    // 04:00
		Panels []string `json:"panels,omitempty"` // ids; none: the whole site
		Note   string   `json:"note,omitempty"`
	}
	licenseRequest struct {
		Token string `json:"token"`
	}
)

// watchRoutes are what is warned of at a site, and who is told.
func (s *Server) watchRoutes() []route {
	recipient := recipientRequest{Name: "Ines", Group: monitor.First, Ways: []wayRequest{{Channel: fleet.Email, Address: "ines@example.org"}}}
	return slices.Concat(
		deed[monitor.Policy]{Method: "PUT", API: "/sites/{site}/policy", Access: roles.EditWarnings, Status: 200, Summary: "When people are warned; every number has bounds",
			Request: monitor.DefaultPolicy(), Response: monitor.DefaultPolicy(), Do: s.doPolicy}.routes(),
		[]route{form("/sites/{site}/policy", roles.EditWarnings, "When people are warned", s.doPolicyForm)},
		deed[recipientRequest]{Method: "POST", API: "/sites/{site}/recipients", Page: "/sites/{site}/recipients", Access: roles.EditWarnings, Status: 201, Summary: "Add a recipient",
			Request: recipient, Response: monitor.Recipient{ID: "ines", Name: "Ines"}, Do: s.doNewRecipient}.routes(),
		deed[recipientRequest]{Method: "PUT", API: "/sites/{site}/recipients/{id}", Page: "/sites/{site}/recipients/{id}", Access: roles.EditWarnings, Status: 200, Summary: "Change a recipient",
			Request: recipient, Response: monitor.Recipient{ID: "ines", Name: "Ines"}, Do: s.doRecipient}.routes(),
		deed[none]{Method: "DELETE", API: "/sites/{site}/recipients/{id}", Page: "/sites/{site}/recipients/{id}/remove", Access: roles.EditWarnings, Status: 204, Summary: "Remove a recipient", Do: s.doRemoveRecipient}.routes(),
		deed[none]{Method: "POST", API: "/sites/{site}/recipients/{id}/test", Page: "/sites/{site}/recipients/{id}/test", Access: roles.AnswerWarnings, Status: 201, Summary: "Send a test message over each way of a recipient",
			Response: object{"deliveries": []fleet.Delivery{}}, Do: s.doTestRecipient}.routes(),
		deed[maintenanceRequest]{Method: "POST", API: "/sites/{site}/maintenance", Page: "/sites/{site}/maintenance", Access: roles.AnswerWarnings, Status: 201, Summary: "Begin or plan a time in which nobody is warned",
			Request: maintenanceRequest{Hours: 1, Note: "new cable"}, Response: monitor.Maintenance{ID: "m1"}, Do: s.doMaintenance}.routes(),
		deed[none]{Method: "DELETE", API: "/sites/{site}/maintenance/{id}", Page: "/sites/{site}/maintenance/{id}/end", Access: roles.AnswerWarnings, Status: 204, Summary: "End or forget a maintenance window", Do: s.doEndMaintenance}.routes(),
		deed[licenseRequest]{Method: "POST", API: "/sites/{site}/license", Page: "/sites/{site}/license", Access: roles.EnterPackages, Status: 201, Summary: "Enter the site's monitoring license",
			Request: licenseRequest{Token: "DP1:…"}, Response: MonitoringLicense{ID: "…", Status: "active"}, Do: s.doLicense}.routes(),
		deed[none]{Method: "POST", API: "/sites/{site}/outages/{incident}/acknowledge", Page: "/sites/{site}/outages/{incident}/acknowledge", Access: roles.AnswerWarnings, Status: 204,
			Summary: "Take an outage on: nothing is repeated and nobody else is called", Do: s.doAcknowledge}.routes(),
	)
}

func (s *Server) doPolicy(v *visit, in monitor.Policy) (outcome, error) {
	if err := monitor.CheckPolicy(in); err != nil {
		return outcome{}, notValid(policyWords(err))
	}
	s.edits.Lock()
	defer s.edits.Unlock()
	before, err := v.watched(v.path("site"))
	if err != nil {
		return outcome{}, err
	}
	if err := v.fresh("when people are warned here", editionOf(before.Policy), fleet.Edition{}); err != nil {
		return outcome{}, err
	}
	change := differing(v.change("policy.changed", before.ID, before.ID, "when people are warned changed"), before.Policy, in)
	if err := s.o.Watch.Tell(v.r.Context(), before.ID, monitor.PolicyChanged{Policy: in}, change); err != nil {
		return outcome{}, err
	}
	return outcome{Body: in, Said: "The rules for warnings are saved.", Back: at("sites", before.ID) + "#warnings"}, nil
}

// editRecipients changes the list of a site's recipients as one step.
func (s *Server) editRecipients(v *visit, edit func(monitor.Site) ([]monitor.Recipient, fleet.Change, error)) error {
	s.edits.Lock()
	defer s.edits.Unlock()
	site, err := v.watched(v.path("site"))
	if err != nil {
		return err
	}
	next, change, err := edit(site)
	if err != nil {
		return err
	}
	if len(next) > maxRecipients {
		return notValid(fmt.Sprintf("a site has at most %d recipients", maxRecipients))
	}
	if err := monitor.CheckRecipients(next); err != nil {
		return notValid(err.Error())
	}
	return s.o.Watch.Tell(v.r.Context(), site.ID, monitor.RecipientsChanged{Recipients: next}, change)
}

func (s *Server) doNewRecipient(v *visit, in recipientRequest) (outcome, error) {
	made, err := in.recipient()
	if err != nil {
		return outcome{}, err
	}
	err = s.editRecipients(v, func(site monitor.Site) ([]monitor.Recipient, fleet.Change, error) {
		made.ID = freeID(slug(made.Name), func(id string) bool {
			return slices.ContainsFunc(site.Recipients, func(r monitor.Recipient) bool { return r.ID == id }) ||
				slices.ContainsFunc(site.Mail, func(m monitor.Mailbox) bool { return m.Recipient == id })
		})
		return append(slices.Clone(site.Recipients), made), v.change("recipient.made", made.ID, site.ID, "recipient "+made.Name+" added"), nil
	})
	if err != nil {
		return outcome{}, err
	}
	return outcome{Body: made, Said: made.Name + " is told from now on. Send a test message to see that it arrives.", Back: at("sites", v.path("site")) + "#recipients"}, nil
}

// freeID is an id that nobody has, made from a wish.
func freeID(wish string, taken func(string) bool) string {
	wish = cmp.Or(strings.Trim(wish[:min(len(wish), 24)], "-"), "recipient")
	id := wish
	for n := 2; taken(id); n++ {
		id = fmt.Sprintf("%s-%d", wish, n)
	}
	return id
}

func (s *Server) doRecipient(v *visit, in recipientRequest) (outcome, error) {
	changed, err := in.recipient()
	if err != nil {
		return outcome{}, err
	}
	err = s.editRecipients(v, func(site monitor.Site) ([]monitor.Recipient, fleet.Change, error) {
		i := slices.IndexFunc(site.Recipients, func(r monitor.Recipient) bool { return r.ID == v.path("id") })
		if i < 0 {
			return nil, fleet.Change{}, notThere()
		}
		was := site.Recipients[i]
		if err := v.fresh("the recipient "+was.Name, editionOf(was), fleet.Edition{}); err != nil {
			return nil, fleet.Change{}, err
		}
		changed.ID = was.ID
		next := slices.Clone(site.Recipients)
		next[i] = changed
		return next, differing(v.change("recipient.changed", changed.ID, site.ID, "recipient "+changed.Name+" changed"), was, changed), nil
	})
	if err != nil {
		return outcome{}, err
	}
	return outcome{Body: changed, Said: "Saved.", Back: at("sites", v.path("site")) + "#recipients"}, nil
}

func (s *Server) doRemoveRecipient(v *visit, _ none) (outcome, error) {
	err := s.editRecipients(v, func(site monitor.Site) ([]monitor.Recipient, fleet.Change, error) {
		i := slices.IndexFunc(site.Recipients, func(r monitor.Recipient) bool { return r.ID == v.path("id") })
		if i < 0 {
			return nil, fleet.Change{}, notThere()
		}
		was := site.Recipients[i]
		if err := v.fresh("the recipient "+was.Name, editionOf(was), fleet.Edition{}); err != nil {
			return nil, fleet.Change{}, err
		}
		return slices.Delete(slices.Clone(site.Recipients), i, i+1), v.change("recipient.removed", was.ID, site.ID, "recipient "+was.Name+" removed"), nil
	})
	if err != nil {
		return outcome{}, err
	}
	return outcome{Said: "Removed; nothing more is sent there.", Back: at("sites", v.path("site")) + "#recipients"}, nil
}

// recipient is the request as the monitor has it, without its id.
func (in recipientRequest) recipient() (monitor.Recipient, error) {
	r := monitor.Recipient{Name: strings.TrimSpace(in.Name), Language: in.Language, Group: cmp.Or(in.Group, monitor.First), Topics: in.Topics}
	if err := checkName("the recipient's name", r.Name, true); err != nil {
		return r, err
	}
	if r.Language != "" && !slices.Contains(languages(), r.Language) {
		return r, notValid("the language is one of " + strings.Join(languages(), ", "))
	}
	if r.Group != monitor.First && r.Group != monitor.Escalation {
		return r, notValid("the group is first or escalation")
	}
	for _, t := range r.Topics {
		if !slices.Contains(monitor.Topics(), t) {
			return r, notValid(fmt.Sprintf("there is no topic %.40q; it is one of %q, or leave topics away for all of them", t, monitor.Topics()))
		}
	}
	if len(r.Topics) == len(monitor.Topics()) {
		r.Topics = nil
	}
	for _, w := range in.Ways {
		if strings.TrimSpace(w.Address) == "" {
			continue // an empty row of the form
		}
		way := monitor.Way{Channel: w.Channel, Address: strings.TrimSpace(w.Address)}
		if err := checkAddress(way.Channel, way.Address); err != nil {
			return r, err
		}
		if address := strings.TrimSpace(w.FallbackAddress); address != "" {
			if err := checkAddress(w.FallbackChannel, address); err != nil {
				return r, err
			}
			way.Fallback = &fleet.Target{Channel: w.FallbackChannel, Address: address}
		}
		r.Ways = append(r.Ways, way)
	}
	if len(r.Ways) == 0 {
		return r, notValid("give at least one e-mail address, telephone number or web address")
	}
	if in.From != "" || in.To != "" {
		if !clockPattern().MatchString(in.From) || !clockPattern().MatchString(in.To) {
			return r, notValid("quiet hours are two times such as 22:00 and 07:00, or both empty")
		}
		r.Quiet = &monitor.Quiet{From: in.From, To: in.To}
	}
	return r, nil
}

func clockPattern() *regexp.Regexp { return regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`) }

// checkAddress takes what a channel can reach.
func checkAddress(channel fleet.Channel, address string) error {
	if len(address) > 320 || strings.ContainsFunc(address, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return notValid("the address is too long or has characters that cannot be sent")
	}
	switch channel {
	case fleet.Email:
		if parsed, err := mail.ParseAddress(address); err != nil || parsed.Address != address {
			return notValid(fmt.Sprintf("%q is not an e-mail address; write it as name@example.org", address))
		}
	case fleet.SMS:
		if !regexp.MustCompile(`^\+[1-9][0-9]{5,14}$`).MatchString(address) {
			return notValid(fmt.Sprintf("%q is not a telephone number; write it with its country as +390612345678, without spaces", address))
		}
	case fleet.Webhook:
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
			return notValid(fmt.Sprintf("%q is not a web address that can be called; write it as https://example.org/doors", address))
		}
	default:
		return notValid("the channel is email, sms or webhook")
	}
	return nil
}

func (s *Server) doTestRecipient(v *visit, _ none) (outcome, error) {
	site, err := v.watched(v.path("site"))
	if err != nil {
		return outcome{}, err
	}
	i := slices.IndexFunc(site.Recipients, func(r monitor.Recipient) bool { return r.ID == v.path("id") })
	if i < 0 {
		return outcome{}, notThere()
	}
	r := site.Recipients[i]
	sent := []fleet.Delivery{}
	for _, way := range r.Ways {
		d, err := s.o.Messenger.Test(v.r.Context(), fleet.Delivery{Site: site.ID, Kind: TestKind, Recipient: r.ID, Channel: way.Channel, Address: way.Address,
			Language: cmp.Or(r.Language, site.Language)}, v.change("recipient.tested", r.ID, site.ID, "test message to "+r.Name))
		if err != nil {
			return outcome{}, err
		}
		sent = append(sent, d)
	}
	return outcome{Body: object{"deliveries": sent}, Said: "A test message to " + r.Name + " is on its way; see below what becomes of it.", Back: at("sites", site.ID) + "#recipients"}, nil
}

// tests are the newest test messages of a site.
func (v *visit) tests(site string) ([]fleet.Delivery, error) {
	page, err := v.deliveries(fleet.DeliveryQuery{Site: site, Limit: 40})
	if err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(page.Deliveries, func(d fleet.Delivery) bool { return d.Kind != TestKind })
	return found[:min(len(found), 6)], nil
}

// editMaintenance changes the list of a site's maintenance windows as one step. Those that are over for a week are forgotten.
func (s *Server) editMaintenance(v *visit, edit func(monitor.Site) ([]monitor.Maintenance, fleet.Change, error)) error {
	s.edits.Lock()
	defer s.edits.Unlock()
	site, err := v.watched(v.path("site"))
	if err != nil {
		return err
	}
	next, change, err := edit(site)
	if err != nil {
		return err
	}
	now := s.o.Now()
	next = slices.DeleteFunc(next, func(m monitor.Maintenance) bool { return len(m.Days) == 0 && now.Sub(m.Until) > 7*24*time.Hour })
	if len(next) > maxWindows {
		return notValid(fmt.Sprintf("a site has at most %d maintenance windows", maxWindows))
	}
	if err := monitor.CheckMaintenance(next); err != nil {
		return notValid(err.Error())
	}
	return s.o.Watch.Tell(v.r.Context(), site.ID, monitor.MaintenanceSet{Windows: next}, change)
}

func (s *Server) doMaintenance(v *visit, in maintenanceRequest) (outcome, error) {
	site, err := v.siteRecord(v.path("site"))
	if err != nil {
		return outcome{}, err
	}
	made, err := in.window(s.o.Now(), zoneOf(site.Zone))
	if err != nil {
		return outcome{}, err
	}
	made.By = v.caller.User
	err = s.editMaintenance(v, func(watch monitor.Site) ([]monitor.Maintenance, fleet.Change, error) {
		for _, id := range made.Panels {
			if _, ok := watch.Panel(id); !ok {
				return nil, fleet.Change{}, notValid(fmt.Sprintf("the site has no panel %.26q", id))
			}
		}
		made.ID = freeID("m-"+s.o.Now().UTC().Format("20060102-150405"), func(id string) bool {
			return slices.ContainsFunc(watch.Maintenance, func(m monitor.Maintenance) bool { return m.ID == id })
		})
		return append(slices.Clone(watch.Maintenance), made), v.change("maintenance.set", made.ID, site.ID, maintenanceWords(made, zoneOf(site.Zone), s.o.Now())), nil
	})
	if err != nil {
		return outcome{}, err
	}
	return outcome{Body: made, Said: "Maintenance " + maintenanceWords(made, zoneOf(site.Zone), s.o.Now()) + ": nobody is warned then.", Back: at("sites", site.ID) + "#maintenance"}, nil
}

// window is the request as the monitor has it, without its id.
func (in maintenanceRequest) window(now time.Time, zone *time.Location) (monitor.Maintenance, error) {
	m := monitor.Maintenance{Panels: in.Panels, Note: strings.TrimSpace(in.Note)}
	if err := checkName("the note", m.Note, false); err != nil {
		return m, err
	}
	if len(in.Days) > 0 {
		for _, d := range in.Days {
			if !slices.Contains(weekdays(), d) {
				return m, notValid("the days are mon tue wed thu fri sat sun")
			}
		}
		if !clockPattern().MatchString(in.Start) || !clockPattern().MatchString(in.End) {
			return m, notValid("start and end are times such as 02:00 and 04:00")
		}
		m.Days, m.Start, m.End = in.Days, in.Start, in.End
		return m, nil
	}
	if in.Hours != 0 {
		if in.Hours < 1 || in.Hours > 168 {
			return m, notValid("maintenance from now on lasts 1 to 168 hours")
		}
		m.From, m.Until = now, now.Add(time.Duration(in.Hours)*time.Hour)
		return m, nil
	}
	var err error
	if m.From, err = moment("the beginning", in.From, zone); err != nil {
		return m, err
	}
	if m.Until, err = moment("the end", in.Until, zone); err != nil {
		return m, err
	}
	switch {
	case m.From.IsZero() || m.Until.IsZero():
		return m, notValid("give a beginning and an end, or days of the week, or a number of hours from now on")
	case !m.Until.After(m.From):
		return m, notValid("the end is not after the beginning")
	case !m.Until.After(now):
		return m, notValid("the end has passed already")
	case m.Until.Sub(m.From) > 90*24*time.Hour:
		return m, notValid("one maintenance lasts at most 90 days")
	}
	return m, nil
}

func weekdays() []string { return []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"} }

// maintenanceWords says when a window is.
func maintenanceWords(m monitor.Maintenance, zone *time.Location, now time.Time) string {
	if len(m.Days) > 0 {
		days := make([]string, len(m.Days))
		for i, d := range m.Days {
			days[i] = strings.ToUpper(d[:1]) + d[1:]
		}
		return strings.Join(days, ", ") + " from " + m.Start + " to " + m.End
	}
	return "from " + when(m.From, now, zone) + " to " + when(m.Until, now, zone)
}

func (s *Server) doEndMaintenance(v *visit, _ none) (outcome, error) {
	err := s.editMaintenance(v, func(watch monitor.Site) ([]monitor.Maintenance, fleet.Change, error) {
		next := slices.DeleteFunc(slices.Clone(watch.Maintenance), func(m monitor.Maintenance) bool { return m.ID == v.path("id") })
		if len(next) == len(watch.Maintenance) {
			return nil, fleet.Change{}, notThere()
		}
		return next, v.change("maintenance.ended", v.path("id"), watch.ID, "maintenance window ended"), nil
	})
	if err != nil {
		return outcome{}, err
	}
	return outcome{Said: "The maintenance is over: people are warned again.", Back: at("sites", v.path("site")) + "#maintenance"}, nil
}

func (s *Server) doLicense(v *visit, in licenseRequest) (outcome, error) {
	site, err := v.siteRecord(v.path("site"))
	if err != nil {
		return outcome{}, err
	}
	text := strings.TrimSpace(in.Token) // spaces within are digits of base45
	if text == "" || len(text) > maxLicense {
		return outcome{}, notValid("paste the text of the license, which begins with DP1:")
	}
	license, err := s.o.Licenses.EnterLicense(v.r.Context(), site.ID, text, v.change("license.entered", "", site.ID, ""))
	if err != nil {
		return outcome{}, err
	}
	return outcome{Body: license, Said: "The monitoring license is entered: " + cmp.Or(license.Message, license.Status) + ".", Back: at("sites", site.ID) + "#license"}, nil
}

func (s *Server) doAcknowledge(v *visit, _ none) (outcome, error) {
	site, err := v.watched(v.path("site"))
	if err != nil {
		return outcome{}, err
	}
	i := slices.IndexFunc(site.Open, func(i monitor.Incident) bool { return i.ID == v.path("incident") })
	if i < 0 {
		return outcome{}, notThere()
	}
	if site.Open[i].Acked.IsZero() {
		if err := s.o.Watch.Tell(v.r.Context(), site.ID, monitor.Acknowledged{Incident: site.Open[i].ID, By: v.caller.User},
			v.change("outage.acknowledged", site.Open[i].ID, site.ID, "taken on: "+incidentTitle(site.Open[i]))); err != nil {
			return outcome{}, err
		}
	}
	return outcome{Said: "You have taken it on: nothing is repeated and nobody else is called.", Back: nextPage(cmp.Or(v.r.URL.Query().Get("back"), "/warnings"))}, nil
}
