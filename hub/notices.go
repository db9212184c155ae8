package hub

import (
	"fmt"
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
)

// securityNotices tells the site's recipients of a fault: once a day for each panel and kind, however often it is found.
func securityNotices(site monitor.Site, zone *time.Location, now time.Time, f fleet.Fault) []fleet.Delivery {
	if !site.License.Holds(now) {
		return nil
	}
	name := f.Panel
	if p, ok := site.Panel(f.Panel); ok {
		name = p.Name
	}
	facts := []fleet.Fact{
		{Name: monitor.FactSite, Value: site.Name},
		{Name: monitor.FactPanels, Value: name},
		{Name: monitor.FactAt, Value: stamp(f.At, zone)},
		{Name: monitor.FactText, Value: f.Detail},
	}
	id := fmt.Sprintf("security/%s/%s/%s/%s", site.ID, f.Panel, f.Kind, monitor.DateOf(now, zone))
	return notices(site, monitor.KindSecurity, id, facts, now, func(r monitor.Recipient) bool {
		return len(r.Topics) == 0 || slices.Contains(r.Topics, monitor.TopicSecurity)
	})
}

// alarmNotices tells those who chose it of a silent alarm or of its test, also during quiet hours.
func alarmNotices(site monitor.Site, zone *time.Location, now time.Time, a alarm, panel string) []fleet.Delivery {
	if !site.License.Holds(now) {
		return nil
	}
	r := a.event
	facts := []fleet.Fact{
		{Name: monitor.FactSite, Value: site.Name},
		{Name: monitor.FactPanels, Value: panel},
		{Name: monitor.FactAt, Value: stamp(r.At, zone)},
	}
	kind := monitor.KindSilentAlarm
	if a.number != "" {
		kind, facts = monitor.KindSilentTest, append(facts, fleet.Fact{Name: monitor.FactNumber, Value: a.number})
	} else {
		facts = append(facts, fleet.Fact{Name: monitor.FactDoor, Value: r.Event.Door}, fleet.Fact{Name: monitor.FactText, Value: r.Event.Who})
	}
	id := fmt.Sprintf("alarm/%s/%s/%s/%d", site.ID, r.Panel, r.Event.Epoch, r.Event.Seq)
	return notices(site, kind, id, facts, now, func(r monitor.Recipient) bool { return slices.Contains(r.Topics, monitor.TopicSilentAlarm) })
}

func stamp(t time.Time, zone *time.Location) string { return t.In(zone).Format(time.RFC3339) }

// notices makes one delivery for each way to each recipient who wants it. Their ids follow from what they tell.
func notices(site monitor.Site, kind monitor.Kind, id string, facts []fleet.Fact, now time.Time, wants func(monitor.Recipient) bool) []fleet.Delivery {
	var list []fleet.Delivery
	for _, r := range site.Recipients {
		if !wants(r) {
			continue
		}
		language := r.Language
		if language == "" {
			language = site.Language
		}
		for i, way := range r.Ways {
			list = append(list, fleet.Delivery{
				ID: fmt.Sprintf("%s/%s/%d", id, r.ID, i+1), Site: site.ID, Kind: string(kind), Recipient: r.ID, Channel: way.Channel, Address: way.Address,
				Language: language, Facts: facts, Made: now, Due: now, State: fleet.Waiting, Fallback: way.Fallback,
			})
		}
	}
	return list
}
