package notify

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// presented are a message's facts in the words of its language.
type presented struct {
	kind     string
	language string
	facts    []Fact
}

// raw is a fact as it came, or nothing.
func (p presented) raw(name string) string {
	for _, f := range p.facts {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// value is a placeholder's text on one line; lines and facts have several.
func (p presented) value(name string, limit int) string {
	switch name {
	case "facts":
		return p.listed()
	case "lines":
		return p.lines()
	case "kind":
		return oneLine(p.kind, limit)
	case "licenses":
		return oneLine(p.amounts("license"), limit)
	case "stops":
		return oneLine(p.amounts("stop"), limit)
	case "stopping":
		return p.holders()
	case "since", "last_seen", "back", "until", "at":
		return oneLine(moment(p.raw(name), p.language), limit)
	case "duration":
		return oneLine(duration(p.raw("duration_s"), p.language), limit)
	case "cause":
		if words := causeWords(p.raw("cause"), p.language); words != "" {
			return words
		}
		return oneLine(p.raw("cause_text"), limit)
	case "panels":
		if p.raw(name) == "" && (p.raw("of") == "broker" || p.kind == "broker") {
			return pick(p.language, "the hub's connection", "la connessione del centro", "die Verbindung der Zentrale")
		}
	case "of":
		return oneLine(happened(p.raw("of"), p.language), limit)
	}
	return oneLine(p.raw(name), limit)
}

// listed is every fact on a line of its own, for a message of a kind without a text.
func (p presented) listed() string {
	var all []string
	for _, f := range p.facts {
		if value := oneLine(f.Value, maxFact); value != "" {
			all = append(all, oneLine(f.Name, maxName)+": "+value)
		}
	}
	return strings.Join(all, "\n")
}

// lines are the entries of a summary: facts named line, "kind|panels|from|to|cause" each.
func (p presented) lines() string {
	var all []string
	for _, f := range p.facts {
		if f.Name != "line" {
			continue
		}
		part := strings.Split(f.Value, "|")
		if len(part) != 5 {
			all = append(all, "- "+oneLine(f.Value, maxFact))
			continue
		}
		to := moment(part[3], p.language)
		if part[3] == "" {
			to = pick(p.language, "still so", "ancora in corso", "noch immer")
		}
		entry := fmt.Sprintf("- %s – %s  %s", moment(part[2], p.language), to, happened(part[0], p.language))
		if part[1] != "" {
			entry += ": " + part[1]
		}
		all = append(all, oneLine(entry, maxFact))
	}
	return strings.Join(all, "\n")
}

// amounts are facts of a name, "resource|number" each, on one line.
func (p presented) amounts(name string) string {
	var all []string
	for _, f := range p.facts {
		resource, number, ok := strings.Cut(f.Value, "|")
		if f.Name == name && ok {
			all = append(all, number+" "+resourceWords(resource, p.language))
		}
	}
	return strings.Join(all, ", ")
}

// holders are those whose licenses stop: facts named stopping, "holder|resource|label" each, a line for each.
func (p presented) holders() string {
	var all []string
	for _, f := range p.facts {
		if f.Name != "stopping" {
			continue
		}
		part := strings.Split(f.Value, "|")
		if len(part) != 3 {
			all = append(all, "- "+oneLine(f.Value, maxFact))
			continue
		}
		entry := "- " + part[0] + ": " + resourceWords(part[1], p.language)
		if part[2] != "" {
			entry += " (" + part[2] + ")"
		}
		all = append(all, oneLine(entry, maxFact))
	}
	return strings.Join(all, "\n")
}

// resourceWords names what licenses count.
func resourceWords(resource, language string) string {
	switch resource {
	case "sip_numbers":
		return pick(language, "SIP numbers", "numeri SIP", "SIP-Nummern")
	case "apps":
		return pick(language, "applications", "applicazioni", "Apps")
	case "ukey":
		return pick(language, "mobile keys", "chiavi mobili", "mobile Schlüssel")
	case "buttons":
		return pick(language, "call buttons", "pulsanti di chiamata", "Klingeltasten")
	case "panels":
		return pick(language, "panels", "posti esterni", "Türstationen")
	}
	return resource
}

// moment writes an RFC 3339 time by the clock of its own zone, which is the site's. Anything else stays as it is.
func moment(text, language string) string {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return text
	}
	return at.Format(pick(language, "2 Jan 2006 15:04", "02/01/2006 15:04", "02.01.2006 15:04"))
}

func duration(seconds, language string) string {
	s, err := strconv.ParseUint(seconds, 10, 40)
	if err != nil {
		return ""
	}
	days, hours, minutes := s/86400, s/3600%24, s/60%60
	switch {
	case days > 1:
		return fmt.Sprintf("%d %s %d h", days, pick(language, "days", "giorni", "Tage"), hours)
	case days == 1:
		return fmt.Sprintf("1 %s %d h", pick(language, "day", "giorno", "Tag"), hours)
	case hours > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%d min", minutes)
	}
	return fmt.Sprintf("%d s", s)
}

// happened says in a few words what a message of a kind tells.
func happened(kind, language string) string {
	switch kind {
	case "lost":
		return pick(language, "no contact", "nessun contatto", "kein Kontakt")
	case "line":
		return pick(language, "line or power of the site", "linea o corrente del sito", "Leitung oder Strom des Standorts")
	case "stopped":
		return pick(language, "stopped", "spento", "angehalten")
	case "broker":
		return pick(language, "the hub cannot see the site", "il centro non vede il sito", "die Zentrale sieht den Standort nicht")
	case "unsteady":
		return pick(language, "comes and goes", "va e viene", "kommt und geht")
	case "repeat":
		return pick(language, "still so", "ancora in corso", "noch immer so")
	case "escalated":
		return pick(language, "nobody has taken it on", "nessuno se ne occupa", "niemand kümmert sich")
	case "more":
		return pick(language, "no contact with more panels", "nessun contatto con altri posti esterni", "kein Kontakt zu weiteren Türstationen")
	case "partly":
		return pick(language, "partly back", "in parte di nuovo raggiungibile", "zum Teil wieder da")
	case "back", "steady":
		return pick(language, "back", "tornato", "wieder da")
	}
	return kind
}

// causeWords says why, for the causes that monitoring knows.
func causeWords(cause, language string) string {
	switch cause {
	case "panel":
		return pick(language, "Other panels of the site are there: it is this panel, its power or its cable.",
			"Gli altri posti esterni del sito rispondono: si tratta di questo posto esterno, della sua alimentazione o del suo cavo.",
			"Andere Türstationen des Standorts sind da: Es liegt an dieser Station, ihrem Strom oder ihrem Kabel.")
	case "only":
		return pick(language, "The site has no other panel to compare with: it may be the panel, its power or the site's line.",
			"Nessun altro posto esterno del sito con cui confrontarlo: può trattarsi del posto esterno, della sua alimentazione o della linea del sito.",
			"Keine andere Türstation des Standorts zum Vergleich: die Station, ihr Strom oder die Leitung des Standorts.")
	case "site":
		return pick(language, "Several panels went at the same time: it is the site's line or its power.",
			"Più posti esterni sono spariti insieme: si tratta della linea o della corrente del sito.",
			"Mehrere Türstationen gingen zugleich: Es liegt an der Leitung oder am Strom des Standorts.")
	case "broker":
		return pick(language, "The hub has no connection to the broker and cannot see any panel.",
			"Il centro non ha connessione con il broker e non vede alcun posto esterno.",
			"Die Zentrale hat keine Verbindung zum Broker und sieht keine Türstation.")
	case "stopped":
		return pick(language, "The panel was stopped by somebody.", "Il posto esterno è stato spento da qualcuno.", "Die Türstation wurde von jemandem angehalten.")
	case "restarted":
		return pick(language, "The panel was started again, or was without power.", "Il posto esterno è stato riavviato o era senza corrente.",
			"Die Türstation wurde neu gestartet oder war ohne Strom.")
	case "network":
		return pick(language, "The panel kept running: its network was away.", "Il posto esterno è rimasto acceso: mancava la sua rete.",
			"Die Türstation lief weiter: Ihr Netz war weg.")
	case "line":
		return pick(language, "The site's line was away: all of the panels, or most, kept running.", "Mancava la linea del sito: tutti i posti esterni, o quasi, sono rimasti accesi.",
			"Die Leitung des Standorts war weg: Alle Türstationen oder die meisten liefen weiter.")
	case "power":
		return pick(language, "The site's power was away: all of the panels, or most, were started anew.", "Mancava la corrente del sito: tutti i posti esterni, o quasi, sono ripartiti.",
			"Der Strom des Standorts war weg: Alle Türstationen oder die meisten sind neu gestartet.")
	case "removed":
		return pick(language, "The panel was taken out of the hub.", "Il posto esterno è stato tolto dal centro.", "Die Türstation wurde aus der Zentrale entfernt.")
	case "license":
		return pick(language, "The monitoring license ended.", "La licenza di monitoraggio è terminata.", "Die Lizenz für die Überwachung ist abgelaufen.")
	case "unsteady":
		return pick(language, "The panel comes and goes.", "Il posto esterno va e viene.", "Die Türstation kommt und geht.")
	}
	return ""
}

// pick chooses by language; English is what everything else gets.
func pick(language, en, it, de string) string {
	switch language {
	case "it":
		return it
	case "de":
		return de
	}
	return en
}
