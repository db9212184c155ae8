package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// scene is one line of a story: at some time something happens to somebody.
type scene struct {
	at     time.Duration // since the story began
	row    int           // of the file, from 1; 0: not from a file
	text   string
	whom   whom
	what   happening
	length time.Duration // for how long; 0: for good, or at once
	times  int
	rate   float64 // entries a minute
}

// whom says to whom it happens.
type whom struct {
	all, hub, broker bool
	site             string  // name or id
	panel            int     // of the site, or of the fleet when no site is named; 0: all of the site
	percent          float64 // of all panels
}

type happening string

const (
	losesLine    happening = "loses its line"
	losesPower   happening = "loses its power"
	stops        happening = "stops"
	restarts     happening = "restarts"
	isAway       happening = "is away"
	flaps        happening = "flaps"
	storms       happening = "storms"
	year2000     happening = "has the clock of the year 2000"
	clockJumps   happening = "has a clock that jumps"
	clockUnknown happening = "does not know the time"
	copied       happening = "is copied"
	restored     happening = "is restored"
	twinned      happening = "has a twin"
	garbage      happening = "sends garbage"
	rated        happening = "makes"
	theEnd       happening = "the end"
)

// sentence is one way to say what happens.
type sentence struct {
	what    happening
	pattern *regexp.Regexp
	needs   string // "panels", "servers", "any", "all"
}

const forPart = `(?: for (?P<for>.+))?`

// sentences are tried in this order.
func sentences() []sentence {
	list := []struct {
		what    happening
		pattern string
		needs   string
	}{
		{losesLine, `^(?P<whom>.+?) (?:loses its|lose their) (?:line|lines)` + forPart + `$`, "panels"},
		{losesPower, `^(?P<whom>.+?) (?:loses its|lose their) power` + forPart + `$`, "panels"},
		{stops, `^(?P<whom>.+?) stops?` + forPart + `$`, "panels"},
		{restarts, `^(?P<whom>.+?) restarts?$`, "any"},
		{isAway, `^(?P<whom>.+?) (?:is|are) away for (?P<for>.+)$`, "servers"},
		{flaps, `^(?P<whom>.+?) flaps? (?P<times>\d+) times$`, "panels"},
		{storms, `^(?P<whom>.+?) storms?(?: with (?P<times>\d+) visits each)?$`, "panels"},
		{year2000, `^(?P<whom>.+?) (?:has|have) the clock of the year 2000` + forPart + `$`, "panels"},
		{clockJumps, `^(?P<whom>.+?) (?:has|have) a clock that jumps (?P<jump>.+) (?P<way>ahead|back)$`, "panels"},
		{clockUnknown, `^(?P<whom>.+?) (?:does|do) not know the time` + forPart + `$`, "panels"},
		{copied, `^(?P<whom>.+?) (?:is|are) copied$`, "panels"},
		{restored, `^(?P<whom>.+?) (?:is|are) restored$`, "panels"},
		{twinned, `^(?P<whom>.+?) (?:has|have) a twin for (?P<for>.+)$`, "panels"},
		{garbage, `^(?P<whom>.+?) sends? garbage$`, "panels"},
		{rated, `^(?P<whom>.+?) makes? (?P<rate>[0-9.]+) entries a minute$`, "all"},
		{theEnd, `^the end$`, "all"},
	}
	made := make([]sentence, len(list))
	for i, s := range list {
		made[i] = sentence{s.what, regexp.MustCompile(s.pattern), s.needs}
	}
	return made
}

// mistake is what is wrong with a line of a story.
type mistake struct {
	row   int
	text  string
	cause string
}

func (m mistake) Error() string {
	return fmt.Sprintf("cannot read line %d of the story, %q: %s", m.row, m.text, m.cause)
}

const (
	maxStory  = 1 << 20 // bytes
	maxScenes = 10_000
	maxLength = 30 * 24 * time.Hour
	maxTimes  = 1000
)

// parseStory reads a story. Its clock begins with the line "begins", or with the first scene; a time that is earlier than the one
// before is of the next day. All mistakes are told at once.
func parseStory(text string) ([]scene, []error) {
	if len(text) > maxStory {
		return nil, []error{fmt.Errorf("cannot read the story: %d bytes are more than %d", len(text), maxStory)}
	}
	var scenes []scene
	var faults []error
	known := sentences()
	var begin, last time.Duration
	begun := false
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		line = strings.Join(strings.Fields(line), " ")
		if line == "" {
			continue
		}
		fail := func(format string, args ...any) {
			faults = append(faults, mistake{i + 1, line, fmt.Sprintf(format, args...)})
		}
		if len(scenes) == maxScenes {
			fail("a story has at most %d scenes", maxScenes)
			break
		}
		if rest, ok := strings.CutPrefix(line, "begins "); ok {
			at, err := clockTime(rest)
			if err != nil || begun {
				fail("write the beginning once, before everything else, as in: begins 10:00")
				continue
			}
			begin, last, begun = at, at, true
			continue
		}
		when, rest, _ := strings.Cut(line, " ")
		at, err := clockTime(when)
		if err != nil {
			fail("it does not begin with a time such as 10:02 or 10:02:30")
			continue
		}
		if !begun {
			begin, last, begun = at, at, true
		}
		for at < last {
			at += 24 * time.Hour
		}
		s, err := readScene(known, rest)
		if err != nil {
			fail("%v", err)
			continue
		}
		last = at
		s.at, s.row, s.text = at-begin, i+1, rest
		scenes = append(scenes, s)
	}
	return scenes, faults
}

