package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestAStorySaysWhatHappensToWhom(t *testing.T) {
	for _, test := range []struct {
		line string
		want scene
	}{
		{"site Roma 12 loses its line for 5 minutes", scene{whom: whom{site: "Roma 12"}, what: losesLine, length: 5 * time.Minute}},
		{"everybody loses its line", scene{whom: whom{all: true}, what: losesLine}},
		{"all panels lose their lines for 30 s", scene{whom: whom{all: true}, what: losesLine, length: 30 * time.Second}},
		{"panel 2 of Milano 1 loses its power for 90s", scene{whom: whom{site: "Milano 1", panel: 2}, what: losesPower, length: 90 * time.Second}},
		{"panel 2 of site milano-1 stops for 1 h", scene{whom: whom{site: "milano-1", panel: 2}, what: stops, length: time.Hour}},
		{"12.5 percent of the panels restart", scene{whom: whom{percent: 12.5}, what: restarts}},
		{"panel 17 flaps 6 times", scene{whom: whom{panel: 17}, what: flaps, times: 6}},
		{"everybody storms with 3 visits each", scene{whom: whom{all: true}, what: storms, times: 3}},
		{"everybody storms", scene{whom: whom{all: true}, what: storms}},
		{"the hub is away for 20 seconds", scene{whom: whom{hub: true}, what: isAway, length: 20 * time.Second}},
		{"the broker restarts", scene{whom: whom{broker: true}, what: restarts}},
		{"panel 3 has the clock of the year 2000 for 5 minutes", scene{whom: whom{panel: 3}, what: year2000, length: 5 * time.Minute}},
		{"panel 3 has a clock that jumps 3 hours back", scene{whom: whom{panel: 3}, what: clockJumps, length: -3 * time.Hour}},
		{"10 % do not know the time", scene{whom: whom{percent: 10}, what: clockUnknown}},
		{"panel 5 is copied", scene{whom: whom{panel: 5}, what: copied}},
		{"panel 5 is restored", scene{whom: whom{panel: 5}, what: restored}},
		{"panel 6 has a twin for 1 minute", scene{whom: whom{panel: 6}, what: twinned, length: time.Minute}},
		{"panel 7 sends garbage", scene{whom: whom{panel: 7}, what: garbage}},
		{"everybody makes 0.5 entries a minute", scene{whom: whom{all: true}, what: rated, rate: .5}},
		{"the end", scene{what: theEnd}},
	} {
		scenes, faults := parseStory("10:02 " + test.line)
		if len(faults) > 0 || len(scenes) != 1 {
			t.Errorf("%s: %v %v", test.line, scenes, faults)
			continue
		}
		test.want.row, test.want.text = 1, test.line
		if scenes[0] != test.want {
			t.Errorf("%s:\n got %+v\nwant %+v", test.line, scenes[0], test.want)
		}
	}
}

func TestTheTimeOfAStoryRunsFromItsBeginningAndOverMidnight(t *testing.T) {
	scenes, faults := parseStory("# a night\n begins 23:50\n\n23:55 everybody storms # one\n00:10:30 everybody   storms\n00:05 the end\n")
	if len(faults) > 0 || len(scenes) != 3 {
		t.Fatalf("%v %v", scenes, faults)
	}
	for i, want := range []time.Duration{5 * time.Minute, 20*time.Minute + 30*time.Second, 24*time.Hour + 15*time.Minute} {
		if scenes[i].at != want {
			t.Errorf("scene %d is at %s, want %s", i, scenes[i].at, want)
		}
	}
}

func TestAStoryTellsAllItsMistakesWithTheirLines(t *testing.T) {
	_, faults := parseStory(strings.Join([]string{
		"begins 10:00",
		"10:01 everybody dances",
		"soon the end",
		"begins 11:00",
		"10:02 nobody loses its line",
		"10:03 the hub loses its power",
		"10:04 panel 1 is away for 5 s",
		"10:05 panel 1 loses its line for a while",
		"10:06 panel 0 stops",
		"10:07 panel 1 flaps 2000 times",
		"10:08 200 percent storm",
		"10:09 panel 1 makes 3 entries a minute",
		"10:10 everybody makes 99999999 entries a minute",
		"10:11 panel 1 loses its line for 0 s",
		"10:12 panel 1 loses its line for 900 days",
	}, "\n"))
	all := errors.Join(faults...).Error()
	if len(faults) != 14 {
		t.Errorf("%d mistakes: %s", len(faults), all)
	}
	for _, want := range []string{"line 2 ", "doorfleet story", "such as 10:02", "write the beginning once", `"nobody" is nobody`, "does not happen to the hub", "does not happen to panel 1", "no length of time", "numbered from 1", "line 15 "} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not told in\n%s", want, all)
		}
	}
}

func TestAStoryForAnotherFleetIsRefusedBeforeItBegins(t *testing.T) {
	f, err := newFleet(setup{panels: 3, sites: 2, dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for story, want := range map[string]string{
		"10:00 site Roma 1 stops":          "",
		"10:00 panel 2 of roma-1 stops":    "",
		"10:00 panel 1 of Milano 1 stops":  "",
		"10:00 10 percent stop":            "",
		"10:00 panel 4 stops":              "there is no panel 4",
		"10:00 panel 2 of Milano 1 stops":  "no panel 2 at site Milano 1",
		"10:00 site Atlantis stops":        "no site \"Atlantis\"",
		"10:00 the hub restarts":           "--hub-away",
		"10:00 the broker is away for 5 s": "--broker-away",
	} {
		scenes, faults := parseStory(story)
		err := errors.Join(errors.Join(faults...), f.check(scenes))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", story, err)
		}
	}
}

func FuzzStory(f *testing.F) {
	f.Add("begins 10:00\n10:02 site Roma 12 loses its line for 5 minutes\n10:30 the end")
	f.Add("23:59:59 panel 2 of x flaps 3 times\n00:00 10 % do not know the time for 3 d")
	f.Add(storyHelp)
	f.Fuzz(func(t *testing.T, text string) {
		scenes, faults := parseStory(text)
		var last time.Duration
		for _, s := range scenes {
			if s.at < last || s.what == "" || s.times < 0 || s.times > maxTimes || s.length.Abs() > maxLength || s.rate < 0 || s.rate > maxRate {
				t.Errorf("%+v", s)
			}
			last = s.at
		}
		for _, fault := range faults {
			if fault.Error() == "" {
				t.Error("a mistake without words")
			}
		}
	})
}
