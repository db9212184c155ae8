package main

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestMarkFollowsATrustedClockAndNoOther(t *testing.T) {
	day := 24 * time.Hour
	start := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name    string
		mark    time.Time
		wall    time.Time
		trusted bool
		want    time.Time
	}{
		{"nothing is known and nobody is trusted", time.Time{}, start, false, time.Time{}},
		{"the first trusted time", time.Time{}, start, true, start},
		{"an hour later", start, start.Add(time.Hour), true, start.Add(time.Hour)},
		{"an hour later, not trusted", start, start.Add(time.Hour), false, start},
		{"set back", start, start.Add(-time.Hour), true, start},
		{"a whole day", start, start.Add(day), true, start.Add(day)},
		{"the year 2040", start, start.AddDate(14, 0, 0), true, start},
	} {
		clock := newClock(func() (time.Time, bool) { return c.wall, c.trusted })
		clock.restore(c.mark)
		clock.start = clock.start.Add(time.Hour) // no time passes on the monotonic clock that counts
		got := clock.license()
		if !got.Mark.Equal(c.want) || !got.Now.Equal(c.wall) || got.Trusted != c.trusted {
			t.Errorf("%s: %+v, want the mark at %v", c.name, got, c.want)
		}
	}
}

// A panel that was switched off for a week finds its mark further behind than a day. It must not stay there for good, and
// must not follow a spoofed clock faster than time passes.
func TestMarkThatIsFarBehindMovesOnAsTimePasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mark := time.Now()
		time.Sleep(7 * 24 * time.Hour)
		clock := newClock(func() (time.Time, bool) { return time.Now(), true })
		clock.restore(mark)
		if got := clock.license().Mark; !got.Equal(mark) {
			t.Errorf("the mark leapt by %v", got.Sub(mark))
		}
		for range 48 {
			time.Sleep(time.Hour)
			clock.license()
		}
		if got := clock.license().Mark.Sub(mark); got != 48*time.Hour {
			t.Errorf("after two days the mark moved by %v", got)
		}
	})
}

func TestMarkIsTheLatestOfWhatIsKnown(t *testing.T) {
	start := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	clock := newClock(func() (time.Time, bool) { return time.Unix(0, 0), false })
	clock.restore(start.Add(-time.Hour), start, time.Time{})
	clock.restore(start.Add(-2 * time.Hour))
	if got := clock.license().Mark; !got.Equal(start) {
		t.Errorf("the mark is %v, want %v", got, start)
	}
}
