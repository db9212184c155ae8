package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// screen writes what happens, line by line, and below it one line that moves where there is a terminal.
type screen struct {
	out   io.Writer
	still bool // no line that moves

	mu     sync.Mutex
	moving int // width of what stands in the moving line
	drawn  time.Time
}

func (s *screen) terminal() bool {
	f, ok := s.out.(*os.File)
	if !ok || s.still {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// say writes a line that stays.
func (s *screen) say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	fmt.Fprintf(s.out, "%s  %s\n", time.Now().Format(time.TimeOnly), text)
}

// line replaces the line that moves. Without a terminal it is written every half minute.
func (s *screen) line(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.still:
	case s.terminal():
		s.clear()
		fmt.Fprint(s.out, text)
		s.moving = len(text)
	case time.Since(s.drawn) >= 30*time.Second:
		s.drawn = time.Now()
		fmt.Fprintln(s.out, text)
	}
}

// bar returns what is to be called after each of so many steps.
func (s *screen) bar(what string, of int) (made func()) {
	done := 0
	var mu sync.Mutex
	return func() {
		mu.Lock()
		defer mu.Unlock()
		done++
		s.line(fmt.Sprintf("%s %s %d/%d", progress(time.Duration(done), time.Duration(of)), what, done, of))
	}
}

func (s *screen) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
}

// clear must be called with the lock held.
func (s *screen) clear() {
	if s.moving > 0 {
		fmt.Fprint(s.out, "\r"+strings.Repeat(" ", s.moving)+"\r")
		s.moving = 0
	}
}
