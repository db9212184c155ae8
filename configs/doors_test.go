package configs

import (
	"strings"
	"testing"
	"time"
)

// boardDoor begins a board with one good door; what follows belongs to it.
const boardDoor = "hardware = \"board\"\n[site]\ntimezone = \"UTC\"\n[[door]]\nname = \"a\"\nstrike = \"gpio:c/1\"\nsafe = \"fail-safe\"\n"

func TestDoorsThatCannotWorkTogetherAreMistakes(t *testing.T) {
	second := "[[door]]\nname = \"b\"\nstrike = \"gpio:c/2\"\nsafe = \"fail-safe\"\n"
	for _, c := range []struct{ name, text, want string }{
		{"a fire input and no word about the door", boardDoor + "[inputs]\nfire = \"gpio:c/3\"\n", `door.fire: missing; write fire = "release" or fire = "ignore"`},
		{"a fire input and a door that is silent", boardDoor + "fire = \"ignore\"\n" + second + "[inputs]\nfire = \"gpio:c/3\"\n", "9:1: door.fire: missing"},
		{"a reaction nobody knows", boardDoor + "fire = \"maybe\"\n", `door.fire = "maybe": not one of the values`},
		{"an escape nobody knows", boardDoor + "escape = \"software\"\n", `door.escape = "software": not one of the values`},
		{"a warning after the alarm", boardDoor + "held_warning = \"30s\"\n", "the warning does not come before the alarm"},
		{"a warning without an alarm", boardDoor + "held_open_after = \"0s\"\nheld_warning = \"10s\"\n", "the warning does not come before the alarm"},
		{"a bound of what is not toggled", boardDoor + "toggle_for = \"1h\"\n", "this door is not toggled"},
		{"after a card, without a schedule", boardDoor + "stands_open_after_card = true\n", "no schedule to stand open by"},
		{"one door in a group", boardDoor + "contact = \"gpio:c/4\"\ninterlock = \"hall\"\n", "no other door is in this group"},
		{"a group without contacts", boardDoor + "interlock = \"hall\"\n" + second + "interlock = \"hall\"\n", "nobody knows when this door is shut"},
		{"a toggled door in a group", boardDoor + "contact = \"gpio:c/4\"\nmode = \"toggle\"\ninterlock = \"hall\"\n", "a door that is toggled stands open"},
		{"a door of a group that stands open", boardDoor + "contact = \"gpio:c/4\"\nstands_open = \"x\"\ninterlock = \"hall\"\n", "a door that stands open by a schedule"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, problems := Parse("f", []byte(c.text)); !strings.Contains(problems.Error(), c.want) {
				t.Errorf("got %v\nwant %s", problems, c.want)
			}
		})
	}
}

func TestAShortHeldOpenHasNoWarningOfItsOwn(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"held_open_after = \"8s\"\n":  0,
		"held_open_after = \"0s\"\n":  0,
		"held_open_after = \"60s\"\n": 10 * time.Second,
		"held_warning = \"0s\"\n":     0,
	} {
		c, problems := Parse("f", []byte(boardDoor+text))
		if len(problems) > 0 || c.Doors[0].HeldWarning != want {
			t.Errorf("%q: warned %v before, %v", text, c.Doors[0].HeldWarning, problems)
		}
	}
}

func TestAWayOutThatNeedsSoftwareIsNoted(t *testing.T) {
	const fire = "[inputs]\nfire = \"gpio:c/3\"\n"
	for _, c := range []struct {
		name, text string
		noted      bool
	}{
		{"nothing wired", boardDoor, false},
		{"an exit button", boardDoor + "exit = \"gpio:c/2\"\n", true},
		{"an exit button beside a lever", boardDoor + "exit = \"gpio:c/2\"\nescape = \"hardware\"\n", false},
		{"released by fire", boardDoor + "fire = \"release\"\n" + fire, true},
		{"released by fire, beside a lever", boardDoor + "fire = \"release\"\nescape = \"hardware\"\n" + fire, false},
		{"not released by fire", boardDoor + "fire = \"ignore\"\n" + fire, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, problems := Parse("f", []byte(c.text))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			notes := config.Notes()
			if (len(notes) == 1) != c.noted || c.noted && (!strings.Contains(notes[0], "door a:") || !strings.Contains(notes[0], `escape = "hardware"`)) {
				t.Errorf("%q", notes)
			}
		})
	}
}