func clockTime(text string) (time.Duration, error) {
	for _, layout := range []string{"15:04", "15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second, nil
		}
	}
	return 0, fmt.Errorf("%q is no time", text)
}

func readScene(known []sentence, text string) (scene, error) {
	for _, k := range known {
		found := k.pattern.FindStringSubmatch(text)
		if found == nil {
			continue
		}
		part := func(name string) string {
			if i := k.pattern.SubexpIndex(name); i >= 0 {
				return found[i]
			}
			return ""
		}
		s := scene{what: k.what}
		if k.what == theEnd {
			return s, nil
		}
		var err error
		if s.whom, err = readWhom(part("whom")); err != nil {
			return s, err
		}
		server := s.whom.hub || s.whom.broker
		switch {
		case server && k.needs == "panels" || !server && k.needs == "servers" || k.needs == "all" && !s.whom.all:
			return s, fmt.Errorf("that does not happen to %s", part("whom"))
		}
		return s, s.readNumbers(part)
	}
	return scene{}, fmt.Errorf("nobody knows what that means; `doorfleet story` lists what can happen")
}

func (s *scene) readNumbers(part func(string) string) error {
	var err error
	for _, name := range []string{"for", "jump"} {
		if text := part(name); text != "" {
			if s.length, err = readLength(text); err != nil {
				return err
			}
		}
	}
	if part("way") == "back" {
		s.length = -s.length
	}
	if text := part("times"); text != "" {
		if s.times, err = strconv.Atoi(text); err != nil || s.times < 1 || s.times > maxTimes {
			return fmt.Errorf("%s times is not 1 to %d", text, maxTimes)
		}
	}
	if text := part("rate"); text != "" {
		if s.rate, err = strconv.ParseFloat(text, 64); err != nil || s.rate > maxRate {
			return fmt.Errorf("%s entries a minute is not 0 to %d", text, maxRate)
		}
	}
	return nil
}

// maxRate bounds the entries a minute of one panel.
const maxRate = 60_000

var lengthPattern = regexp.MustCompile(`^(\d{1,6}) ?(s|seconds?|m|min|minutes?|h|hours?|d|days?)$`)

func readLength(text string) (time.Duration, error) {
	found := lengthPattern.FindStringSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("%q is no length of time; write 5 minutes, 30 s, 2 h", text)
	}
	n, err := strconv.Atoi(found[1])
	if err != nil {
		return 0, err
	}
	unit := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}[found[2][0]]
	length := time.Duration(n) * unit
	if length <= 0 || length > maxLength {
		return 0, fmt.Errorf("%q is not more than nothing and at most %s", text, maxLength)
	}
	return length, nil
}

var (
	panelOfSite = regexp.MustCompile(`^panel (\d{1,6}) of (?:site )?(.+)$`)
	panelAlone  = regexp.MustCompile(`^panel (\d{1,6})$`)
	someOfAll   = regexp.MustCompile(`^(\d{1,3}(?:\.\d{1,3})?) ?(?:%|percent)(?: of (?:all|the) panels)?$`)
)

func readWhom(text string) (whom, error) {
	switch text {
	case "everybody", "every panel", "all panels":
		return whom{all: true}, nil
	case "the hub":
		return whom{hub: true}, nil
	case "the broker":
		return whom{broker: true}, nil
	}
	if site, ok := strings.CutPrefix(text, "site "); ok && strings.TrimSpace(site) != "" {
		return whom{site: site}, nil
	}
	if found := panelOfSite.FindStringSubmatch(text); found != nil {
		n, err := strconv.Atoi(found[1])
		if err != nil || n < 1 {
			return whom{}, fmt.Errorf("panels are numbered from 1")
		}
		return whom{site: found[2], panel: n}, nil
	}
	if found := panelAlone.FindStringSubmatch(text); found != nil {
		n, err := strconv.Atoi(found[1])
		if err != nil || n < 1 {
			return whom{}, fmt.Errorf("panels are numbered from 1")
		}
		return whom{panel: n}, nil
	}
	if found := someOfAll.FindStringSubmatch(text); found != nil {
		percent, err := strconv.ParseFloat(found[1], 64)
		if err != nil || percent <= 0 || percent > 100 {
			return whom{}, fmt.Errorf("%s percent is not more than 0 and at most 100", found[1])
		}
		return whom{percent: percent}, nil
	}
	return whom{}, fmt.Errorf("%q is nobody; write everybody, site Roma 1, panel 3 of Roma 1, panel 17, 10 percent, the hub, or the broker", text)
}
