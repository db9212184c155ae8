package ledger_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
)

// stage plays a scenario file, whose lines a property manager can read.
type stage struct {
	*world
	number int
}

// sentence is one form of line: what it does with the parts that the pattern finds.
type sentence struct {
	pattern *regexp.Regexp
	play    func(s *stage, part []string)
}

const counts = `(\d+) SIP numbers? and (\d+) applications?(?: until (\S+))?`

func sentences() []sentence {
	line := func(pattern string, play func(s *stage, part []string)) sentence {
		return sentence{regexp.MustCompile("^" + pattern + "$"), play}
	}
	return []sentence{
		line(`it is (.+)`, func(s *stage, p []string) { s.tick(s.instant(p[1])) }),
		line(`(.+): SIP numbers maximum (\d+), used (\d+), available (\d+)(?:, until (\S+))?`, (*stage).shows),
		line(`(.+): (\d+) SIP numbers active`, func(s *stage, p []string) {
			if got := s.line(key(p[1]), "sip_numbers").Active; got != whole(p[2]) {
				s.Errorf("%s: %d SIP numbers are active, not %s", p[1], got, p[2])
			}
		}),
		line(`(.+) is given `+counts+`: refused, (.+)`, func(s *stage, p []string) {
			s.refusedWith(ledger.SaveLicenses{Above: true, Group: key(p[1]), Limits: s.given(p[2:5])}, p[5])
		}),
		line(`(.+) asks for a SIP number: refused, (.+)`, func(s *stage, p []string) {
			s.refusedWith(ledger.Consume{ID: "asked", Group: key(p[1])}, p[2])
		}),
		line(`(.+) starts the Trial of (.+) again: refused, (.+)`, func(s *stage, p []string) {
			s.refusedWith(ledger.StartTrial{Root: key(p[1]), Registration: p[2]}, p[3])
		}),
		line(`(.+) starts the Trial of (.+)`, func(s *stage, p []string) { s.do(ledger.StartTrial{Root: key(p[1]), Registration: p[2]}) }),
		line(`a panel is registered in (.+)`, func(s *stage, p []string) { s.do(ledger.RegisterDevice{ID: panelID(1), Group: key(p[1])}) }),
		line(`a panel is taken out and registered again in (.+)`, func(s *stage, p []string) {
			s.do(ledger.RemoveDevice{ID: panelID(1)}, ledger.RegisterDevice{ID: panelID(1), Group: key(p[1])})
		}),
		line(`(.+) activates a package of (\d+) SIP numbers and (\d+) applications`, func(s *stage, p []string) {
			s.number++
			s.do(ledger.ActivatePackage{Root: key(p[1]), ID: packageID(s.number), Grant: grants(whole(p[2]), whole(p[3]))})
		}),
		line(`(.+) takes (\d+) SIP numbers?`, func(s *stage, p []string) {
			for range whole(p[2]) {
				s.number++
				s.use(fmt.Sprintf("n%05d", s.number), key(p[1]))
			}
		}),
		line(`(.+) in (.+) as (\S+) has `+counts, func(s *stage, p []string) { s.make(p[1], p[2], p[3], s.given(p[4:7])) }),
		line(`(.+) in (.+) as (\S+) is not restricted`, func(s *stage, p []string) { s.make(p[1], p[2], p[3], ledger.Limits{}) }),
		line(`(.+) has `+counts, func(s *stage, p []string) { s.make(p[1], "", "", s.given(p[2:5])) }),
		line(`(.+) has nothing`, func(s *stage, p []string) { s.make(p[1], "", "", limits()) }),
	}
}

func key(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "-") }

func whole(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}

func (s *stage) instant(text string) time.Time {
	for _, layout := range []string{"2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	s.Fatalf("%q is no time", text)
	return time.Time{}
}

func (s *stage) given(part []string) ledger.Limits {
	b := block("license", pairs(whole(part[0]), whole(part[1])))
	if part[2] != "" {
		b.Until = s.instant(part[2])
	}
	return limits(b)
}

func (s *stage) make(name, parent, level string, l ledger.Limits) {
	s.do(ledger.CreateGroup{Group: ledger.Group{ID: key(name), Name: name, Parent: key(parent), Level: level, Limits: l}})
}

func (s *stage) shows(p []string) {
	line := s.line(key(p[1]), "sip_numbers")
	expect(s.TB.(*testing.T), line, whole(p[2]), whole(p[3]), whole(p[4]))
	if p[5] != "" && !line.Until.Equal(s.instant(p[5])) {
		s.Errorf("%s: until %v, not %s", p[1], line.Until, p[5])
	}
}

func (s *stage) refusedWith(change ledger.Change, text string) {
	before := string(s.book.image())
	_, err := s.try(change)
	if err == nil || !strings.HasPrefix(strings.TrimSuffix(err.Error(), " (SIP numbers)"), text) && !strings.HasSuffix(err.Error(), text) {
		s.Errorf("refused with %v, not with %q", err, text)
	}
	if string(s.book.image()) != before {
		s.Errorf("a refused change changed something: %s", text)
	}
}

func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := &stage{world: newWorld(t)}
			for number, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
				if !strings.HasPrefix(line, "#") && !s.read(line) {
					t.Fatalf("line %d is no sentence: %s", number+1, line)
				}
				if t.Failed() {
					t.Fatalf("line %d: %s", number+1, line)
				}
			}
		})
	}
}

func (s *stage) read(line string) bool {
	for _, form := range sentences() {
		if part := form.pattern.FindStringSubmatch(line); part != nil {
			form.play(s, part)
			return true
		}
	}
	return false
}
